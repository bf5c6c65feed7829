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
    expect("mounts[0].destination") { $0.mounts = [ContainerMount(destination: "")] }
    expect("hooks") { $0.hooks = ContainerHooks(prestart: [ContainerHook(path: "hook")]) }
    expect("twice") { $0.linux?.namespaces?.append(LinuxNamespace(type: .pid)) }
    expect("mount namespace") { $0.linux?.namespaces?.removeFirst() }
    expect("uidMappings") { $0.linux?.uidMappings = nil }
    expect("time namespace") { $0.linux?.timeOffsets = ["boottime": LinuxTimeOffset(secs: 1)] }
  }

  @Test func namesWhatIsWrongWithMounts() {
    func mount(_ type: String?, _ options: [String], _ words: String) {
      expect(words) { $0.mounts = [ContainerMount(destination: "/x", type: type, source: "/", options: options)] }
    }
    mount("none", ["rbind", "size=5m"], "\"size\" for the bind mount /x")
    mount("bind", ["frob"], "\"frob\" for the bind mount /x")
    mount("none", ["bind", "sync"], "\"sync\" for the bind mount /x")
    mount("none", ["bind", "ridmap"], "ridmap")
    mount("tmpfs", ["idmap"], "only bind mounts can be idmapped")
    mount("proc", ["tmpcopyup"], "tmpcopyup")
    mount("bind", ["tmpcopyup"], "tmpcopyup")
    expect("only one of") {
      $0.mounts = [ContainerMount(destination: "/x", source: "/", options: ["bind"], uidMappings: [])]
    }
  }

  @Test func namesWhatIsWrongWithDevices() {
    func device(_ device: LinuxDevice, _ words: String) { expect(words) { $0.linux?.devices = [device] } }
    device(LinuxDevice(type: "x", path: "/dev/x", major: 1, minor: 1), "linux.devices[0] has the type \"x\"")
    device(LinuxDevice(type: "c", path: "/dev/x"), "without major and minor")
    device(LinuxDevice(type: "c", path: "/dev/x", major: -1, minor: 1), "no device can have")
    device(LinuxDevice(type: "c", path: "/dev/x", major: 5000, minor: 1), "no device can have")
    device(LinuxDevice(type: "p", path: "dev/x"), "has the path")
    device(LinuxDevice(type: "p", path: "/dev/../x"), "has the path")
  }

  @Test func namesWhatIsWrongWithNetworkDevices() {
    func devices(_ devices: [String: LinuxNetDevice], _ words: String) {
      expect(words) {
        $0.linux?.namespaces?.append(LinuxNamespace(type: .network))
        $0.linux?.netDevices = devices
      }
    }
    devices(["eth0": LinuxNetDevice(name: "a/b")], "linux.netDevices.eth0.name is \"a/b\"")
    devices(["eth0": LinuxNetDevice(name: "a b")], "can be called")
    devices(["eth0": LinuxNetDevice(name: "0123456789abcdef")], "can be called")
    devices(["eth0": LinuxNetDevice(name: "a%s")], "can be called")
    devices(["eth%d": LinuxNetDevice()], "can be called")
    devices(["a": LinuxNetDevice(name: "c"), "b": LinuxNetDevice(name: "c")], "name two interfaces c")
    devices(["a": LinuxNetDevice(name: "c%d"), "b": LinuxNetDevice(name: "c%d")], "")
    expect("need a network namespace") { $0.linux?.netDevices = ["eth0": LinuxNetDevice()] }
  }

  @Test func namesWhatIsWrongWithAttributesOfTheProcess() {
    func scheduler(_ scheduler: LinuxScheduler, _ words: String) { expect(words) { $0.process?.scheduler = scheduler } }
    scheduler(LinuxScheduler(policy: .other, nice: 20), "process.scheduler.nice is 20")
    scheduler(LinuxScheduler(policy: .batch, priority: 3), "process.scheduler.priority")
    scheduler(LinuxScheduler(policy: .fifo, priority: 100), "process.scheduler.priority")
    scheduler(LinuxScheduler(policy: .fifo, priority: 1, runtime: 5), "belong to SCHED_DEADLINE")
    scheduler(LinuxScheduler(policy: .deadline, runtime: 5, deadline: 4), "each is at most the next")
    scheduler(LinuxScheduler(policy: .other, flags: ["SCHED_FLAG_FROB"]), "SCHED_FLAG_FROB")
    expect("process.ioPriority.priority") { $0.process?.ioPriority = LinuxIOPriority(class: .idle, priority: 8) }
    expect("process.user.umask") { $0.process?.user.umask = 0o1000 }
    expect("execCPUAffinity.final") { $0.process?.execCPUAffinity = ExecCPUAffinity(final: "x") }
    func memory(_ policy: LinuxMemoryPolicy, _ words: String) { expect(words) { $0.linux?.memoryPolicy = policy } }
    memory(LinuxMemoryPolicy(mode: "MPOL_FROB"), "linux.memoryPolicy.mode")
    memory(LinuxMemoryPolicy(mode: "MPOL_BIND"), "is needed for MPOL_BIND")
    memory(LinuxMemoryPolicy(mode: "MPOL_LOCAL", nodes: "0"), "takes none")
    memory(LinuxMemoryPolicy(mode: "MPOL_BIND", nodes: "0-"), "not a list")
    memory(LinuxMemoryPolicy(mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_FROB"]), "MPOL_F_FROB")
    expect("linux.personality.domain") { $0.linux?.personality = LinuxPersonality(domain: "BSD") }
    expect("linux.personality.flags") {
      $0.linux?.personality = LinuxPersonality(domain: "LINUX", flags: ["ADDR_NO_RANDOMIZE"])
    }
  }

  @Test func namesWhatIsWrongWithNamespaces() {
    expect("linux.namespaces[0].path") { $0.linux?.namespaces?[0].path = "proc/1/ns/mnt" }
    expect("need a user namespace") { $0.linux?.namespaces?.removeAll { $0.type == .user } }
    expect("unknown clock realtime") {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .time))
      $0.linux?.timeOffsets = ["realtime": LinuxTimeOffset(secs: 1)]
    }
    expect("nanosecs") {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .time))
      $0.linux?.timeOffsets = ["boottime": LinuxTimeOffset(nanosecs: 1_000_000_000)]
    }
  }

  @Test func otherPlatformsAreRefused() throws {
    for name in ["windows", "solaris", "freebsd", "zos", "vm"] {
      let text = """
        {"ociVersion": "1.3.0", "root": {"path": "rootfs"}, "linux": {}, "\(name)": {"hypervisor": {"path": "/x"}}}
        """
      let config = try JSONText.decode(RuntimeConfig.self, Array(text.utf8), name: "config.json")
      #expect("\(#expect(throws: RuntimeError.self) { try BundleCheck(config).run() }!)".contains(name))
    }
  }

  @Test func keysOfKernelSettings() {
    #expect(KernelSetting("net.ipv4.ip_forward").components == ["net", "ipv4", "ip_forward"])
    #expect(
      KernelSetting("net.ipv4.conf.eth0/1.forwarding").components == ["net", "ipv4", "conf", "eth0.1", "forwarding"])
    #expect(
      KernelSetting("net/ipv4/conf/eth0.1/forwarding").components == ["net", "ipv4", "conf", "eth0.1", "forwarding"])
    #expect(KernelSetting("fs.mqueue.msg_max").namespace == .ipc)
    #expect(KernelSetting("kernel/domainname").namespace == .uts)
    #expect(KernelSetting("vm.swappiness").namespace == nil)
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
    #expect(try MountOptions(["noatime", "nostrictatime", "norelatime"]).set == .noAccessTime)
    #expect(try MountOptions(["rnoatime", "ratime"]).recursiveSet.isEmpty)
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
