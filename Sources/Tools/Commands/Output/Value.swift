internal import FoundationEssentials

/// A JSON value, as templates and filters see what a command prints.
indirect enum Value: Sendable, Hashable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([Value])
  case object([String: Value])

  init(encoding value: some Encodable) throws {
    self = try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(value))
  }

  /// As Go's templates print it.
  var text: String {
    switch self {
    case .null: "<no value>"
    case .bool(let value): String(value)
    case .integer(let value): String(value)
    case .number(let value): String(value)
    case .string(let value): value
    case .array(let values): "[" + values.map(\.text).joined(separator: " ") + "]"
    case .object(let members):
      "map[" + members.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.text)" }.joined(separator: " ") + "]"
    }
  }

  /// As Go's templates judge it: false, 0, nil and what is empty are false.
  var isTrue: Bool {
    switch self {
    case .null: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .number(let value): value != 0
    case .string(let value): !value.isEmpty
    case .array(let values): !values.isEmpty
    case .object(let members): !members.isEmpty
    }
  }

  var count: Int? {
    switch self {
    case .string(let value): value.utf8.count
    case .array(let values): values.count
    case .object(let members): members.count
    default: nil
    }
  }

  /// Compact JSON with sorted keys, or indented by four spaces as `docker inspect` writes it.
  func json(indented: Bool = false) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard indented else { return String(decoding: try encoder.encode(self), as: UTF8.self) }
    var text = ""
    try write(to: &text, indentation: 0, encoder)
    return text
  }

  private func write(to text: inout String, indentation: Int, _ encoder: JSONEncoder) throws {
    let inner = String(repeating: " ", count: indentation + 4)
    let outer = String(repeating: " ", count: indentation)
    switch self {
    case .array(let values) where !values.isEmpty:
      text += "[\n"
      for (index, value) in values.enumerated() {
        text += inner
        try value.write(to: &text, indentation: indentation + 4, encoder)
        text += index == values.count - 1 ? "\n" : ",\n"
      }
      text += outer + "]"
    case .object(let members) where !members.isEmpty:
      text += "{\n"
      for (index, (key, value)) in members.sorted(by: { $0.key < $1.key }).enumerated() {
        text += inner + String(decoding: try encoder.encode(key), as: UTF8.self) + ": "
        try value.write(to: &text, indentation: indentation + 4, encoder)
        text += index == members.count - 1 ? "\n" : ",\n"
      }
      text += outer + "}"
    default:
      text += String(decoding: try encoder.encode(self), as: UTF8.self)
    }
  }
}

extension Value: Codable {
  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {  // the decoder has no way to ask for the type
      self = .bool(value)
    } else if let value = try? container.decode(Int64.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([Value].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: Value].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let values): try container.encode(values)
    case .object(let members): try container.encode(members)
    }
  }
}
