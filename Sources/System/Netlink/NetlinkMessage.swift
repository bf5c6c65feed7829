/// One message being built: header, a fixed part, attributes. (netlink(7), rtnetlink(7))
struct NetlinkMessage {
  private(set) var bytes: [UInt8]

  /// - Parameter body: the fixed part after the header, in the host's byte order.
  init(type: UInt16, flags: Flags, body: [UInt8]) {
    bytes = []
    append(UInt32(0))
    append(type)
    append(flags.rawValue)
    append(UInt32(0))
    append(UInt32(0))
    bytes += body
    pad()
    setLength()
  }

  struct Flags: OptionSet {
    let rawValue: UInt16
    static let request = Flags(rawValue: 0x1)
    static let acknowledge = Flags(rawValue: 0x4)
    static let dump = Flags(rawValue: 0x300)
    static let exclusive = Flags(rawValue: 0x200)
    static let create = Flags(rawValue: 0x400)
    static let append = Flags(rawValue: 0x800)
  }

  mutating func setSequence(_ sequence: UInt32) {
    withUnsafeBytes(of: sequence) { bytes.replaceSubrange(8..<12, with: $0) }
  }

  /// Sets NLM_F_ACK.
  mutating func requestAcknowledgement() { bytes[6] |= 0x4 }

  mutating func attribute(_ type: UInt16, _ value: [UInt8]) {
    append(UInt16(4 + value.count))
    append(type)
    bytes += value
    pad()
    setLength()
  }

  /// In the host's byte order, as rtnetlink has it.
  mutating func attribute<Number: FixedWidthInteger>(_ type: UInt16, _ value: Number) {
    attribute(type, withUnsafeBytes(of: value) { Array($0) })
  }

  /// Terminated by a zero.
  mutating func attribute(_ type: UInt16, _ text: String) { attribute(type, Array(text.utf8) + [0]) }

  mutating func nested(_ type: UInt16, _ body: (inout NetlinkMessage) throws -> Void) rethrows {
    let start = bytes.count
    append(UInt16(0))
    // NLA_F_NESTED
    append(type | 0x8000)
    try body(&self)
    let length = UInt16(bytes.count - start)
    withUnsafeBytes(of: length) { bytes.replaceSubrange(start..<(start + 2), with: $0) }
    setLength()
  }

  /// A fixed part inside a nested attribute.
  mutating func raw(_ value: [UInt8]) {
    bytes += value
    pad()
    setLength()
  }

  private mutating func append<Number: FixedWidthInteger>(_ value: Number) {
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }

  private mutating func pad() {
    while bytes.count % 4 != 0 { bytes.append(0) }
  }

  private mutating func setLength() {
    withUnsafeBytes(of: UInt32(bytes.count)) { bytes.replaceSubrange(0..<4, with: $0) }
  }
}

extension [UInt8] {
  /// The fixed parts of messages, field by field in the host's byte order.
  static func fields(_ fields: any FixedWidthInteger...) -> [UInt8] {
    var bytes: [UInt8] = []
    for field in fields { bytes += field.hostBytes }
    return bytes
  }

  func number<Number: FixedWidthInteger>(_ offset: Int, as type: Number.Type = Number.self) -> Number? {
    guard offset >= 0, offset + MemoryLayout<Number>.size <= count else { return nil }
    return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
  }

  /// Attributes from `offset` on, by type without its flags; malformed ones end the list.
  func attributes(from offset: Int = 0) -> [(type: UInt16, value: [UInt8])] {
    var result: [(UInt16, [UInt8])] = []
    var position = offset
    while let length: UInt16 = number(position), let type: UInt16 = number(position + 2), length >= 4,
      position + Int(length) <= count
    {
      result.append((type & 0x3fff, Array(self[(position + 4)..<(position + Int(length))])))
      position += (Int(length) + 3) & ~3
    }
    return result
  }

  func attribute(_ type: UInt16, from offset: Int = 0) -> [UInt8]? {
    attributes(from: offset).first { $0.type == type }?.value
  }
}

extension FixedWidthInteger {
  fileprivate var hostBytes: [UInt8] { withUnsafeBytes(of: self) { Array($0) } }
  var networkBytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }
}
