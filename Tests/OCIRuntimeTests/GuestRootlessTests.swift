import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// Limits in a delegated part of the tree.
@Suite(
  .enabled(if: RuntimeHost.hasUnifiedTree && RootlessHost.isAble, "needs a pure cgroup v2 tree: make test-vm"),
  .serialized)
struct GuestRootlessTests {
  let host: RootlessHost

  init() throws { host = try RootlessHost() }

  private func delegated(_ controllers: [String]) throws -> DelegatedTree {
    try #require(
      try DelegatedTree("clipper-\(host.host.directory.lastComponent?.string ?? "")", controllers: controllers))
  }

  private func run(
    _ tree: DelegatedTree, _ id: String, as caller: RootlessHost.Caller = .user, enter: String? = nil,
    _ change: (inout RuntimeConfig) -> Void
  ) throws -> RuntimeHost.Result {
    let bundle = try host.bundle(id, ["sleep", "1000"]) {
      $0.linux?.cgroupsPath = id
      change(&$0)
    }
    return try host.command(
      [host.host.program.string, "run", "--detach", "--bundle", bundle.string, id], as: caller,
      before: enter ?? tree.enter)
  }

  private static let limits = LinuxResources(
    memory: LinuxMemory(limit: 64 << 20), cpu: LinuxCPU(quota: 20_000, period: 100_000), pids: LinuxPids(limit: 20))

  private func check(_ tree: DelegatedTree, _ id: String) throws {
    func file(_ name: String) throws -> String { try host.host.read(tree.top.appending("\(id)/\(name)")) }
    #expect(try file("memory.max") == "\(64 << 20)\n")
    #expect(try file("pids.max") == "20\n")
    #expect(try file("cpu.max") == "20000 100000\n")
    #expect(try file("cgroup.procs").split(separator: "\n").count == 1)
  }

  /// The runtime hands the controllers on itself: the user may, in what is delegated to it.
  @Test func limitsAreSetInADelegatedTree() throws {
    let tree = try delegated(["memory", "pids", "cpu"])
    try host.host.succeed(run(tree, "one") { $0.linux?.resources = Self.limits })
    try check(tree, "one")
    let script = "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done"
    let result = try host.command(
      [host.host.program.string, "exec", "one", "sh", "-c", script], before: tree.enter)
    #expect(result.errorOutput.contains("can't fork"))
    let outside = try host.runtime("exec", "one", "true")
    #expect(outside.errorOutput.contains("no part of the tree that is delegated to this user"))
    try host.host.succeed(host.command([host.host.program.string, "pause", "one"], before: tree.enter))
    try host.host.succeed(host.command([host.host.program.string, "delete", "-f", "one"], before: tree.enter))
    #expect(try tree.children().isEmpty)
  }

  @Test func soItIsForRootOfANamespace() throws {
    let tree = try delegated(["memory", "pids", "cpu"])
    let result = try run(tree, "one", as: .loneNamespaceRoot) {
      $0.shareUserNamespace()
      $0.linux?.resources = Self.limits
      // Root of a namespace has no right to load the program that would hold devices back, and to none of them either.
      $0.linux?.resources?.devices = DockerDefaults.deviceRules
    }
    #expect(result.status == 0, "\(result.errorOutput)")
    try check(tree, "one")
  }

  @Test func whatKeepsALimitAwayIsNamed() throws {
    let tree = try delegated(["pids"])
    let missing = try run(tree, "one") { $0.linux?.resources = LinuxResources(memory: LinuxMemory(limit: 64 << 20)) }
    #expect(missing.status == 1)
    #expect(missing.errorOutput.contains("cannot limit memory"))
    #expect(try tree.children().isEmpty)

    // Outside of it, with a limit: nothing is delegated there.
    let outside = try run(tree, "three", enter: ":") { $0.linux?.resources = Self.limits }
    #expect(outside.errorOutput.contains("Delegate=yes"))
    #expect(try host.runtime("list", "-q").output.isEmpty)
  }

  /// Where nothing is delegated but the cgroup that holds the caller itself.
  @Test func aCallersCgroupHandsNoControllersDown() throws {
    let tree = try delegated(["memory"])
    let crowded = try run(tree, "one", enter: tree.enterTop) {
      $0.linux?.resources = LinuxResources(memory: LinuxMemory(limit: 64 << 20))
    }
    #expect(crowded.status == 1)
    #expect(crowded.errorOutput.contains("it holds processes itself"))
    #expect(try tree.children().isEmpty)
  }

  @Test func cgroupsOfItsOwnAreMounted() throws {
    let tree = try delegated(["pids"])
    let bundle = try host.bundle(
      "one", ["sh", "-c", "cat /proc/self/cgroup /sys/fs/cgroup/pids.max; mkdir /sys/fs/cgroup/x"]
    ) {
      $0.linux?.resources = LinuxResources(pids: LinuxPids(limit: 20))
      if let index = $0.mounts?.firstIndex(where: { $0.type == "cgroup" }) {
        $0.mounts?[index].options?.removeAll { $0 == "ro" }
      }
    }
    let result = try host.command([host.host.program.string, "run", "-b", bundle.string, "one"], before: tree.enter)
    #expect(result.lines == ["0::/", "20"], "\(result.errorOutput)")
    #expect(result.status == 0, "its own cgroup is the container's to divide")
  }
}
