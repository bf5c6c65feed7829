import ImageSpec
import RuntimeSpec
import Testing

@testable import Engine

@Suite("what a container's bundle says") struct BundleTests {
  private func config(
    user: FoundUser = FoundUser(), seccomp: LinuxSeccomp? = nil, etcFiles: [(source: String, target: String)] = [],
    mounts: [ContainerRecord.Mount] = [], _ change: (inout ContainerOptions) -> Void = { _ in }
  ) throws -> RuntimeConfig {
    var options = ContainerOptions(image: "x")
    change(&options)
    let digest = try Digest(parsing: "sha256:" + String(repeating: "a", count: 64))
    var record = ContainerRecord(
      options: options, created: Moment(nanoseconds: 0), imageID: digest, manifest: digest, entrypoint: ["/e"],
      command: ["c"], environment: ["A=1"], workingDirectory: "/w", user: "", hostname: "host", labels: [:],
      exposedPorts: [], stopSignal: 15, stopTimeout: 10)
    record.mounts = mounts
    let plan = BundlePlan(
      id: "0123", options: options, record: record, user: user, capabilities: ["CAP_KILL"], seccomp: seccomp,
      directory: "/c", snapshots: "/s", lowerDirectories: ["2", "1"], etcFiles: etcFiles, processors: 4)
    return try plan.config()
  }

  private func mount(_ target: String, in config: RuntimeConfig) -> ContainerMount? {
    config.mounts?.last { $0.destination == target }
  }

  @Test func theProgramIsTheRecords() throws {
    let config = try config(user: FoundUser(userID: 5, groupID: 6, additionalGroups: [7]))
    #expect(config.process?.args == ["/e", "c"] && config.process?.cwd == "/w" && config.process?.env == ["A=1"])
    #expect(config.process?.user.uid == 5 && config.process?.user.gid == 6 && config.hostname == "host")
    // Its own group is among the others, or a group that is denied something could be left. (CVE-2022-36109)
    #expect(config.process?.user.additionalGids == [6, 7])
    #expect(config.process?.terminal == nil && config.process?.noNewPrivileges == nil && config.root?.readonly == nil)
    #expect(config.linux?.cgroupsPath == "/clipper/0123")
    #expect(config.annotations?["dev.clipper.overlay.lower"] == "2:1")
  }

  @Test func whatIsNotAskedForIsDockers() throws {
    let config = try config()
    #expect(config.linux?.maskedPaths == DockerDefaults.maskedPaths)
    #expect(config.linux?.readonlyPaths == DockerDefaults.readonlyPaths)
    #expect(config.annotations?["dev.clipper.seccomp"] == "docker-default")
    #expect(mount("/sys", in: config)?.options?.contains("ro") == true)
    #expect(mount("/dev/shm", in: config)?.options?.contains("size=67108864") == true)
    #expect(config.linux?.sysctl?["net.ipv4.ip_unprivileged_port_start"] == "0")
    #expect(config.linux?.resources?.devices?.first == LinuxDeviceRule(allow: false, access: "rwm"))
    let kinds = Set(config.linux?.namespaces?.map(\.type) ?? [])
    #expect(kinds == [.mount, .cgroup, .pid, .ipc, .uts, .network])
  }

  @Test func aReadOnlyRootHasReadOnlyFilesOfItsOwn() throws {
    let files = [(source: "/c/hosts", target: "/etc/hosts")]
    let open = try config(etcFiles: files)
    #expect(mount("/etc/hosts", in: open)?.options == ["rbind", "rprivate"])
    let closed = try config(etcFiles: files) { $0.readOnlyRoot = true }
    #expect(closed.root?.readonly == true && mount("/etc/hosts", in: closed)?.options?.contains("ro") == true)
    let own = try config(etcFiles: files, mounts: [.init(kind: .bind, source: "/h", target: "/etc/hosts")])
    #expect(own.mounts?.filter { $0.destination == "/etc/hosts" }.map(\.source) == ["/h"])
  }

  @Test func privilegedContainersSeeAll() throws {
    let config = try config { $0.privileged = true }
    #expect(config.linux?.maskedPaths == nil && config.linux?.readonlyPaths == nil)
    #expect(config.linux?.resources?.devices == [LinuxDeviceRule(allow: true, access: "rwm")])
    #expect(config.annotations?["dev.clipper.seccomp"] == nil)
    for target in ["/sys", "/sys/fs/cgroup"] { #expect(mount(target, in: config)?.options?.contains("ro") == false) }
    // /proc, /dev and the rest keep their own options.
    #expect(mount("/proc", in: config)?.options?.contains("nosuid") == true)
  }

  @Test func systemPathsCanBeOpenedAlone() throws {
    let config = try config { $0.unconfinedSystemPaths = true }
    #expect(config.linux?.maskedPaths == nil && config.linux?.readonlyPaths == nil)
    #expect(mount("/sys", in: config)?.options?.contains("ro") == true)
  }

  @Test func mountsStandAboveThoseBelowThem() throws {
    var deep = ContainerRecord.Mount(kind: .bind, source: "/1", target: "/a/b/c")
    deep.readOnly = true
    deep.propagation = "rslave"
    var memory = ContainerRecord.Mount(kind: .tmpfs, target: "/a")
    memory.options = ["noexec", "size=1024"]
    var shm = ContainerRecord.Mount(kind: .tmpfs, target: "/dev/shm")
    shm.readOnly = true
    let config = try config(mounts: [deep, .init(kind: .volume, source: "/v", target: "/a/b"), memory, shm])
    #expect(config.mounts?.suffix(4).map(\.destination) == ["/a", "/a/b", "/dev/shm", "/a/b/c"])
    #expect(mount("/a/b/c", in: config)?.options == ["rbind", "rslave", "ro"])
    #expect(mount("/a/b", in: config)?.options == ["rbind", "rprivate"])
    #expect(mount("/a", in: config)?.type == "tmpfs" && mount("/a", in: config)?.options == ["noexec", "size=1024"])
    #expect(config.mounts?.filter { $0.destination == "/dev/shm" }.map(\.options) == [["ro"]])
  }

  @Test func namespacesOfTheHostAreLeftAlone() throws {
    let config = try config {
      $0.hostNamespaces = [.pid, .ipc, .uts]
      $0.network = .host
    }
    #expect(Set(config.linux?.namespaces?.map(\.type) ?? []) == [.mount, .cgroup])
    // A name would be the host's.
    #expect(config.hostname == nil && config.linux?.sysctl == nil)
    #expect(mount("/dev/shm", in: config)?.type == "bind" && mount("/dev/mqueue", in: config)?.source == "/dev/mqueue")
  }

  @Test(arguments: [
    (NetworkMode.none, nil as String?), (.bridge(name: "bridge"), "/proc/self/fd/4"),
    (.container(id: "x"), "/proc/self/fd/4"),
  ])
  func networksThatExistAreJoined(mode: NetworkMode, path: String?) throws {
    let config = try config { $0.network = mode }
    #expect(config.linux?.namespaces?.first { $0.type == .network }?.path == path)
  }

  @Test func containersOfAPodShareItsNamespaces() throws {
    let config = try config { $0.pod = "pod" }
    let paths = config.linux?.namespaces?.filter { $0.path != nil }.map { "\($0.type) \($0.path ?? "")" }.sorted()
    #expect(paths == ["ipc /proc/self/fd/5", "network /proc/self/fd/4", "uts /proc/self/fd/6"])
    #expect(config.hostname == nil && config.linux?.sysctl == nil)
  }

  @Test func sysctlsAreOfTheContainersOwnNamespaces() throws {
    let own = try config { $0.sysctls = ["net.core.somaxconn": "1", "kernel.shmmax": "2", "fs.mqueue.msg_max": "3"] }
    #expect(own.linux?.sysctl?["net.core.somaxconn"] == "1" && own.linux?.sysctl?["kernel.shmmax"] == "2")
    for name in ["kernel.hostname", "vm.swappiness", "kernel.core_pattern", "fs.file-max"] {
      #expect(throws: EngineError.self) { try config { $0.sysctls = [name: "1"] } }
    }
    #expect(throws: EngineError.self) {
      try config {
        $0.network = .host
        $0.sysctls = ["net.core.somaxconn": "1"]
      }
    }
  }

  @Test func limitsOfResourcesAreSetlimits() throws {
    let config = try config {
      $0.ulimits = [UlimitOption(name: "nofile", soft: 10, hard: 20), UlimitOption(name: "core", soft: -1, hard: -1)]
      $0.noNewPrivileges = true
      $0.resources.oomScoreAdjustment = 500
      $0.useInit = true
    }
    #expect(
      config.process?.rlimits == [
        ResourceLimit(type: "RLIMIT_NOFILE", hard: 20, soft: 10),
        ResourceLimit(type: "RLIMIT_CORE", hard: .max, soft: .max),
      ])
    #expect(config.process?.noNewPrivileges == true && config.process?.oomScoreAdj == 500)
    #expect(config.annotations?["dev.clipper.init"] == "true")
  }

  @Test(arguments: [("files", 1, 2), ("nofile", 3, 2), ("nofile", -1, 2)] as [(String, Int64, Int64)])
  func limitsThatCannotBeAreRefused(name: String, soft: Int64, hard: Int64) {
    #expect(throws: EngineError.self) {
      try config { $0.ulimits = [UlimitOption(name: name, soft: soft, hard: hard)] }
    }
  }
}

@Suite("resources, as docker limits them") struct ResourceTests {
  private func limits(_ change: (inout ResourceOptions) -> Void) throws -> LinuxResources {
    var options = ResourceOptions()
    change(&options)
    return try options.limits(devices: [], processors: 4)
  }

  @Test func swapIsAsMuchAgainAsMemory() throws {
    #expect(try limits { $0.memory = 10 << 20 }.memory?.swap == 20 << 20)
    let unlimited = try limits {
      $0.memory = 10 << 20
      $0.memorySwap = -1
    }
    #expect(unlimited.memory?.swap == -1)
    #expect(try limits { _ in }.memory == nil && limits { $0.memory = 0 }.memory?.limit == nil)
  }

  @Test(
    arguments: [
      (nil, 1 << 30, nil), (10 << 20, 9 << 20, nil), (10 << 20, nil, 11 << 20), (5 << 20, nil, nil),
    ] as [(Int64?, Int64?, Int64?)])
  func memoryThatCannotBeIsRefused(memory: Int64?, swap: Int64?, reservation: Int64?) {
    #expect(throws: EngineError.self) {
      try limits {
        $0.memory = memory
        $0.memorySwap = swap
        $0.memoryReservation = reservation
      }
    }
  }

  @Test(arguments: [0.001, 4.5, -1, .infinity, .nan]) func processorsThatAreNotThereAreRefused(cpus: Double) {
    #expect(throws: EngineError.self) { try limits { $0.cpus = cpus } }
  }

  @Test func weightsAndCountsHaveTheirRanges() throws {
    #expect(try limits { $0.ioWeight = 10 }.blockIO?.weight == 10 && limits { $0.pidsLimit = 0 }.pids == nil)
    #expect(try limits { $0.pidsLimit = -1 }.pids?.limit == -1 && limits { $0.cpuShares = 512 }.cpu?.shares == 512)
    #expect(throws: EngineError.self) { try limits { $0.ioWeight = 9 } }
    #expect(throws: EngineError.self) { try limits { $0.oomScoreAdjustment = -1001 } }
  }
}

@Suite("seccomp profiles in docker's form") struct SeccompProfileTests {
  private let text = """
    {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
     "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                 {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
     "syscalls": [
       {"names": ["read"], "action": "SCMP_ACT_ALLOW"}, {"name": "old", "action": "SCMP_ACT_ALLOW"},
       {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
       {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]},
        "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}]},
       {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
       {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
       {"names": [], "action": "SCMP_ACT_LOG"}]}
    """

  private func names(_ capabilities: Set<String>, _ architecture: String, _ kernel: (Int, Int)) throws -> [String] {
    try SeccompProfile(parsing: text)
      .filter(.init(capabilities: capabilities, architecture: architecture, kernel: kernel)).syscalls?.flatMap(\.names)
      ?? []
  }

  @Test func rulesDependOnCapabilitiesArchitectureAndKernel() throws {
    #expect(try names([], "amd64", (6, 1)) == ["read", "old", "clone", "ptrace", "arch_prctl"])
    #expect(try names(["CAP_SYS_ADMIN"], "amd64", (6, 1)) == ["read", "old", "mount", "ptrace", "arch_prctl"])
    #expect(try names([], "arm64", (4, 7)) == ["read", "old", "clone"])
    #expect(try names([], "arm64", (4, 10)).contains("ptrace"))
  }

  @Test func theArchitecturesAreTheMachinesOwn() throws {
    let profile = try SeccompProfile(parsing: text)
    let filter = profile.filter(.init(capabilities: [], architecture: "arm64", kernel: (6, 1)))
    #expect(filter.architectures == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"] && filter.defaultErrnoRet == 1)
    #expect(filter.syscalls?.first { $0.names == ["clone"] }?.args?.first?.value == 2_114_060_288)
  }

  @Test(arguments: ["", "{}", "[]", #"{"defaultAction": "SCMP_ACT_NOPE"}"#]) func whatIsNoProfileIsRefused(json: String)
  {
    #expect(throws: EngineError.self) { try SeccompProfile(parsing: json) }
  }

  @Test(arguments: [("6.1.0-18-amd64", 6, 1), ("4.19", 4, 19), ("5.15.0+", 5, 15)] as [(String, Int, Int)])
  func kernelsHaveTheirVersion(text: String, major: Int, minor: Int) {
    let version = SeccompProfile.Surroundings.version(text)
    #expect(version?.0 == major && version?.1 == minor)
  }
}
