/// A value of JSON, read from what strangers wrote: bounded in depth. (RFC 8259)
///
/// Foundation's decoder wants a type for each document. What is read here has keys that are names and values of mixed kinds.
/// Policies have a reader of their own (`JSONNode`), which knows the line of each value and refuses a member that comes
/// twice, half a surrogate pair and broken UTF-8. Strangers' package files have these, and are read all the same.
enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  /// As it is written.
  case number(String)
  case string(String)
  case array([JSON])
  /// Of equal keys, the last holds.
  case object([String: JSON])

  /// nil where it is no object or has no such member.
  subscript(key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members[key]
  }

  var string: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  var array: [JSON]? {
    guard case .array(let values) = self else { return nil }
    return values
  }

  var object: [String: JSON]? {
    guard case .object(let members) = self else { return nil }
    return members
  }

  /// The texts of an array; empty where it is none.
  var strings: [String] { array?.compactMap(\.string) ?? [] }

  /// A number or a text.
  var scalar: String? {
    switch self {
    case .string(let text), .number(let text): text
    default: nil
    }
  }

  static let depthLimit = 200
  /// Values of a document: each takes many times the memory that its text does.
  static let valueLimit = 2_000_000

  init(parsing bytes: [UInt8]) throws(JSONFailure) {
    var parser = JSONParser(bytes: bytes[...])
    self = try parser.document()
  }
}

struct JSONFailure: Error, Hashable, CustomStringConvertible {
  /// Offset in bytes.
  let offset: Int
  let reason: String

  var description: String { "not valid JSON: \(reason) at byte \(offset)" }
}

private struct JSONParser {
  private let bytes: Bytes
  private var index: Int
  private var values = 0

  init(bytes: Bytes) {
    self.bytes = bytes
    index = bytes.startIndex
    // A byte order mark is ignored. (RFC 8259, 8.1)
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { index += 3 }
  }

  mutating func document() throws(JSONFailure) -> JSON {
    let value = try value(depth: 0)
    skipBlanks()
    guard index == bytes.endIndex else { throw failure("something follows the value") }
    return value
  }

  private func failure(_ reason: String) -> JSONFailure { JSONFailure(offset: index - bytes.startIndex, reason: reason) }

  private var next: UInt8? { index < bytes.endIndex ? bytes[index] : nil }

  private mutating func skipBlanks() {
    while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard next == byte else { return false }
    index += 1
    return true
  }

  private mutating func value(depth: Int) throws(JSONFailure) -> JSON {
    guard depth < JSON.depthLimit else { throw failure("it is nested more than \(JSON.depthLimit) deep") }
    values += 1
    guard values <= JSON.valueLimit else { throw failure("it has more than \(JSON.valueLimit) values") }
    skipBlanks()
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(_ text: String, _ value: JSON) throws(JSONFailure) -> JSON {
    guard bytes[index...].starts(with: text.utf8) else { throw failure("an unknown word") }
    index += text.utf8.count
    return value
  }

  private mutating func number() throws(JSONFailure) -> JSON {
    let start = index
    while let byte = next, byte.isDigit || [0x2b, 0x2d, 0x2e, 0x45, 0x65].contains(byte), index - start < 64 { index += 1 }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    guard index > start, Double(text) != nil else { throw failure("a value is expected") }
    return .number(text)
  }

  private mutating func array(depth: Int) throws(JSONFailure) -> JSON {
    index += 1
    var values: [JSON] = []
    if take(UInt8(ascii: "]")) { return .array(values) }
    repeat { values.append(try value(depth: depth + 1)) } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw failure("an array does not end") }
    return .array(values)
  }

  private mutating func object(depth: Int) throws(JSONFailure) -> JSON {
    index += 1
    var members: [String: JSON] = [:]
    if take(UInt8(ascii: "}")) { return .object(members) }
    repeat {
      skipBlanks()
      guard next == UInt8(ascii: "\"") else { throw failure("a member's name is expected") }
      let name = try string()
      guard take(UInt8(ascii: ":")) else { throw failure("a colon is expected") }
      members[name] = try value(depth: depth + 1)
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw failure("an object does not end") }
    return .object(members)
  }

  private mutating func string() throws(JSONFailure) -> String {
    index += 1
    let start = index
    // The common case has no escapes.
    while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { index += 1 }
    if next == UInt8(ascii: "\"") {
      defer { index += 1 }
      return String(decoding: bytes[start..<index], as: UTF8.self)
    }
    var text = Array(bytes[start..<index])
    while let byte = next {
      index += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): try escape(&text)
      case 0..<0x20: throw failure("a control character in a string")
      default: text.append(byte)
      }
    }
    throw failure("a string does not end")
  }

  private mutating func escape(_ text: inout [UInt8]) throws(JSONFailure) {
    guard let byte = next else { throw failure("a string does not end") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text += Array(String(try unicode()).utf8)
    default: throw failure("an unknown escape")
    }
  }

  /// A half of a pair alone becomes U+FFFD.
  private mutating func unicode() throws(JSONFailure) -> Character {
    let first = try hexadecimal()
    if (0xd800..<0xdc00).contains(first), bytes[index...].starts(with: [0x5c, 0x75]) {
      let before = index
      index += 2
      let second = try hexadecimal()
      if (0xdc00..<0xe000).contains(second),
        let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
      {
        return Character(scalar)
      }
      index = before
    }
    return Character(Unicode.Scalar(first) ?? "\u{fffd}")
  }

  private mutating func hexadecimal() throws(JSONFailure) -> UInt32 {
    guard bytes.endIndex - index >= 4,
      let number = UInt32(String(decoding: bytes[index..<(index + 4)], as: UTF8.self), radix: 16)
    else { throw failure("an escape without four hexadecimal digits") }
    index += 4
    return number
  }
}
