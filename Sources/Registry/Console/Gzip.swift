internal import CZlib

/// A page as gzip, for browsers far away. (RFC 1952)
enum Gzip {
  /// Smaller pages fit a few packets as they are, in bytes.
  static let least = 2048

  /// Whether a request's `Accept-Encoding` takes it. (RFC 9110, section 12.5.3)
  static func isTaken(_ header: String?) -> Bool {
    guard let header else { return false }
    return header.lowercased().split(separator: ",").contains { piece in
      let parts = piece.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
      guard let coding = parts.first, coding == "gzip" else { return false }
      guard let quality = parts.dropFirst().first(where: { $0.hasPrefix("q=") }) else { return true }
      return quality.dropFirst(2).contains { ("1"..."9").contains($0) }
    }
  }

  /// nil where zlib has no memory for it.
  static func compress(_ bytes: [UInt8]) -> [UInt8]? {
    var stream = z_stream()
    // 15 bits of window, 16 for a gzip header; quickly, since each page is made for one reader.
    guard
      deflateInit2_(
        &stream, 4, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { deflateEnd(&stream) }
    let bound = Int(deflateBound(&stream, UInt(bytes.count)))
    var isWhole = false
    let output = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
      bytes.withUnsafeBufferPointer { input in
        stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        stream.avail_in = UInt32(input.count)
        stream.next_out = buffer.baseAddress
        stream.avail_out = UInt32(bound)
        isWhole = deflate(&stream, Z_FINISH) == Z_STREAM_END
      }
      count = bound - Int(stream.avail_out)
    }
    return isWhole ? output : nil
  }
}
