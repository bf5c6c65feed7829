internal import Glibc
internal import Kernel
internal import SystemPackage

/// An open file or directory that lists and loops can hold; closed with its last reference.
final class OpenFile {
  let number: CInt

  init(_ directory: CInt, _ path: String, flags: CInt, resolve: PathResolution = []) throws {
    number = try openat2(directory, path, flags: flags, resolve: resolve).release()
  }

  convenience init(_ path: String, flags: CInt) throws { try self.init(workingDirectory, path, flags: flags) }

  deinit { close(number) }

  func status() throws -> stat {
    var status = stat()
    try Errno.check(fstat(number, &status))
    return status
  }
}
