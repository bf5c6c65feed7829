import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemBus
import SystemPackage
import Testing

@testable import OCIRuntime

/// `--systemd-cgroup` of an ordinary user, whose own systemd is asked.
@Suite(.enabled(if: RootlessHost.isAble && CgroupTree.find() != nil, "needs user namespaces and a cgroup v2 tree"))
struct SystemdUserTests {
  let rootless: RootlessHost

  init() throws { rootless = try RootlessHost() }

  private func runtime(
    _ systemd: FakeSystemd, _ arguments: [String], as caller: RootlessHost.Caller
  ) throws -> RuntimeHost.Result {
    try rootless.command(
      [rootless.host.program.string, "--systemd-cgroup"] + arguments, as: caller,
      environment: [
        "PATH=/usr/local/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR=\(rootless.runtimeDirectory)",
        "DBUS_SESSION_BUS_ADDRESS=\(systemd.address)",
      ])
  }

  @Test(arguments: [RootlessHost.Caller.user, .namespaceRoot])
  func theUsersSystemdMakesTheScope(_ caller: RootlessHost.Caller) throws {
    let systemd = try FakeSystemd(in: rootless.host.directory, owner: RootlessHost.user)
    defer { systemd.stop() }
    let bundle = try rootless.bundle("c", ["sleep", "1000"]) {
      $0.linux?.cgroupsPath = "\(systemd.slice):test:c"
      if caller == .namespaceRoot { $0.shareUserNamespace() }
    }
    let host = rootless.host
    try host.succeed(runtime(systemd, ["run", "--detach", "--bundle", bundle.string, "c"], as: caller))
    let cgroup = try #require(systemd.cgroup(of: "test-c.scope"))
    #expect(cgroup.processes().count == 1)
    // The user may not move a process there from where it is: systemd does. (Each command's namespace root is another.)
    try makeDirectories(cgroup.path.appending("below"))
    let places: [([String], String)] = caller == .user ? [([], "/"), (["--cgroup", "/below"], "/below")] : []
    for (flags, seen) in places {
      let words = ["exec"] + flags + ["c", "grep", "^0:", "/proc/self/cgroup"]
      let result = try runtime(systemd, words, as: caller)
      #expect(result.output == "0::\(seen)\n", "\(result.errorOutput)")
    }
    #expect(systemd.calls(of: "AttachProcessesToUnit").count == places.count)
    try host.succeed(runtime(systemd, ["delete", "--force", "c"], as: caller))
    #expect(!cgroup.exists)
    #expect(systemd.calls(of: "StopUnit").count == 1)
  }

  @Test func aUserWithoutABusIsTold() throws {
    let bundle = try rootless.bundle("c", ["true"]) { $0.linux?.cgroupsPath = ":test:c" }
    let result = try rootless.command(
      [rootless.host.program.string, "--root", rootless.runtimeDirectory.string, "--systemd-cgroup", "run", "--bundle"]
        + [bundle.string, "c"],
      environment: ["PATH=/usr/bin:/bin"])
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set"))
  }
}
