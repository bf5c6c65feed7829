import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// `--systemd-cgroup` with a real systemd. How errors are met: `SystemdScopeTests`.
@Suite(.enabled(if: SystemdHost.isAble, "needs a pure cgroup v2 tree, systemd and dbus: make test-vm"), .serialized)
struct GuestSystemdTests {
  let host: RuntimeHost
  let systemd: SystemdHost
  let name = "t\(UInt32.random(in: 0...UInt32.max))"

  init() throws {
    host = try RuntimeHost()
    systemd = try SystemdHost.shared.get()
  }

  private var scope: String { "clippertest-\(name).scope" }

  private func runtime(_ arguments: String...) throws -> RuntimeHost.Result {
    try systemd.run([host.program.string, "--root", host.state.string, "--systemd-cgroup"] + arguments)
  }

  private func start(
    _ arguments: [String] = ["sleep", "1000"], _ change: (inout RuntimeConfig) -> Void = { _ in }
  ) throws -> Cgroup {
    let bundle = try host.bundle(name, arguments) {
      $0.linux?.cgroupsPath = "clippertest-\(name).slice:clippertest:\(name)"
      change(&$0)
    }
    try host.succeed(runtime("run", "--detach", "--bundle", bundle.string, name))
    let state = try readFile(host.state.appending("\(name)/state.json"))
    let saved = try JSONText.decode(SavedState.self, state, name: "state.json")
    return try #require(CgroupTree.find()).cgroup(at: try #require(saved.cgroup))
  }

  private func file(_ cgroup: Cgroup, _ name: String) throws -> String {
    String(try host.read(cgroup.path.appending(name)).dropLast())
  }

  private func delete(_ cgroup: Cgroup) throws {
    try host.succeed(runtime("delete", "--force", name))
    #expect(!cgroup.exists)
    #expect(try systemd.properties(scope)["LoadState"] == "not-found")
  }

  @Test func aScopeHasTheContainersLimits() throws {
    let cgroup = try start {
      $0.linux?.resources?.memory = LinuxMemory(limit: 64 << 20, reservation: 32 << 20)
      $0.linux?.resources?.pids = LinuxPids(limit: 77)
      $0.linux?.resources?.cpu = LinuxCPU(shares: 512, quota: 12_345, period: 50_000, cpus: "0")
      $0.linux?.resources?.unified = ["memory.high": "50331648"]
      $0.annotations = [
        "org.systemd.property.TimeoutStopSec": "7", "org.systemd.property.CollectMode": "'inactive-or-failed'",
      ]
    }
    #expect(cgroup.name == "/clippertest.slice/clippertest-\(name).slice/\(scope)")
    let properties = try systemd.properties(scope)
    let expected = [
      "ActiveState": "active", "Slice": "clippertest-\(name).slice", "ControlGroup": cgroup.name, "Delegate": "yes",
      "MemoryMax": "67108864", "MemoryLow": "33554432", "MemoryHigh": "50331648", "TasksMax": "77",
      "CPUQuotaPerSecUSec": "250ms", "CPUQuotaPeriodUSec": "50ms", "AllowedCPUs": "0", "TimeoutStopUSec": "7s",
      "CollectMode": "inactive-or-failed", "DefaultDependencies": "no", "MemoryAccounting": "yes",
      "CPUAccounting": "yes", "IOAccounting": "yes", "TasksAccounting": "yes", "Description": "container \(name)",
    ]
    for (name, value) in expected { #expect(properties[name] == value, "\(name)") }
    #expect(try file(cgroup, "memory.max") == "67108864")
    #expect(try file(cgroup, "pids.max") == "77")
    #expect(try file(cgroup, "cpuset.cpus") == "0")
    // What was asked for, and not systemd's rounding of it.
    #expect(try file(cgroup, "cpu.max") == "12345 50000")
    #expect(cgroup.processes().count == 1)
    for process in ["1", "self"] {
      #expect(try runtime("exec", name, "grep", "^0:", "/proc/\(process)/cgroup").output == "0::/\n")
    }
    try delete(cgroup)
  }

  /// The device program is ours, beside those that systemd may have, and not systemd's to take away.
  @Test func devicesStayRefusedWhenSystemdReloads() throws {
    // 1:11 is /dev/kmsg: everybody may open it to write, unless the cgroup forbids it.
    let script = "mknod /tmp/k c 1 11; true > /tmp/k && echo opened; echo ran"
    let free = try start { $0.linux?.resources?.devices = [LinuxDeviceRule(allow: true, access: "rwm")] }
    #expect(try runtime("exec", name, "sh", "-c", script).output == "opened\nran\n")
    try delete(free)
    let cgroup = try start {
      $0.linux?.resources?.devices = [LinuxDeviceRule(allow: false, access: "rwm")]
      $0.linux?.resources?.memory = LinuxMemory(limit: 64 << 20)
    }
    func refused() throws -> Bool { try runtime("exec", name, "sh", "-c", script).output == "ran\n" }
    #expect(try refused())
    try host.succeed(systemd.run(["/usr/bin/systemctl", "daemon-reload"]))
    #expect(try refused())
    try host.succeed(systemd.run(["/usr/bin/systemctl", "set-property", "--runtime", scope, "MemoryMax=32M"]))
    #expect(try refused())
    // systemd's own rules come on top.
    try host.succeed(systemd.run(["/usr/bin/systemctl", "set-property", "--runtime", scope, "DevicePolicy=closed"]))
    #expect(try refused())
    #expect(try file(cgroup, "memory.max") == "33554432")
    try delete(cgroup)
  }

  @Test func limitsAreSystemdsAfterAReload() throws {
    let cgroup = try start { $0.linux?.resources?.memory = LinuxMemory(limit: 64 << 20) }
    try host.succeed(systemd.run(["/usr/bin/systemctl", "daemon-reload"]))
    try host.succeed(systemd.run(["/usr/bin/systemctl", "set-property", "--runtime", scope, "TasksMax=50"]))
    #expect(try file(cgroup, "memory.max") == "67108864")
    #expect(try file(cgroup, "pids.max") == "50")
    try delete(cgroup)
  }

  @Test func anUpdateIsSystemdsToo() throws {
    let cgroup = try start { $0.linux?.resources?.memory = LinuxMemory(limit: 64 << 20) }
    let flags = ["--memory", "33554432", "--pids-limit", "44", "--cpu-quota", "12345", "--cpu-period", "50000"]
    try host.succeed(
      systemd.run([host.program.string, "--root", host.state.string, "update"] + flags + [name]))
    let properties = try systemd.properties(scope)
    #expect(properties["MemoryMax"] == "33554432")
    #expect(properties["TasksMax"] == "44")
    #expect(properties["CPUQuotaPerSecUSec"] == "250ms")
    #expect(try file(cgroup, "cpu.max") == "12345 50000")
    // systemd writes what it knows, and that is what was asked for.
    try host.succeed(systemd.run(["/usr/bin/systemctl", "daemon-reload"]))
    try host.succeed(systemd.run(["/usr/bin/systemctl", "set-property", "--runtime", scope, "IOWeight=50"]))
    #expect(try file(cgroup, "memory.max") == "33554432")
    #expect(try file(cgroup, "pids.max") == "44")
    try delete(cgroup)
  }

  @Test func aContainerThatEndsByItselfLeavesNoUnit() throws {
    let bundle = try host.bundle(name, ["sh", "-c", "exit 3"]) {
      $0.linux?.cgroupsPath = "clippertest-\(name).slice:clippertest:\(name)"
    }
    #expect(try runtime("run", "--bundle", bundle.string, name).status == 3)
    #expect(try systemd.properties(scope)["LoadState"] == "not-found")
  }

  /// One that ran out of memory is a failed unit, which would stay in the way of the next.
  @Test func aFailedScopeIsCleared() throws {
    for _ in 0..<2 {
      let cgroup = try start(["sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=60; sleep 1000"]) {
        $0.linux?.resources?.memory = LinuxMemory(limit: 16 << 20)
        $0.linux?.resources?.memory?.swap = 16 << 20
        $0.linux?.resources?.unified = ["memory.oom.group": "1"]
      }
      #expect(eventually { !cgroup.state.isPopulated })
      try delete(cgroup)
    }
  }

  @Test func aUnitThatIsThereIsNotTakenOver() throws {
    let cgroup = try start()
    let bundle = try host.bundle("other", ["true"]) {
      $0.linux?.cgroupsPath = "clippertest-\(name).slice:clippertest:\(name)"
    }
    let second = try runtime("run", "--bundle", bundle.string, "other")
    #expect(second.status == 1)
    #expect(second.errorOutput.contains("systemd has a unit \(scope) already"), "\(second.errorOutput)")
    #expect(cgroup.state.isPopulated)
    try delete(cgroup)
  }

  @Test func propertiesThatSystemdRefusesAreItsWords() throws {
    let bundle = try host.bundle(name, ["true"]) {
      $0.linux?.cgroupsPath = "clippertest-\(name).slice:clippertest:\(name)"
      $0.annotations = ["org.systemd.property.Nonesuch": "true"]
    }
    let result = try runtime("run", "--bundle", bundle.string, name)
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("Nonesuch"), "\(result.errorOutput)")
    #expect(try systemd.properties(scope)["LoadState"] == "not-found")
    #expect(access(host.state.appending(name).string, F_OK) != 0)
  }

  @Test func deleteClearsAfterAKill() throws {
    let bundle = try host.bundle(name, ["sleep", "1000"]) {
      $0.linux?.cgroupsPath = "clippertest-\(name).slice:clippertest:\(name)"
      // It hangs there, with the scope made.
      $0.hooks = ContainerHooks(createRuntime: [ContainerHook(path: "/bin/sleep", args: ["sleep", "1000"])])
    }
    let pid = try systemd.start([
      host.program.string, "--root", host.state.string, "--systemd-cgroup", "create", "--bundle", bundle.string, name,
    ])
    var isThere = false
    for _ in 0..<6 where !isThere {
      isThere = try eventually { try systemd.properties(scope)["ActiveState"] == "active" }
    }
    #expect(isThere)
    // The one that was started enters the namespace and makes the runtime its child.
    _ = try systemd.run(["/bin/sh", "-c", "pkill -KILL -f -- '--systemd-cgroup create.*\(name)'; true"])
    kill(pid, SIGKILL)
    _ = try waitForProcess(pid)
    try host.succeed(runtime("delete", "--force", name))
    #expect(try systemd.properties(scope)["LoadState"] == "not-found")
    #expect(access(host.state.appending(name).string, F_OK) != 0)
  }

  /// Without a bus root speaks with systemd itself.
  @Test func systemdsOwnSocketIsEnough() throws {
    let cgroup: Cgroup
    let bundle = try host.bundle(name, ["sleep", "1000"]) {
      $0.linux?.cgroupsPath = "clippertest-\(name).slice:clippertest:\(name)"
    }
    let hidden = "mount -t tmpfs tmpfs /run/dbus && exec \"$@\""
    let words = ["--root", host.state.string, "--systemd-cgroup"]
    func run(_ arguments: [String]) throws -> RuntimeHost.Result {
      try systemd.run(
        ["/usr/bin/unshare", "--mount", "sh", "-c", hidden, "sh", host.program.string] + words + arguments)
    }
    try host.succeed(run(["run", "--detach", "--bundle", bundle.string, name]))
    let state = try readFile(host.state.appending("\(name)/state.json"))
    let saved = try JSONText.decode(SavedState.self, state, name: "state.json")
    cgroup = try #require(CgroupTree.find()).cgroup(at: try #require(saved.cgroup))
    #expect(try systemd.properties(scope)["ActiveState"] == "active")
    try host.succeed(run(["delete", "--force", name]))
    #expect(!cgroup.exists)
    #expect(try systemd.properties(scope)["LoadState"] == "not-found")
  }

  /// A cgroup that hands controllers down holds no processes any more: the container has moved itself below.
  @Test func aProcessFollowsAContainerThatHasMoved() throws {
    let script = """
      mkdir /sys/fs/cgroup/init && echo 1 > /sys/fs/cgroup/init/cgroup.procs &&
        echo +pids > /sys/fs/cgroup/cgroup.subtree_control && touch /tmp/moved; exec sleep 1000
      """
    let cgroup = try start(["sh", "-c", script]) {
      $0.mounts?.removeAll { $0.destination == "/sys/fs/cgroup" }
      $0.mounts?.append(
        ContainerMount(destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["rw"]))
    }
    #expect(eventually { access(host.root.appending("tmp/moved").string, F_OK) == 0 })
    let inside = try runtime("exec", name, "grep", "^0:", "/proc/self/cgroup")
    #expect(inside.output == "0::/init\n", "\(inside.errorOutput)")
    let asked = try runtime("exec", "--cgroup", "/", name, "true")
    #expect(asked.status == 255)
    #expect(asked.errorOutput.contains("busy"), "\(asked.errorOutput)")
    #expect(try runtime("exec", "--cgroup", "init", name, "true").status == 0)
    try delete(cgroup)
  }

  /// The caller is outside of what was delegated to its systemd, as in a login session: no process of it could be moved
  /// to the scope but by systemd.
  @Test func theUsersOwnSystemdMakesAScope() throws {
    guard systemd.hasUser else {
      print("SKIPPED: a scope of a user's own systemd: systemd is the machine's, and starts no user of these tests")
      return
    }
    let bundle = try host.bundle(name, ["sleep", "1000"]) {
      $0.makeRootless(user: RootlessHost.user, group: RootlessHost.user)
      $0.linux?.cgroupsPath = ":clippertest:\(name)"
      $0.linux?.resources = LinuxResources(memory: LinuxMemory(limit: 64 << 20), pids: LinuxPids(limit: 77))
    }
    func runtime(_ words: String...) throws -> RuntimeHost.Result {
      try systemd.runAsUser([host.program.string, "--systemd-cgroup"] + words)
    }
    func show(_ property: String) throws -> String {
      try systemd.runAsUser(["systemctl", "--user", "show", "--property", property, "--value", scope]).output
    }
    try host.succeed(runtime("run", "--detach", "--bundle", bundle.string, name))
    #expect(try show("ActiveState") == "active\n")
    #expect(try show("Slice") == "user.slice\n")
    #expect(try show("MemoryMax") == "67108864\n")
    #expect(try show("TasksMax") == "77\n")
    let path = try show("ControlGroup").dropLast()
    #expect(path == "/system.slice/clipper-user.service/user.slice/\(scope)")
    let cgroup = try #require(CgroupTree.find()).cgroup(at: String(path))
    #expect(try file(cgroup, "memory.max") == "67108864")
    let inside = try runtime("exec", name, "grep", "^0:", "/proc/self/cgroup")
    #expect(inside.output == "0::/\n", "\(inside.errorOutput)")
    try host.succeed(runtime("delete", "--force", name))
    #expect(!cgroup.exists)
    #expect(try show("LoadState") == "not-found\n")
  }
}
