import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// Images and volumes whose links lead the runtime's mounts, and what it makes for them, out of the container's root.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct HostileMountTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// CVE-2021-30465, CVE-2024-45310: links of an image that lead outside.
  @Test func destinationsStayInTheRoot() throws {
    let outside = try Outside(host)
    let root = try host.image { root in
      try host.link("/../../../../../../../../\(outside.path)", root.appending("link"))
      try host.link(outside.path.string, root.appending("absolute"))
    }
    for destination in ["/../../../../../../../../..\(outside.path)/a", "/link/b", "/absolute/c"] {
      let result = try host.shell("mount | grep -c outside") {
        $0.root?.path = root.string
        $0.mounts?.append(ContainerMount(destination: destination, type: "tmpfs", source: "tmpfs"))
      }
      #expect(result.output == "1\n", "\(destination): \(result.errorOutput)")
    }
    #expect(try outside.changes().isEmpty)
  }

  /// A volume that a container shares with somebody who exchanges one of its directories for a link to the outside.
  private func exchanging(_ outside: Outside) throws -> (volume: FilePath, exchange: Exchange) {
    let volume = host.directory.appending("volume")
    try makeDirectories(volume.appending("place"))
    // From the container's root a link to a directory of the host's, and from the volume's too.
    try host.link(outside.path.string, volume.appending("link"))
    return (volume, try Exchange(volume.appending("place"), volume.appending("link")))
  }

  /// CVE-2021-30465: a mount on a path in such a volume comes to lie in the container's root, or nowhere.
  @Test func mountsStayInTheRootWhileLinksComeAndGo() throws {
    let outside = try Outside(host)
    try makeDirectories(outside.path.appending("target"))
    let before = try directoryEntries(of: outside.path)
    let (volume, exchange) = try exchanging(outside)
    defer { withExtendedLifetime(exchange) {} }
    for round in 0..<60 {
      let result = try host.shell("grep -c hostile-probe /proc/self/mountinfo") {
        $0.mounts?.append(ContainerMount(destination: "/volume", source: volume.string, options: ["rbind", "rw"]))
        $0.mounts?.append(
          ContainerMount(destination: "/volume/place/target", type: "tmpfs", source: "hostile-probe"))
      }
      // One that had left the root would be gone with the host's mounts.
      #expect(result.output == "1\n" || result.status == 1 && result.output.isEmpty, "round \(round): \(result)")
    }
    #expect(try directoryEntries(of: outside.path) == before)
    #expect(try directoryEntries(of: outside.path.appending("target")).isEmpty)
  }

  /// CVE-2024-45310: the directories and files that are made for a mount are made in the container's root.
  @Test func mountPointsAreMadeInTheRootWhileLinksComeAndGo() throws {
    let outside = try Outside(host)
    let (volume, exchange) = try exchanging(outside)
    defer { withExtendedLifetime(exchange) {} }
    let file = host.directory.appending("file")
    try host.write(file, "bound\n")
    for round in 0..<60 {
      _ = try host.run(["true"]) {
        $0.mounts?.append(ContainerMount(destination: "/volume", source: volume.string, options: ["rbind", "rw"]))
        $0.mounts?.append(
          ContainerMount(destination: "/volume/place/d\(round)/deep", type: "tmpfs", source: "tmpfs"))
        $0.mounts?.append(
          ContainerMount(destination: "/volume/place/f\(round)", source: file.string, options: ["bind"]))
        $0.process?.cwd = "/volume/place/w\(round)/deep"
      }
    }
    let changes = try outside.changes()
    #expect(changes.isEmpty, "\(changes)")
  }

  /// CVE-2024-45310: nobody's loss of such a race puts a mount one directory too high.
  @Test func aDirectoryThatSomebodyElseMadeIsEntered() throws {
    let root = try host.image { _ in }
    let (empty, full) = (root.appending("tmp/r"), root.appending("tmp/s"))
    for path in [empty, full.appending("a")] { try makeDirectories(path) }
    func open(_ path: FilePath) throws -> OpenFile {
      OpenFile(try openat2(workingDirectory, path.string, flags: pathOnly | O_DIRECTORY))
    }
    let tree = RootTree(root: try open(root))
    let (first, second) = (try open(empty), try open(full))
    // /tmp/r/a is there at one moment, and not at the next: seen as missing, it cannot be made any more.
    let exchange = try Exchange(empty, full)
    for _ in 0..<2000 {
      do throws(Errno) { _ = try tree.openMaking("/tmp/r/a/b", .directory) } catch {
        try #require(error == .noSuchFileOrDirectory)
      }
      for place in [first, second] {
        try #require(faccessat(place.number, "b", F_OK, 0) != 0, "one directory too high")
        unlinkat(place.number, "a/b", AT_REMOVEDIR)
      }
      unlinkat(first.number, "a", AT_REMOVEDIR)
    }
    withExtendedLifetime(exchange) {}
  }

  /// CVE-2023-25809: the host's cgroups, which belong to the user outside who is root inside, are not the container's
  /// to change.
  @Test func cgroupsOfTheHostAreReadOnlyInAUserNamespace() throws {
    try #require(CgroupTree.find() != nil, "needs a cgroup v2 tree")
    let name = "hostile\(UInt32.random(in: 0...UInt32.max))"
    defer { if let tree = CgroupTree.find() { rmdir(tree.mount.appending(name).string) } }
    let result = try host.shell("ls /sys/fs/cgroup/cgroup.controllers; mkdir /sys/fs/cgroup/\(name) && echo written") {
      $0.linux?.namespaces?.removeAll { $0.type == .cgroup }
      $0.linux?.namespaces?.append(LinuxNamespace(type: .user))
      $0.linux?.uidMappings = [LinuxIDMapping(containerID: 0, hostID: 0, size: 65536)]
      $0.linux?.gidMappings = [LinuxIDMapping(containerID: 0, hostID: 0, size: 65536)]
      $0.process?.capabilities = LinuxCapabilities(allowing: ["CAP_DAC_OVERRIDE"])
      $0.mounts?.removeAll { $0.destination.hasPrefix("/sys/fs/cgroup") }
      $0.mounts?.append(
        ContainerMount(destination: "/sys/fs/cgroup", type: "cgroup2", source: "cgroup", options: ["rw", "nosuid"]))
    }
    #expect(result.lines == ["/sys/fs/cgroup/cgroup.controllers"], "\(result.errorOutput)")
    #expect(result.errorOutput.contains("Read-only file system"))
  }

  /// A tmpfs that begins with what the image has takes nothing from outside of it.
  @Test func tmpfsIsNotFilledThroughLinks() throws {
    let outside = try Outside(host, files: ["secret"])
    let root = try host.image { root in
      try host.link(outside.path.string, root.appending("data"))
      try makeDirectories(root.appending("real"))
      try host.link("\(outside.path)/secret", root.appending("real/link"))
    }
    for destination in ["/data", "/real"] {
      let result = try host.shell("cat \(destination)/* 2> /dev/null; echo end") {
        $0.root?.path = root.string
        $0.mounts?.append(
          ContainerMount(destination: destination, type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]))
      }
      #expect(result.output == "end\n", "\(destination): \(result.errorOutput)")
    }
    #expect(try outside.changes().isEmpty)
  }
}
