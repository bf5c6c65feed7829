import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct SuperviseTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  @Test func outputGoesToTheClientAndTheLog() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 3"])
    let all = try container.rest()
    #expect(all == ("out\n", "err\n", #"{"exitCode":3,"oomKilled":false}"#))
    #expect(container.log.contains(#"{"log":"out\n","stream":"stdout","time":"2"#))
    #expect(container.log.contains(#"{"log":"err\n","stream":"stderr","time":"2"#))
    let state = try container.state()
    #expect(state.status == .exited)
    #expect(state.exitCode == 3)
    #expect(state.finishedAt != nil)
    #expect(try eventually { try host.runtime("list", "-q").output.isEmpty })
    #expect(try directoryEntries(of: container.directory).sorted() == ["lock", "state.json"])
  }

  @Test func failedStartsSayWhy() throws {
    let missing = try Supervised(host, "one", ["nonesuch"]).report.error
    #expect(missing?.kind == .programNotFound)
    #expect(missing?.exitStatus == 127)
    #expect(try Supervised(host, "two", ["/etc/passwd"]).report.error?.exitStatus == 126)
    let directory = try Supervised(host, "three", ["true"], config: { $0.process?.cwd = "/etc/passwd" }).report.error
    #expect(directory?.kind == .workingDirectory)
    #expect(directory?.exitStatus == 125)
    #expect(try host.runtime("list", "-q").output.isEmpty)
  }

  @Test func oneSupervisorForAContainer() throws {
    let container = try Supervised(host, "one", ["sleep", "1000"])
    #expect(try Supervised(host, "one", ["true"]).report.error?.kind == .busy)
    #expect(try host.status("one") == .running)
    try container.stop(seconds: 0)
  }

  @Test func inputReachesTheProgramAndEnds() throws {
    let container = try Supervised(host, "one", ["wc", "-c"]) { $0.stdin = .once }
    for _ in 0..<100 { try container.send(0, [UInt8](repeating: 1, count: 32 << 10)) }
    try container.send(2)
    #expect(try container.rest().output == "\(100 * 32 << 10)\n")
  }

  @Test func withoutInputItIsEmpty() throws {
    let container = try Supervised(host, "one", ["cat"])
    #expect(try container.rest().exit == #"{"exitCode":0,"oomKilled":false}"#)
  }

  @Test func terminalsHaveASizeAndEcho() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "read line; stty size; echo got $line"]) {
      $0.stdin = .open
    } config: {
      $0.process?.terminal = true
    }
    try container.send(1, [0, 40, 0, 100])
    try container.send(0, Array("word\n".utf8))
    #expect(try container.rest().output == "word\r\n40 100\r\ngot word\r\n")
  }

  @Test func stopSendsTheSignalAndThenKills() throws {
    let polite = try Supervised(
      host, "one", ["sh", "-c", "trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done"])
    usleep(100_000)
    try polite.stop()
    #expect(try polite.rest() == ("bye\n", "", #"{"exitCode":5,"oomKilled":false}"#))
    let stubborn = try Supervised(host, "two", ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"])
    let before = Timestamp.monotonic()
    try stubborn.stop(seconds: 1)
    #expect((900_000_000...3_000_000_000).contains(Timestamp.monotonic() - before))
    #expect(try stubborn.rest().exit == #"{"exitCode":137,"oomKilled":false}"#)
  }

  @Test func aStoppingContainerCostsNoTime() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"]) {
      $0.probes = [Probe(kind: .health, action: .exec(["true"]), period: 50_000_000)]
    }
    let socket = try container.attach()
    try container.send(4, [0, 0, 0, 2], on: socket.number)
    let supervisor = try #require(container.report.supervisor)
    let before = try cpuTicks(supervisor)
    usleep(1_000_000)
    // Hundredths of a second.
    #expect(try cpuTicks(supervisor) - before < 10)
  }

  private func cpuTicks(_ pid: Int32) throws -> Int {
    let text = try host.read(FilePath("/proc/\(pid)/stat"))
    let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    return (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0)
  }

  @Test func restartsByPolicy() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "echo run; exit 7"]) {
      $0.restart = RestartPolicy(policy: .onFailure, maximumRetries: 2)
    }
    #expect(try container.rest() == ("run\nrun\nrun\n", "", #"{"exitCode":7,"oomKilled":false}"#))
    #expect(try container.state().restartCount == 2)
    let fine = try Supervised(host, "two", ["true"]) { $0.restart = RestartPolicy(policy: .onFailure) }
    #expect(try fine.rest().exit != nil)
    #expect(try fine.state().restartCount == 0)
  }

  @Test func aStopEndsRestarts() throws {
    let container = try Supervised(host, "one", ["sleep", "0.05"]) { $0.restart = RestartPolicy(policy: .always) }
    #expect(try eventually { try container.state().restartCount >= 2 })
    try container.stop()
    #expect(try eventually { try container.state().status == .exited })
  }

  @Test func killOfTheSupervisorEndsTheContainer() throws {
    let container = try Supervised(host, "one", ["sleep", "1000"])
    try container.killSupervisor()
    #expect(eventually { ProcessStatus(container.pid)?.hasEnded ?? true })
    // What it left is no obstacle.
    #expect(try Supervised(host, "one", ["echo", "again"]).rest().output == "again\n")
  }

  @Test func anOrphanThatChangedItsUserIsReplaced() throws {
    // A change of user forgets the signal that the supervisor's end would send.
    let script = "su -s /bin/sh user -c 'sleep 1000'"
    try Errno.check(symlink("busybox", host.root.appending("bin/su").string))
    let container = try Supervised(host, "one", ["sh", "-c", "exec \(script)"])
    #expect(try eventually { try host.read(FilePath("/proc/\(container.pid)/status")).contains("Uid:\t1000\t") })
    try container.killSupervisor()
    #expect(try Supervised(host, "one", ["echo", "again"]).rest().output == "again\n")
    #expect(eventually { ProcessStatus(container.pid)?.hasEnded ?? true })
  }

  @Test func whatAKilledStartLeftIsNoObstacle() throws {
    // A directory without a state, and a cgroup with a process.
    let container = try Supervised(host, "one", ["sleep", "1000"])
    kill(container.pid, SIGSTOP)
    unlink(host.state.appending("one/state.json").string)
    try container.killSupervisor()
    #expect(try Supervised(host, "one", ["echo", "again"]).rest().output == "again\n")
  }

  @Test func theExitCommandRunsUnlessAClientCleansUp() throws {
    let mark = host.directory.appending("mark")
    func change(_ supervision: inout Supervision) {
      supervision.exitCommand = ["/bin/sh", "-c", "flock -n \(supervision.directory)/lock echo free >> \(mark)"]
    }
    let first = try Supervised(host, "one", ["true"], change)
    _ = try first.rest()
    #expect(try eventually { try access(mark.string, F_OK) == 0 && host.read(mark) == "free\n" })
    withExtendedLifetime(first) {}
    let container = try Supervised(host, "two", ["sleep", "0.3"], change)
    try container.send(5)
    _ = try container.rest()
    usleep(300_000)
    #expect(try host.read(mark) == "free\n")
  }

  @Test func healthTurnsAndIsRemembered() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "sleep 1; touch /dev/shm/fine; sleep 1000"]) {
      $0.probes = [
        Probe(kind: .health, action: .exec(["sh", "-c", "echo looked; cat /dev/shm/fine"]), period: 100_000_000)
      ]
    }
    #expect(try eventually { try container.state().health?.status == .unhealthy })
    #expect(try eventually { try container.state().health?.status == .healthy })
    let health = try #require(try container.state().health)
    #expect(health.failingStreak == 0)
    #expect(health.log.count == 5)
    #expect(health.log.last?.output == "looked\n")
    try container.stop(seconds: 0)
  }

  @Test func aHangingProbeIsEnded() throws {
    let container = try Supervised(host, "one", ["sleep", "1000"]) {
      $0.probes = [
        Probe(
          kind: .health, action: .exec(["sleep", "1000"]), period: 100_000_000, timeout: 200_000_000,
          failureThreshold: 1)
      ]
    }
    #expect(try eventually { try container.state().health?.status == .unhealthy })
    #expect(try container.state().health?.log.last?.exitCode == -1)
    #expect(try eventually { try host.runtime("exec", "one", "ps").output.split(separator: "\n").count <= 4 })
    try container.stop(seconds: 0)
  }

  @Test func startupReadinessAndLivenessOverTheNetwork() throws {
    let script = "sleep 0.5; mkdir /dev/shm/w; echo fine > /dev/shm/w/page; httpd -f -p 8080 -h /dev/shm/w & wait"
    let period: Int64 = 100_000_000
    let container = try Supervised(host, "one", ["sh", "-c", script]) {
      $0.stop = StopPolicy(signal: SIGKILL, timeout: 1)
      $0.probes = [
        Probe(
          kind: .startup, action: .http(HTTPProbe(port: 8080, path: "/page")), period: period, failureThreshold: 100),
        Probe(kind: .readiness, action: .tcp(TCPProbe(port: 8080)), period: period),
        Probe(
          kind: .liveness, action: .http(HTTPProbe(port: 8080, path: "/page")), period: period, failureThreshold: 2),
      ]
    }
    #expect(try container.state().started == false)
    #expect(try eventually { try container.state().ready })
    #expect(try container.state().started)
    try host.succeed(host.runtime("exec", "one", "rm", "/dev/shm/w/page"))
    #expect(try container.rest().exit == #"{"exitCode":137,"oomKilled":false}"#)
    #expect(try container.state().error == "the liveness probe failed")
  }

  @Test func hooksOfTheLifecycle() throws {
    let container = try Supervised(
      host, "one", ["sh", "-c", "trap 'echo end; exit 0' TERM; while :; do sleep 0.05; done"]
    ) {
      $0.hooks = LifecycleHooks(
        postStart: .exec(["sh", "-c", "echo post > /proc/1/fd/1"]),
        preStop: .exec(["sh", "-c", "echo pre > /proc/1/fd/1"]))
    }
    #expect(try container.next() == .output("post\n"))
    try container.stop()
    #expect(try container.rest().output == "pre\nend\n")
    let failing = try Supervised(host, "two", ["sleep", "1000"]) {
      $0.hooks = LifecycleHooks(postStart: .exec(["sh", "-c", "echo broken; exit 1"]))
      $0.stop.timeout = 1
    }
    #expect(try failing.rest().exit == #"{"exitCode":137,"oomKilled":false}"#)
    #expect(try failing.state().error?.contains("broken") == true)
  }

  @Test func aClientThatDoesNotReadHoldsNobodyUp() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "sleep 0.3; dd if=/dev/zero bs=1M count=10 2>/dev/null"]) {
      $0.log.driver = .none
    }
    let lazy = try container.attach(stdout: true)
    #expect(try container.rest().output.utf8.count == 10 << 20)
    _ = consume lazy
  }

  @Test func theFirstClientHoldsTheProgramUp() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "dd if=/dev/zero bs=1M count=20 2>/dev/null"]) {
      $0.log.driver = .none
    }
    usleep(500_000)
    let text = try host.read(FilePath("/proc/\(try #require(container.report.supervisor))/status"))
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
    let kilobytes = try #require(Int(line.split(separator: " ").dropLast().last ?? ""))
    #expect(kilobytes < 8192)
    #expect(try container.rest().output.utf8.count == 20 << 20)
  }

  @Test func nonsenseFromAClientIsSurvived() throws {
    let container = try Supervised(host, "one", ["sleep", "1000"])
    let socket = try container.attach()
    for packet: [UInt8] in [[0xff, 1, 2], [4], [1, 0], [7, 0], [7, 200], [3, 0x7b], [0] + Array("data".utf8)] {
      try LocalSockets.send(socket.number, packet)
    }
    usleep(100_000)
    #expect(try container.state().status == .running)
    try container.send(7, [UInt8(SIGKILL)], on: socket.number)
    #expect(try container.rest().exit == #"{"exitCode":137,"oomKilled":false}"#)
  }

  @Test func heldDescriptorsStayAndDoNotReachTheProgram() throws {
    let held = try openat2(workingDirectory, "/etc/passwd", flags: O_RDONLY)
    let script = "for f in /proc/$$/fd/*; do readlink $f; done | grep -c -e passwd -e socket; sleep 1000"
    let container = try Supervised(host, "one", ["sh", "-c", script], held: held.number)
    #expect(try container.next() == .output("0\n"))
    let supervisor = try #require(container.report.supervisor)
    #expect(readLink(workingDirectory, "/proc/\(supervisor)/fd/5") == "/etc/passwd")
    // The caller's others are not kept.
    #expect(readLink(workingDirectory, "/proc/\(supervisor)/fd/6") != "/etc/passwd")
    try container.stop(seconds: 0)
  }

  /// What one more container costs: pages that no other process has. The program's own code is shared by all.
  @Test func aSleepingSupervisorHoldsLittleMemory() throws {
    let noisy = "dd if=/dev/zero bs=64k count=100 2>/dev/null | tr '\\0' a; echo; exec sleep 1000"
    let container = try Supervised(host, "one", ["sh", "-c", noisy]) { $0.attachedCleansUp = false }
    _ = try container.read(atLeast: 6_553_601)
    let neighbour = try Supervised(host, "two", ["sleep", "1000"])
    func privateKilobytes() throws -> Int {
      let supervisor = try #require(container.report.supervisor)
      return try host.read(FilePath("/proc/\(supervisor)/smaps_rollup")).split(separator: "\n").reduce(0) { sum, line in
        let words = line.split(separator: " ")
        return words.first?.hasPrefix("Private_") == true ? sum + (Int(words[1]) ?? 0) : sum
      }
    }
    #expect(try eventually { try privateKilobytes() <= 2048 })
    for running in [container, neighbour] { try running.stop(seconds: 0) }
  }

  @Test func theTerminalCanBeResizedWhileItRuns() throws {
    let script = "trap 'stty size; exit' WINCH; echo ready; while true; do sleep 0.05; done"
    let container = try Supervised(host, "one", ["sh", "-c", script]) { $0.stdin = .open } config: {
      $0.process?.terminal = true
      $0.process?.consoleSize = ConsoleSize(height: 10, width: 20)
    }
    var seen = ""
    while !seen.contains("ready"), case .output(let text) = try container.next() { seen += text }
    try container.send(1, [0, 33, 0, 77])
    #expect(try container.rest().output.contains("33 77"))
  }

  /// As the kubelet rotates: it moves the file and asks for a new one.
  @Test func theLogIsReopenedForWhoMovedIt() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "echo before; read line; echo after"]) {
      $0.stdin = .once
      $0.log = LogDestination(driver: .cri, path: $0.log.path)
    }
    #expect(try container.next() == .output("before\n"))
    let log = container.directory.removingLastComponent().appending("log")
    rename(log.string, log.string + ".moved")
    try container.send(6)
    #expect(try eventually { access(log.string, F_OK) == 0 })
    try container.send(0, Array("go\n".utf8))
    #expect(try container.rest().output == "after\n")
    #expect(container.log.hasSuffix(" stdout F after\n"))
    #expect(try host.read(FilePath(log.string + ".moved")).hasSuffix(" stdout F before\n"))
  }

  /// A full disk costs the log's lines and not the container.
  @Test func aLogThatCannotBeWrittenEndsNothing() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "echo one; echo two; exit 4"]) {
      $0.log = LogDestination(driver: .jsonFile, path: "/dev/full")
    }
    let all = try container.rest()
    #expect(all.output == "one\ntwo\n")
    #expect(all.exit == #"{"exitCode":4,"oomKilled":false}"#)
  }

  @Test func aSignalThatEndsTheProgramIsItsStatus() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "sleep 1000 & wait"]) { $0.restart = .init(policy: .onFailure) }
    let socket = try container.attach()
    try container.send(7, [UInt8(SIGKILL)], on: socket.number)
    #expect(try container.rest().exit == #"{"exitCode":137,"oomKilled":false}"#)
    #expect(try container.state().restartCount == 0)
  }

  @Test(arguments: [(RestartPolicy(policy: .onFailure, maximumRetries: 2), 3), (RestartPolicy(policy: .no), 1)])
  func failuresAreRepeatedAsOftenAsThePolicySays(_ policy: RestartPolicy, _ runs: Int) throws {
    let container = try Supervised(host, "one", ["sh", "-c", "echo run; exit 5"]) { $0.restart = policy }
    let all = try container.rest()
    #expect(all.output == String(repeating: "run\n", count: runs))
    #expect(all.exit == #"{"exitCode":5,"oomKilled":false}"#)
    #expect(try container.state().restartCount == runs - 1)
  }
}

/// What takes a cgroup tree with limits.
@Suite(.enabled(if: RuntimeHost.hasUnifiedTree, "needs a pure cgroup v2 tree: make test-vm"), .serialized)
struct GuestSuperviseTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  @Test func runningOutOfMemoryIsNoted() throws {
    let container = try Supervised(host, "one", ["sh", "-c", "x=a; while true; do x=$x$x; done"]) { _ in } config: {
      $0.linux?.resources?.memory = LinuxMemory(limit: 24 << 20, swap: 24 << 20)
    }
    #expect(try container.rest().exit == #"{"exitCode":137,"oomKilled":true}"#)
    let state = try container.state()
    #expect(state.oomKilled)
    #expect(state.exitCode == 137)
  }

  @Test func aContainerThatIsKilledIsNotOutOfMemory() throws {
    let container = try Supervised(host, "one", ["sleep", "1000"], config: {
      $0.linux?.resources?.memory = LinuxMemory(limit: 64 << 20)
    })
    let socket = try container.attach()
    try container.send(7, [UInt8(SIGKILL)], on: socket.number)
    #expect(try container.rest().exit == #"{"exitCode":137,"oomKilled":false}"#)
  }
}
