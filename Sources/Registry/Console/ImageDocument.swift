internal import FoundationEssentials
internal import ImageSpec
internal import RegistryServer

/// A manifest as a page reads it. It was checked when it was pushed; an image's configuration never was.
struct ImageDocument {
  enum Content {
    case index(Index)
    case manifest(Manifest)
  }

  let digest: Digest
  let mediaType: MediaType
  let bytes: [UInt8]
  let content: Content

  init(_ digest: Digest, _ mediaType: MediaType, _ registry: Registry) throws {
    self.digest = digest
    self.mediaType = mediaType
    bytes = try registry.storage.read(digest, limit: ManifestDocument.sizeLimit)
    let decoder = JSONDecoder()
    content =
      mediaType.isIndex
      ? .index(try decoder.decode(Index.self, from: Data(bytes)))
      : .manifest(try decoder.decode(Manifest.self, from: Data(bytes)))
  }

  struct Config {
    let config: ImageConfig
    let bytes: [UInt8]
  }

  /// Largest configuration that is looked at, in bytes.
  static let configLimit = 2 << 20

  static func config(_ descriptor: Descriptor, _ registry: Registry) throws -> Config {
    let bytes = try configBytes(descriptor, registry)
    guard JSONDepth.isWithin(64, bytes) else { throw ConsoleError.notFound }
    return Config(config: try JSONDecoder().decode(ImageConfig.self, from: Data(bytes)), bytes: bytes)
  }

  static func configBytes(_ descriptor: Descriptor, _ registry: Registry) throws -> [UInt8] {
    guard descriptor.size <= configLimit else { throw ConsoleError.notFound }
    return try registry.storage.read(descriptor.digest, limit: configLimit)
  }
}

/// JSON laid out for reading: the same tokens in the same order, each member on a line of its own.
enum ReadableJSON {
  /// Larger documents are given as a file only, in bytes.
  static let limit = 128 << 10

  /// nil for what is too large, or nested so deep that the indentation would be.
  static func format(_ bytes: [UInt8]) -> String? {
    guard bytes.count <= limit, JSONDepth.isWithin(24, bytes) else { return nil }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count * 2)
    var depth = 0
    var inString = false, escaped = false, isEmpty = false
    func newline() -> [UInt8] { [UInt8(ascii: "\n")] + [UInt8](repeating: UInt8(ascii: " "), count: depth * 2) }
    for byte in bytes {
      if inString {
        out.append(byte)
        if escaped {
          escaped = false
        } else if byte == UInt8(ascii: "\\") {
          escaped = true
        } else if byte == UInt8(ascii: "\"") {
          inString = false
        }
        continue
      }
      if [UInt8(ascii: " "), 9, 10, 13].contains(byte) { continue }
      let closes = byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
      if isEmpty, !closes { out += newline() }
      if closes {
        depth = max(0, depth - 1)
        if !isEmpty { out += newline() }
      }
      isEmpty = false
      out.append(byte)
      switch byte {
      case UInt8(ascii: "\""): inString = true
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        isEmpty = true
      case UInt8(ascii: ","): out += newline()
      case UInt8(ascii: ":"): out.append(UInt8(ascii: " "))
      default: break
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
