/// Values as bytes. (D-Bus Specification, Marshaling)
struct BusEncoder {
  enum ByteOrder: UInt8, Sendable {
    case little = 0x6c
    case big = 0x42
  }

  let order: ByteOrder
  private(set) var bytes: [UInt8] = []

  init(_ order: ByteOrder = .little) { self.order = order }

  mutating func align(_ alignment: Int) {
    while bytes.count % alignment != 0 { bytes.append(0) }
  }

  mutating func append(_ value: BusValue) {
    align(value.type.alignment)
    switch value {
    case .byte(let number): bytes.append(number)
    case .boolean(let flag): integer(UInt32(flag ? 1 : 0))
    case .int16(let number): integer(UInt16(bitPattern: number))
    case .uint16(let number): integer(number)
    case .int32(let number): integer(UInt32(bitPattern: number))
    case .uint32(let number), .descriptor(let number): integer(number)
    case .int64(let number): integer(UInt64(bitPattern: number))
    case .uint64(let number): integer(number)
    case .double(let number): integer(number.bitPattern)
    case .string(let text), .objectPath(let text):
      integer(UInt32(text.utf8.count))
      bytes += text.utf8
      bytes.append(0)
    case .signature(let text): signature(text)
    case .variant(let inner):
      signature(inner.type.code)
      append(inner)
    case .array(let element, let values): array(element, values)
    case .structure(let fields): for field in fields { append(field) }
    case .entry(let key, let inner):
      append(key)
      append(inner)
    }
  }

  /// Its length counts from the first element on, without the padding before that.
  private mutating func array(_ element: BusType, _ values: [BusValue]) {
    let place = bytes.count
    integer(UInt32(0))
    align(element.alignment)
    let start = bytes.count
    for value in values { append(value) }
    var length = BusEncoder(order)
    length.integer(UInt32(bytes.count - start))
    bytes.replaceSubrange(place..<(place + 4), with: length.bytes)
  }

  private mutating func signature(_ text: String) {
    bytes.append(UInt8(text.utf8.count))
    bytes += text.utf8
    bytes.append(0)
  }

  private mutating func integer<Number: FixedWidthInteger>(_ number: Number) {
    let ordered = order == .little ? number.littleEndian : number.bigEndian
    withUnsafeBytes(of: ordered) { bytes += $0 }
  }
}
