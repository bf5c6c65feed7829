/// A type of D-Bus. (D-Bus Specification, Type System)
public indirect enum BusType: Hashable, Sendable {
  case byte, boolean, int16, uint16, int32, uint32, int64, uint64, double
  case string, objectPath, signature
  /// An index into the descriptors that travel beside a message.
  case descriptor
  case variant
  case array(BusType)
  case structure([BusType])
  /// Only as an array's element: the array is a dictionary then.
  case entry(key: BusType, value: BusType)

  private static let basic: [Character: BusType] = [
    "y": .byte, "b": .boolean, "n": .int16, "q": .uint16, "i": .int32, "u": .uint32, "x": .int64, "t": .uint64,
    "d": .double, "s": .string, "o": .objectPath, "g": .signature, "h": .descriptor,
  ]

  /// As a signature writes it: `a{sv}`.
  public var code: String {
    switch self {
    case .variant: "v"
    case .array(let element): "a" + element.code
    case .structure(let fields): "(" + fields.map(\.code).joined() + ")"
    case .entry(let key, let value): "{" + key.code + value.code + "}"
    default: Self.basic.first { $0.value == self }.map { String($0.key) } ?? ""
    }
  }

  var isBasic: Bool { Self.basic.values.contains(self) }

  /// Bytes to whose multiple a value is padded, counted from the message's beginning.
  var alignment: Int {
    switch self {
    case .byte, .signature, .variant: 1
    case .int16, .uint16: 2
    case .boolean, .int32, .uint32, .string, .objectPath, .descriptor, .array: 4
    case .int64, .uint64, .double, .structure, .entry: 8
    }
  }

  /// The complete types of a signature, at most 255 bytes of it; arrays and structures nest at most 32 deep each.
  public static func types(in signature: String) throws(BusError) -> [BusType] {
    guard signature.utf8.count <= 255 else { throw .malformed("a signature of \(signature.utf8.count) bytes") }
    var reader = SignatureReader(signature)
    var types: [BusType] = []
    while !reader.isAtEnd { types.append(try reader.next(arrays: 0, structures: 0)) }
    return types
  }

  /// A signature that is exactly one complete type, as of a variant.
  public static func single(_ signature: String) throws(BusError) -> BusType {
    let types = try types(in: signature)
    guard types.count == 1 else { throw .malformed("the signature \"\(signature)\" where one type belongs") }
    return types[0]
  }

  private struct SignatureReader {
    private let text: String
    private var rest: Substring

    init(_ text: String) {
      self.text = text
      rest = text[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func next(arrays: Int, structures: Int) throws(BusError) -> BusType {
      guard let code = rest.popFirst() else { throw wrong }
      switch code {
      case "v": return .variant
      case "a":
        guard arrays < 32 else { throw wrong }
        if rest.first == "{" {
          rest.removeFirst()
          let key = try next(arrays: arrays + 1, structures: structures + 1)
          let value = try next(arrays: arrays + 1, structures: structures + 1)
          guard key.isBasic, rest.popFirst() == "}" else { throw wrong }
          return .array(.entry(key: key, value: value))
        }
        return .array(try next(arrays: arrays + 1, structures: structures))
      case "(":
        guard structures < 32 else { throw wrong }
        var fields: [BusType] = []
        while let first = rest.first, first != ")" {
          fields.append(try next(arrays: arrays, structures: structures + 1))
        }
        guard rest.popFirst() == ")", !fields.isEmpty else { throw wrong }
        return .structure(fields)
      default:
        guard let type = BusType.basic[code] else { throw wrong }
        return type
      }
    }

    private var wrong: BusError { .malformed("the signature \"\(text)\"") }
  }
}

/// A value of D-Bus.
public indirect enum BusValue: Hashable, Sendable {
  case byte(UInt8)
  case boolean(Bool)
  case int16(Int16)
  case uint16(UInt16)
  case int32(Int32)
  case uint32(UInt32)
  case int64(Int64)
  case uint64(UInt64)
  case double(Double)
  case string(String)
  case objectPath(String)
  case signature(String)
  case descriptor(UInt32)
  case variant(BusValue)
  /// Of elements of one type, which an empty array has as well.
  case array(of: BusType, [BusValue])
  case structure([BusValue])
  case entry(key: BusValue, value: BusValue)

  public var type: BusType {
    switch self {
    case .byte: .byte
    case .boolean: .boolean
    case .int16: .int16
    case .uint16: .uint16
    case .int32: .int32
    case .uint32: .uint32
    case .int64: .int64
    case .uint64: .uint64
    case .double: .double
    case .string: .string
    case .objectPath: .objectPath
    case .signature: .signature
    case .descriptor: .descriptor
    case .variant: .variant
    case .array(let element, _): .array(element)
    case .structure(let fields): .structure(fields.map(\.type))
    case .entry(let key, let value): .entry(key: key.type, value: value.type)
    }
  }

  public static func bytes(_ bytes: some Sequence<UInt8>) -> BusValue { .array(of: .byte, bytes.map { .byte($0) }) }
  public static func strings(_ strings: [String]) -> BusValue { .array(of: .string, strings.map { .string($0) }) }

  /// The text of a string or an object path.
  public var text: String? {
    switch self {
    case .string(let text), .objectPath(let text): text
    case .variant(let value): value.text
    default: nil
    }
  }
}
