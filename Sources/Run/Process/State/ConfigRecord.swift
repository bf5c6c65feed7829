import Glibc
import Kernel
import SystemPackage

/// `<root>/<id>/config.json`: the first thing that a container has, and by which the rest is found when whoever makes it
/// is killed. It is locked as long as the container is being made.
final class ConfigRecord {
  private let file: OpenFile
  private let path: FilePath

  static func path(in directory: FilePath) -> FilePath { directory.appending("config.json") }

  init(in directory: FilePath) throws {
    path = Self.path(in: directory)
    file = OpenFile(
      try attempt("make \(path)") { [path] () throws(Errno) in
        try openat2(workingDirectory, path.string, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
      })
    // A record lock is this process's: a child does not have it, and it ends with the process however that ends.
    try attempt("lock \(path)") { () throws(Errno) in try RecordLock.take(file.number) }
  }

  func write(_ text: [UInt8]) throws {
    try attempt("write \(path)") { () throws(Errno) in try writeAll(file.number, text) }
  }

  /// false: somebody has deleted it.
  var isThere: Bool {
    guard let status = try? status(of: file.number) else { return true }
    return status.st_nlink > 0
  }
}
