internal import Glibc
internal import Kernel
internal import SystemPackage

/// A file without a name that bytes are written to, then read at any place.
final class Spool {
  private let file: OwnedDescriptor
  private(set) var size: Int64 = 0

  /// Throws `Errno`.
  init(in directory: FilePath) throws {
    file = try openat2(AT_FDCWD, directory.string, flags: __O_TMPFILE | O_DIRECTORY | O_RDWR, mode: 0o600)
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws {
    try writeAll(file.number, bytes)
    size += Int64(bytes.count)
  }

  /// Throws `Errno` and what `body` throws.
  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    guard size > 0 else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    guard let address = mmap(nil, Int(size), PROT_READ, MAP_PRIVATE, file.number, 0), address != MAP_FAILED else {
      throw Errno.current
    }
    defer { munmap(address, Int(size)) }
    return try body(UnsafeRawBufferPointer(start: address, count: Int(size)))
  }
}
