internal import Glibc
internal import Kernel
internal import RuntimeSpec
internal import SystemPackage

/// Devices of the host that a container gets, with the rules that let it use them.
enum DeviceChoice {
  static func devices(_ options: [DeviceOption]) throws -> [(device: LinuxDevice, rule: LinuxDeviceRule)] {
    try options.flatMap { option in
      guard !option.permissions.isEmpty, option.permissions.allSatisfy({ "rwm".contains($0) }) else {
        throw EngineError.input("invalid device mode: \(option.permissions); use some of rwm")
      }
      guard option.containerPath.hasPrefix("/") else {
        throw EngineError.input("\(option.containerPath) is not an absolute path")
      }
      let found = find(option.hostPath, as: option.containerPath)
      guard !found.isEmpty else {
        throw EngineError.input(
          "error gathering device information while adding custom device \"\(option.hostPath)\": not a device node")
      }
      return found.map { ($0, rule($0, option.permissions)) }
    }
  }

  /// All devices of the host, for `--privileged`: not those that /dev of a container has of its own.
  static func all() -> [LinuxDevice] {
    let own: Set<String> = ["pts", "shm", "fd", "mqueue", "console", "ptmx", ".lxc", ".lxd-mounts", ".udev"]
    let standard: Set<String> = ["null", "zero", "full", "random", "urandom", "tty", "stdin", "stdout", "stderr", "core"]
    let names = (try? directoryEntries(of: "/dev")) ?? []
    return names.filter { !own.contains($0) && !standard.contains($0) }.sorted().flatMap { find("/dev/\($0)", as: "/dev/\($0)") }
  }

  /// The device, or all that a directory has below it.
  private static func find(_ path: String, as target: String, depth: Int = 0) -> [LinuxDevice] {
    var status = stat()
    // The one that was named may be a link to the device, as /dev/disk/by-id/… is; those below a directory may not.
    guard (depth == 0 ? stat(path, &status) : lstat(path, &status)) == 0 else { return [] }
    switch status.st_mode & S_IFMT {
    case S_IFCHR, S_IFBLK:
      return [
        LinuxDevice(
          type: status.st_mode & S_IFMT == S_IFCHR ? "c" : "b", path: target, major: Int64(deviceMajor(status.st_rdev)),
          minor: Int64(deviceMinor(status.st_rdev)), fileMode: UInt32(status.st_mode & 0o777), uid: status.st_uid,
          gid: status.st_gid)
      ]
    case S_IFDIR where depth < 4:
      let names = (try? directoryEntries(of: FilePath(path))) ?? []
      return names.sorted().flatMap { find("\(path)/\($0)", as: "\(target)/\($0)", depth: depth + 1) }
    default: return []
    }
  }

  private static func rule(_ device: LinuxDevice, _ access: String) -> LinuxDeviceRule {
    LinuxDeviceRule(allow: true, type: device.type, major: device.major, minor: device.minor, access: access)
  }
}
