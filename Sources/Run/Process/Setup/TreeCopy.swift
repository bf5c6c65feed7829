import Glibc
import Kernel
import SystemPackage

/// Copies what is in a directory, with owners, modes and times. Links are copied, never followed.
enum TreeCopy {
  static func copy(_ source: CInt, to target: CInt) throws(Errno) {
    let status = try status(of: source)
    try Errno.check(fchown(target, status.st_uid, status.st_gid))
    try Errno.check(fchmod(target, status.st_mode & 0o7777))
    for name in try directoryEntries(source) { try copyEntry(source, name, to: target) }
    try setTimes(target, "", status)
  }

  private static func copyEntry(_ source: CInt, _ name: String, to target: CInt) throws(Errno) {
    var status = stat()
    try Errno.check(fstatat(source, name, &status, AT_SYMLINK_NOFOLLOW))
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      try Errno.check(mkdirat(target, name, 0o700))
      let from = try openat2(source, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      let to = try openat2(target, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      try copy(from.number, to: to.number)
      return
    case S_IFREG:
      let from = try openat2(source, name, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      let to = try openat2(target, name, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
      while try Errno.retrying({ sendfile(to.number, from.number, nil, 1 << 20) }) > 0 {}
    case S_IFLNK:
      guard let link = readLink(source, name) else { throw Errno.current }
      try Errno.check(symlinkat(link, target, name))
    default: try Errno.check(mknodat(target, name, status.st_mode, status.st_rdev))
    }
    try Errno.check(fchownat(target, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW))
    if status.st_mode & S_IFMT != S_IFLNK { try Errno.check(fchmodat(target, name, status.st_mode & 0o7777, 0)) }
    try setTimes(target, name, status)
  }

  private static func setTimes(_ directory: CInt, _ name: String, _ status: stat) throws(Errno) {
    let times = [status.st_atim, status.st_mtim]
    let result = name.isEmpty ? futimens(directory, times) : utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW)
    try Errno.check(result)
  }
}
