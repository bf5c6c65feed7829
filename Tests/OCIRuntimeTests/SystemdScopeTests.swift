import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemBus
import SystemPackage
import Testing

@testable import OCIRuntime

/// `--systemd-cgroup` against a systemd that can be told how to behave. With a real one: `GuestSystemdTests`.
@Suite(.enabled(if: RuntimeHost.isAble && CgroupTree.find() != nil, "needs root and a cgroup v2 tree"))
struct SystemdScopeTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  private func runtime(_ systemd: FakeSystemd, _ arguments: String...) throws -> RuntimeHost.Result {
    try runtime(address: systemd.address, arguments)
  }

  private func runtime(address: String, _ arguments: [String]) throws -> RuntimeHost.Result {
    var spawn = Spawn(host.program, ["--root", host.state.string, "--systemd-cgroup"] + arguments)
    spawn.environment = ["DBUS_SYSTEM_BUS_ADDRESS=\(address)"]
    let run = try spawn.capture(milliseconds: 60_000)
    return RuntimeHost.Result(
      status: run.status.code, output: String(decoding: run.output, as: UTF8.self),
      errorOutput: String(decoding: run.errorOutput, as: UTF8.self))
  }

  private func bundle(
    _ systemd: FakeSystemd, _ arguments: [String] = ["sleep", "1000"],
    _ change: (inout RuntimeConfig) -> Void = { _ in }
  ) throws -> String {
    try host.bundle("c", arguments) {
      $0.linux?.cgroupsPath = "\(systemd.slice):test:c"
      change(&$0)
    }.string
  }

  private func isForgotten() -> Bool { access(host.state.appending("c").string, F_OK) != 0 }

  @Test func theContainerLivesInAScope() throws {
    let systemd = try FakeSystemd(in: host.directory)
    defer { systemd.stop() }
    let bundle = try bundle(systemd) {
      $0.annotations = ["org.systemd.property.TimeoutStopSec": "3"]
    }
    try host.succeed(runtime(systemd, "run", "-d", "--bundle", bundle, "c"))
    let start = try #require(systemd.calls(of: "StartTransientUnit").first)
    #expect(start.values[0] == .string("test-c.scope"))
    #expect(start.values[1] == .string("replace"))
    let properties = start.properties
    #expect(properties["Slice"] == .string(systemd.slice))
    for name in ["Delegate", "MemoryAccounting", "CPUAccounting", "IOAccounting", "TasksAccounting"] {
      #expect(properties[name] == .boolean(true), "\(name)")
    }
    #expect(properties["DefaultDependencies"] == .boolean(false))
    #expect(properties["TimeoutStopUSec"] == .uint64(3_000_000))
    #expect(systemd.calls(of: "AddMatch").first?.values.first?.text?.contains("arg2='test-c.scope'") == true)

    let saved = try JSONText.decode(
      SavedState.self, readFile(host.state.appending("c/state.json")), name: "state.json")
    let cgroup = try #require(systemd.cgroup(of: "test-c.scope"))
    #expect(saved.systemdUnit?.name == "test-c.scope")
    #expect(saved.cgroup == cgroup.name)
    // The process that systemd was given stood in between, and has gone.
    #expect(cgroup.processes() == [saved.pid])
    // The cgroup namespace begins in the scope, and so does a further process.
    for process in ["1", "self"] {
      let seen = try runtime(systemd, "exec", "c", "grep", "^0:", "/proc/\(process)/cgroup")
      #expect(seen.output == "0::/\n", "\(seen.errorOutput)")
    }
    try host.succeed(runtime(systemd, "delete", "--force", "c"))
    #expect(systemd.calls(of: "StopUnit").map(\.values) == [[.string("test-c.scope"), .string("replace")]])
    #expect(systemd.calls(of: "ResetFailedUnit").count == 1)
    #expect(!cgroup.exists)
    #expect(isForgotten())
  }

  @Test func aRunInTheForegroundLeavesNothing() throws {
    let systemd = try FakeSystemd(in: host.directory)
    defer { systemd.stop() }
    let result = try runtime(systemd, "run", "--bundle", try bundle(systemd, ["sh", "-c", "exit 7"]), "c")
    #expect(result.status == 7, "\(result.errorOutput)")
    #expect(systemd.units.isEmpty)
    #expect(isForgotten())
  }

  /// A time namespace takes a process in between as well.
  @Test func otherNamespacesAreMadeInTheScope() throws {
    let systemd = try FakeSystemd(in: host.directory)
    defer { systemd.stop() }
    let bundle = try bundle(systemd, ["sh", "-c", "grep ^0: /proc/self/cgroup; cat /proc/self/timens_offsets"]) {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .time))
      $0.linux?.timeOffsets = ["monotonic": LinuxTimeOffset(secs: 1000)]
    }
    let result = try runtime(systemd, "run", "--bundle", bundle, "c")
    #expect(result.status == 0, "\(result.errorOutput)")
    #expect(result.lines.first == "0::/")
    #expect(result.output.contains("1000"), "\(result.output)")
  }

  @Test func aSliceIsJoinedByTheRuntime() throws {
    let systemd = try FakeSystemd(in: host.directory)
    defer { systemd.stop() }
    let bundle = try host.bundle("c", ["sleep", "1000"]) { $0.linux?.cgroupsPath = "\(systemd.slice):x:test.slice" }
    try host.succeed(runtime(systemd, "run", "-d", "--bundle", bundle.string, "c"))
    let properties = try #require(systemd.calls(of: "StartTransientUnit").first).properties
    #expect(properties["PIDs"] == nil)
    #expect(properties["Slice"] == nil)
    #expect(properties["Wants"] == .strings([systemd.slice]))
    #expect(systemd.cgroup(of: "test.slice")?.state.isPopulated == true)
    try host.succeed(runtime(systemd, "delete", "--force", "c"))
    #expect(systemd.units.isEmpty)
  }

  @Test(
    arguments: [
      (.refuses("StartTransientUnit", error: "org.freedesktop.DBus.Error.AccessDenied"), "AccessDenied"),
      (.refuses("Subscribe", error: "org.freedesktop.DBus.Error.ServiceUnknown"), "ServiceUnknown"),
      (.refuses("Hello", error: "org.x.Full"), "org.x.Full"), (.refuses("Get", error: "org.x.Get"), "org.x.Get"),
      (.jobEnds("failed"), "the job ended as \"failed\""), (.jobEnds("dependency"), "dependency"),
      (.unitExists(resetHelps: false), "systemd has a unit test-c.scope already"),
      (.leavesProcess, "the container's process is not in it"), (.babbles, "no D-Bus"),
    ] as [(FakeSystemd.Behaviour, String)])
  func whatSystemdRefusesIsSaidAndLeavesNothing(_ behaviour: FakeSystemd.Behaviour, _ message: String) throws {
    let systemd = try FakeSystemd(in: host.directory, behaviour)
    defer { systemd.stop() }
    let result = try runtime(systemd, "run", "-d", "--bundle", try bundle(systemd), "c")
    #expect(result.status == 1)
    #expect(result.errorOutput.contains(message), "\(result.errorOutput)")
    #expect(systemd.units.isEmpty)
    #expect(isForgotten())
  }

  @Test func aUnitThatOnlyFailedIsPutAway() throws {
    let systemd = try FakeSystemd(in: host.directory, .unitExists(resetHelps: true))
    defer { systemd.stop() }
    try host.succeed(runtime(systemd, "run", "--bundle", try bundle(systemd, ["true"]), "c"))
    #expect(systemd.calls(of: "StartTransientUnit").count == 2)
  }

  @Test(arguments: [FakeSystemd.Behaviour.ignores("StartTransientUnit"), .forgetsJobs])
  func silenceEnds(_ behaviour: FakeSystemd.Behaviour) throws {
    let systemd = try FakeSystemd(in: host.directory, behaviour)
    defer { systemd.stop() }
    let manager = try SystemdManager(at: [BusAddress(path: systemd.path.string)], milliseconds: 200)
    let unit = try SystemdUnit(path: "\(systemd.slice):test:c", id: "c", user: false)
    do {
      try manager.start(unit, [SystemdProperty("Slice", .string(systemd.slice))])
      Issue.record("it has not waited")
    } catch {
      #expect("\(error)".contains("did not answer in time"), "\(error)")
    }
  }

  @Test func changesAreForThisBootOnly() throws {
    let systemd = try FakeSystemd(in: host.directory)
    defer { systemd.stop() }
    let manager = try SystemdManager(at: [BusAddress(path: systemd.path.string)], milliseconds: 10_000)
    let unit = try SystemdUnit(path: "", id: "c", user: false)
    var limits = CgroupLimits()
    limits.memoryMax = .bytes(1 << 20)
    limits.unified = ["memory.oom.group": "1"]
    try manager.change(unit, SystemdProperties.limits(limits))
    let call = try #require(systemd.calls(of: "SetUnitProperties").first)
    #expect(call.values[1] == .boolean(true))
    // OOMPolicy of a scope is of systemd 253, and this one is older.
    #expect(call.properties == ["MemoryMax": .uint64(1 << 20)])
  }

  /// Killed while systemd works: the unit's name is in the state already.
  @Test func deleteClearsAfterAKill() throws {
    let systemd = try FakeSystemd(in: host.directory, .ignores("StartTransientUnit"))
    defer { systemd.stop() }
    var spawn = Spawn(
      host.program,
      ["--root", host.state.string, "--systemd-cgroup", "create", "--bundle", try bundle(systemd), "c"])
    spawn.environment = ["DBUS_SYSTEM_BUS_ADDRESS=\(systemd.address)"]
    let pid = try spawn.start()
    #expect(eventually { systemd.cgroup(of: "test-c.scope") != nil })
    kill(pid, SIGKILL)
    _ = try waitForProcess(pid)
    let cgroup = try #require(systemd.cgroup(of: "test-c.scope"))
    // The process that waited for systemd goes with the runtime.
    #expect(eventually { !cgroup.state.isPopulated })
    #expect(try host.status("c") == .stopped)
    try host.succeed(runtime(systemd, "delete", "--force", "c"))
    #expect(systemd.units.isEmpty)
    #expect(!cgroup.exists)
    #expect(isForgotten())
  }

  @Test func withoutSystemdNothingStartsAndAllIsDeleted() throws {
    let systemd = try FakeSystemd(in: host.directory)
    let bundle = try bundle(systemd)
    try host.succeed(runtime(systemd, "run", "-d", "--bundle", bundle, "c"))
    let cgroup = try #require(systemd.cgroup(of: "test-c.scope"))
    let nowhere = "unix:path=\(host.directory)/nobody"
    let deleted = try runtime(address: nowhere, ["delete", "--force", "c"])
    #expect(deleted.status == 0)
    #expect(deleted.errorOutput.contains("cannot speak with the system's systemd"))
    #expect(!cgroup.exists)
    #expect(isForgotten())
    let refused = try runtime(address: nowhere, ["create", "--bundle", bundle, "c"])
    #expect(refused.status == 1)
    #expect(refused.errorOutput.contains("cannot connect to the bus at \(nowhere)"), "\(refused.errorOutput)")
    #expect(isForgotten())
    systemd.stop()
  }

  @Test func aPathThatIsNoUnitIsRefused() throws {
    let systemd = try FakeSystemd(in: host.directory)
    defer { systemd.stop() }
    let bundle = try host.bundle("c", ["true"]) { $0.linux?.cgroupsPath = "/a/b" }
    let result = try runtime(systemd, "run", "--bundle", bundle.string, "c")
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("slice:prefix:name"))
    #expect(systemd.calls.isEmpty)
    #expect(isForgotten())
  }
}
