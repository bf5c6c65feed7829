import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

@Suite(.enabled(if: RootlessHost.isAble, "needs root to become another user, and user namespaces"), .serialized)
struct RootlessMountTests {
  let host: RootlessHost

  init() throws { host = try RootlessHost() }

  private static let sysfs = ContainerMount(
    destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"])

  /// A new instance would belong to a namespace that the container does not own.
  @Test func fileSystemsOfSharedNamespacesAreTheHosts() throws {
    let result = try host.shell("grep -c ' /sys sysfs ro,' /proc/mounts; ls /proc | grep -c '^\(getpid())$'") {
      config in
      config.mounts = config.mounts?.map { $0.destination == "/sys" ? Self.sysfs : $0 }
      config.linux?.namespaces?.removeAll { $0.type == .pid }
    }
    #expect(result.lines == ["1", "1"], "\(result.errorOutput)")
  }

  @Test func aNewSysfsTakesANetwork() throws {
    let result = try host.shell("ls /sys/class/net") { config in
      config.mounts = config.mounts?.map { $0.destination == "/sys" ? Self.sysfs : $0 }
      config.linux?.namespaces?.append(LinuxNamespace(type: .network))
    }
    #expect(result.output == "lo\n", "\(result.errorOutput)")
  }

  @Test func messageQueuesOfTheHostNeedItsMount() throws {
    let result = try host.shell("grep -c /dev/mqueue /proc/mounts") {
      $0.linux?.namespaces?.removeAll { $0.type == .ipc }
      $0.hostname = nil
    }
    if access("/dev/mqueue", F_OK) == 0 {
      #expect(result.output == "1\n", "\(result.errorOutput)")
    } else {
      #expect(result.errorOutput.contains("cannot bind the host's /dev/mqueue"))
    }
  }

  @Test func terminalsHaveTheirGroupWhereItExists() throws {
    func gid(_ change: (inout RuntimeConfig) -> Void) throws -> String {
      let result = try host.shell("grep ' /dev/pts ' /proc/mounts") { config in
        if let index = config.mounts?.firstIndex(where: { $0.type == "devpts" }) {
          config.mounts?[index].options?.append("gid=5")
        }
        change(&config)
      }
      #expect(result.status == 0, "\(result.errorOutput)")
      return result.output
    }
    #expect(try !gid { _ in }.contains("gid="))
    guard RootlessHost.mapsRanges else { return }
    #expect(try gid { $0.mapRanges() }.contains("gid=\(RootlessHost.range + 4),"))
  }

  /// Options that a mount has where the user came from are not the user's to take away.
  @Test func lockedOptionsStay() throws {
    let place = host.host.directory.appending("volume")
    try makeDirectories(place)
    let before = "mount -t tmpfs -o ro,nosuid,nodev,noexec volume \(place)"
    func options(_ wanted: [String], warning: String? = nil) throws -> String {
      let result = try host.shell("grep ' /mnt ' /proc/mounts", before: before) {
        $0.mounts?.append(ContainerMount(destination: "/mnt", type: "bind", source: place.string, options: wanted))
      }
      #expect(result.status == 0, "\(result.errorOutput)")
      #expect(result.errorOutput.isEmpty == (warning == nil))
      #expect(result.errorOutput.contains(warning ?? ""))
      return result.output
    }
    #expect(
      try options(["rbind", "rw", "dev", "exec"], warning: "/mnt stays ro,nodev,noexec,").contains(
        " ro,nosuid,nodev,noexec"))
    #expect(try options(["bind", "nosuid"]).contains(" ro,nosuid,nodev,noexec"))
    let below = try host.shell("true", before: before) {
      $0.mounts?.append(
        ContainerMount(destination: "/mnt", type: "bind", source: place.string, options: ["rbind", "rrw"]))
    }
    #expect(below.errorOutput.contains("set the options of the mount /mnt"))
  }

  /// Without them, what they cover would come to light.
  @Test func treesAreBoundWithWhatIsMountedInThem() throws {
    let place = host.host.directory.appending("volume")
    try makeDirectories(place.appending("inner"))
    let before = "mount -t tmpfs inner \(place)/inner; touch \(place)/inner/file; chmod 755 \(place)/inner"
    func list(_ option: String) throws -> RuntimeHost.Result {
      try host.shell("ls /mnt/inner", before: before) {
        $0.mounts?.append(ContainerMount(destination: "/mnt", type: "bind", source: place.string, options: [option]))
      }
    }
    #expect(try list("rbind").output == "file\n")
    #expect(try list("bind").errorOutput.contains("use rbind"))
  }

  @Test func idMappedMountsAreRefused() throws {
    let result = try host.shell("true") { [directory = host.host.directory] in
      $0.mounts?.append(
        ContainerMount(destination: "/mnt", type: "bind", source: directory.string, options: ["bind", "idmap"]))
    }
    #expect(result.errorOutput.contains("the idmapped mount /mnt for an unprivileged user is not supported"))
  }

  @Test func devicesAreTheHosts() throws {
    let result = try host.shell(
      "echo x > /dev/null; head -c 3 /dev/zero | wc -c; ls -l /dev/own | cut -c1; stat -c %t:%T /dev/full"
    ) {
      $0.linux?.devices = [LinuxDevice(type: "c", path: "/dev/own", major: 1, minor: 5)]
    }
    #expect(result.status == 1, "only what the host has under the same name")
    #expect(result.errorOutput.contains("cannot bind the host's /dev/own"))
    let standard = try host.shell(
      "echo x > /dev/null; head -c 3 /dev/zero | wc -c; stat -c %t:%T /dev/full; stat -c %F /dev/pipe"
    ) {
      $0.linux?.devices = [LinuxDevice(type: "p", path: "/dev/pipe")]
    }
    #expect(standard.lines == ["3", "1:7", "fifo"], "\(standard.errorOutput)")
  }

  @Test func pathsAreMaskedAndReadOnly() throws {
    let script =
      "echo 1 > /proc/sys/kernel/ns_last_pid; wc -c < /proc/keys; mkdir /proc/acpi/x 2>/dev/null || echo refused"
    let result = try host.shell(script)
    #expect(result.lines.first == "0")
    #expect(result.errorOutput.contains("Read-only file system"))
  }

  /// The root belongs to the machine's root here, as an image that an administrator has unpacked.
  @Test func rootsOfOthersNeedTheirMountPoints() throws {
    let root = host.host.directory.appending("foreign")
    try host.host.makeRoot(root)
    #expect(try host.shell("echo fine") { $0.root?.path = root.string }.output == "fine\n")
    try removeTree(root.appending("sys"))
    let result = try host.shell("true") { $0.root?.path = root.string }
    #expect(result.errorOutput.contains("cannot make the mount point /sys"))
  }

  /// The attributes of the machine's root are out of reach: what is deleted is noted in those of users.
  @Test(arguments: [RootlessHost.Caller.user, .namespaceRoot])
  func overlaysNoteDeletionsAsTheUserMay(_ caller: RootlessHost.Caller) throws {
    guard caller == .user || RootlessHost.mapsRanges else { return }
    for name in ["upper", "work"] { try makeDirectories(host.host.directory.appending("layers/\(name)")) }
    try Errno.check(rename(host.host.root.string, host.host.directory.appending("layers/lower").string))
    try makeDirectories(host.host.root)
    try host.own(host.host.directory.appending("layers"))
    // The caller's working directory may be one that the user cannot get to.
    let closed = host.host.directory.appending("closed")
    let enter = "mkdir -m 700 \(closed) && cd \(closed)"
    let result = try host.shell("rm -r /etc && mkdir /etc && ls -a /etc", as: caller, before: enter) {
      [directory = host.host.directory] in
      $0.annotations = [
        "dev.clipper.overlay.directory": directory.appending("layers").string, "dev.clipper.overlay.lower": "lower",
        "dev.clipper.overlay.upper": "upper", "dev.clipper.overlay.work": "work",
      ]
      if caller != .user { $0.shareUserNamespace() }
    }
    #expect(result.lines == [".", ".."], "\(result.errorOutput)")
    let made = try openat2(
      workingDirectory, host.host.directory.appending("layers/upper/etc").string, flags: O_RDONLY | O_DIRECTORY)
    #expect(try extendedAttribute(made.number, "user.overlay.opaque") == [UInt8(ascii: "y")])
  }
}
