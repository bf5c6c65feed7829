import Glibc
import Kernel
import SystemPackage

/// Reads a document that says what is run with this user's rights: config.json, or the process of `exec`.
enum ConfigFile {
  /// Bytes. The largest that are met have some hundred thousand.
  static let sizeLimit = 16 << 20

  static func read(_ path: FilePath) throws -> [UInt8] {
    // Neither a FIFO nor a terminal may stop us.
    let file = try attempt("open \(path)") { () throws(Errno) in
      try openat2(workingDirectory, path.string, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
    }
    let found = try attempt("look at \(path)") { () throws(Errno) in try status(of: file.number) }
    guard found.st_mode & S_IFMT == S_IFREG else { throw RuntimeError.document(path, "is no regular file") }
    guard found.st_size <= sizeLimit else {
      throw RuntimeError.document(path, "has \(found.st_size) bytes: more than \(sizeLimit) are not read")
    }
    if geteuid() == 0 { try checkTrust(path, found) }
    let text = try attempt("read \(path)") { () throws(Errno) in try readAll(file.number, size: Int(found.st_size)) }
    guard text.count <= sizeLimit else { throw RuntimeError.document(path, "grows while it is read") }
    return text
  }

  /// Root does nothing by the words of another user: who can write config.json has any file and device of the host
  /// mounted, and hooks run. The user for whom sudo runs is root already.
  private static func checkTrust(_ path: FilePath, _ found: stat) throws {
    let owner = found.st_uid
    let sudo = getenv("SUDO_UID").flatMap { UInt32(String(cString: $0)) }
    guard owner == 0 || owner == getuid() || owner == sudo else {
      throw RuntimeError.document(
        path, "belongs to user \(owner), who would decide what root runs: chown it to root, or run as that user")
    }
    let others = found.st_mode & S_IWOTH != 0
    guard others || found.st_mode & S_IWGRP != 0 && found.st_gid != 0 && found.st_gid != getgid() else { return }
    // In a directory that only root can enter nobody comes to it.
    var above = stat()
    let directory = path.removingLastComponent()
    if stat(directory.isEmpty ? "." : directory.string, &above) == 0, above.st_uid == 0, above.st_mode & 0o011 == 0 {
      return
    }
    let who = others ? "everybody" : "group \(found.st_gid)"
    throw RuntimeError.document(path, "can be written by \(who), who would decide what root runs: chmod go-w it")
  }
}
