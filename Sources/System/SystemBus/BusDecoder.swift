/// Bytes as values. Whatever the bytes are, it ends with values or an error, and what it makes is bounded by them.
/// (D-Bus Specification, Marshaling)
struct BusDecoder {
  private let order: BusEncoder.ByteOrder
  private let bytes: ArraySlice<UInt8>
  /// Counts from the slice's beginning, as alignment does.
  private(set) var offset = 0

  init(_ bytes: ArraySlice<UInt8>, _ order: BusEncoder.ByteOrder) {
    self.bytes = bytes
    self.order = order
  }

  var isAtEnd: Bool { offset == bytes.count }

  /// Padding is zero.
  mutating func align(_ alignment: Int) throws(BusError) {
    while offset % alignment != 0 {
      guard try take(1).first == 0 else { throw .malformed("padding that is not zero") }
    }
  }

  private mutating func take(_ count: Int) throws(BusError) -> ArraySlice<UInt8> {
    guard count <= bytes.count - offset else { throw .malformed("a value that is longer than its message") }
    let start = bytes.startIndex + offset
    offset += count
    return bytes[start..<(start + count)]
  }

  private mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws(BusError) -> Number {
    let part = try take(MemoryLayout<Number>.size)
    var number: Number = 0
    for byte in order == .big ? Array(part) : part.reversed() {
      number = number << 8 | Number(truncatingIfNeeded: byte)
    }
    return number
  }

  /// - Parameter depth: of containers around the value; variants may nest without a signature that says so.
  mutating func value(_ type: BusType, depth: Int = 0) throws(BusError) -> BusValue {
    guard depth <= 64 else { throw .malformed("values nested more than 64 deep") }
    try align(type.alignment)
    switch type {
    case .byte: return .byte(try integer(UInt8.self))
    case .boolean:
      let number = try integer(UInt32.self)
      guard number <= 1 else { throw .malformed("the boolean \(number)") }
      return .boolean(number == 1)
    case .int16: return .int16(Int16(bitPattern: try integer(UInt16.self)))
    case .uint16: return .uint16(try integer(UInt16.self))
    case .int32: return .int32(Int32(bitPattern: try integer(UInt32.self)))
    case .uint32: return .uint32(try integer(UInt32.self))
    case .int64: return .int64(Int64(bitPattern: try integer(UInt64.self)))
    case .uint64: return .uint64(try integer(UInt64.self))
    case .double: return .double(Double(bitPattern: try integer(UInt64.self)))
    case .descriptor: return .descriptor(try integer(UInt32.self))
    case .string: return .string(try text(Int(try integer(UInt32.self))))
    case .objectPath:
      let path = try text(Int(try integer(UInt32.self)))
      guard Self.isPath(path) else { throw .malformed("the object path \"\(path)\"") }
      return .objectPath(path)
    case .signature:
      let signature = try text(Int(try integer(UInt8.self)))
      _ = try BusType.types(in: signature)
      return .signature(signature)
    case .variant:
      let inner = try BusType.single(try text(Int(try integer(UInt8.self))))
      return .variant(try value(inner, depth: depth + 1))
    case .array(let element): return .array(of: element, try elements(element, depth: depth + 1))
    case .structure(let fields):
      var values: [BusValue] = []
      for field in fields { values.append(try value(field, depth: depth + 1)) }
      return .structure(values)
    case .entry(let key, let inner):
      return .entry(key: try value(key, depth: depth + 1), value: try value(inner, depth: depth + 1))
    }
  }

  private mutating func elements(_ type: BusType, depth: Int) throws(BusError) -> [BusValue] {
    let length = Int(try integer(UInt32.self))
    try align(type.alignment)
    guard length <= bytes.count - offset else { throw .malformed("an array that is longer than its message") }
    let end = offset + length
    var values: [BusValue] = []
    while offset < end { values.append(try value(type, depth: depth)) }
    guard offset == end else { throw .malformed("an array whose last element crosses its end") }
    return values
  }

  /// UTF-8 without a zero, and a zero after it.
  private mutating func text(_ length: Int) throws(BusError) -> String {
    let part = try take(length)
    guard try take(1).first == 0, !part.contains(0), let text = String(validating: part, as: UTF8.self) else {
      throw .malformed("a string that is no UTF-8, or without its end")
    }
    return text
  }

  private static func isPath(_ path: String) -> Bool {
    guard path.hasPrefix("/") else { return false }
    if path == "/" { return true }
    return path.dropFirst().utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy {
      !$0.isEmpty
        && $0.allSatisfy { byte in
          (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
        }
    }
  }
}
