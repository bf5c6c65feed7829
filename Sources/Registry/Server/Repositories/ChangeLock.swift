import Glibc
import Kernel
import Synchronization
import SystemPackage

/// A hold in the store and the row that stands for it are two transactions: without this, a delete's release could fall
/// between the hold and the row of a push of the same manifest, by this process or by another one on the same root.
final class ChangeLock: Sendable {
  private let mutex = Mutex(())
  private let file: OwnedDescriptor

  init(_ path: FilePath) throws {
    do { file = try openat2(AT_FDCWD, path.string, flags: O_RDWR | O_CREAT, mode: 0o600) } catch {
      throw AccessError.unwritable(path.string, error.description)
    }
  }

  func withLock<Result>(_ body: () throws -> Result) throws -> Result {
    try mutex.withLock { _ in
      let number = file.number
      try Errno.retrying { flock(number, LOCK_EX) }
      defer { flock(number, LOCK_UN) }
      return try body()
    }
  }
}
