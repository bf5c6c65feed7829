import Glibc
import Kernel
import SystemPackage

/// Copies what is in a directory, with owners, modes, times, extended attributes and hard links. Links are copied, never
/// followed.
struct TreeCopy {
  private struct File: Hashable { let device: UInt, inode: UInt }

  private let target: CInt
  /// Where the first of several names of a file was copied to, below the target.
  private var names: [File: String] = [:]

  static func copy(_ source: CInt, to target: CInt) throws(Errno) {
    var copy = TreeCopy(target: target)
    try copy.copyDirectory(source, to: target, "")
  }

  private init(target: CInt) { self.target = target }

  private mutating func copyDirectory(_ source: CInt, to target: CInt, _ path: String) throws(Errno) {
    let status = try status(of: source)
    try Errno.check(fchown(target, status.st_uid, status.st_gid))
    try Errno.check(fchmod(target, status.st_mode & 0o7777))
    try Self.copyAttributes(source, to: target)
    for name in try directoryEntries(source) { try copyEntry(source, name, to: target, path + name) }
    try Self.setTimes(target, "", status)
  }

  private mutating func copyEntry(_ source: CInt, _ name: String, to directory: CInt, _ path: String) throws(Errno) {
    var status = stat()
    try Errno.check(fstatat(source, name, &status, AT_SYMLINK_NOFOLLOW))
    if status.st_mode & S_IFMT != S_IFDIR, status.st_nlink > 1 {
      let file = File(device: UInt(status.st_dev), inode: UInt(status.st_ino))
      if let first = names[file] {
        try Errno.check(linkat(target, first, directory, name, 0))
        return
      }
      names[file] = path
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      try Errno.check(mkdirat(directory, name, 0o700))
      let from = try openat2(source, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      let to = try openat2(directory, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      try copyDirectory(from.number, to: to.number, path + "/")
      return
    case S_IFREG:
      let from = try openat2(source, name, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      let to = try openat2(directory, name, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
      while try Errno.retrying({ sendfile(to.number, from.number, nil, 1 << 20) }) > 0 {}
      try Errno.check(fchown(to.number, status.st_uid, status.st_gid))
      // After the owner, whose change takes a file's capabilities away.
      try Self.copyAttributes(from.number, to: to.number)
    case S_IFLNK:
      guard let link = readLink(source, name) else { throw Errno.current }
      try Errno.check(symlinkat(link, directory, name))
      try Errno.check(fchownat(directory, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW))
    default:
      try Errno.check(mknodat(directory, name, status.st_mode, status.st_rdev))
      try Errno.check(fchownat(directory, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW))
    }
    if status.st_mode & S_IFMT != S_IFLNK { try Errno.check(fchmodat(directory, name, status.st_mode & 0o7777, 0)) }
    try Self.setTimes(directory, name, status)
  }

  private static func copyAttributes(_ source: CInt, to target: CInt) throws(Errno) {
    for name in try extendedAttributeNames(source) {
      guard let value = try extendedAttribute(source, name) else { continue }
      do throws(Errno) { try setExtendedAttribute(target, name, value) } catch {
        // The new file system has no such kind of attribute, or this process may not set it: labels are the kernel's.
        guard error == .notSupported || error == .notPermitted else { throw error }
      }
    }
  }

  private static func setTimes(_ directory: CInt, _ name: String, _ status: stat) throws(Errno) {
    let times = [status.st_atim, status.st_mtim]
    let result = name.isEmpty ? futimens(directory, times) : utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW)
    try Errno.check(result)
  }
}
