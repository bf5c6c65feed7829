/// One message. (D-Bus Specification, Message Protocol)
struct BusMessage {
  enum Kind: UInt8, Sendable {
    case call = 1
    case result = 2
    case error = 3
    case signal = 4
  }

  /// nil: a kind of a later protocol, to be ignored.
  var kind: Kind?
  var flags: UInt8 = 0
  var serial: UInt32
  var path: String?
  var interface: String?
  var member: String?
  var errorName: String?
  var replySerial: UInt32?
  var destination: String?
  var sender: String?
  private var signature = ""
  private var body: ArraySlice<UInt8> = []
  private var order = BusEncoder.ByteOrder.little

  /// What one message may have at most; the specification's own limit is 128 MiB.
  static let limit = 1 << 20
  /// Of the header's part that always has the same length.
  static let prefix = 16

  init(_ kind: Kind, serial: UInt32) {
    self.kind = kind
    self.serial = serial
  }

  // MARK: Writing

  func encoded(_ values: [BusValue], _ order: BusEncoder.ByteOrder = .little) -> [UInt8] {
    var content = BusEncoder(order)
    for value in values { content.append(value) }
    var fields: [BusValue] = []
    func field(_ code: UInt8, _ value: BusValue?) {
      if let value { fields.append(.structure([.byte(code), .variant(value)])) }
    }
    field(1, path.map { .objectPath($0) })
    field(2, interface.map { .string($0) })
    field(3, member.map { .string($0) })
    field(4, errorName.map { .string($0) })
    field(5, replySerial.map { .uint32($0) })
    field(6, destination.map { .string($0) })
    field(7, sender.map { .string($0) })
    field(8, values.isEmpty ? nil : .signature(values.map(\.type.code).joined()))
    var message = BusEncoder(order)
    let start: [BusValue] = [
      .byte(order.rawValue), .byte(kind?.rawValue ?? 0), .byte(flags), .byte(1),
      .uint32(UInt32(content.bytes.count)), .uint32(serial),
      .array(of: .structure([.byte, .variant]), fields),
    ]
    for value in start { message.append(value) }
    message.align(8)
    return message.bytes + content.bytes
  }

  // MARK: Reading

  /// The whole message's length, from its first 16 bytes.
  static func length(_ prefix: ArraySlice<UInt8>) throws(BusError) -> Int {
    var reader = try header(prefix)
    for _ in 0..<4 { _ = try reader.value(.byte) }
    guard case .uint32(let body) = try reader.value(.uint32), case .uint32(let serial) = try reader.value(.uint32),
      case .uint32(let fields) = try reader.value(.uint32)
    else { throw .malformed("a message without a header") }
    guard serial != 0 else { throw .malformed("a message with the serial number 0") }
    let length = self.prefix + (Int(fields) + 7) / 8 * 8 + Int(body)
    guard length <= limit else { throw .malformed("a message of \(length) bytes") }
    return length
  }

  private static func header(_ bytes: ArraySlice<UInt8>) throws(BusError) -> BusDecoder {
    guard let first = bytes.first, let order = BusEncoder.ByteOrder(rawValue: first) else {
      throw .malformed("a message of unknown byte order")
    }
    guard bytes.count >= prefix, bytes[bytes.startIndex + 3] == 1 else {
      throw .malformed("a message of another version of the protocol")
    }
    return BusDecoder(bytes, order)
  }

  /// A message of exactly these bytes. Fields and kinds that are not known are ignored, as the specification says.
  init(_ bytes: ArraySlice<UInt8>) throws(BusError) {
    guard try Self.length(bytes.prefix(Self.prefix)) == bytes.count else {
      throw .malformed("a message that is not as long as it says")
    }
    var reader = try Self.header(bytes)
    order = BusEncoder.ByteOrder(rawValue: bytes[bytes.startIndex]) ?? .little
    kind = Kind(rawValue: bytes[bytes.startIndex + 1])
    flags = bytes[bytes.startIndex + 2]
    for _ in 0..<4 { _ = try reader.value(.byte) }
    guard case .uint32(let length) = try reader.value(.uint32), case .uint32(let serial) = try reader.value(.uint32),
      case .array(_, let fields) = try reader.value(.array(.structure([.byte, .variant])))
    else { throw .malformed("a message without a header") }
    self.serial = serial
    try reader.align(8)
    for field in fields {
      guard case .structure(let pair) = field, case .byte(let code) = pair[0], case .variant(let value) = pair[1] else {
        continue
      }
      try set(code, value)
    }
    body = bytes.suffix(Int(length))
    guard !body.isEmpty || signature.isEmpty else { throw .malformed("a message without the values of its signature") }
  }

  private mutating func set(_ code: UInt8, _ value: BusValue) throws(BusError) {
    switch (code, value) {
    case (1, .objectPath(let path)): self.path = path
    case (2, .string(let name)): interface = name
    case (3, .string(let name)): member = name
    case (4, .string(let name)): errorName = name
    case (5, .uint32(let serial)): replySerial = serial
    case (6, .string(let name)): destination = name
    case (7, .string(let name)): sender = name
    case (8, .signature(let signature)): self.signature = signature
    case (1...8, _): throw .malformed("the header field \(code) of type \(value.type.code)")
    default: break
    }
  }

  /// The values, read only when they are asked for: a broken one that is for nobody here hurts nobody.
  func values() throws(BusError) -> [BusValue] {
    var reader = BusDecoder(body, order)
    var values: [BusValue] = []
    for type in try BusType.types(in: signature) { values.append(try reader.value(type)) }
    guard reader.isAtEnd else { throw .malformed("bytes after the last value") }
    return values
  }
}
