/// A content digest: an algorithm and its hash in lower-case hexadecimal. (image-spec, descriptor.md, Digests)
public struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
  public enum Algorithm: String, Sendable, CaseIterable {
    case sha256, sha512

    /// Length of the hash in hexadecimal digits.
    public var hexLength: Int { self == .sha256 ? 64 : 128 }
  }

  public let algorithm: Algorithm
  /// The hash: exactly `algorithm.hexLength` of `0-9a-f`.
  public let hex: String

  /// Parses `sha256:<64 hex>` or `sha512:<128 hex>`.
  public init(parsing text: some StringProtocol) throws(DigestError) {
    try self.init(String(text))
  }

  /// Of one type of text: a collection of garbage parses some for each blob.
  private init(_ text: String) throws(DigestError) {
    guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { throw .malformed(text) }
    guard let algorithm = Algorithm(rawValue: String(text[..<colon])) else {
      throw .unsupportedAlgorithm(String(text[..<colon]))
    }
    var hex = String(text[text.utf8.index(after: colon)...])
    guard hex.withUTF8({ $0.count == algorithm.hexLength && $0.allSatisfy(Self.isLowercaseHex) }) else {
      throw .malformed(text)
    }
    self.algorithm = algorithm
    self.hex = hex
  }

  /// The digest of a hash that was just computed: 32 bytes for sha256, 64 for sha512.
  public init(_ algorithm: Algorithm = .sha256, hash: some Sequence<UInt8>) {
    let digits = Array("0123456789abcdef".utf8)
    var hex: [UInt8] = []
    hex.reserveCapacity(algorithm.hexLength)
    for byte in hash {
      hex.append(digits[Int(byte >> 4)])
      hex.append(digits[Int(byte & 15)])
    }
    precondition(hex.count == algorithm.hexLength, "a \(algorithm) hash has \(algorithm.hexLength / 2) bytes")
    self.algorithm = algorithm
    self.hex = String(decoding: hex, as: UTF8.self)
  }

  public var description: String { "\(algorithm.rawValue):\(hex)" }

  /// The first twelve digits, as `docker images` shows them.
  public var short: String { String(hex.prefix(12)) }

  public static func < (left: Digest, right: Digest) -> Bool {
    (left.algorithm.rawValue, left.hex) < (right.algorithm.rawValue, right.hex)
  }

  private static func isLowercaseHex(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }
}

public enum DigestError: Error, Equatable, CustomStringConvertible {
  case malformed(String)
  case unsupportedAlgorithm(String)

  public var description: String {
    switch self {
    case .malformed(let text): "\"\(text.prefix(160))\" is not a digest; write sha256: and 64 lower-case hexadecimal digits"
    case .unsupportedAlgorithm(let name): "digest algorithm \"\(name.prefix(40))\" is not supported; use sha256 or sha512"
    }
  }
}

extension Digest: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do {
      try self.init(parsing: container.decode(String.self))
    } catch let error as DigestError {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
