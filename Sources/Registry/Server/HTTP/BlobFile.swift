import Glibc
public import Kernel
public import NIOCore
import SystemPackage

/// A blob that is being sent: an open file, or what a storage elsewhere has.
public final class BlobFile: Sendable {
  private final class OpenFile: Sendable {
    let descriptor: OwnedDescriptor
    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
  }

  private let file: OpenFile?
  let remote: (any RemoteBlob)?

  public init(_ descriptor: consuming OwnedDescriptor) {
    file = OpenFile(descriptor)
    remote = nil
  }

  public init(_ remote: any RemoteBlob) {
    file = nil
    self.remote = remote
  }

  /// Blocks until `count` bytes from `offset` on are read. Fewer are there only where the file was cut off.
  func read(at offset: Int64, count: Int) throws -> ByteBuffer {
    guard let file else { throw RequestBroken() }
    var buffer = ByteBufferAllocator().buffer(capacity: count)
    while buffer.readableBytes < count {
      let position = offset + Int64(buffer.readableBytes)
      let number = file.descriptor.number
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
    guard let file else { throw RequestBroken() }
    return NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: try file.descriptor.duplicate().release())
  }
}

/// A blob in a storage elsewhere.
public protocol RemoteBlob: Sendable {
  /// Where a client may fetch it without this registry; nil where it goes through here.
  var link: String? { get }
  /// Gives the bytes of a range to `body`, piece by piece, no faster than it takes them.
  func send(_ range: Range<Int64>, _ body: (ByteBuffer) async throws -> Void) async throws
}
