/// `%XX` in paths and queries. (RFC 3986, section 2.1)
public enum PercentEncoding {
  /// Leaves letters, digits and `-._~` as they are.
  public static func encode(_ text: some StringProtocol) -> String {
    var bytes: [UInt8] = []
    let digits = Array("0123456789ABCDEF".utf8)
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        bytes.append(byte)
      default:
        bytes.append(UInt8(ascii: "%"))
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// nil where a `%` is not followed by two hexadecimal digits, or the result is not UTF-8 or has a NUL.
  public static func decode(_ text: some StringProtocol) -> String? {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == 0 }) else { return String(text) }
    var bytes: [UInt8] = []
    var iterator = text.utf8.makeIterator()
    while let byte = iterator.next() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = iterator.next().flatMap(hexValue), let low = iterator.next().flatMap(hexValue) else { return nil }
      bytes.append(high << 4 | low)
    }
    guard !bytes.contains(0) else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// The part of a request's target after `?`, in order; a name may come several times.
public struct Query: Hashable, Sendable, CustomStringConvertible {
  public var items: [(name: String, value: String)]

  public init(_ items: [(name: String, value: String)] = []) { self.items = items }

  /// Parses `a=1&b=2`; `+` is a space. A piece whose escapes are wrong is kept as written.
  public init(parsing text: some StringProtocol) {
    items = text.split(separator: "&").map { piece in
      let plain = String(piece).map { $0 == "+" ? " " : String($0) }.joined()
      let halves = plain.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = PercentEncoding.decode(halves[0]) ?? String(halves[0])
      let value = halves.count == 2 ? PercentEncoding.decode(halves[1]) ?? String(halves[1]) : ""
      return (name, value)
    }
  }

  public subscript(name: String) -> String? { items.first { $0.name == name }?.value }

  /// `a=1&b=2`, without the question mark.
  public var description: String {
    items.map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }.joined(separator: "&")
  }

  public static func == (left: Query, right: Query) -> Bool {
    left.items.count == right.items.count && zip(left.items, right.items).allSatisfy { $0 == $1 }
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(description) }
}
