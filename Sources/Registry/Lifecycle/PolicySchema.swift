import FoundationEssentials

/// A value of a policy's JSON, and what its schema may demand of it.
enum PolicyValue: Decodable {
  case null
  case bool
  case integer(Int)
  case number
  case string(String)
  case array([PolicyValue])
  case object([String: PolicyValue])

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if (try? value.decode(Bool.self)) != nil {
      self = .bool
    } else if let integer = try? value.decode(Int.self) {
      self = .integer(integer)
    } else if (try? value.decode(Double.self)) != nil {
      self = .number
    } else if let string = try? value.decode(String.self) {
      self = .string(string)
    } else if let array = try? value.decode([PolicyValue].self) {
      self = .array(array)
    } else {
      self = .object(try value.decode([String: PolicyValue].self))
    }
  }

  private var type: String {
    switch self {
    case .null: "null"
    case .bool: "boolean"
    case .integer: "integer"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }

  /// An object with these members and no others.
  func object(required: [String], optional: [String] = []) throws(PolicyError) -> [String: PolicyValue] {
    guard case .object(let members) = self else { throw .wrongType(found: type, allowed: "object") }
    let missing = required.filter { members[$0] == nil }
    guard missing.isEmpty else { throw .missing(missing.sorted()) }
    let unknown = members.keys.filter { !required.contains($0) && !optional.contains($0) }
    guard unknown.isEmpty else { throw .unknown(unknown.sorted()) }
    return members
  }

  func array(atMost limit: Int) throws(PolicyError) -> [PolicyValue] {
    guard case .array(let elements) = self else { throw .wrongType(found: type, allowed: "array") }
    guard !elements.isEmpty else { throw .tooFew(minimum: 1, found: 0) }
    guard elements.count <= limit else { throw .tooMany(maximum: limit, found: elements.count) }
    return elements
  }

  func string() throws(PolicyError) -> String {
    guard case .string(let text) = self else { throw .wrongType(found: type, allowed: "string") }
    return text
  }

  /// ECR's numbers are those of its interface: 32 bits.
  func integer(atLeast minimum: Int) throws(PolicyError) -> Int {
    guard case .integer(let number) = self else { throw .wrongType(found: type, allowed: "integer") }
    guard number >= minimum else { throw .tooSmall(minimum: minimum, found: number) }
    guard number <= Int(Int32.max) else { throw .tooLarge(maximum: Int(Int32.max), found: number) }
    return number
  }

  func choice(_ allowed: [String]) throws(PolicyError) -> String {
    let text = try string()
    guard allowed.contains(text) else { throw .notInEnumeration(text, allowed: allowed.sorted()) }
    return text
  }
}
