import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// (runtime-spec, config.md, Process)
@Suite(.enabled(if: RuntimeHost.isAble)) struct ProcessAttributeTests {
  private let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  @Test func schedulersOfEveryKind() throws {
    for (scheduler, number) in [
      (LinuxScheduler(policy: .batch, nice: 5), "3"), (LinuxScheduler(policy: .idle), "5"),
      (LinuxScheduler(policy: .other, nice: 10, flags: ["SCHED_FLAG_RESET_ON_FORK"]), "0"),
      (LinuxScheduler(policy: .fifo, priority: 10), "1"), (LinuxScheduler(policy: .roundRobin, priority: 10), "2"),
    ] {
      let result = try host.run(["cat", "/proc/self/stat"]) { $0.process?.scheduler = scheduler }
      if result.status != 0, scheduler.priority != nil, result.errorOutput.contains("not permitted") {
        print("SKIPPED: \(scheduler.policy.rawValue): this machine lets no cgroup have realtime")
        continue
      }
      try host.succeed(result)
      // The name holds no blank: it is "cat".
      let fields = result.output.split(separator: " ").map { String($0) }
      #expect(fields[40] == number, "\(scheduler.policy.rawValue)")
      if let nice = scheduler.nice { #expect(fields[18] == "\(nice)") }
    }
    let refused = try host.run(["true"]) { $0.process?.scheduler = LinuxScheduler(policy: .iso) }
    #expect(refused.status == 1 && refused.errorOutput.contains("set the scheduler SCHED_ISO"))
  }

  @Test func theRest() throws {
    let result = try host.shell(
      "umask; cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status; id -G; ulimit -n"
    ) {
      $0.process?.user = ContainerUser(uid: 0, gid: 0, umask: 0o27, additionalGids: [5, 6])
      $0.process?.oomScoreAdj = 500
      $0.process?.noNewPrivileges = true
      $0.process?.ioPriority = LinuxIOPriority(class: .idle, priority: 0)
      $0.process?.rlimits = [ResourceLimit(type: "RLIMIT_NOFILE", hard: 100, soft: 50)]
      $0.linux?.memoryPolicy = LinuxMemoryPolicy(mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"])
    }
    if result.errorOutput.contains("memory policy"), result.errorOutput.contains("not implemented") {
      print("SKIPPED: memory policies: this kernel has none")
      return
    }
    try host.succeed(result)
    #expect(result.lines == ["0027", "500", "NoNewPrivs:\t1", "0 5 6", "50"])
  }

  @Test func thirtyTwoBits() throws {
    let result = try host.run(["cat", "/proc/self/personality"]) {
      $0.linux?.personality = LinuxPersonality(domain: "LINUX32")
    }
    try host.succeed(result)
    #expect(result.lines == ["00000008"])
  }

  /// What exec brings in has the container's attributes, and its own processors.
  @Test func execHasThemAsWell() throws {
    try host.started("box", ["sleep", "60"]) {
      $0.process?.oomScoreAdj = 300
      $0.process?.execCPUAffinity = ExecCPUAffinity(initial: "0", final: "0")
      $0.linux?.personality = LinuxPersonality(domain: "LINUX32")
    }
    let result = try host.runtime(
      "exec", "box", "sh", "-c",
      "cat /proc/self/oom_score_adj /proc/self/personality; grep Cpus_allowed_list /proc/self/status")
    try host.succeed(result)
    #expect(result.lines == ["300", "00000008", "Cpus_allowed_list:\t0"])
  }

  @Test func capabilitiesWithoutABasisAreWarnedOf() throws {
    let result = try host.run(["grep", "CapAmb", "/proc/self/status"]) {
      $0.process?.capabilities = LinuxCapabilities(
        bounding: ["CAP_KILL"], effective: ["CAP_KILL"], inheritable: ["CAP_KILL"], permitted: [], ambient: ["CAP_KILL"]
      )
    }
    try host.succeed(result)
    #expect(result.lines == ["CapAmb:\t0000000000000000"])
    #expect(result.errorOutput.contains("are left out: CAP_KILL"))
  }

  /// The service manager hears of readiness, and of nothing else.
  @Test func readinessIsHandedOn() throws {
    let place = try openat2(workingDirectory, host.directory.string, flags: pathOnly | O_DIRECTORY)
    let manager = try LocalSockets.bindDatagram(in: place.number, "manager", mode: 0o700)
    // busybox has nothing that speaks to such a socket: the test does, by the directory that the container sees.
    let bundle = try host.bundle("box", ["sh", "-c", "echo $NOTIFY_SOCKET > /dev/shm/name; sleep 60"])
    var create = Spawn(host.program, ["--root", host.state.string, "create", "--bundle", bundle.string, "box"])
    create.environment = ["NOTIFY_SOCKET=\(host.directory)/manager"]
    try #require(try create.capture(milliseconds: 30_000).status == .exited(0))
    var start = Spawn(host.program, ["--root", host.state.string, "start", "box"])
    start.environment = create.environment
    let starter = try start.start()
    let socket = host.state.appending("box/notify/notify.sock")
    #expect(eventually { access(socket.string, F_OK) == 0 })
    try LocalSockets.sendDatagram(Array("STATUS=half\n".utf8), to: socket.string)
    try LocalSockets.sendDatagram(Array("STATUS=all\nREADY=1\n".utf8), to: socket.string)
    #expect(try waitForProcess(starter) == .exited(0))
    let message = try LocalSockets.receive(manager.number, limit: 4096).bytes
    #expect(String(decoding: message, as: UTF8.self).hasPrefix("READY=1\nMAINPID="))
    let name = try host.runtime("exec", "box", "sh", "-c", "cat /dev/shm/name; ls /run/notify")
    #expect(name.lines == ["/run/notify/notify.sock", "notify.sock"])
  }
}
