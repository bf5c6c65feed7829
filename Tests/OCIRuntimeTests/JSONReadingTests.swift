import RuntimeSpec
import Testing

@testable import OCIRuntime

/// The reader of config.json that does without Codable.
@Suite struct JSONReadingTests {
  // MARK: Every property

  /// Fails for a property that is new in RuntimeSpec until it is set here, and then until the reader knows it.
  @Test func everyPropertyIsRead() throws {
    var config = Self.full
    config.windows = OtherPlatform()
    config.solaris = OtherPlatform()
    config.freebsd = OtherPlatform()
    config.zos = OtherPlatform()
    config.vm = OtherPlatform()
    var empty: [String] = []
    Self.findEmpty(config, "config", &empty)
    #expect(empty.isEmpty, "the test's configuration leaves these out")
    for pretty in [false, true] {
      let text = try JSONText.encode(config, pretty: pretty)
      #expect(try JSONText.decode(RuntimeConfig.self, text, name: "test") == config)
      #expect(try byCodable(RuntimeConfig.self, text) == config)
    }
  }

  @Test func theSavedStateComesBackTheSame() throws {
    let unit = try JSONText.decode(
      SystemdUnit.self, Array(#"{"name":"a.scope","slice":"b.slice","user":true}"#.utf8), name: "test")
    let state = SavedState(
      id: "a", pid: .max, pidStartTime: .max, bundle: "/b", rootfs: "/r", created: "2026-01-01T00:00:00Z", uid: .max,
      cgroup: "/c", systemdUnit: unit, annotations: ["k": "v"],
      resourceControl: .init(directory: "/d", isOurs: true, monitoring: "m"))
    var empty: [String] = []
    Self.findEmpty(state, "state", &empty)
    #expect(empty.isEmpty)
    let text = try JSONText.encode(state)
    #expect(try JSONText.encode(JSONText.decode(SavedState.self, text, name: "test")) == text)
  }

  private func byCodable<Value: Decodable>(_ type: Value.Type, _ text: [UInt8]) throws -> Value {
    try Value(from: JSONReader(value: JSONValue(parsing: text), path: .root))
  }

  private static func findEmpty(_ value: Any, _ path: String, _ empty: inout [String]) {
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .optional || mirror.displayStyle == .collection || mirror.displayStyle == .dictionary,
      mirror.children.isEmpty
    {
      empty.append(path)
    }
    for child in mirror.children { findEmpty(child.value, child.label.map { "\(path).\($0)" } ?? path, &empty) }
  }

  private static var full: RuntimeConfig {
    let hooks = [ContainerHook(path: "/bin/hook", args: ["hook", "a"], env: ["A=b"], timeout: 3)]
    let mappings = [LinuxIDMapping(containerID: 1, hostID: 100_000, size: 65_536)]
    let process = ContainerProcess(
      args: ["sh", "-c", "é \"quoted\""], env: ["PATH=/bin"], cwd: "/srv",
      user: ContainerUser(uid: 1, gid: .max, umask: 0o22, additionalGids: [5, 6], username: "u"), terminal: true,
      consoleSize: ConsoleSize(height: 24, width: .max),
      capabilities: LinuxCapabilities(
        bounding: ["CAP_A"], effective: ["CAP_B"], inheritable: ["CAP_C"], permitted: ["CAP_D"], ambient: ["CAP_E"]),
      rlimits: [ResourceLimit(type: "RLIMIT_CORE", hard: .max, soft: 7)], noNewPrivileges: false,
      apparmorProfile: "profile", oomScoreAdj: -999,
      scheduler: LinuxScheduler(
        policy: .deadline, nice: -20, priority: 99, flags: ["SCHED_FLAG_RESET_ON_FORK"], runtime: .max, deadline: 2,
        period: 3), selinuxLabel: "a:b:c", ioPriority: LinuxIOPriority(class: .realTime, priority: 7),
      execCPUAffinity: ExecCPUAffinity(initial: "0-1", final: "2"))
    return RuntimeConfig(
      process: process, root: ContainerRoot(path: "rootfs", readonly: true), hostname: "host", domainname: "domain",
      mounts: [
        ContainerMount(
          destination: "/a", type: "bind", source: "/b", options: ["rbind"], uidMappings: mappings,
          gidMappings: mappings)
      ],
      hooks: ContainerHooks(
        prestart: hooks, createRuntime: hooks, createContainer: hooks, startContainer: hooks, poststart: hooks,
        poststop: hooks), annotations: ["key.with/all \u{7f}": "value"], linux: linux(mappings))
  }

  private static func linux(_ mappings: [LinuxIDMapping]) -> LinuxConfig {
    var rdt = LinuxIntelRdt()
    (rdt.closID, rdt.schemata, rdt.l3CacheSchema, rdt.memBwSchema) = ("id", ["L3:0=f"], "L3:0=1", "MB:0=20")
    (rdt.enableCMT, rdt.enableMBM, rdt.enableMonitoring) = (true, false, true)
    var policy = LinuxMemoryPolicy(mode: "MPOL_BIND", nodes: "0-1")
    policy.flags = ["MPOL_F_STATIC_NODES"]
    return LinuxConfig(
      uidMappings: mappings, gidMappings: mappings, sysctl: ["net.core.somaxconn": "1024"], resources: resources,
      cgroupsPath: "/a/b",
      namespaces: LinuxNamespace.Kind.allCases.map { LinuxNamespace(type: $0, path: "/proc/1/ns/\($0)") },
      devices: [
        LinuxDevice(type: "c", path: "/dev/x", major: 1, minor: .max, fileMode: 0o600, uid: 1, gid: 2)
      ], netDevices: ["eth0": LinuxNetDevice(name: "e0")], seccomp: seccomp, rootfsPropagation: "slave",
      maskedPaths: ["/proc/kcore"], readonlyPaths: ["/proc/sys"], mountLabel: "label", intelRdt: rdt,
      memoryPolicy: policy, personality: LinuxPersonality(domain: "LINUX32", flags: ["x"]),
      timeOffsets: ["monotonic": LinuxTimeOffset(secs: .min, nanosecs: 5)])
  }

  private static var seccomp: LinuxSeccomp {
    LinuxSeccomp(
      defaultAction: .errno, defaultErrnoRet: 38, architectures: ["SCMP_ARCH_X86_64"],
      flags: ["SECCOMP_FILTER_FLAG_LOG"], listenerPath: "/run/x", listenerMetadata: "m",
      syscalls: SeccompAction.allCases.map { action in
        SeccompRule(
          names: ["read", "write"], action: action, errnoRet: 1,
          args: SeccompOperator.allCases.map { SeccompArgument(index: 5, value: .max, valueTwo: 9, op: $0) })
      })
  }

  private static var resources: LinuxResources {
    var memory = LinuxMemory(limit: .min, reservation: -1, swap: .max)
    (memory.kernel, memory.kernelTCP, memory.swappiness) = (1, 2, 60)
    (memory.disableOOMKiller, memory.useHierarchy, memory.checkBeforeUpdate) = (true, false, true)
    var cpu = LinuxCPU(shares: 2, quota: -1, period: 1000, cpus: "0-3", mems: "0", burst: 4, idle: 1)
    (cpu.realtimeRuntime, cpu.realtimePeriod) = (1, 2)
    var io = LinuxBlockIO(weight: 10)
    var weight = LinuxWeightDevice(major: 8, minor: 0, weight: 20)
    weight.leafWeight = 30
    let throttle = [LinuxThrottleDevice(major: 8, minor: 0, rate: .max)]
    (io.leafWeight, io.weightDevice) = (40, [weight])
    (io.throttleReadBpsDevice, io.throttleWriteBpsDevice) = (throttle, throttle)
    (io.throttleReadIOPSDevice, io.throttleWriteIOPSDevice) = (throttle, throttle)
    var resources = LinuxResources(
      devices: [LinuxDeviceRule(allow: false, type: "a", major: -1, minor: 3, access: "rwm")], memory: memory,
      cpu: cpu, pids: LinuxPids(limit: 32), blockIO: io,
      hugepageLimits: [LinuxHugepageLimit(pageSize: "2MB", limit: .max)],
      rdma: ["mlx5_1": LinuxRdma(hcaHandles: 3, hcaObjects: 4)], unified: ["memory.high": "1"])
    resources.network = LinuxNetworkPriorities(classID: 1, priorities: [.init(name: "lo", priority: 2)])
    return resources
  }

  // MARK: Documents that others write

  private func read(_ text: String) throws -> RuntimeConfig {
    try JSONText.decode(RuntimeConfig.self, Array(text.utf8), name: "test")
  }

  /// As encoding/json of the runtimes in Go.
  @Test func nullIsAsIfTheProperyWereNotThere() throws {
    let config = try read(
      #"{"ociVersion":"1.0.0","process":null,"mounts":null,"hostname":null,"linux":{"seccomp":null,"sysctl":null}}"#)
    #expect(config == RuntimeConfig(ociVersion: "1.0.0", linux: LinuxConfig()))
  }

  @Test func ofSeveralPropertiesOfOneNameTheLastOneHolds() throws {
    let config = try read(
      #"{"ociVersion":"1.0.0","hostname":"a","hostname":"b","annotations":{"k":"1","k":"2"}}"#)
    #expect(config.hostname == "b")
    #expect(config.annotations == ["k": "2"])
  }

  @Test func whatIsNotKnownIsPassedOver() throws {
    let config = try read(
      #"{"x":[1,{"y":[null,true,false,"\u00e9",-1.5e3]}],"ociVersion":"1.0.0","unknown":{},"hostname":"a"}"#)
    #expect(config == RuntimeConfig(ociVersion: "1.0.0", hostname: "a"))
  }

  @Test func namesAndTextsMayBeEscaped() throws {
    let config = try read(#" {"oci\u0056ersion" : "1.0.0", "hostn\u0061me":"\ud83d\ude42\n\/"} "#)
    #expect(config == RuntimeConfig(ociVersion: "1.0.0", hostname: "🙂\n/"))
  }

  @Test func theFilterOfAConfigurationIsFoundInIt() throws {
    let profile = #"{ "defaultAction" :"SCMP_ACT_ALLOW"}"#
    let text = Array(#"{"linux":{"seccomp": \#(profile) },"ociVersion":""}"#.utf8)
    let range = try JSONText.read(text, name: "test") { (json) throws(JSONError) in
      _ = try RuntimeConfig(&json)
      return json.seccomp
    }
    #expect(try text[#require(range)] == Array(profile.utf8)[...])
  }

  // MARK: Errors

  private func problem(_ text: String) -> String {
    do {
      _ = try read(text)
      return "none"
    } catch {
      return "\(error)"
    }
  }

  @Test(arguments: [
    ("{\n  \"ociVersion\": 1}", "ociVersion", "a string is expected", "line 2, column 17"),
    ("{\"hostname\":\"é\",\"root\":[]}", "root", "an object is expected", "line 1, column 24"),
    ("{\"root\":{\"readonly\":true}}", "root.path", "it is required", "line 1, column 25"),
    ("{\"mounts\":[{\"destination\":\"/\"},\n{\"destination\":null}]}", "mounts[1].destination", "required", "line 2"),
    ("{\"process\":{\"args\":[\"a\",null]}}", "process.args[1]", "and not null", "column 25"),
    ("{\"process\":{\"user\":{\"uid\":4294967296}}}", "process.user.uid", "from 0 to 4294967295", "column 27"),
    ("{\"process\":{\"user\":{\"uid\":-1}}}", "process.user.uid", "whole number", "column 27"),
    ("{\"process\":{\"oomScoreAdj\":1.5}}", "process.oomScoreAdj", "whole number", "column 27"),
    (
      "{\"linux\":{\"resources\":{\"memory\":{\"limit\":9223372036854775808}}}}", "linux.resources.memory.limit",
      "whole", ""
    ),
    ("{\"linux\":{\"namespaces\":[{\"type\":\"frob\"}]}}", "linux.namespaces[0].type", "\"frob\" is not known", ""),
    ("{\"linux\":{\"seccomp\":{\"defaultAction\":\"X\"}}}", "linux.seccomp.defaultAction", "\"X\" is not known", ""),
    ("{\"annotations\":{\"a.b\":1}}", "annotations.a.b", "a string is expected", ""),
    ("{\"process\":{\"terminal\":\"yes\"}}", "process.terminal", "true or false is expected", ""),
    ("[]", "the document", "an object is expected", "line 1, column 1"),
    ("null", "the document", "an object is expected, and not null", ""),
  ])
  func aWrongValueIsNamedWithItsPlace(_ text: String, _ path: String, _ what: String, _ place: String) {
    let problem = problem(text)
    #expect(problem.contains("\(path) "), "\(problem)")
    #expect(problem.contains(what), "\(problem)")
    #expect(problem.contains(place), "\(problem)")
  }

  @Test(arguments: [
    ("", "it ends too early", "line 1, column 1"),
    ("{\"a\":1,\n\n}", "a property's name is expected", "line 3, column 1"),
    ("{\"a\" 1}", "a colon is expected", "line 1, column 6"), ("{\"é\":tru}", "a value is expected", "column 6"),
    ("{\"a\":\"\u{1}\"}", "control character", "column 7"), ("{\"a\":01}", "a number is expected", "column 8"),
    ("{\"ociVersion\":\"1\"} x", "something follows", "column 20"),
    ("{\"process\":{\"cwd\":\"/", "it ends too early", "column 21"),
    ("{\"a\":1e999}", "too large", ""), ("{\"process\":zap}", "a value is expected", "column 12"),
  ])
  func whatIsNoJSONIsNamedWithItsPlace(_ text: String, _ what: String, _ place: String) {
    let problem = problem(text)
    #expect(problem.contains("it is no JSON: "), "\(problem)")
    #expect(problem.contains(what), "\(problem)")
    #expect(problem.contains(place), "\(problem)")
  }

  @Test func depthIsBounded() {
    for deep in [String(repeating: "{\"a\":", count: 100_000), "{\"a\":" + String(repeating: "[", count: 100_000)] {
      #expect(problem(deep).contains("nested more than 256 deep"))
    }
  }

  @Test func bytesThatAreNoTextAreRefused() {
    for text in [
      [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d], Array(#"{"hostname":""#.utf8) + [0xc0, 0x80, 0x22, 0x7d],
    ] {
      #expect(throws: RuntimeError.self) { try JSONText.decode(RuntimeConfig.self, text as [UInt8], name: "test") }
    }
  }

  /// Every prefix of a document, and every byte of it changed, gives an error or a value, and no crash.
  @Test func damageIsSurvived() throws {
    let text = try JSONText.encode(Self.full)
    for length in stride(from: 0, to: text.count, by: 31) {
      #expect(problem(String(decoding: text[..<length], as: UTF8.self)) != "none")
    }
    for place in stride(from: 0, to: text.count, by: 31) {
      var damaged = text
      damaged[place] ^= 0x15
      _ = try? JSONText.decode(RuntimeConfig.self, damaged, name: "test")
    }
  }
}
