import Glibc

/// An IPv4 or IPv6 address. An IPv4 address that came by an IPv6 socket (`::ffff:a.b.c.d`) is the IPv4 one.
public struct NetworkAddress: Hashable, Sendable {
  private let high: UInt64, low: UInt64
  public let isIPv4: Bool

  /// nil where the text is no numeric address; a scope (`%eth0`) is left out.
  public init?(_ text: some StringProtocol) {
    let text = String(text.prefix { $0 != "%" })
    var four: UInt32 = 0
    if inet_pton(AF_INET, text, &four) == 1 {
      (high, low, isIPv4) = (0, UInt64(UInt32(bigEndian: four)) << 32, true)
      return
    }
    var six: (UInt64, UInt64) = (0, 0)
    guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
    let (high, low) = (UInt64(bigEndian: six.0), UInt64(bigEndian: six.1))
    if high == 0, low >> 32 == 0xffff {
      (self.high, self.low, isIPv4) = (0, low << 32, true)
    } else {
      (self.high, self.low, isIPv4) = (high, low, false)
    }
  }

  /// The bits that one customer of a provider has: all of IPv4's, the first 64 of IPv6's.
  var subscriber: NetworkAddress { isIPv4 ? self : masked(64) }

  func masked(_ bits: Int) -> NetworkAddress {
    if isIPv4 { return NetworkAddress(high: 0, low: low & Self.mask(bits), isIPv4: true) }
    return NetworkAddress(high: high & Self.mask(bits), low: low & Self.mask(bits - 64), isIPv4: false)
  }

  private init(high: UInt64, low: UInt64, isIPv4: Bool) {
    self.high = high
    self.low = low
    self.isIPv4 = isIPv4
  }

  /// The first `bits` of 64.
  private static func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? ~0 : ~(~0 >> UInt64(bits)) }
}

/// A range of addresses, such as `10.0.0.0/8`; an address alone is a range of one.
public struct NetworkRange: Hashable, Sendable, CustomStringConvertible {
  private let first: NetworkAddress
  private let bits: Int
  public let description: String

  /// nil where the text is no range, or where bits beyond the prefix are set: that is mostly a slip.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = parts.first.flatMap({ NetworkAddress($0) }) else { return nil }
    let most = address.isIPv4 ? 32 : 128
    var bits = most
    if parts.count == 2 {
      guard let number = Int(parts[1]), (0...most).contains(number) else { return nil }
      bits = number
    }
    guard address.masked(bits) == address else { return nil }
    first = address
    self.bits = bits
    description = text
  }

  public func contains(_ address: NetworkAddress) -> Bool {
    address.isIPv4 == first.isIPv4 && address.masked(bits) == first
  }
}

extension [NetworkRange] {
  func contains(address: NetworkAddress?) -> Bool { address.map { address in contains { $0.contains(address) } } ?? false }
}
