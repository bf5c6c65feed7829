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
      throw configuration(error, bytes, name)
    } catch let error as DecodingError {
      throw RuntimeError.configuration(property: place(error), problem: "is wrong in \(name): \(problem(error))")
    }
  }

  /// The same without Codable, in a fraction of the time.
  static func decode<Value: JSONReadable>(_ type: Value.Type, _ bytes: [UInt8], name: String) throws -> Value {
    try read(bytes, name: name) { (json) throws(JSONError) in try Value(&json) }
  }

  static func read<Value>(
    _ bytes: [UInt8], name: String, _ value: (inout JSONScanner) throws(JSONError) -> Value
  ) throws -> Value {
    do throws(JSONError) {
      return try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
        var scanner = JSONScanner(buffer)
        return try scanner.document(value)
      }
    } catch {
      throw configuration(error, bytes, name)
    }
  }

  /// With the line, and the column counted in characters.
  private static func configuration(_ error: JSONError, _ bytes: [UInt8], _ name: String) -> RuntimeError {
    let before = bytes[..<min(error.offset, bytes.count)]
    let line = 1 + before.count { $0 == UInt8(ascii: "\n") }
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    let column = 1 + before[lineStart...].count { $0 & 0xc0 != 0x80 }
    let problem = error.isMalformed ? "it is no JSON: \(error.problem)" : error.problem
    return .configuration(
      property: error.path.isEmpty ? "the document" : error.path,
      problem: "is wrong in \(name): \(problem) (line \(line), column \(column))")
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
