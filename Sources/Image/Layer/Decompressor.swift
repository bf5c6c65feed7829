internal import CBzip2
internal import CLzma
internal import CZlib
internal import CZstd

/// Decompresses a stream while its bytes arrive.
///
/// Streams of several members or frames one after the other are read to their end, as gzip(1) and the others do.
public final class Decompressor {
  public let compression: Compression
  private let codec: any StreamCodec

  public init(_ compression: Compression) throws {
    self.compression = compression
    codec =
      switch compression {
      case .none: PlainCodec()
      case .gzip: try GzipCodec()
      case .zstd: try ZstdCodec()
      case .bzip2: Bzip2Codec()
      case .xz: try XzCodec()
      }
  }

  /// Hands decompressed bytes to `output`, which must not keep the buffer.
  public func write(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    guard !bytes.isEmpty else { return }
    try codec.write(bytes, output)
  }

  /// The end of the input. Throws `LayerError.truncated` in the middle of a stream.
  public func finish(_ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    try codec.finish(output)
  }
}

private protocol StreamCodec: AnyObject {
  func write(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws
  func finish(_ output: (UnsafeRawBufferPointer) throws -> Void) throws
}

private let outputSize = 256 << 10

private final class PlainCodec: StreamCodec {
  func write(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws { try output(bytes) }
  func finish(_ output: (UnsafeRawBufferPointer) throws -> Void) throws {}
}

private final class GzipCodec: StreamCodec {
  private var stream = z_stream()
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)
  /// Between two members, or at the end.
  private var isAtBoundary = true

  init() throws {
    // 15 bits of window, 16 for a gzip header.
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw LayerError.corrupt(.gzip, "the decoder could not be set up")
    }
  }

  deinit {
    inflateEnd(&stream)
    buffer.deallocate()
  }

  func write(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(bytes.count)
    while stream.avail_in > 0 {
      if isAtBoundary {
        // Padding with zeros after the last member is ignored, as gzip(1) does.
        if stream.next_in.pointee == 0, stream.total_in > 0 {
          stream.next_in += 1
          stream.avail_in -= 1
          continue
        }
        isAtBoundary = false
      }
      stream.next_out = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(buffer.count)
      let result = inflate(&stream, Z_NO_FLUSH)
      let produced = buffer.count - Int(stream.avail_out)
      if produced > 0 { try output(UnsafeRawBufferPointer(rebasing: buffer[..<produced])) }
      switch result {
      case Z_OK: break
      case Z_BUF_ERROR where stream.avail_in == 0: return
      case Z_STREAM_END:
        let total = stream.total_in
        inflateReset(&stream)
        stream.total_in = total
        isAtBoundary = true
      default:
        throw LayerError.corrupt(.gzip, stream.msg.map { String(cString: $0) } ?? "zlib's error \(result)")
      }
    }
    // A full output buffer can leave decompressed bytes inside zlib although all input is taken.
    while !isAtBoundary, stream.avail_out == 0 {
      stream.next_out = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(buffer.count)
      let result = inflate(&stream, Z_NO_FLUSH)
      let produced = buffer.count - Int(stream.avail_out)
      if produced > 0 { try output(UnsafeRawBufferPointer(rebasing: buffer[..<produced])) }
      if result == Z_STREAM_END {
        let total = stream.total_in
        inflateReset(&stream)
        stream.total_in = total
        isAtBoundary = true
      } else if result == Z_BUF_ERROR {
        break
      } else if result != Z_OK {
        throw LayerError.corrupt(.gzip, stream.msg.map { String(cString: $0) } ?? "zlib's error \(result)")
      }
    }
  }

  func finish(_ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    guard isAtBoundary, stream.total_in > 0 else { throw LayerError.truncated }
  }
}

private final class ZstdCodec: StreamCodec {
  private let context: OpaquePointer
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)
  /// Between two frames, or at the end.
  private var isAtBoundary = true
  private var sawFrame = false
  /// What has come of the magic number that a frame begins with.
  private var magic: [UInt8] = []

  init() throws {
    guard let context = ZSTD_createDCtx() else { throw LayerError.corrupt(.zstd, "the decoder could not be set up") }
    self.context = context
  }

  deinit {
    ZSTD_freeDCtx(context)
    buffer.deallocate()
  }

  func write(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    var rest = bytes
    while !rest.isEmpty {
      if isAtBoundary {
        let part = rest.prefix(4 - magic.count)
        magic += part
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
        guard magic.count == 4 else { return }
        try beginFrame(output)
      } else {
        let taken = try decode(rest, output)
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(taken))
      }
    }
  }

  /// A frame of RFC 8878 alone. The library may be built to read the formats before it, which nobody sends but to find
  /// faults in their decoders.
  private func beginFrame(_ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    let isSkipped = magic[0] & 0xf0 == 0x50 && magic[1...] == [0x2a, 0x4d, 0x18]
    guard isSkipped || magic == [0x28, 0xb5, 0x2f, 0xfd] else {
      throw LayerError.corrupt(.zstd, "no frame of it begins with these bytes")
    }
    isAtBoundary = false
    sawFrame = true
    let start = magic
    magic = []
    _ = try start.withUnsafeBytes { try decode($0, output) }
  }

  /// Up to the end of a frame or of the bytes. Returns how many of them were taken.
  private func decode(
    _ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Int {
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    var isFull = false
    // A full output buffer can mean that there is more inside.
    while !isAtBoundary, input.pos < input.size || isFull {
      var target = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
      let result = ZSTD_decompressStream(context, &target, &input)
      guard ZSTD_isError(result) == 0 else { throw LayerError.corrupt(.zstd, String(cString: ZSTD_getErrorName(result))) }
      isAtBoundary = result == 0
      isFull = target.pos == buffer.count
      if target.pos > 0 { try output(UnsafeRawBufferPointer(rebasing: buffer[..<target.pos])) }
    }
    return input.pos
  }

  func finish(_ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    guard isAtBoundary, sawFrame, magic.isEmpty else { throw LayerError.truncated }
  }
}

private final class Bzip2Codec: StreamCodec {
  private var stream = bz_stream()
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)
  private var isOpen = false
  private var sawStream = false

  deinit {
    if isOpen { BZ2_bzDecompressEnd(&stream) }
    buffer.deallocate()
  }

  func write(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress!.assumingMemoryBound(to: CChar.self))
    stream.avail_in = UInt32(bytes.count)
    var isFull = false
    while stream.avail_in > 0 || isFull {
      if !isOpen {
        let (next, available) = (stream.next_in, stream.avail_in)
        stream = bz_stream()
        guard BZ2_bzDecompressInit(&stream, 0, 0) == BZ_OK else {
          throw LayerError.corrupt(.bzip2, "the decoder could not be set up")
        }
        (stream.next_in, stream.avail_in) = (next, available)
        isOpen = true
      }
      stream.next_out = buffer.baseAddress!.assumingMemoryBound(to: CChar.self)
      stream.avail_out = UInt32(buffer.count)
      let result = BZ2_bzDecompress(&stream)
      let produced = buffer.count - Int(stream.avail_out)
      isFull = stream.avail_out == 0
      if produced > 0 { try output(UnsafeRawBufferPointer(rebasing: buffer[..<produced])) }
      switch result {
      case BZ_OK: break
      case BZ_STREAM_END:
        let (next, available) = (stream.next_in, stream.avail_in)
        BZ2_bzDecompressEnd(&stream)
        (stream.next_in, stream.avail_in) = (next, available)
        isOpen = false
        isFull = false
        sawStream = true
      default: throw LayerError.corrupt(.bzip2, "bzip2's error \(result)")
      }
    }
  }

  func finish(_ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    guard !isOpen, sawStream else { throw LayerError.truncated }
  }
}

private final class XzCodec: StreamCodec {
  private var stream = lzma_stream()
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)

  /// What xz -9 needs to decompress is 65 MiB.
  private static let memoryLimit: UInt64 = 256 << 20

  init() throws {
    guard lzma_stream_decoder(&stream, Self.memoryLimit, 0x08 /* LZMA_CONCATENATED */) == LZMA_OK else {
      throw LayerError.corrupt(.xz, "the decoder could not be set up")
    }
  }

  deinit {
    lzma_end(&stream)
    buffer.deallocate()
  }

  func write(_ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    stream.next_in = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
    stream.avail_in = bytes.count
    repeat { _ = try step(LZMA_RUN, output) } while stream.avail_in > 0 || stream.avail_out == 0
  }

  func finish(_ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    stream.next_in = nil
    stream.avail_in = 0
    while try step(LZMA_FINISH, output) {}
  }

  /// False at the end of the stream.
  private func step(_ action: lzma_action, _ output: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
    stream.next_out = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = buffer.count
    let result = lzma_code(&stream, action)
    let produced = buffer.count - stream.avail_out
    if produced > 0 { try output(UnsafeRawBufferPointer(rebasing: buffer[..<produced])) }
    switch result {
    case LZMA_OK: return true
    case LZMA_STREAM_END: return false
    case LZMA_BUF_ERROR:
      if action == LZMA_FINISH { throw LayerError.truncated }
      return true
    case LZMA_MEMLIMIT_ERROR: throw LayerError.corrupt(.xz, "it needs more than 256 MiB of memory to decompress")
    default: throw LayerError.corrupt(.xz, "liblzma's error \(result.rawValue)")
    }
  }
}
