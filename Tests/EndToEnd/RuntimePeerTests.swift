import Foundation
import Testing

/// Other tools with clipper-runtime in place of crun and runc, from the root that `tools/peers setup` makes. What each
/// does is in a script of its name in RuntimePeers.
@Suite("runtime peers", .serialized, .enabled(if: RuntimePeers.areAble, "needs root and the peers: tools/peers setup"))
struct RuntimePeerTests {
  @Test(arguments: ["podman", "docker", "containerd", "buildah"])
  func runExecStopAndRemove(_ peer: String) throws { try RuntimePeers.run(peer) }

  @Test func criuSavesAndRestores() throws { try RuntimePeers.run("checkpoint") }
}

/// The same where controllers are in cgroup v2: then limits, statistics and the freezer are used as well.
@Suite(
  .serialized,
  .enabled(if: RuntimePeers.areAble && RuntimePeers.hasUnifiedTree, "needs a pure cgroup v2 tree: make test-vm"))
struct GuestRuntimePeerTests {
  @Test(arguments: ["limits-podman", "limits-docker", "checkpoint"])
  func limitsAreSetAndChanged(_ peer: String) throws { try RuntimePeers.run(peer) }
}

enum RuntimePeers {
  static var areAble: Bool {
    let able = Host.runsContainers && Host.hasPeers
    if !able {
      print("SKIPPED: clipper-runtime under podman, docker, containerd and buildah: needs root and tools/peers setup")
    }
    return able
  }

  static var hasUnifiedTree: Bool {
    let controllers = (try? String(contentsOfFile: "/sys/fs/cgroup/cgroup.controllers", encoding: .utf8)) ?? ""
    return controllers.contains("memory")
  }

  /// In a process namespace of its own, so that nothing which a tool has started outlives a test that fails.
  static func run(_ peer: String) throws {
    let machine = try Machine()
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let tool = here.appendingPathComponent("../../tools/peers").path
    let output = try machine.succeed(
      """
      mkdir data
      unshare --pid --fork --kill-child '\(tool)' in -s '\(here.path)/RuntimePeers:/peers' \
        -s "$(dirname "$CLIPPER_RUNTIME"):/opt/clipper" -s "$PWD/data:/data" bash '/peers/\(peer).sh'
      """, limit: 600)
    for line in output.out.split(separator: "\n") where line.hasPrefix("SKIPPED") { print(line) }
  }
}
