/// A JSON document. (RFC 8259)
///
/// The runtime has a reader and a writer of its own: Foundation's would be half of its program, and the program is
/// read, mapped and started for every container.
enum JSONValue {
  case null
  case bool(Bool)
  /// The magnitude, for the whole range of 64 bits with and without sign.
  case integer(UInt64, isNegative: Bool)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  init(parsing bytes: [UInt8]) throws(JSONError) {
    var parser = JSONParser(bytes)
    self = try parser.document()
  }
}

struct JSONError: Error {
  /// Bytes from the beginning.
  let offset: Int
  let problem: String
}

private struct JSONParser {
  private let bytes: [UInt8]
  private var place = 0
  /// Deeper ones would use up the stack.
  private static let deepest = 256

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(JSONError) -> JSONValue {
    let value = try value(depth: 0)
    skipBlanks()
    guard place == bytes.count else { throw error("something follows the end of the document") }
    return value
  }

  private func error(_ problem: String) -> JSONError { JSONError(offset: place, problem: problem) }

  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func skipBlanks() {
    while place < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[place]) { place += 1 }
  }

  private mutating func take(_ byte: Character) -> Bool {
    guard next == byte.asciiValue else { return false }
    place += 1
    return true
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    guard depth < Self.deepest else { throw error("it is nested more than \(Self.deepest) deep") }
    skipBlanks()
    switch next {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case nil: throw error("it ends too early")
    case let byte?:
      guard byte == UInt8(ascii: "-") || Self.isDigit(byte) else { throw error("a value is expected") }
      return try number()
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    let length = word.utf8CodeUnitCount
    let matches = word.withUTF8Buffer { bytes[place...].prefix(length).elementsEqual($0) }
    guard matches else { throw error("a value is expected") }
    place += length
    return value
  }

  private mutating func object(_ depth: Int) throws(JSONError) -> JSONValue {
    place += 1
    var members: [String: JSONValue] = [:]
    skipBlanks()
    if take("}") { return .object(members) }
    while true {
      skipBlanks()
      guard next == UInt8(ascii: "\"") else { throw error("a property's name is expected") }
      let name = try string()
      skipBlanks()
      guard take(":") else { throw error("a colon is expected") }
      members[name] = try value(depth: depth + 1)
      skipBlanks()
      if take(",") { continue }
      guard take("}") else { throw error("a comma or } is expected") }
      return .object(members)
    }
  }

  private mutating func array(_ depth: Int) throws(JSONError) -> JSONValue {
    place += 1
    var elements: [JSONValue] = []
    skipBlanks()
    if take("]") { return .array(elements) }
    while true {
      elements.append(try value(depth: depth + 1))
      skipBlanks()
      if take(",") { continue }
      guard take("]") else { throw error("a comma or ] is expected") }
      return .array(elements)
    }
  }

  // MARK: Numbers

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private mutating func digits() -> ArraySlice<UInt8> {
    let start = place
    while let byte = next, Self.isDigit(byte) { place += 1 }
    return bytes[start..<place]
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = place
    let isNegative = take("-")
    let whole = digits()
    guard let first = whole.first, first != UInt8(ascii: "0") || whole.count == 1 else {
      throw error("a number is expected")
    }
    var isWhole = true
    if take(".") {
      isWhole = false
      guard !digits().isEmpty else { throw error("a digit is expected") }
    }
    if take("e") || take("E") {
      isWhole = false
      _ = take("+") || take("-")
      guard !digits().isEmpty else { throw error("a digit is expected") }
    }
    if isWhole, let magnitude = UInt64(String(decoding: whole, as: UTF8.self)) {
      return .integer(magnitude, isNegative: isNegative)
    }
    guard let value = Double(String(decoding: bytes[start..<place], as: UTF8.self)), value.isFinite else {
      throw error("the number is too large")
    }
    return .double(value)
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) -> String {
    place += 1
    let start = place
    // Most have nothing to replace.
    while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { place += 1 }
    var content = Array(bytes[start..<place])
    while !take("\"") {
      guard let byte = next else { throw error("a string has no end") }
      guard byte >= 0x20 else { throw error("a control character stands in a string") }
      place += 1
      if byte == UInt8(ascii: "\\") { try escape(&content) } else { content.append(byte) }
    }
    guard let text = String(validating: content, as: UTF8.self) else { throw error("a string is not UTF-8") }
    return text
  }

  private mutating func escape(_ content: inout [UInt8]) throws(JSONError) {
    guard let byte = next else { throw error("a string has no end") }
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0c)
    case UInt8(ascii: "n"): content.append(0x0a)
    case UInt8(ascii: "r"): content.append(0x0d)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"): content += Array(String(Character(try scalar())).utf8)
    default: throw error("a string has an unknown escape")
    }
  }

  /// After `\u`: four digits, and for what lies beyond them a second `\u` with four.
  private mutating func scalar() throws(JSONError) -> Unicode.Scalar {
    let high = try unit()
    var value = high
    if (0xd800..<0xdc00).contains(high) {
      guard take("\\"), take("u") else { throw error("half of a character stands in a string") }
      let low = try unit()
      guard (0xdc00..<0xe000).contains(low) else { throw error("half of a character stands in a string") }
      value = 0x1_0000 + (high - 0xd800) << 10 + (low - 0xdc00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw error("half of a character stands in a string") }
    return scalar
  }

  private mutating func unit() throws(JSONError) -> UInt32 {
    let digits = bytes[place...].prefix(4)
    guard digits.count == 4, !digits.contains(UInt8(ascii: "+")), !digits.contains(UInt8(ascii: "-")),
      let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw error("four hexadecimal digits are expected") }
    place += 4
    return unit
  }
}
