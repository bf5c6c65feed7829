/// The JSON form of an instruction: an array of strings. (RFC 8259)
enum StringArray {
  enum Result: Equatable {
    case strings([String])
    /// Not JSON, so the text is a shell's: Docker's rule.
    case text
    /// An array of something else, which nobody means.
    case notStrings
  }

  static func parse(_ text: String) -> Result {
    var parser = Parser(bytes: Array(text.utf8))
    parser.skipSpace()
    guard parser.next == UInt8(ascii: "[") else { return .text }
    return parser.array() ?? .text
  }

  private struct Parser {
    let bytes: [UInt8]
    var position = 0
    var depth = 0

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipSpace() {
      while let byte = next, byte == 0x20 || (0x09...0x0a).contains(byte) || byte == 0x0d { position += 1 }
    }

    mutating func take(_ byte: UInt8) -> Bool {
      skipSpace()
      guard next == byte else { return false }
      position += 1
      return true
    }

    mutating func array() -> Result? {
      var strings: [String] = []
      var isStrings = true
      guard elements({ parser in
        parser.skipSpace()
        if parser.next == UInt8(ascii: "\"") {
          guard let string = parser.string() else { return false }
          strings.append(string)
          return true
        }
        isStrings = false
        return parser.value()
      }, close: UInt8(ascii: "]")) else { return nil }
      skipSpace()
      guard position == bytes.count else { return nil }
      return isStrings ? .strings(strings) : .notStrings
    }

    private mutating func elements(_ element: (inout Parser) -> Bool, close: UInt8) -> Bool {
      depth += 1
      defer { depth -= 1 }
      guard depth <= 100 else { return false }
      position += 1
      if take(close) { return true }
      repeat {
        guard element(&self) else { return false }
      } while take(UInt8(ascii: ","))
      return take(close)
    }

    private mutating func value() -> Bool {
      skipSpace()
      switch next {
      case UInt8(ascii: "\""): return string() != nil
      case UInt8(ascii: "["): return elements({ $0.value() }, close: UInt8(ascii: "]"))
      case UInt8(ascii: "{"):
        return elements({ parser in
          parser.skipSpace()
          guard parser.next == UInt8(ascii: "\""), parser.string() != nil, parser.take(UInt8(ascii: ":")) else { return false }
          return parser.value()
        }, close: UInt8(ascii: "}"))
      default:
        let start = position
        while let byte = next, isLetter(byte) || isDigit(byte) || Array("+-.".utf8).contains(byte) { position += 1 }
        let word = String(decoding: bytes[start..<position], as: UTF8.self)
        return ["true", "false", "null"].contains(word) || Double(word) != nil
      }
    }

    private mutating func string() -> String? {
      position += 1
      var result: [UInt8] = []
      while let byte = next {
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return String(decoding: result, as: UTF8.self)
        case 0..<0x20: return nil
        case UInt8(ascii: "\\"):
          guard let scalar = escaped() else { return nil }
          result += Array(String(Character(scalar)).utf8)
        default: result.append(byte)
        }
      }
      return nil
    }

    private mutating func escaped() -> Unicode.Scalar? {
      guard let byte = next else { return nil }
      position += 1
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
      case UInt8(ascii: "b"): return "\u{8}"
      case UInt8(ascii: "f"): return "\u{c}"
      case UInt8(ascii: "n"): return "\n"
      case UInt8(ascii: "r"): return "\r"
      case UInt8(ascii: "t"): return "\t"
      case UInt8(ascii: "u"):
        guard let high = unit() else { return nil }
        if let scalar = Unicode.Scalar(high) { return scalar }
        // Two halves make one character; a half alone is none.
        guard (0xd800..<0xdc00).contains(high), next == UInt8(ascii: "\\") else { return "\u{fffd}" }
        let before = position
        position += 1
        if next == UInt8(ascii: "u") {
          position += 1
          if let low = unit(), (0xdc00..<0xe000).contains(low) {
            return Unicode.Scalar(0x10000 + (UInt32(high) - 0xd800) << 10 + (UInt32(low) - 0xdc00))
          }
        }
        position = before
        return "\u{fffd}"
      default: return nil
      }
    }

    private mutating func unit() -> UInt16? {
      guard position + 4 <= bytes.count else { return nil }
      defer { position += 4 }
      let digits = bytes[position..<(position + 4)]
      guard digits.allSatisfy({ isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0 | 0x20) }) else { return nil }
      return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    }
  }
}
