internal import Glibc
internal import Kernel
internal import SystemPackage

/// A file that is locked while something is done with what lies beside it. It is free when its process has ended.
struct OperationLock: ~Copyable {
  private let descriptor: OwnedDescriptor

  /// Waits for the lock.
  init(_ path: FilePath) throws(Errno) {
    let opened = try openat2(workingDirectory, path.string, flags: O_RDWR | O_CREAT, mode: 0o600)
    let number = opened.number
    try Errno.retrying { flock(number, LOCK_EX) }
    descriptor = opened
  }

  /// nil where somebody holds it.
  init?(trying path: FilePath) throws(Errno) {
    let opened = try openat2(workingDirectory, path.string, flags: O_RDWR | O_CREAT, mode: 0o600)
    guard flock(opened.number, LOCK_EX | LOCK_NB) == 0 else {
      if Errno.current == .wouldBlock { return nil }
      throw Errno.current
    }
    descriptor = opened
  }
}
