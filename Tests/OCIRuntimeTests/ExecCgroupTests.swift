import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

@Suite(.enabled(if: RuntimeHost.isAble && CgroupTree.find() != nil, "needs root and a cgroup v2 tree"))
struct ExecCgroupTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// Started, with a cgroup below its own.
  private func started() throws -> Cgroup {
    try host.started("c", ["sleep", "1000"])
    let tree = try #require(CgroupTree.find())
    let text = try JSONText.decode(SavedState.self, readFile(host.state.appending("c/state.json")), name: "state")
    let cgroup = try tree.cgroup(at: try #require(text.cgroup))
    try makeDirectories(cgroup.path.appending("below/deep"))
    return cgroup
  }

  @Test(arguments: [
    ("below", "/below"), ("/below", "/below"), ("below/deep", "/below/deep"), ("/", "/"), (".", "/"),
    ("./below//deep/", "/below/deep"),
  ])
  func aProcessBeginsBelow(_ path: String, _ seen: String) throws {
    _ = try started()
    let result = try host.runtime("exec", "--cgroup", path, "c", "grep", "^0:", "/proc/self/cgroup")
    #expect(result.output == "0::\(seen)\n", "\(result.errorOutput)")
    try host.succeed(host.runtime("delete", "--force", "c"))
  }

  @Test(arguments: [
    ("nonesuch", "has no cgroup nonesuch"), ("../x", "without .."), ("below/../../..", "without .."), ("", "below"),
    ("cgroup.procs", "has no cgroup"), ("cpu:/below", "cgroup v2"),
  ])
  func otherPathsAreRefused(_ path: String, _ message: String) throws {
    _ = try started()
    let result = try host.runtime("exec", "--cgroup", path, "c", "true")
    #expect(result.status == 255)
    #expect(result.errorOutput.contains(message), "\(result.errorOutput)")
    try host.succeed(host.runtime("delete", "--force", "c"))
  }

  /// A cgroup that is mounted to be written into a container with a user namespace is the container's to divide.
  @Test func aContainerWithUsersOfItsOwnOwnsItsCgroup() throws {
    for (options, owner) in [(["rw"], 100_000), (["ro"], 0)] as [([String], UInt32)] {
      try host.started(
        "c", ["sh", "-c", "mkdir /sys/fs/cgroup/own && echo 1 > /sys/fs/cgroup/own/cgroup.procs; sleep 1000"]
      ) {
        $0.linux?.namespaces?.append(LinuxNamespace(type: .user))
        $0.linux?.uidMappings = [LinuxIDMapping(containerID: 0, hostID: 100_000, size: 1000)]
        $0.linux?.gidMappings = [LinuxIDMapping(containerID: 0, hostID: 200_000, size: 1000)]
        $0.mounts?.removeAll { $0.destination == "/sys/fs/cgroup" }
        $0.mounts?.append(
          ContainerMount(destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: options))
      }
      let saved = try JSONText.decode(SavedState.self, readFile(host.state.appending("c/state.json")), name: "state")
      let cgroup = try #require(CgroupTree.find()).cgroup(at: try #require(saved.cgroup))
      for name in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        #expect(try status(cgroup.path.appending(name)).st_uid == owner, "\(name) \(options)")
      }
      // What limits it stays the host's.
      for name in ["cgroup.freeze", "cgroup.max.depth"] { #expect(try status(cgroup.path.appending(name)).st_uid == 0) }
      if owner != 0 { #expect(eventually { (try? status(cgroup.path.appending("own"))) != nil }) }
      try host.succeed(host.runtime("delete", "--force", "c"))
      #expect(!cgroup.exists)
    }
  }

  private func status(_ path: FilePath) throws -> stat {
    var status = stat()
    try Errno.check(stat(path.string, &status))
    return status
  }
}
