internal import Glibc
internal import SystemPackage

/// Standard output, or a file that appears as a whole: it is written beside its place and renamed.
final class OutputFile {
  private let path: String?
  private let temporary: String
  private var descriptor: CInt

  /// - Parameter path: nil or `-` for standard output. What is no ordinary file (a pipe, a device) is written directly.
  init(_ path: String?) throws {
    guard let path, path != "-" else {
      self.path = nil
      temporary = ""
      descriptor = STDOUT_FILENO
      return
    }
    if let type = try? FilePath(path).stat().type, type != .regular {
      guard type != .directory else { throw Failure("\(path) is a directory: name a file") }
      self.path = nil
      temporary = ""
      descriptor = Glibc.open(path, O_WRONLY | O_CLOEXEC)
    } else {
      self.path = path
      temporary = "\(path).\(getpid()).tmp"
      descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    }
    guard descriptor >= 0 else { throw Failure("open \(path): \(String(cString: strerror(errno)))") }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw Failure("write \(path ?? "standard output"): \(String(cString: strerror(errno)))")
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  func commit() throws {
    guard let path else { return }
    guard rename(temporary, path) == 0 else {
      throw Failure("write \(path): \(String(cString: strerror(errno)))")
    }
    close(descriptor)
    descriptor = -1
  }

  func discard() {
    guard path != nil, descriptor >= 0 else { return }
    unlink(temporary)
    close(descriptor)
    descriptor = -1
  }
}
