/// A JSON document as a whole, for values that are read by Codable.
///
/// The runtime has a reader and a writer of its own: Foundation's would be half of its program, and the program is
/// read, mapped and started for every container.
enum JSONValue {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  init(parsing bytes: [UInt8]) throws(JSONError) {
    self = try bytes.withUnsafeBufferPointer { (bytes) throws(JSONError) in
      var scanner = JSONScanner(bytes)
      return try scanner.document { (json) throws(JSONError) in try JSONValue(&json) }
    }
  }

  private init(_ json: inout JSONScanner) throws(JSONError) {
    switch json.next {
    case UInt8(ascii: "{"): self = .object(try json.dictionary { (json) throws(JSONError) in try JSONValue(&json) })
    case UInt8(ascii: "["): self = .array(try json.array { (json) throws(JSONError) in try JSONValue(&json) })
    case UInt8(ascii: "\""): self = .string(try json.string())
    case UInt8(ascii: "t"), UInt8(ascii: "f"): self = .bool(try json.bool())
    case UInt8(ascii: "n"):
      try json.word("null")
      self = .null
    default: self = .number(try json.number())
    }
  }
}
