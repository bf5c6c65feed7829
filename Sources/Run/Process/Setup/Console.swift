import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The terminal of a container's process.
struct Console {
  let master: OpenFile
  private let slave: OpenFile

  /// A pair from a devpts mount.
  ///
  /// - Parameter terminals: a descriptor of the mount's root.
  init(terminals: CInt) throws {
    let multiplexer = try attempt("open ptmx of the container's /dev/pts") { () throws(Errno) in
      guard try Mounts.fileSystemType(terminals) == Mounts.devptsFileSystem else { throw Errno(rawValue: ENOTTY) }
      // What the container has mounted over it is another instance's, or no terminal at all. (CVE-2025-52565)
      let file = try openat2(
        terminals, "ptmx", flags: O_RDWR | O_NOCTTY, resolve: [.beneath, .noSymlinks, .noCrossDevice])
      let found = try status(of: file.number)
      guard found.isCharacterDevice, found.st_rdev == deviceNumber(major: 5, minor: 2) else {
        throw Errno(rawValue: ENOTTY)
      }
      return file
    }
    slave = OpenFile(
      try attempt("open a terminal of the container's /dev/pts") { () throws(Errno) in
        try Terminals.openPeer(of: multiplexer.number)
      })
    master = OpenFile(multiplexer)
  }

  func setSize(_ size: ConsoleSize?) throws {
    guard let size, size.height > 0, size.width > 0 else { return }
    try attempt("set the terminal's size") { () throws(Errno) in
      try Terminals.setSize(master.number, rows: size.height, columns: size.width)
    }
  }

  /// The size of the caller's terminal, which is still this process's standard input: the program has it from its first
  /// moment on.
  func takeSizeOfCaller() {
    guard let (rows, columns) = try? Terminals.size(0) else { return }
    try? Terminals.setSize(master.number, rows: rows, columns: columns)
  }

  /// Lays the terminal over /dev/console. Both ends are descriptors: no link and no mount that somebody put there in
  /// between is followed. (CVE-2025-52565)
  ///
  /// - Parameter replacing: a link there is the image's, and goes; else it is the host's, and is an error.
  func bindConsole(_ tree: RootTree, replacing: Bool) throws {
    let directory = try attempt("open /dev in the container", .mount) { () throws(Errno) in
      try tree.openMaking("/dev", .directory)
    }
    try attempt("mount the terminal on /dev/console", .mount) { () throws(Errno) in
      let target = try Self.place(directory.number, "console", replacing: replacing)
      let source = try Mounts.copy(slave.number, recursive: false)
      try Mounts.attach(source.number, to: target.number)
    }
  }

  /// A place for a device, made where it is missing. What an image has there is not opened, a driver would notice it;
  /// a link goes. (CVE-2025-52565)
  static func place(_ directory: CInt, _ name: String, replacing: Bool) throws(Errno) -> OwnedDescriptor {
    if replacing, readLink(directory, name) != nil { try Errno.check(unlinkat(directory, name, 0)) }
    if mknodat(directory, name, S_IFREG | 0o600, 0) != 0, Errno.current != .fileExists { throw Errno.current }
    return try openat2(directory, name, flags: pathOnly, resolve: [.beneath, .noSymlinks])
  }

  /// Makes it standard input, output and error of this process, which leads a session.
  func takeOver(user: ContainerUser) throws {
    try attempt("give the terminal to its user") { () throws(Errno) in
      if fchown(slave.number, user.uid, gid_t.max) != 0, Errno.current != .notPermitted,
        Errno.current != .invalidArgument
      {
        throw Errno.current
      }
      try Terminals.becomeControlling(slave.number)
      for number in CInt(0)...2 { try Errno.check(dup2(slave.number, number)) }
    }
  }
}
