/// A value of JSON with the line that it begins in.
///
/// A policy is read strictly: a name that comes twice in an object is refused, since of two Effects any reader would
/// take another one. (RFC 8259, section 4)
struct JSONNode: Sendable {
  enum Value: Sendable {
    case string(String)
    /// As it was written.
    case number(String)
    case bool(Bool)
    case null
    case array([JSONNode])
    case object([(name: String, value: JSONNode)])
  }

  let value: Value
  let line: Int

  /// Throws `PolicyError` for what is no JSON, or nested deeper than `depth` levels.
  static func parse(_ text: String, depth: Int = 16) throws(PolicyError) -> JSONNode {
    var parser = JSONParser(Array(text.utf8), depth: depth)
    return try parser.document()
  }
}

private struct JSONParser {
  private let bytes: [UInt8]
  private var position = 0
  private var line = 1
  private var depth: Int

  init(_ bytes: [UInt8], depth: Int) {
    self.bytes = bytes
    self.depth = depth
  }

  mutating func document() throws(PolicyError) -> JSONNode {
    let node = try value()
    skipBlanks()
    guard position == bytes.count else { throw failure("something follows the policy's end") }
    return node
  }

  private func failure(_ message: String) -> PolicyError { PolicyError(line: line, path: "", message) }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipBlanks() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d {
      if byte == 0x0a { line += 1 }
      position += 1
    }
  }

  private mutating func take(_ character: Character) -> Bool {
    guard let byte = next, byte == character.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func value() throws(PolicyError) -> JSONNode {
    skipBlanks()
    let start = line
    let value: JSONNode.Value
    switch next {
    case nil: throw failure("the text ends in the middle")
    case UInt8(ascii: "{"): value = try nested { parser throws(PolicyError) in .object(try parser.members()) }
    case UInt8(ascii: "["): value = try nested { parser throws(PolicyError) in .array(try parser.elements()) }
    case UInt8(ascii: "\""): value = .string(try string())
    case UInt8(ascii: "t"): value = try word("true", .bool(true))
    case UInt8(ascii: "f"): value = try word("false", .bool(false))
    case UInt8(ascii: "n"): value = try word("null", .null)
    default: value = .number(try number())
    }
    return JSONNode(value: value, line: start)
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(PolicyError) -> JSONNode.Value
  ) throws(PolicyError) -> JSONNode.Value {
    guard depth > 0 else { throw failure("the JSON is nested too deep") }
    depth -= 1
    position += 1
    let value = try body(&self)
    depth += 1
    return value
  }

  private mutating func members() throws(PolicyError) -> [(name: String, value: JSONNode)] {
    var members: [(name: String, value: JSONNode)] = []
    var names = Set<String>()
    skipBlanks()
    if take("}") { return [] }
    while true {
      skipBlanks()
      guard next == UInt8(ascii: "\"") else {
        throw failure("an object's member begins with its name in quotation marks")
      }
      let name = try string()
      guard names.insert(name).inserted else { throw failure("\"\(name.prefix(80))\" is there twice") }
      skipBlanks()
      guard take(":") else { throw failure("a colon must follow \"\(name.prefix(80))\"") }
      members.append((name, try value()))
      skipBlanks()
      if take("}") { return members }
      guard take(",") else { throw failure("a comma or a closing brace is missing") }
    }
  }

  private mutating func elements() throws(PolicyError) -> [JSONNode] {
    var elements: [JSONNode] = []
    skipBlanks()
    if take("]") { return [] }
    while true {
      elements.append(try value())
      skipBlanks()
      if take("]") { return elements }
      guard take(",") else { throw failure("a comma or a closing bracket is missing") }
    }
  }

  private mutating func word(_ text: String, _ value: JSONNode.Value) throws(PolicyError) -> JSONNode.Value {
    guard bytes[position...].starts(with: text.utf8) else { throw failure("this is no JSON") }
    position += text.utf8.count
    return value
  }

  private mutating func number() throws(PolicyError) -> String {
    let start = position
    while let byte = next, (0x30...0x39).contains(byte) || "+-.eE".utf8.contains(byte) { position += 1 }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard !text.hasPrefix("+"), !text.hasPrefix("."), let number = Double(text), number.isFinite else {
      throw failure("this is no JSON")
    }
    return text
  }

  private mutating func string() throws(PolicyError) -> String {
    position += 1
    var text: [UInt8] = []
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else { throw failure("a text is not valid UTF-8") }
        return string
      case UInt8(ascii: "\\"): text += try escape()
      case 0..<0x20: throw failure("a text has a control character")
      default: text.append(byte)
      }
    }
    throw failure("a text has no end")
  }

  private mutating func escape() throws(PolicyError) -> [UInt8] {
    guard let byte = next else { throw failure("a text has no end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0c]
    case UInt8(ascii: "n"): return [0x0a]
    case UInt8(ascii: "r"): return [0x0d]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"):
      var code = try codeUnit()
      if (0xd800..<0xdc00).contains(code) {
        guard take("\\"), take("u") else { throw failure("half a surrogate pair") }
        let low = try codeUnit()
        guard (0xdc00..<0xe000).contains(low) else { throw failure("half a surrogate pair") }
        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw failure("half a surrogate pair") }
      return Array(String(Character(scalar)).utf8)
    default: throw failure("a text has an unknown escape")
    }
  }

  private mutating func codeUnit() throws(PolicyError) -> UInt32 {
    guard position + 4 <= bytes.count,
      bytes[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw failure("\\u needs four hexadecimal digits") }
    position += 4
    return code
  }
}
