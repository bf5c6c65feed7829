internal import Glibc
internal import Kernel
internal import NIOCore
internal import SystemPackage

/// A file from the store as a request's body: read piece by piece as the connection takes it in.
struct FileBody: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  private let file: SharedFile
  private let range: Range<Int64>
  private let advanced: @Sendable (Int64) -> Void

  static let pieceSize = 512 << 10

  /// - Parameters:
  ///   - range: bytes of the file.
  ///   - advanced: told how far the file was read.
  init(_ file: SharedFile, _ range: Range<Int64>, advanced: @escaping @Sendable (Int64) -> Void) {
    self.file = file
    self.range = range
    self.advanced = advanced
  }

  func makeAsyncIterator() -> Iterator { Iterator(body: self, position: range.lowerBound) }

  struct Iterator: AsyncIteratorProtocol {
    let body: FileBody
    var position: Int64

    mutating func next() async throws -> ByteBuffer? {
      let wanted = Int(Swift.min(Int64(FileBody.pieceSize), body.range.upperBound - position))
      guard wanted > 0 else { return nil }
      var buffer = ByteBufferAllocator().buffer(capacity: wanted)
      let start = position
      let number = body.file.number
      let count = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { memory in
        try Errno.retrying { pread(number, memory.baseAddress, wanted, off_t(start)) }
      }
      // Shorter than the store said: the length that was promised cannot be kept.
      guard count > 0 else { throw Errno.ioError }
      position += Int64(count)
      body.advanced(position)
      return buffer
    }
  }
}

/// A descriptor for as long as somebody reads from it.
final class SharedFile: Sendable {
  private let descriptor: OwnedDescriptor
  var number: CInt { descriptor.number }

  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
}
