import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Device nodes and the links in /dev that programs expect. (runtime-spec, config-linux.md, Default Devices)
struct DeviceSetup {
  let bundle: Bundle
  let tree: RootTree

  private static let standard: [LinuxDevice] = [
    LinuxDevice(type: "c", path: "/dev/null", major: 1, minor: 3, fileMode: 0o666),
    LinuxDevice(type: "c", path: "/dev/zero", major: 1, minor: 5, fileMode: 0o666),
    LinuxDevice(type: "c", path: "/dev/full", major: 1, minor: 7, fileMode: 0o666),
    LinuxDevice(type: "c", path: "/dev/random", major: 1, minor: 8, fileMode: 0o666),
    LinuxDevice(type: "c", path: "/dev/urandom", major: 1, minor: 9, fileMode: 0o666),
    LinuxDevice(type: "c", path: "/dev/tty", major: 5, minor: 0, fileMode: 0o666),
  ]

  private static let links = [
    ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
  ]

  func run() throws {
    let own = bundle.config.linux?.devices ?? []
    let named = Set(own.map(\.path))
    let directory = try attempt("open /dev in the container", .mount) { () throws(Errno) in
      try tree.openMaking("/dev", .directory)
    }
    // A mode is right from the beginning: to change it by name would change whatever has the name by then.
    let mask = umask(0)
    defer { umask(mask) }
    // One walk to /dev for all that lie right in it.
    for device in Self.standard where !named.contains(device.path) {
      try make(device, in: directory.number, String(device.path.dropFirst(5)))
    }
    for device in own {
      // The terminal's place; its node is the container's own devpts's.
      if FilePath(device.path).lexicallyNormalized().string == "/dev/ptmx" { continue }
      let path = FilePath(device.path)
      let parent = try attempt("make the directory of \(device.path)", .mount) { () throws(Errno) in
        try tree.openMaking(path.removingLastComponent().string, .directory)
      }
      try make(device, in: parent.number, path.lastComponent?.string ?? "", mayReplace: false)
    }
    for (name, target) in Self.links { try link(directory.number, name, target) }
    if access("/proc/kcore", F_OK) == 0 { try link(directory.number, "core", "/proc/kcore") }
    try link(directory.number, "ptmx", "pts/ptmx", replacing: true)
  }

  /// - Parameter mayReplace: what an image has in its place goes. For a device of the configuration that is an error.
  ///   (runtime-spec, config-linux.md, Devices)
  private func make(_ device: LinuxDevice, in directory: CInt, _ name: String, mayReplace: Bool = true) throws {
    let type =
      switch device.type {
      case "b": S_IFBLK
      case "p": S_IFIFO
      default: S_IFCHR
      }
    let mode = device.fileMode ?? 0o666
    let number = deviceNumber(
      major: UInt32(truncatingIfNeeded: device.major ?? 0), minor: UInt32(truncatingIfNeeded: device.minor ?? 0))
    do throws(Errno) {
      try node(directory, name, type | mode_t(mode & 0o7777), number, mayReplace)
      if device.uid ?? 0 != 0 || device.gid ?? 0 != 0 {
        try Errno.check(fchownat(directory, name, device.uid ?? 0, device.gid ?? 0, AT_SYMLINK_NOFOLLOW))
      }
    } catch {
      guard error == .notPermitted, type != S_IFIFO else {
        if error == .fileExists {
          throw RuntimeError.start(
            StartFailure(
              kind: .mount, message: "\(device.path) exists in the root, and is not the device of linux.devices"))
        }
        throw RuntimeError.call(doing: "make the device \(device.path)", error, .mount)
      }
      try bind(device, directory, name, number)
    }
  }

  private func node(
    _ directory: CInt, _ name: String, _ mode: mode_t, _ number: UInt, _ mayReplace: Bool
  ) throws(Errno) {
    if mknodat(directory, name, mode, dev_t(number)) == 0 { return }
    guard Errno.current == .fileExists else { throw Errno.current }
    if !mayReplace {
      var status = stat()
      try Errno.check(fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW))
      guard status.st_mode & S_IFMT == mode & S_IFMT, status.st_rdev == number else { throw .fileExists }
    }
    // An image's own file in the place of a device, or a device with an owner and a mode of its own.
    try Errno.check(unlinkat(directory, name, 0))
    try Errno.check(mknodat(directory, name, mode, dev_t(number)))
  }

  /// Without CAP_MKNOD of the machine nobody makes devices; the host's are bound.
  private func bind(_ device: LinuxDevice, _ directory: CInt, _ name: String, _ number: UInt) throws {
    try attempt("bind the host's \(device.path)", .mount) { () throws(Errno) in
      let source = try Mounts.copy(workingDirectory, device.path, recursive: false)
      let found = try status(of: source.number)
      let type = device.type == "b" ? S_IFBLK : S_IFCHR
      guard found.st_rdev == number, found.st_mode & S_IFMT == type else { throw Errno(rawValue: ENODEV) }
      let target = try Console.place(directory, name, replacing: true)
      try Mounts.attach(source.number, to: target.number)
    }
  }

  private func link(_ directory: CInt, _ name: String, _ target: String, replacing: Bool = false) throws {
    if symlinkat(target, directory, name) == 0 { return }
    var error = Errno.current
    if error == .fileExists {
      guard replacing, readLink(directory, name) != target else { return }
      if unlinkat(directory, name, 0) == 0, symlinkat(target, directory, name) == 0 { return }
      error = Errno.current
    }
    throw RuntimeError.call(doing: "make the link /dev/\(name)", error, .mount)
  }
}
