public import ImageSpec

/// How a layer's tar archive is compressed.
public enum Compression: String, Sendable, CaseIterable, CustomStringConvertible {
  case none, gzip, zstd, bzip2, xz

  public var description: String { rawValue }

  /// Bytes that `detect` needs to see, or all where there are fewer.
  public static let prefixLength = 6

  /// By the magic number at the start of a stream; `none` where there is none.
  public static func detect(_ prefix: some Swift.Collection<UInt8>) -> Compression {
    func starts(_ magic: [UInt8]) -> Bool { prefix.starts(with: magic) }
    if starts([0x1f, 0x8b]) { return .gzip }
    if starts([0x28, 0xb5, 0x2f, 0xfd]) { return .zstd }
    // A stream may begin with a skippable frame, as zstd:chunked and estargz-like tools write. (RFC 8878, 3.1.2)
    let bytes = Array(prefix.prefix(4))
    if bytes.count == 4, bytes[0] & 0xf0 == 0x50, bytes[1...] == [0x2a, 0x4d, 0x18] { return .zstd }
    if starts(Array("BZh".utf8)) { return .bzip2 }
    if starts([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) { return .xz }
    return .none
  }

  /// nil for a media type that is not a layer's.
  public init?(mediaType: MediaType) {
    guard mediaType.isLayer else { return nil }
    if mediaType.rawValue.hasSuffix("gzip") {
      self = .gzip
    } else if mediaType.rawValue.hasSuffix("zstd") {
      self = .zstd
    } else {
      self = .none
    }
  }
}
