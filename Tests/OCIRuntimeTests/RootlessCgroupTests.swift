import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// A part of the cgroup v2 tree that root has given to the user, with the place from which the runtime is called.
final class DelegatedTree {
  let top: FilePath
  private let outer: FilePath
  private let caller: FilePath

  /// - Parameters:
  ///   - name: of a cgroup below the mount, in which the delegated one lies.
  ///   - controllers: what the user can have.
  init?(_ name: String, controllers: [String] = []) throws {
    guard let tree = CgroupTree.find() else { return nil }
    outer = tree.mount.appending(name)
    top = outer.appending("user")
    caller = top.appending("caller")
    try makeDirectories(caller)
    let enable = controllers.map { "+\($0)" }.joined(separator: " ")
    for place in [tree.mount, outer] where !controllers.isEmpty {
      let file = try openat2(workingDirectory, place.appending("cgroup.subtree_control").string, flags: O_WRONLY)
      try writeAll(file.number, Array(enable.utf8))
    }
    // What cgroup-v2.rst says to hand over, Delegation.
    for place in [top, caller] {
      for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
        let path = file.isEmpty ? place : place.appending(file)
        try Errno.check(chown(path.string, RootlessHost.user, RootlessHost.user))
      }
    }
  }

  deinit {
    guard let tree = CgroupTree.find() else { return }
    let all = Cgroup(tree: tree, path: outer)
    try? all.kill()
    try? all.remove()
  }

  /// Of the test's script: the runtime begins here.
  var enter: String { "echo $$ > \(caller)/cgroup.procs" }
  /// The same in the cgroup that was delegated.
  var enterTop: String { "echo $$ > \(top)/cgroup.procs" }

  /// Cgroups in it, but the caller's.
  func children() throws -> [String] {
    try directoryEntries(of: top).filter { name in
      var status = stat()
      return lstat(top.appending(name).string, &status) == 0 && status.isDirectory && name != "caller"
    }
  }
}

@Suite(.enabled(if: RootlessHost.isAble, "needs root to become another user, and user namespaces"), .serialized)
struct RootlessCgroupTests {
  let host: RootlessHost

  init() throws { host = try RootlessHost() }

  private func delegated() throws -> DelegatedTree? {
    let tree = try DelegatedTree("clipper-\(host.host.directory.lastComponent?.string ?? "")")
    if tree == nil { print("SKIPPED: delegated cgroups: no cgroup v2 tree is mounted") }
    return tree
  }

  private func status(_ id: String) throws -> RuntimeState.Status {
    try JSONText.decode(RuntimeState.self, Array(try host.runtime("state", id).output.utf8), name: "state").status
  }

  @Test func aContainerIsMadeBesideItsCallersCgroup() throws {
    guard let tree = try delegated() else { return }
    let bundle = try host.bundle("one", ["sh", "-c", "sleep 1000 & sleep 1000"]) { $0.linux?.cgroupsPath = nil }
    func runtime(_ arguments: String...) throws -> RuntimeHost.Result {
      try host.command([host.host.program.string] + arguments, before: tree.enter)
    }
    try host.host.succeed(runtime("run", "--detach", "--bundle", bundle.string, "one"))
    #expect(try tree.children() == ["one"])
    try host.host.succeed(runtime("pause", "one"))
    #expect(try status("one") == .paused)
    try host.host.succeed(runtime("resume", "one"))
    #expect(try status("one") == .running)
    // From outside of the namespace: a process of exec is in the same cgroup.
    let pids = try host.host.read(tree.top.appending("one/cgroup.procs")).split(separator: "\n").count
    try host.host.succeed(runtime("exec", "--detach", "one", "sleep", "1000"))
    #expect(try host.host.read(tree.top.appending("one/cgroup.procs")).split(separator: "\n").count == pids + 1)
    // From a session of the user's outside of it, nobody moves a process there.
    let outside = try host.runtime("exec", "one", "echo", "there")
    #expect(outside.output == "there\n")
    #expect(outside.errorOutput.contains("outside of the cgroup of container one"))
    let inner = try host.runtime("exec", "--cgroup", "x", "one", "true")
    #expect(inner.errorOutput.contains("has no cgroup x"))
    try host.host.succeed(runtime("kill", "--all", "one", "KILL"))
    #expect(try eventually { try status("one") == .stopped })
    try host.host.succeed(runtime("delete", "one"))
    #expect(try tree.children().isEmpty)
  }

  @Test(.enabled(if: RootlessHost.mapsRanges)) func rootOfANamespaceHasTheSame() throws {
    guard let tree = try delegated() else { return }
    let bundle = try host.bundle("one", ["sleep", "1000"]) {
      $0.linux?.cgroupsPath = "a"
      $0.shareUserNamespace()
    }
    for (caller, root) in [(RootlessHost.Caller.namespaceRoot, "A"), (.loneNamespaceRoot, "B")] {
      let state = host.runtimeDirectory.appending(root).string
      let result = try host.command(
        [host.host.program.string, "--root", state, "run", "-d", "-b", bundle.string, root], as: caller,
        before: tree.enter)
      #expect(result.status == 0, "\(result.errorOutput)")
      #expect(try tree.children() == ["a"])
      try host.host.succeed(
        host.command([host.host.program.string, "--root", state, "delete", "-f", root], as: caller, before: tree.enter))
      #expect(try tree.children().isEmpty)
    }
  }

  /// It holds the caller, and can have cgroups below it as long as no controller is to be handed down.
  @Test func theCallersOwnCgroupServesWhereNothingElseIsDelegated() throws {
    guard let tree = try delegated() else { return }
    let bundle = try host.bundle("one", ["sleep", "1000"]) { $0.linux?.cgroupsPath = nil }
    let result = try host.command(
      [host.host.program.string, "run", "--detach", "--bundle", bundle.string, "one"], before: tree.enterTop)
    #expect(result.status == 0, "\(result.errorOutput)")
    #expect(try tree.children() == ["one"])
    try host.host.succeed(
      host.command([host.host.program.string, "delete", "--force", "one"], before: tree.enterTop))
  }

  /// A cgroup that the user can make is of no use where no process can be moved to it.
  @Test func cgroupsThatCannotBeEnteredAreNotUsed() throws {
    guard let tree = try delegated() else { return }
    let bundle = try host.bundle("one", ["true"]) { [outer = tree.top.removingLastComponent()] in
      $0.linux?.cgroupsPath = "/\(outer.lastComponent?.string ?? "")/user/one"
    }
    try host.host.succeed(host.runtime("run", "--bundle", bundle.string, "one"))
    let result = try host.runtime("--rootless=false", "run", "--bundle", bundle.string, "one")
    #expect(result.errorOutput.contains("cgroup.procs: Permission denied"))
    #expect(try tree.children().isEmpty)
  }

  @Test func withoutOneAContainerRunsUnlessItIsToBeLimited() throws {
    guard CgroupTree.find() != nil else { return }
    #expect(try host.shell("echo free").output == "free\n")
    let limited = try host.shell("true") { $0.linux?.resources = LinuxResources(unified: ["cgroup.max.depth": "3"]) }
    #expect(limited.status == 1)
    #expect(limited.errorOutput.contains("Delegate=yes"))
    let bundle = try host.bundle("one", ["sleep", "1000"])
    let required = try host.runtime("--rootless=false", "run", "--bundle", bundle.string, "one")
    #expect(required.errorOutput.contains("cannot make the cgroup"))
    try host.host.succeed(host.runtime("--rootless=true", "run", "--detach", "--bundle", bundle.string, "one"))
    #expect(try host.runtime("pause", "one").errorOutput.contains("no cgroup"))
    #expect(try host.runtime("--rootless=maybe", "list").errorOutput.contains("use auto, true or false"))
    try host.host.succeed(host.runtime("delete", "--force", "one"))
  }

  @Test func aHostWithoutCgroupsIsEnough() throws {
    let result = try host.shell("ls /sys/fs/cgroup | wc -l; echo free", before: "mount -t tmpfs none /sys/fs/cgroup")
    #expect(result.lines == ["0", "free"], "\(result.errorOutput)")
  }
}
