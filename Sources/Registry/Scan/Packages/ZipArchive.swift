internal import CZlib

/// The entries of a zip archive by its central directory. (PKWARE, APPNOTE 6.3; zip64 as well)
struct ZipArchive {
  struct Entry {
    let name: String
    /// Bytes once decompressed, as the archive says.
    let size: Int
    fileprivate let compressedSize: Int
    fileprivate let method: Int
    fileprivate let headerOffset: Int
    fileprivate let isEncrypted: Bool
  }

  enum Failure: Error, Hashable, CustomStringConvertible {
    case notAnArchive
    case tooManyEntries(limit: Int)
    case tooLarge(entry: String, limit: Int)
    case unsupported(entry: String)
    case corrupt(entry: String)

    var description: String {
      switch self {
      case .notAnArchive: "not a zip archive"
      case .tooManyEntries(let limit): "the zip archive has more than \(limit) entries"
      case .tooLarge(let entry, let limit): "\"\(entry.prefix(120))\" in the zip archive has more than \(limit) bytes"
      case .unsupported(let entry):
        "\"\(entry.prefix(120))\" in the zip archive is encrypted or compressed in an unknown way"
      case .corrupt(let entry): "\"\(entry.prefix(120))\" in the zip archive is corrupt"
      }
    }
  }

  private let reader: ByteReader
  private let directory: (offset: Int, count: Int)

  /// Throws `Failure`.
  init(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    reader = ByteReader(bytes: bytes)
    guard let found = Self.directory(reader) else { throw .notAnArchive }
    directory = found
  }

  /// The end record is the last 22 bytes, or before a comment of up to 64 KiB.
  private static func directory(_ reader: ByteReader) -> (offset: Int, count: Int)? {
    guard reader.count >= 22 else { return nil }
    for end in stride(from: reader.count - 22, through: max(0, reader.count - 22 - 65_535), by: -1)
    where reader.u32(end) == 0x0605_4b50 {
      if reader.u32(end - 20) == 0x0706_4b50, let wide = reader.u64(end - 12), reader.u32(wide) == 0x0606_4b50 {
        guard let count = reader.u64(wide + 32), let offset = reader.u64(wide + 48) else { return nil }
        return (offset, count)
      }
      guard let count = reader.u16(end + 10), let offset = reader.u32(end + 16) else { return nil }
      return (offset, count)
    }
    return nil
  }

  /// Calls `body` with each entry in the directory's order. Throws `Failure` and what `body` throws.
  func entries(limit: Int, _ body: (Entry) throws -> Void) throws {
    guard directory.count <= limit else { throw Failure.tooManyEntries(limit: limit) }
    var offset = directory.offset
    for _ in 0..<directory.count {
      guard reader.u32(offset) == 0x0201_4b50, let flags = reader.u16(offset + 8), let method = reader.u16(offset + 10),
        var compressed = reader.u32(offset + 20), var size = reader.u32(offset + 24),
        let nameLength = reader.u16(offset + 28),
        let extraLength = reader.u16(offset + 30), let commentLength = reader.u16(offset + 32),
        var header = reader.u32(offset + 42), let name = reader.slice(offset + 46, nameLength)
      else { throw Failure.notAnArchive }
      // Zip64: what does not fit is in an extra field, in this order.
      if compressed == 0xffff_ffff || size == 0xffff_ffff || header == 0xffff_ffff,
        var field = wideField(offset + 46 + nameLength, extraLength)
      {
        for keyPath in [\Wide.size, \Wide.compressed, \Wide.header] {
          var wide = Wide(size: size, compressed: compressed, header: header)
          guard wide[keyPath: keyPath] == 0xffff_ffff else { continue }
          guard let number = reader.u64(field) else { throw Failure.notAnArchive }
          wide[keyPath: keyPath] = number
          (size, compressed, header) = (wide.size, wide.compressed, wide.header)
          field += 8
        }
      }
      try body(
        Entry(
          name: String(decoding: name, as: UTF8.self), size: size, compressedSize: compressed, method: method,
          headerOffset: header, isEncrypted: flags & 1 != 0))
      offset += 46 + nameLength + extraLength + commentLength
    }
  }

  private struct Wide {
    var size: Int
    var compressed: Int
    var header: Int
  }

  private func wideField(_ start: Int, _ length: Int) -> Int? {
    var offset = start
    while offset + 4 <= start + length, let id = reader.u16(offset), let size = reader.u16(offset + 2) {
      if id == 1 { return offset + 4 }
      offset += 4 + size
    }
    return nil
  }

  /// The content of an entry, whatever its size says: at most `limit` bytes. Throws `Failure`.
  func content(_ entry: Entry, limit: Int) throws(Failure) -> [UInt8] {
    guard entry.size <= limit else { throw .tooLarge(entry: entry.name, limit: limit) }
    guard !entry.isEncrypted else { throw .unsupported(entry: entry.name) }
    guard reader.u32(entry.headerOffset) == 0x0403_4b50, let nameLength = reader.u16(entry.headerOffset + 26),
      let extraLength = reader.u16(entry.headerOffset + 28),
      let stored = reader.slice(entry.headerOffset + 30 + nameLength + extraLength, entry.compressedSize)
    else { throw .corrupt(entry: entry.name) }
    switch entry.method {
    case 0:
      guard stored.count <= limit else { throw .tooLarge(entry: entry.name, limit: limit) }
      return Array(stored)
    case 8: return try Self.inflate(stored, entry, limit: limit)
    default: throw .unsupported(entry: entry.name)
    }
  }

  private static func inflate(_ stored: UnsafeRawBufferPointer, _ entry: Entry, limit: Int) throws(Failure) -> [UInt8] {
    guard stored.count <= Int(UInt32.max), let base = stored.baseAddress else { throw .corrupt(entry: entry.name) }
    var stream = z_stream()
    // A raw stream, without zlib's own header.
    guard inflateInit2_(&stream, -15, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw .corrupt(entry: entry.name)
    }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(mutating: base.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(stored.count)
    var content: [UInt8] = []
    content.reserveCapacity(min(entry.size, limit))
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let (result, produced) = buffer.withUnsafeMutableBufferPointer { target -> (CInt, Int) in
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(target.count)
        return (CZlib.inflate(&stream, Z_NO_FLUSH), target.count - Int(stream.avail_out))
      }
      guard content.count + produced <= limit else { throw .tooLarge(entry: entry.name, limit: limit) }
      content += buffer[..<produced]
      if result == Z_STREAM_END { return content }
      guard result == Z_OK, produced > 0 || stream.avail_in > 0 else { throw .corrupt(entry: entry.name) }
    }
  }
}
