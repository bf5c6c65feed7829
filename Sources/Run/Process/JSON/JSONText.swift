/// JSON as the specifications write it: sorted keys, slashes as they are.
enum JSONText {
  static func encode(_ value: some Encodable, pretty: Bool = false) throws -> [UInt8] {
    let node = JSONNode()
    try value.encode(to: JSONWriter(node: node))
    var bytes: [UInt8] = []
    node.write(to: &bytes, indent: pretty ? 0 : nil)
    return bytes
  }

  static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8], name: String) throws -> Value {
    do {
      return try Value(from: JSONReader(value: JSONValue(parsing: bytes), path: .root))
    } catch let error as JSONError {
      throw RuntimeError.configuration(
        property: "the document", problem: "is wrong in \(name): it is no JSON: \(error.problem) (byte \(error.offset))"
      )
    } catch let error as DecodingError {
      throw RuntimeError.configuration(property: place(error), problem: "is wrong in \(name): \(problem(error))")
    }
  }

  private static func place(_ error: DecodingError) -> String {
    let path =
      switch error {
      case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
        context.codingPath
      case .keyNotFound(let key, let context): context.codingPath + [key]
      @unknown default: [] as [any CodingKey]
      }
    let text = path.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
    return text.isEmpty ? "the document" : String(text.drop { $0 == "." })
  }

  private static func problem(_ error: DecodingError) -> String {
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      context.debugDescription
    case .keyNotFound: "it is required"
    @unknown default: "\(error)"
    }
  }
}
