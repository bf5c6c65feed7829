@testable import Engine
import ImageSpec
import Kernel
import RuntimeSpec
import Sandboxes
import Testing

@Suite("what options become") struct OptionTests {
  @Test(arguments: [
    ("web", true), ("Web_1.x-y", true), ("9", true), ("", false), ("-web", false), (".web", false), ("a b", false), ("a/b", false),
    ("é", false), (String(repeating: "a", count: 255), true), (String(repeating: "a", count: 256), false),
  ])
  func namesAreDockers(name: String, isValid: Bool) { #expect(ContainerName.isValid(name) == isValid) }

  @Test func identifiersAreHexadecimalAndNeverReadAsNumbers() {
    for _ in 0..<100 {
      let id = ContainerName.newID()
      #expect(id.count == 64 && id.allSatisfy(\.isHexDigit))
      #expect(id.prefix(12).contains { !$0.isNumber })
    }
  }

  @Test func theEnvironmentIsTheImagesUnderTheOptions() {
    let merged = ContainerEnvironment.merge(
      image: ["PATH=/bin", "A=image", "B=image"], options: ["A=option", "B", "C=new"], hostname: "h", terminal: true, home: "/root")
    #expect(merged == ["PATH=/bin", "HOSTNAME=h", "TERM=xterm", "A=option", "C=new", "HOME=/root"])
    let own = ContainerEnvironment.merge(image: [], options: ["HOME=/x"], hostname: "h", terminal: false, home: "/root")
    #expect(own.contains("HOME=/x") && !own.contains("HOME=/root"))
  }

  @Test(arguments: [("TERM", 15), ("SIGTERM", 15), ("sigkill", 9), ("9", 9), ("RTMIN+3", 37), ("SIGRTMAX", 64)] as [(String, Int32)])
  func signalsHaveNamesAndNumbers(text: String, number: Int32) throws { #expect(try SignalName.number(text) == number) }

  @Test(arguments: ["", "0", "65", "SIGNOPE", "RTMAX+1", "-1"]) func whatIsNoSignalIsRefused(text: String) {
    #expect(throws: EngineError.self) { try SignalName.number(text) }
  }

  @Test func capabilitiesAreDockersWithWhatIsAddedAndDropped() throws {
    func names(_ added: [String], _ dropped: [String], privileged: Bool = false) throws -> [String] {
      try CapabilityChoice.names(added: added, dropped: dropped, privileged: privileged, available: .all)
    }
    #expect(try names([], []) == DockerDefaults.capabilities)
    #expect(try names([], ["ALL"]).isEmpty)
    #expect(try names(["net_admin"], ["all"]) == ["CAP_NET_ADMIN"])
    #expect(try !names([], ["CAP_CHOWN"]).contains("CAP_CHOWN"))
    #expect(try names(["ALL"], ["SYS_ADMIN"]).count == DockerDefaults.allCapabilities.count - 1)
    #expect(throws: EngineError.self) { try names(["NOPE"], []) }
  }

  /// A container is never given what the caller does not have.
  @Test func capabilitiesAreCappedToTheBoundingSet() throws {
    #expect(try CapabilityChoice.names(added: [], dropped: [], privileged: true, available: []).isEmpty)
  }

  private let files = UserFiles { path in
    switch path {
    case "etc/passwd": Array("# people\nroot:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n7:x:42:43:::\n".utf8)
    case "etc/group": Array("root:x:0:\nstaff:x:50:app,other\nwheel:x:10:app\n".utf8)
    default: nil
    }
  }

  @Test func usersAreLookedUpInTheImage() throws {
    let app = try files.find("app")
    #expect(app.userID == 1000 && app.groupID == 1001 && app.additionalGroups == [50, 10] && app.home == "/home/app")
    #expect(try files.find("1000").name == "app")
    #expect(try files.find("7").userID == 42)
    #expect(try files.find("12345:staff") == FoundUser(userID: 12345, groupID: 50))
    #expect(try files.find(nil).userID == 0)
    // A group that is named leaves no other.
    #expect(try files.find("app:10").additionalGroups.isEmpty)
    #expect(throws: EngineError.self) { try files.find("nobody") }
    #expect(throws: EngineError.self) { try files.find("app:nobody") }
    #expect(throws: EngineError.self) { try files.find("4294967295") }
  }

  @Test func limitsAreChecked() throws {
    var resources = ResourceOptions()
    resources.memory = 1 << 20
    #expect(throws: EngineError.self) { try resources.limits(devices: []) }
    resources.memory = 64 << 20
    resources.cpus = 1.5
    resources.pidsLimit = 100
    let limits = try resources.limits(devices: [], processors: 4)
    #expect(limits.memory?.limit == 64 << 20)
    #expect(limits.cpu?.quota == 150_000 && limits.cpu?.period == 100_000)
    #expect(limits.pids?.limit == 100)
    resources.cpus = 5
    #expect(throws: EngineError.self) { try resources.limits(devices: [], processors: 4) }
  }

  @Test func healthChecksMergePartByPart() {
    var options = ContainerOptions(image: "x")
    var defaults = ContainerConfig()
    var check = Healthcheck()
    check.test = ["CMD", "a"]
    check.interval = 5
    check.retries = 2
    defaults.healthcheck = check
    var own = Healthcheck()
    own.interval = 7
    options.healthcheck = own
    let merged = Engine.healthcheck(options, defaults)
    #expect(merged?.test == ["CMD", "a"] && merged?.interval == 7 && merged?.retries == 2)
    options.disableHealthcheck = true
    #expect(Engine.healthcheck(options, defaults) == nil)
  }

  @Test func hostsAreWrittenWithTheirNames() throws {
    let gateway = IPv4Address("10.88.0.1")
    let text = try HostsFile.head(extra: ["db:10.0.0.5", "host.docker.internal:host-gateway", "v6:::1"], gateway: gateway)
    #expect(text.contains("10.0.0.5\tdb\n") && text.contains("10.88.0.1\thost.docker.internal\n") && text.contains("::1\tv6\n"))
    #expect(throws: EngineError.self) { try HostsFile.head(extra: ["db"], gateway: nil) }
    #expect(throws: EngineError.self) { try HostsFile.head(extra: ["db:nonsense"], gateway: nil) }
  }

  @Test func addressesGoRoundAndAreNeverTheNetworksOwn() throws {
    let subnet = try #require(IPv4Network("10.1.0.0/29"))
    let gateway = try #require(subnet.address(at: 1))
    let range = AddressRange(BridgeNetwork(name: "n", bridge: "br", subnet: subnet, gateway: gateway, isInternal: false))
    var taken: Set<IPv4Address> = []
    var next: UInt64 = 0
    var given: [String] = []
    while let (address, after) = range.next(from: next, isTaken: { taken.contains($0) }) {
      taken.insert(address)
      next = after
      given.append("\(address)")
    }
    #expect(given == ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"])
  }

  @Test func logLinesAreReadAsTheyWereWritten() {
    let line = LogFile.parse(Array(#"{"log":"a \"b\"\n","stream":"stderr","time":"2026-11-23T16:19:26.123456789Z"}"#.utf8))
    #expect(line?.text == "a \"b\"\n" && line?.stream == .stderr && line?.time.description == "2026-11-23T16:19:26.123456789Z")
    // Cut off by a crash.
    #expect(LogFile.parse(Array(#"{"log":"a","stre"#.utf8)) == nil)
  }
}
