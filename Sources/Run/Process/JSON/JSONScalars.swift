/// Strings, numbers and truth values.
extension JSONScanner {
  mutating func bool() throws(JSONError) -> Bool {
    switch next {
    case UInt8(ascii: "t"):
      try word("true")
      return true
    case UInt8(ascii: "f"):
      try word("false")
      return false
    default: throw mismatch("true or false is expected")
    }
  }

  /// One of the words that an enumeration has.
  mutating func choice<Value: RawRepresentable>(_ type: Value.Type = Value.self) throws(JSONError) -> Value
  where Value.RawValue == String {
    let start = place
    let text = try string()
    guard let value = Value(rawValue: text) else { throw wrong("\"\(text)\" is not known", at: start) }
    return value
  }

  // MARK: Numbers

  mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(JSONError) -> Number {
    let start = place
    let value = try number()
    if let number = value.exactly(type) { return number }
    throw wrong("a whole number from \(Number.min) to \(Number.max) is expected", at: start)
  }

  mutating func number() throws(JSONError) -> JSONNumber {
    let start = place
    guard let first = next, first == UInt8(ascii: "-") || Self.isDigit(first) else {
      throw mismatch("a number is expected")
    }
    let isNegative = take("-")
    let whole = place
    var magnitude: UInt64 = 0
    var fits = true
    while let byte = next, Self.isDigit(byte) {
      let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
      if overflow || carry { fits = false }
      magnitude = sum
      place += 1
    }
    guard place > whole, bytes[whole] != UInt8(ascii: "0") || place == whole + 1 else {
      throw malformed("a number is expected")
    }
    switch next {
    case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): break
    default: if fits { return .integer(magnitude, isNegative: isNegative) }
    }
    if take(".") { try digits() }
    if take("e") || take("E") {
      _ = take("+") || take("-")
      try digits()
    }
    guard let value = Double(String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<place]), as: UTF8.self)),
      value.isFinite
    else { throw malformed("the number is too large") }
    return .double(value)
  }

  private mutating func digits() throws(JSONError) {
    let start = place
    while let byte = next, Self.isDigit(byte) { place += 1 }
    guard place > start else { throw malformed("a digit is expected") }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

  // MARK: Strings

  mutating func string() throws(JSONError) -> String {
    guard next == UInt8(ascii: "\"") else { throw mismatch("a string is expected") }
    let key = try key()
    return key.text
  }

  /// A string as it stands in the document, where it needs no change.
  mutating func key() throws(JSONError) -> JSONKey {
    place += 1
    let start = place
    var seen: UInt8 = 0
    // Most have nothing to replace.
    while place < bytes.count {
      let byte = bytes[place]
      if byte == UInt8(ascii: "\"") {
        let slice = UnsafeBufferPointer(rebasing: bytes[start..<place])
        place += 1
        guard seen < 0x80 || String(validating: slice, as: UTF8.self) != nil else {
          throw malformed("a string is not UTF-8")
        }
        return JSONKey(slice)
      }
      if byte == UInt8(ascii: "\\") { return try unescapedKey(start) }
      guard byte >= 0x20 else { throw malformed("a control character stands in a string") }
      seen |= byte
      place += 1
    }
    throw malformed("a string has no end")
  }

  private mutating func unescapedKey(_ start: Int) throws(JSONError) -> JSONKey {
    var content = Array(bytes[start..<place])
    while !take("\"") {
      guard let byte = next else { throw malformed("a string has no end") }
      guard byte >= 0x20 else { throw malformed("a control character stands in a string") }
      place += 1
      if byte == UInt8(ascii: "\\") { try escape(&content) } else { content.append(byte) }
    }
    guard let text = String(validating: content, as: UTF8.self) else { throw malformed("a string is not UTF-8") }
    return JSONKey(UnsafeBufferPointer(rebasing: bytes[start..<place - 1]), unescaped: text)
  }

  private mutating func escape(_ content: inout [UInt8]) throws(JSONError) {
    guard let byte = next else { throw malformed("a string has no end") }
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0c)
    case UInt8(ascii: "n"): content.append(0x0a)
    case UInt8(ascii: "r"): content.append(0x0d)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"): content += Array(String(Character(try scalar())).utf8)
    default: throw malformed("a string has an unknown escape")
    }
  }

  /// After `\u`: four digits, and for what lies beyond them a second `\u` with four.
  private mutating func scalar() throws(JSONError) -> Unicode.Scalar {
    let high = try unit()
    var value = high
    if (0xd800..<0xdc00).contains(high) {
      guard take("\\"), take("u") else { throw malformed("half of a character stands in a string") }
      let low = try unit()
      guard (0xdc00..<0xe000).contains(low) else { throw malformed("half of a character stands in a string") }
      value = 0x1_0000 + (high - 0xd800) << 10 + (low - 0xdc00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw malformed("half of a character stands in a string") }
    return scalar
  }

  private mutating func unit() throws(JSONError) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw malformed("four hexadecimal digits are expected")
      }
      unit = unit << 4 | UInt32(digit)
      place += 1
    }
    return unit
  }
}

enum JSONNumber {
  /// The magnitude, for the whole range of 64 bits with and without sign.
  case integer(UInt64, isNegative: Bool)
  case double(Double)

  /// nil where the type cannot hold it.
  func exactly<Number: FixedWidthInteger>(_ type: Number.Type) -> Number? {
    switch self {
    case .integer(let magnitude, false): Number(exactly: magnitude)
    case .integer(let magnitude, true):
      magnitude <= UInt64(Int64.max) + 1 ? Number(exactly: Int64(truncatingIfNeeded: 0 &- magnitude)) : nil
    case .double(let double): Number(exactly: double)
    }
  }

  var double: Double {
    switch self {
    case .integer(let magnitude, let isNegative): isNegative ? -Double(magnitude) : Double(magnitude)
    case .double(let double): double
    }
  }
}
