import Glibc
public import SystemPackage

/// A lock on a whole file that belongs to a process: no child inherits it, and it ends with the process, or when the
/// process closes the file. (fcntl(2), Advisory record locking)
public enum RecordLock {
  /// The file is open for writing. Throws `Errno.resourceTemporarilyUnavailable` where another process has it.
  public static func take(_ file: CInt) throws(Errno) {
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    try Errno.check(withUnsafeMutablePointer(to: &lock) { fcntl(file, F_SETLK, $0) })
  }

  /// The process that has the lock, 0 for one of another PID namespace; nil: none has it.
  public static func holder(_ file: CInt) throws(Errno) -> Int32? {
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    try Errno.check(withUnsafeMutablePointer(to: &lock) { fcntl(file, F_GETLK, $0) })
    return lock.l_type == Int16(F_UNLCK) ? nil : lock.l_pid
  }
}
