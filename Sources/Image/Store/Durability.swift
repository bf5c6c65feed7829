internal import Glibc
internal import Kernel
internal import Synchronization
internal import SystemPackage

/// Work that several may ask for at once, and that is done once for all who asked before it began.
///
/// A disk makes a hundred writes durable in the time that it takes for one.
final class GroupedWork: Sendable {
  private let asked = Atomic<UInt64>(0)
  /// Who asked up to this number, has it done. Held while it is done: those who come meanwhile wait for the next.
  private let done = Mutex<UInt64>(0)

  func run(_ work: () throws -> Void) rethrows {
    let number = asked.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
    try done.withLock { done in
      guard done < number else { return }
      let covered = asked.load(ordering: .sequentiallyConsistent)
      try work()
      done = covered
    }
  }
}

extension ContentStore {
  /// Makes all that was committed before this call survive a loss of power, blobs and transactions. Without it the disk has
  /// them after some seconds: transactions end up in the write-ahead log, which SQLite leaves to the kernel to write.
  public func makeDurable() throws {
    do {
      try durability.run {
        // The bytes of blobs are on the disk before they get their names.
        for algorithm in ["sha256", "sha512"] {
          try Self.sync(root.appending("content").appending("blobs").appending(algorithm), O_RDONLY | O_DIRECTORY, fsync)
        }
        // Where there is no log any more, the database itself has it all, and SQLite has waited for that.
        try Self.sync(root.appending("clipper.db-wal"), O_RDONLY, fdatasync)
      }
    } catch let error as Errno {
      throw ContentError.system(operation: "make what was written durable at", path: root, error)
    }
  }

  private static func sync(_ path: FilePath, _ flags: CInt, _ call: (CInt) -> CInt) throws(Errno) {
    do {
      let file = try openat2(AT_FDCWD, path.string, flags: flags)
      try Errno.check(call(file.number))
    } catch Errno.noSuchFileOrDirectory {
      return
    }
  }
}
