internal import Glibc
internal import Kernel
internal import Synchronization
internal import SystemPackage

/// A locked file. The lock ends with the process at the latest. (flock(2))
final class FileLock: Sendable {
  private let descriptor: CInt
  private let open = Mutex(true)

  /// Waits for the lock.
  init(_ path: FilePath, shared: Bool = false) throws(Errno) {
    descriptor = try Self.openFile(path)
    do {
      let descriptor = descriptor
      try Errno.retrying { flock(descriptor, shared ? LOCK_SH : LOCK_EX) }
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// nil where another process holds the lock.
  init?(trying path: FilePath) throws(Errno) {
    let descriptor = try Self.openFile(path)
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let error = Errno.current
      close(descriptor)
      if error == .wouldBlock { return nil }
      throw error
    }
    self.descriptor = descriptor
  }

  private static func openFile(_ path: FilePath) throws(Errno) -> CInt {
    try openat2(AT_FDCWD, path.string, flags: O_RDWR | O_CREAT, mode: 0o600).release()
  }

  /// Whether the locked file is still the one of that name.
  func holds(_ path: FilePath) -> Bool {
    var opened = stat()
    var named = stat()
    return fstat(descriptor, &opened) == 0 && stat(path.string, &named) == 0 && opened.st_ino == named.st_ino
      && opened.st_dev == named.st_dev
  }

  func unlock() {
    let wasOpen = open.withLock { open in
      defer { open = false }
      return open
    }
    if wasOpen { close(descriptor) }
  }

  deinit { unlock() }
}

/// While a lease lives, nothing is collected that was written or retained since it began.
public final class Lease: Sendable {
  let path: FilePath
  private let lock: FileLock

  init(directory: FilePath) throws {
    var id = UInt64.random(in: 0...UInt64.max)
    var path = directory.appending("\(getpid())-\(String(id, radix: 36))")
    do throws(Errno) {
      while access(path.string, F_OK) == 0 {
        id &+= 1
        path = directory.appending("\(getpid())-\(String(id, radix: 36))")
      }
      // A collection that comes between making the file and locking it takes it for a dead process's and removes it.
      var taken = try FileLock(path)
      while !taken.holds(path) {
        taken.unlock()
        taken = try FileLock(path)
      }
      lock = taken
    } catch {
      throw ContentError.system(operation: "take a lease at", path: path, error)
    }
    self.path = path
  }

  public func release() {
    unlink(path.string)
    lock.unlock()
  }

  deinit { release() }
}

/// The lease that a short-lived process takes with its first write and keeps until it ends.
final class ImplicitLease: Sendable {
  private let directory: FilePath
  private let enabled: Bool
  private let lease = Mutex<Lease?>(nil)

  init(directory: FilePath, enabled: Bool) {
    self.directory = directory
    self.enabled = enabled
  }

  func take() throws {
    guard enabled else { return }
    try lease.withLock { lease in
      guard lease == nil else { return }
      let taken = try Lease(directory: directory)
      lease = taken
      // Globals are not torn down when a process ends: without this each command would leave a file behind.
      LeaseFiles.removeAtExit(taken.path)
    }
  }

  /// Given up by a process that is about to collect: its own work must not hold the collection back.
  func release() {
    lease.withLock { $0 = nil }
  }
}

private enum LeaseFiles {
  private static let paths = Mutex<[String]>([])

  static func removeAtExit(_ path: FilePath) {
    let isFirst = paths.withLock { paths in
      paths.append(path.string)
      return paths.count == 1
    }
    if isFirst { atexit { LeaseFiles.paths.withLock { for path in $0 { unlink(path) } } } }
  }
}

extension ContentStore {
  /// From now on until this process ends (or for a long-lived one, until its `lease()` is released) a collection
  /// leaves alone what is used after this call.
  public func protect() throws { try implicitLease.take() }

  /// Runs `body` while no collection removes anything.
  public func withoutCollection<Result>(_ body: () throws -> Result) throws -> Result {
    let path = root.appending("store.lock")
    let lock: FileLock
    do { lock = try FileLock(path, shared: true) } catch { throw ContentError.system(operation: "lock", path: path, error) }
    defer { lock.unlock() }
    return try body()
  }

  /// Runs `body` while nobody takes anything into use, for a short time only.
  ///
  /// - Parameter body: gets the time that what is protected was last used at or after: seconds and nanoseconds.
  public func whileCollecting<Result>(_ body: (_ cutoff: (seconds: Int64, nanoseconds: Int64)) throws -> Result) throws -> Result {
    implicitLease.release()
    let cutoff: (seconds: Int64, nanoseconds: Int64)
    do { cutoff = try protectionCutoff() } catch let error as Errno {
      throw ContentError.system(operation: "collect garbage in", path: root, error)
    }
    let lock = try lock()
    defer { lock.unlock() }
    return try body(cutoff)
  }

  /// Keeps all that is written or retained from now on until it is released or this process ends.
  public func lease() throws -> Lease { try Lease(directory: root.appending("leases")) }
}
