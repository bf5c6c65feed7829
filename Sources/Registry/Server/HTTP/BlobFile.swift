import Glibc
public import Kernel
import NIOCore
import SystemPackage

/// An open blob that is being sent.
public final class BlobFile: Sendable {
  private let descriptor: OwnedDescriptor

  public init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  /// Blocks until `count` bytes from `offset` on are read. Fewer are there only where the file was cut off.
  func read(at offset: Int64, count: Int) throws -> ByteBuffer {
    var buffer = ByteBufferAllocator().buffer(capacity: count)
    while buffer.readableBytes < count {
      let position = offset + Int64(buffer.readableBytes)
      let number = descriptor.number
      let rest = count - buffer.readableBytes
      let got = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: rest) { pointer in
        try Errno.retrying { pread(number, pointer.baseAddress, rest, off_t(position)) }
      }
      if got == 0 { throw RequestBroken() }
    }
    return buffer
  }

  /// The file for the kernel to send from. The caller closes it.
  func handle() throws -> NIOFileHandle {
    NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: try descriptor.duplicate().release())
  }
}
