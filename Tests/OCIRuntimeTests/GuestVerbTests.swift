import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

@Suite(.enabled(if: RuntimeHost.hasUnifiedTree, "needs a pure cgroup v2 tree: make test-vm"), .serialized)
struct GuestVerbTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  private func resources(_ id: String) throws -> LinuxResources? {
    let file = host.state.appending(id).appending("config.json")
    return try JSONText.decode(RuntimeConfig.self, readFile(file), name: "config.json").linux?.resources
  }

  // MARK: update

  @Test func flagsChangeLimits() throws {
    try host.started("one") { $0.memory = LinuxMemory(limit: 64 << 20, swap: 128 << 20) }
    try host.succeed(
      host.runtime(
        "update", "--memory", "32m", "--memory-reservation", "16m", "--cpu-share", "512", "--cpu-quota", "20000",
        "--cpu-period", "50000", "--cpu-burst", "10000", "--cpuset-cpus", "1", "--cpuset-mems", "0", "--pids-limit",
        "9",
        "--blkio-weight", "1000", "one"))
    let expected = [
      ("memory.max", "\(32 << 20)"), ("memory.swap.max", "\(96 << 20)"), ("memory.low", "\(16 << 20)"),
      ("cpu.weight", "\(Limits.weight(shares: 512))"), ("cpu.max", "20000 50000"), ("cpuset.cpus", "1"),
      ("cpuset.mems", "0"), ("pids.max", "9"),
    ]
    for (name, value) in expected { #expect(try host.file("one", name) == value, "\(name)") }
    let saved = try resources("one")
    #expect(saved?.memory?.limit == 32 << 20 && saved?.memory?.swap == 128 << 20)
    #expect(saved?.cpu?.quota == 20_000 && saved?.pids?.limit == 9)
    // A later one knows what this one left.
    try host.succeed(host.runtime("update", "--memory-swap", "-1", "--cpu-quota=-1", "--pids-limit=-1", "one"))
    #expect(try host.file("one", "memory.swap.max") == "max")
    #expect(try host.file("one", "memory.max") == "\(32 << 20)")
    #expect(try host.file("one", "cpu.max") == "max 50000")
    #expect(try host.file("one", "pids.max") == "max")
    try host.succeed(host.runtime("update", "--memory=-1", "one"))
    #expect(try host.file("one", "memory.max") == "max")
    #expect(try host.runtime("exec", "one", "true").status == 0)
    #expect(try host.status("one") == .running)
  }

  @Test func filesChangeLimits() throws {
    try host.started("one") { _ in }
    let text = #"{"memory":{"limit":33554432,"swap":33554432},"pids":{"limit":5},"unified":{"memory.high":"16777216"}}"#
    try host.succeed(host.runtime(["update", "-r", "-", "one"], input: text))
    let file = host.directory.appending("update.json")
    try host.write(file, #"{"cpu":{"shares":1024,"idle":0}}"#)
    try host.succeed(host.runtime("update", "--resources", file.string, "one"))
    for (name, value) in [
      ("memory.max", "33554432"), ("memory.swap.max", "0"), ("memory.high", "16777216"), ("pids.max", "5"),
      ("cpu.weight", "100"),
    ] {
      #expect(try host.file("one", name) == value, "\(name)")
    }
    #expect(try resources("one")?.unified == ["memory.high": "16777216"])
  }

  @Test func whatFailsChangesNothing() throws {
    try host.started("one") {
      $0.memory = LinuxMemory(limit: 64 << 20)
      $0.pids = LinuxPids(limit: 50)
    }
    let wrong = try host.runtime(
      "update", "--pids-limit", "9", "--memory", "32m", "--cpu-quota", "5000", "--cpuset-cpus", "99x", "one")
    #expect(wrong.status == 1)
    #expect(wrong.errorOutput.contains("keeps its limits") && wrong.errorOutput.contains("cpuset.cpus"))
    #expect(try host.file("one", "pids.max") == "50")
    #expect(try host.file("one", "cpu.max") == "max 100000")
    #expect(try host.file("one", "memory.max") == "\(64 << 20)")
    #expect(try resources("one")?.pids?.limit == 50)
    for (arguments, words) in [
      (["--memory", "1x"], "--memory"), (["--memory-swap", "1m"], "below the limit of memory"),
      (["--cpu-rt-runtime", "5"], "--cpu-rt-runtime"), (["--kernel-memory", "5"], "--kernel-memory"),
      (["--l3-cache-schema", "L3:0=f"], "--l3-cache-schema"), (["--blkio-weight", "5"], "blockIO.weight"),
      (["--resources", "/nonesuch"], "/nonesuch"), (["--resources", "-", "--memory", "1g"], "cannot be combined"),
    ] {
      let result = try host.runtime(["update"] + arguments + ["one"])
      #expect(result.status == 1)
      #expect(result.errorOutput.contains(words))
    }
    try host.succeed(host.runtime("kill", "one", "KILL"))
    #expect(try eventually { try host.status("one") == .stopped })
    #expect(try host.runtime("update", "--memory", "1g", "one").errorOutput.contains("container not running"))
  }

  @Test func useIsCheckedBeforeAnUpdate() throws {
    try host.started("one", "dd if=/dev/zero of=/dev/shm/file bs=1M count=8; exec sleep 1000") {
      $0.memory = LinuxMemory(limit: 64 << 20)
    }
    #expect(try eventually { try UInt64(host.file("one", "memory.current")) ?? 0 > 8 << 20 })
    let text = #"{"memory":{"limit":4194304,"checkBeforeUpdate":true}}"#
    let result = try host.runtime(["update", "-r", "-", "one"], input: text)
    #expect(result.errorOutput.contains("is not above what is in use"))
    #expect(try host.file("one", "memory.max") == "\(64 << 20)")
    #expect(try host.status("one") == .running)
  }

  // MARK: events

  @Test func statisticsOnce() throws {
    try host.started("one") {
      $0.memory = LinuxMemory(limit: 64 << 20, swap: 96 << 20)
      $0.pids = LinuxPids(limit: 9)
    }
    let result = try host.runtime("events", "--stats", "one")
    let event = try JSONText.decode(Event.self, Array(result.output.utf8), name: "events")
    #expect(event.type == "stats" && event.id == "one")
    #expect(event.data.memory.usage.limit == 64 << 20 && event.data.memory.swap.limit == 96 << 20)
    #expect(event.data.memory.usage.usage ?? 0 > 0 && event.data.memory.raw["anon"] != nil)
    #expect(event.data.pids.current == 1 && event.data.pids.limit == 9)
    for part in ["cpu", "blkio", "hugetlb", "intel_rdt"] { #expect(result.output.contains("\"\(part)\":{")) }
    #expect(result.output.contains("\"psi\"") || access("/proc/pressure/memory", F_OK) != 0)
  }

  /// A part of what runc's callers read.
  private struct Event: Decodable {
    struct Data: Decodable {
      let memory: Memory
      let pids: PIDs
    }
    struct Memory: Decodable {
      let usage: Entry
      let swap: Entry
      let raw: [String: UInt64]
    }
    struct Entry: Decodable {
      let limit: UInt64
      let usage: UInt64?
    }
    struct PIDs: Decodable {
      let current: UInt64
      let limit: UInt64
    }
    let type: String
    let id: String
    let data: Data
  }

  @Test func eventsGoOnUntilTheEnd() throws {
    try host.started(
      "one", "while [ ! -e /tmp/go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=64M count=1; exec sleep 1000"
    ) { $0.memory = LinuxMemory(limit: 16 << 20, swap: 16 << 20) }
    let output = host.directory.appending("events")
    let file = try openat2(workingDirectory, output.string, flags: O_WRONLY | O_CREAT, mode: 0o644)
    var spawn = Spawn(host.program, ["--root", host.state.string, "events", "--interval", "50ms", "one"])
    spawn.descriptors = [(file.number, 1)]
    let events = try spawn.start()
    #expect(try eventually { try host.read(output).contains(#""type":"stats""#) })
    #expect(try !host.read(output).contains(#""type":"oom""#))
    try host.succeed(host.runtime("exec", "one", "touch", "/tmp/go"))
    #expect(try eventually { try host.read(output).contains(#"{"id":"one","type":"oom"}"#) })
    try host.succeed(host.runtime("kill", "one", "KILL"))
    #expect(try waitForProcess(events) == .exited(0))
    #expect(try host.read(output).split(separator: "\n").filter { $0.contains(#""oom""#) && $0.count < 40 }.count == 1)
    #expect(try host.runtime("events", "--stats", "one").errorOutput.contains("container not running"))
    #expect(try host.runtime("events", "--interval", "5", "one").errorOutput.contains("--interval"))
  }

  // MARK: pause, resume, kill, ps

  @Test func pausedContainersAreEndedByKill() throws {
    try host.started("one") { _ in }
    try host.succeed(host.runtime("pause", "one"))
    #expect(try host.file("one", "cgroup.freeze") == "1")
    #expect(try host.runtime("pause", "one").errorOutput.contains("it is paused"))
    try host.succeed(host.runtime("kill", "one", "TERM"))
    #expect(try host.status("one") == .paused)
    try host.succeed(host.runtime("update", "--pids-limit", "7", "one"))
    try host.succeed(host.runtime("kill", "one", "KILL"))
    #expect(try eventually { try host.status("one") == .stopped })
    #expect(try host.runtime("resume", "one").errorOutput.contains("container not running"))
    try host.succeed(host.runtime("delete", "one"))
    #expect(access(host.cgroup("one").string, F_OK) != 0)
  }

  @Test func createdContainersCanBePaused() throws {
    let bundle = try host.bundle("one", ["true"])
    try host.succeed(host.runtime("create", "-b", bundle.string, "one"))
    try host.succeed(host.runtime("pause", "one"))
    #expect(try host.status("one") == .paused)
    #expect(try host.runtime("start", "one").errorOutput.contains("it is paused"))
    try host.succeed(host.runtime("resume", "one"))
    #expect(
      try host.runtime("resume", "one").errorOutput.contains("container not paused") || host.status("one") == .stopped)
    try host.succeed(host.runtime("delete", "--force", "one"))
  }

  @Test func signalsForAllReachAll() throws {
    // A shell says on its standard error what has ended its children, and nobody reads that any more.
    let second = "trap 'touch /tmp/second' USR1; touch /tmp/ready; while :; do sleep 0.1; done"
    try host.started(
      "one", "exec 2>/dev/null; trap 'touch /tmp/first' USR1; sh -c \"\(second)\" & while :; do sleep 0.1; done"
    ) { _ in }
    func exists(_ name: String) -> Bool { access(host.root.appending("tmp/\(name)").string, F_OK) == 0 }
    #expect(eventually { exists("ready") })
    try host.succeed(host.runtime("kill", "--all", "one", "USR1"))
    #expect(eventually { exists("first") && exists("second") })
    try host.succeed(host.runtime("kill", "-a", "one", "KILL"))
    #expect(try eventually { try host.status("one") == .stopped })
    try host.succeed(host.runtime("kill", "--all", "one", "KILL"))
  }

  @Test func killEndsASharedNamespacesProcesses() throws {
    let bundle = try host.bundle("one", ["sh", "-c", "sleep 1000 & exec sleep 1001"]) {
      $0.linux?.namespaces?.removeAll { $0.type == .pid }
    }
    try host.succeed(host.runtime("run", "-d", "-b", bundle.string, "one"))
    #expect(try eventually { try host.file("one", "cgroup.procs").split(separator: "\n").count == 2 })
    try host.succeed(host.runtime("kill", "one", "KILL"))
    #expect(try eventually { try host.file("one", "cgroup.events").contains("populated 0") })
    #expect(try host.runtime("kill", "one", "KILL").errorOutput.contains("container not running"))
  }

  @Test func processesAreListed() throws {
    try host.started("one", "sleep 1234 & exec sleep 1000") { _ in }
    let pid = try host.pid("one")
    #expect(try eventually { try host.runtime("ps", "--format", "json", "one").output.contains(",") })
    let json = try host.runtime("ps", "--format", "json", "one").output
    let list = try JSONText.decode([Int32].self, Array(json.utf8), name: "ps")
    #expect(list.count == 2 && list.contains(pid))
    let table = try host.runtime("ps", "one")
    #expect(table.lines.count == 3 && table.lines.first?.contains("PID") == true, "\(table.errorOutput)")
    #expect(table.output.contains("sleep 1234"))
    let chosen = try host.runtime("ps", "one", "-eo", "pid,args")
    #expect(chosen.lines.contains { $0.contains("\(pid)") && $0.contains("sleep 1000") })
    #expect(try host.runtime("ps", "one", "-eo", "args").errorOutput.contains("PID"))
    #expect(try host.runtime("ps", "one", "--frob").status == 1)
    #expect(try host.runtime("ps", "-f", "xml", "one").errorOutput.contains("xml"))
  }
}
