internal import Glibc
internal import Kernel
internal import SystemPackage

/// Writes a file from its start to its end past the page cache: what nobody is about to read needs no memory, and is on
/// the disk when it is written. Where the file system has no such way, it is written as any other. (open(2), O_DIRECT)
final class UncachedFile {
  private let file: CInt
  private let buffer: UnsafeMutableRawBufferPointer
  private var used = 0
  private var isDirect = false
  private var isFirst = true

  /// What is written at once; a file that is no longer than this is written as any other.
  private static let blockSize = 1 << 20

  #if arch(arm64)
    private static let direct: CInt = 0o200000
  #else
    private static let direct: CInt = 0o40000
  #endif

  init(_ file: CInt) {
    self.file = file
    buffer = .allocate(byteCount: Self.blockSize, alignment: 4096)
  }

  deinit { buffer.deallocate() }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
    var rest = bytes
    while !rest.isEmpty {
      if used == buffer.count { try flush() }
      let count = min(rest.count, buffer.count - used)
      UnsafeMutableRawBufferPointer(rebasing: buffer[used..<(used + count)])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
      used += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// The rest, which is no whole block.
  func finish() throws(Errno) {
    setDirect(false)
    try writeAll(file, UnsafeRawBufferPointer(rebasing: buffer[..<used]))
    used = 0
  }

  private func flush() throws(Errno) {
    if isFirst { setDirect(true) }
    isFirst = false
    var written = 0
    while written < used {
      let count = write(file, buffer.baseAddress! + written, used - written)
      if count >= 0 {
        written += count
        // The rest of a block that was cut short is not aligned any more.
        if written % 4096 != 0 { setDirect(false) }
        continue
      }
      let error = Errno.current
      if error == .interrupted { continue }
      // Some file systems take the flag and refuse the write.
      guard isDirect, error == .invalidArgument else { throw error }
      setDirect(false)
    }
    used = 0
  }

  private func setDirect(_ wanted: Bool) {
    guard wanted != isDirect else { return }
    let flags = fcntl(file, F_GETFL)
    guard flags >= 0 else { return }
    if fcntl(file, F_SETFL, wanted ? flags | Self.direct : flags & ~Self.direct) == 0 { isDirect = wanted }
  }
}
