import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// Root of a user namespace: the number is root's, the rights are an ordinary user's.
@Suite(.enabled(if: RootlessHost.isAble, "needs root to become another user, and user namespaces"), .serialized)
struct NamespaceRootTests {
  let host: RootlessHost

  init() throws { host = try RootlessHost() }

  static let callers: [RootlessHost.Caller] =
    RootlessHost.mapsRanges ? [.namespaceRoot, .loneNamespaceRoot] : [.loneNamespaceRoot]

  @Test(arguments: callers) func containersShareTheNamespace(_ caller: RootlessHost.Caller) throws {
    let script = "id; head -1 /proc/self/uid_map | tr -s ' '; stat -c %t:%T /dev/null; cat /proc/self/oom_score_adj"
    let result = try host.shell(script, as: caller) {
      $0.shareUserNamespace()
      $0.process?.oomScoreAdj = -50
      $0.mounts?.append(ContainerMount(destination: "/mnt", type: "bind", source: "/etc", options: ["rbind", "ro"]))
    }
    #expect(result.lines == ["uid=0(root) gid=0", " 0 \(RootlessHost.user) 1", "1:3", "0"], "\(result.errorOutput)")
    #expect(result.errorOutput.contains("process.oomScoreAdj -50 was not set"))
  }

  @Test(arguments: callers) func containersCanHaveOneOfTheirOwn(_ caller: RootlessHost.Caller) throws {
    let result = try host.shell("tr -s ' ' < /proc/self/uid_map; hostname; readlink /proc/self/ns/user", as: caller) {
      $0.linux?.uidMappings?[0].hostID = 0
      $0.linux?.gidMappings?[0].hostID = 0
    }
    #expect(result.lines.prefix(2) == [" 0 0 1", "box"], "\(result.errorOutput)")
    let foreign = try host.shell("true", as: caller) { $0.linux?.uidMappings?[0].hostID = 4_000_000 }
    #expect(foreign.errorOutput.contains("must be mapped in the runtime's own user namespace"))
  }

  @Test(arguments: callers) func networksAndTerminalsOfTheirOwn(_ caller: RootlessHost.Caller) throws {
    let result = try host.shell("ls /sys/class/net; grep -c ' /dev/pts ' /proc/mounts", as: caller) { config in
      config.shareUserNamespace()
      config.linux?.namespaces?.append(LinuxNamespace(type: .network))
      config.mounts = config.mounts?.map { mount in
        switch mount.destination {
        case "/sys":
          return ContainerMount(
            destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"])
        case "/dev/pts":
          var mount = mount
          mount.options?.append("gid=5")
          return mount
        default: return mount
        }
      }
    }
    #expect(result.lines == ["lo", "1"], "\(result.errorOutput)")
  }

  @Test(arguments: callers) func theWholeLifeOfAContainer(_ caller: RootlessHost.Caller) throws {
    let bundle = try host.bundle("one", ["sleep", "1000"]) { $0.shareUserNamespace() }
    // One namespace for all commands, as podman keeps one.
    let script = """
      set -e; r=\(host.host.program); $r create --bundle \(bundle) one; $r state one | grep -c '"status": *"created"'; $r start one
      $r exec one id; $r exec --user 0:0 one sh -c 'exit 3' || echo $?; $r list -q; $r kill one KILL
      while ! $r state one | grep -q stopped; do sleep 0.1; done; $r delete one; $r list -q
      """
    let result = try host.command(["/bin/sh", "-c", script], as: caller)
    #expect(result.lines == ["1", "uid=0(root) gid=0", "3", "one"], "\(result.errorOutput)")
    // The state is the user's, who is not the machine's root.
    #expect(access(host.runtimeDirectory.appending("clipper/runtime").string, F_OK) == 0)
  }

  @Test(.enabled(if: RootlessHost.mapsRanges)) func usersAndGroupsOfTheNamespace() throws {
    let result = try host.shell("id", as: .namespaceRoot) {
      $0.shareUserNamespace()
      $0.process?.user = ContainerUser(uid: 5, gid: 6, additionalGids: [7])
    }
    #expect(result.output == "uid=5 gid=6 groups=7\n", "\(result.errorOutput)")
  }

  /// A file system that the namespace has mounted itself is its own to map.
  @Test(.enabled(if: RootlessHost.mapsRanges)) func idMappedMountsOfItsOwnFileSystems() throws {
    let place = host.host.directory.appending("volume")
    try makeDirectories(place)
    let one = [LinuxIDMapping(containerID: 0, hostID: 1, size: 1)]
    let bundle = try host.bundle("one", ["stat", "-c", "%u:%g", "/mnt/file"]) {
      $0.shareUserNamespace()
      $0.mounts?.append(
        ContainerMount(
          destination: "/mnt", type: "bind", source: place.string, options: ["bind"], uidMappings: one, gidMappings: one
        ))
    }
    let run = "exec \(host.host.program) run --bundle \(bundle) one"
    let mount = "mount -t tmpfs volume \(place) && touch \(place)/file"
    let own = try host.command(["/bin/sh", "-c", "\(mount) && \(run)"], as: .namespaceRoot)
    if own.errorOutput.contains("Invalid argument") {
      print("SKIPPED: idmapped tmpfs: this kernel has none (before Linux 6.3)")
    } else {
      #expect(own.output == "1:1\n", "\(own.errorOutput)")
    }
    let hosts = try host.command(["/bin/sh", "-c", run], as: .namespaceRoot)
    #expect(hosts.errorOutput.contains("only the owner of the user namespace in which the file system was mounted"))
  }

  /// A pod's containers join the user namespace of the first; it may also be the one that the runtime is in.
  @Test func userNamespacesAreJoined() throws {
    let bundle = try host.bundle("one", ["sleep", "1000"])
    let file = host.runtimeDirectory.appending("one.pid")
    try host.host.succeed(host.runtime("run", "-d", "--pid-file", file.string, "--bundle", bundle.string, "one"))
    let pid = try #require(pid_t(try host.host.read(file)))
    let result = try host.shell("readlink /proc/self/ns/user; ps | grep -c 'sleep 1000'; id") {
      let namespaces = $0.linux?.namespaces ?? []
      $0.linux?.uidMappings = nil
      $0.linux?.gidMappings = nil
      $0.linux?.namespaces = namespaces.map { namespace in
        let names: [LinuxNamespace.Kind: String] = [.user: "user", .pid: "pid", .ipc: "ipc", .uts: "uts"]
        return LinuxNamespace(type: namespace.type, path: names[namespace.type].map { "/proc/\(pid)/ns/\($0)" })
      }
    }
    #expect(result.lines.first == readLink(workingDirectory, "/proc/\(pid)/ns/user"), "\(result.errorOutput)")
    #expect(result.lines.count == 3 && result.lines[2] == "uid=0(root) gid=0")
    let own = try host.shell("id", as: .loneNamespaceRoot) {
      $0.shareUserNamespace()
      $0.linux?.namespaces?.append(LinuxNamespace(type: .user, path: "/proc/self/ns/user"))
    }
    #expect(own.output == "uid=0(root) gid=0\n", "\(own.errorOutput)")
  }
}
