/// A message of protocol buffers being written. (protobuf.dev, Encoding)
struct ProtocolMessage {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ field: Int, number: UInt64) {
    append(UInt64(field) << 3)
    append(number)
  }

  mutating func add(_ field: Int, _ value: Bool) { add(field, number: value ? 1 : 0) }

  mutating func add(_ field: Int, _ value: CInt) { add(field, number: UInt64(bitPattern: Int64(value))) }

  mutating func add(_ field: Int, _ text: String) { add(field, Array(text.utf8)) }

  mutating func add(_ field: Int, _ message: ProtocolMessage) { add(field, message.bytes) }

  private mutating func add(_ field: Int, _ content: [UInt8]) {
    append(UInt64(field) << 3 | 2)
    append(UInt64(content.count))
    bytes += content
  }

  private mutating func append(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// The fields of a message that was received.
struct ProtocolFields {
  private var numbers: [Int: UInt64] = [:]
  private var contents: [Int: [UInt8]] = [:]

  /// nil where the bytes are no message.
  init?(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let key = Self.number(&rest) else { return nil }
      let field = Int(key >> 3)
      switch key & 7 {
      case 0:
        guard let number = Self.number(&rest) else { return nil }
        numbers[field] = number
      case 2:
        guard let count = Self.number(&rest), count <= UInt64(rest.count) else { return nil }
        contents[field] = Array(rest.prefix(Int(count)))
        rest = rest.dropFirst(Int(count))
      default: return nil
      }
    }
  }

  func number(_ field: Int) -> UInt64? { numbers[field] }
  func text(_ field: Int) -> String? { contents[field].map { String(decoding: $0, as: UTF8.self) } }
  func message(_ field: Int) -> ProtocolFields? { contents[field].flatMap { ProtocolFields($0) } }

  private static func number(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
    var number: UInt64 = 0
    var shift: UInt64 = 0
    while let byte = rest.popFirst(), shift < 64 {
      number |= UInt64(byte & 0x7f) << shift
      if byte & 0x80 == 0 { return number }
      shift += 7
    }
    return nil
  }
}
