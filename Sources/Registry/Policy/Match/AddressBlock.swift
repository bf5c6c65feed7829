import Glibc

/// Addresses that share a prefix: `192.0.2.0/24`, `2001:db8::/32`, or a single one.
struct AddressBlock: Hashable, Sendable {
  private let isV4: Bool
  private let bits: UInt128
  private let prefix: Int

  /// nil for what is neither.
  init?(_ text: String) {
    let halves = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = halves.first, first.utf8.count <= 64, var bits = Self.bits(String(first)) else { return nil }
    // How a socket of both families writes an IPv4 address.
    let isMapped = !bits.isV4 && bits.value >> 32 == 0xffff
    if isMapped { bits = (true, bits.value & 0xffff_ffff) }
    isV4 = bits.isV4
    let width = isV4 ? 32 : 128
    if halves.count == 2 {
      guard !isMapped, halves[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(halves[1]),
        length <= width
      else { return nil }
      prefix = length
    } else {
      prefix = width
    }
    self.bits = Self.leading(bits.value, prefix, width)
  }

  private static func bits(_ text: String) -> (isV4: Bool, value: UInt128)? {
    var bytes = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, text, &bytes) == 1 {
      return (true, bytes[0..<4].reduce(0) { $0 << 8 | UInt128($1) })
    }
    guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
    return (false, bytes.reduce(0) { $0 << 8 | UInt128($1) })
  }

  private static func leading(_ value: UInt128, _ prefix: Int, _ width: Int) -> UInt128 {
    prefix == 0 ? 0 : (value >> UInt128(width - prefix)) << UInt128(width - prefix)
  }

  func contains(_ other: AddressBlock) -> Bool {
    isV4 == other.isV4 && other.prefix >= prefix && Self.leading(other.bits, prefix, isV4 ? 32 : 128) == bits
  }
}
