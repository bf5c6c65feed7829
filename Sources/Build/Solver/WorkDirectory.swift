internal import Glibc
internal import Kernel
public import SystemPackage

/// A directory of this process for what a build needs only while it goes on. Its lock tells others that it is used.
///
/// ```
/// <root>/builds/<64 hexadecimal digits>/lock
///                                       …
/// ```
public final class WorkDirectory: Sendable {
  public let id: String
  public let path: FilePath
  private let lock: OwnedDescriptor

  public init(below builds: FilePath) throws {
    let id = (0..<4).map { _ in
      let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
    let path = builds.appending(id)
    self.id = id
    self.path = path
    lock = try opening("make", path.string) { () throws(Errno) in
      try makeDirectories(path, mode: 0o711)
      let lock = try openat2(workingDirectory, path.appending("lock").string, flags: O_RDWR | O_CREAT, mode: 0o600)
      try Errno.check(flock(lock.number, LOCK_EX | LOCK_NB))
      return lock
    }
  }

  deinit { try? removeTree(path) }
}
