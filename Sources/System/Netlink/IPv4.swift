/// An IPv4 address.
public struct IPv4Address: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// In the host's byte order: 127.0.0.1 is 0x7f000001.
  public let number: UInt32

  public init(number: UInt32) { self.number = number }

  /// Four decimal numbers; nil for other text. Leading zeros, which some read as octal, are refused.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var number: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        part == "0" || part.first != "0", let byte = UInt8(part)
      else { return nil }
      number = number << 8 | UInt32(byte)
    }
    self.number = number
  }

  public var description: String { "\(number >> 24).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)" }
  public var isLoopback: Bool { number >> 24 == 127 }
  public static let any = IPv4Address(number: 0)
  public static let loopback = IPv4Address(number: 0x7f00_0001)
  public static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.number < right.number }

  var bytes: [UInt8] { number.networkBytes }

  init?(bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    guard bytes.count >= 4 else { return nil }
    number = bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) }
  }
}

/// A range of addresses, `10.88.0.0/16`.
public struct IPv4Network: Hashable, Sendable, CustomStringConvertible {
  /// The first address.
  public let address: IPv4Address
  public let prefixLength: Int

  /// nil for other text and for an address that is not the range's first.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPv4Address(parts[0]), let length = Int(parts[1]), (0...32).contains(length),
      String(length) == parts[1], address.number & ~Self.mask(length) == 0
    else { return nil }
    self.address = address
    prefixLength = length
  }

  public init(address: IPv4Address, prefixLength: Int) {
    self.address = IPv4Address(number: address.number & Self.mask(prefixLength))
    self.prefixLength = prefixLength
  }

  private static func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : ~0 << (32 - UInt32(length)) }

  public var description: String { "\(address)/\(prefixLength)" }
  public var broadcast: IPv4Address { IPv4Address(number: address.number | ~Self.mask(prefixLength)) }
  public var count: UInt64 { 1 << UInt64(32 - prefixLength) }

  public func contains(_ other: IPv4Address) -> Bool { other.number & Self.mask(prefixLength) == address.number }
  public func overlaps(_ other: IPv4Network) -> Bool { contains(other.address) || other.contains(address) }

  /// nil outside the range.
  public func address(at index: UInt64) -> IPv4Address? {
    index < count ? IPv4Address(number: address.number + UInt32(index)) : nil
  }
}

/// Six bytes.
public struct MACAddress: Hashable, Sendable, CustomStringConvertible {
  public let bytes: [UInt8]

  /// A locally administered address that follows from the IPv4 address, so that neighbours' tables stay right when a
  /// container is made anew. (RFC 7042, 2.1)
  public init(for address: IPv4Address) { bytes = [0x02, 0x42] + address.bytes }

  public var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}

extension IPv4Address: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let address = IPv4Address(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an IPv4 address")
    }
    self = address
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension IPv4Network: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let network = IPv4Network(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an IPv4 network")
    }
    self = network
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
