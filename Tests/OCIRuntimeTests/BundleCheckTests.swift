import Kernel
import RuntimeSpec
import Testing

@testable import OCIRuntime

@Suite struct BundleCheckTests {
  private func config() -> RuntimeConfig {
    RuntimeConfig(
      process: ContainerProcess(args: ["true"]), root: ContainerRoot(path: "rootfs"),
      linux: LinuxConfig(namespaces: [.mount, .pid, .uts, .user].map { LinuxNamespace(type: $0) }))
  }

  private func problem(_ change: (inout RuntimeConfig) -> Void) -> String {
    var config = config()
    config.linux?.uidMappings = [LinuxIDMapping(containerID: 0, hostID: 0, size: 1)]
    config.linux?.gidMappings = [LinuxIDMapping(containerID: 0, hostID: 0, size: 1)]
    change(&config)
    do {
      try BundleCheck(config).run()
      return ""
    } catch {
      return "\(error)"
    }
  }

  private func expect(
    _ words: String, sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout RuntimeConfig) -> Void
  ) {
    let problem = problem(change)
    #expect(problem.contains(words), sourceLocation: sourceLocation)
  }

  @Test func anOrdinaryBundleIsFine() { #expect(problem { _ in } == "") }

  @Test func namesWhatIsWrong() {
    expect("ociVersion") { $0.ociVersion = "2.0.0" }
    expect("root.path") { $0.root = nil }
    expect("linux is missing") { $0.linux = nil }
    expect("process.args") { $0.process?.args = [] }
    expect("process.cwd") { $0.process?.cwd = "relative" }
    expect("zero byte") { $0.process?.args = ["a\0b"] }
    expect("NOVALUE") { $0.process?.env = ["NOVALUE"] }
    expect("RLIMIT_FROB") { $0.process?.rlimits = [ResourceLimit(type: "RLIMIT_FROB", hard: 1, soft: 1)] }
    expect("above the hard") { $0.process?.rlimits = [ResourceLimit(type: "RLIMIT_NOFILE", hard: 1, soft: 2)] }
    expect("oomScoreAdj") { $0.process?.oomScoreAdj = 2000 }
    expect("mounts[0].destination") { $0.mounts = [ContainerMount(destination: "etc")] }
    expect("hooks") { $0.hooks = ContainerHooks(prestart: [ContainerHook(path: "hook")]) }
    expect("twice") { $0.linux?.namespaces?.append(LinuxNamespace(type: .pid)) }
    expect("mount namespace") { $0.linux?.namespaces?.removeFirst() }
    expect("uidMappings") { $0.linux?.uidMappings = nil }
    expect("time namespace") { $0.linux?.timeOffsets = ["boottime": LinuxTimeOffset(secs: 1)] }
  }

  @Test func theHostIsNotChanged() {
    expect("kernel.panic") { $0.linux?.sysctl = ["kernel.panic": "1"] }
    expect("network namespace") { $0.linux?.sysctl = ["net.ipv4.ip_forward": "1"] }
    expect("linux.sysctl") { $0.linux?.sysctl = ["net/../kernel/panic": "1"] }
    expect("UTS namespace") {
      $0.hostname = "box"
      $0.linux?.namespaces?.removeAll { $0.type == .uts }
    }
  }

  @Test(
    arguments: [
      ("TERM", 15), ("SIGKILL", 9), ("sigusr1", 10), ("15", 15), ("RTMIN", 34), ("SIGRTMIN+3", 37), ("RTMAX-1", 63),
      ("0", nil), ("65", nil),
      ("NONESUCH", nil), ("", nil),
    ] as [(String, Int32?)])
  func signalsByName(_ text: String, _ number: Int32?) { #expect(Names.signal(text) == number) }

  @Test func listsOfNumbers() {
    #expect(Names.list("0-2,7") == [0, 1, 2, 7])
    #expect(Names.list("3-1") == nil)
    #expect(Names.list("1,,2") == nil)
    #expect(Names.list("0-99999999") == nil)
  }

  @Test func mountOptionsBySubject() throws {
    let options = try MountOptions([
      "rbind", "ro", "nosuid", "suid", "rnoexec", "rslave", "size=5m", "mode=755", "lazytime",
    ])
    #expect(options.bind == true)
    #expect(options.set == .readOnly)
    #expect(options.clear == .noSetID)
    #expect(options.recursiveSet == .noExecute)
    #expect(options.propagation?.0 == .slave && options.propagation?.recursive == true)
    #expect(options.data.map { "\($0.0)=\($0.1)" } == ["size=5m", "mode=755"])
    #expect(options.flags == ["lazytime"])
  }

  @Test func timesOfAccessExcludeEachOther() throws {
    let options = try MountOptions(["noatime", "strictatime"])
    #expect(options.set == .strictAccessTime)
    #expect(options.clear.isSuperset(of: .timeMask))
    #expect(try MountOptions(["noatime", "relatime"]).set.isDisjoint(with: .timeMask))
  }

  @Test func roIsNotRecursive() throws {
    #expect(try MountOptions(["ro"]).recursiveSet.isEmpty)
    #expect(try MountOptions(["rro"]).recursiveSet == .readOnly)
  }

  @Test func commandLines() throws {
    let flags: [Arguments.Flag] = [.option("env", "e"), .flag("tty", "t")]
    let arguments = try Arguments(
      ["-e", "A=1", "--env=B=2", "-t", "one", "--tty", "-x"], flags, command: "exec", operandsEndFlags: true)
    #expect(arguments.all("env") == ["A=1", "B=2"])
    #expect(arguments.has("tty"))
    #expect(arguments.operands == ["one", "--tty", "-x"])
    #expect(throws: RuntimeError.usage("exec: the flag --frob is not known")) {
      try Arguments(["--frob"], flags, command: "exec")
    }
    #expect(throws: RuntimeError.usage("exec: the flag -e needs a value")) {
      try Arguments(["-e"], flags, command: "exec")
    }
  }

  @Test func capabilitiesThatTheCallerLacksAreLeftOut() throws {
    var warnings: [String] = []
    let names = ["CAP_KILL", "CAP_SYS_ADMIN", "CAP_FROBNICATE"]
    let plan = try CapabilityPlan(LinuxCapabilities(allowing: names), available: CapabilitySet(number: 5)) {
      warnings.append($0)
    }
    #expect(plan.bounding == CapabilitySet(number: 5))
    #expect(plan.effective == CapabilitySet(number: 5))
    #expect(warnings.count == 2)
    #expect(warnings.joined().contains("CAP_FROBNICATE"))
    #expect(warnings.joined().contains("CAP_SYS_ADMIN"))
  }
}
