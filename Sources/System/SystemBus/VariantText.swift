/// A value in the text form of GVariant, such as `uint64 5`, `'text'` or `[1, 2]`: what callers of a runtime write into
/// annotations for properties of a systemd unit. (GLib, GVariant Text Format)
public struct VariantText {
  private indirect enum Node {
    case boolean(Bool)
    case number(String)
    case string(String)
    case bytes([UInt8])
    case array([Node])
    case dictionary([(Node, Node)])
    case tuple([Node])
    case variant(Node)
    case typed(BusType, Node)
  }

  private static let keywords: [String: BusType] = [
    "boolean": .boolean, "byte": .byte, "int16": .int16, "uint16": .uint16, "int32": .int32, "uint32": .uint32,
    "int64": .int64, "uint64": .uint64, "double": .double, "string": .string, "objectpath": .objectPath,
    "signature": .signature, "handle": .descriptor,
  ]

  private var rest: Substring

  /// The value that `text` writes; its type where the text does not say it: numbers are 32 bits wide or, with a point
  /// or an exponent, doubles.
  ///
  /// - Throws: what is wrong with the text.
  public static func value(_ text: String) throws(Problem) -> BusValue {
    guard text.utf8.count <= 64 << 10 else { throw Problem("is longer than 64 KiB") }
    var parser = VariantText(rest: text[...])
    let node = try parser.node(depth: 0)
    parser.skipBlanks()
    guard parser.rest.isEmpty else { throw Problem("has \"\(parser.rest.prefix(20))\" after its end") }
    return try value(of: node, nil)
  }

  /// Why a text is no value.
  public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
  }

  // MARK: Text to nodes

  private mutating func skipBlanks() { rest = rest.drop { $0.isWhitespace } }

  private mutating func take(_ text: String) -> Bool {
    skipBlanks()
    guard rest.hasPrefix(text) else { return false }
    rest = rest.dropFirst(text.count)
    return true
  }

  private mutating func expect(_ text: String) throws(Problem) {
    guard take(text) else { throw Problem("has \"\(rest.prefix(20))\" where \(text) belongs") }
  }

  private mutating func node(depth: Int) throws(Problem) -> Node {
    guard depth < 32 else { throw Problem("is nested more than 32 deep") }
    skipBlanks()
    guard let first = rest.first else { throw Problem("ends too early") }
    switch first {
    case "[":
      return .array(try list(from: "[", to: "]", depth: depth))
    case "(": return .tuple(try list(from: "(", to: ")", depth: depth))
    case "<":
      rest.removeFirst()
      let inner = try node(depth: depth + 1)
      try expect(">")
      return .variant(inner)
    case "{": return try dictionary(depth: depth)
    case "'", "\"": return .string(try quoted())
    case "@":
      let signature = rest.dropFirst().prefix { !$0.isWhitespace }
      guard let type = try? BusType.single(String(signature)) else { throw Problem("has the type \"\(signature)\"") }
      rest = rest.dropFirst(signature.count + 1)
      return .typed(type, try node(depth: depth + 1))
    default: return try word(depth: depth)
    }
  }

  private mutating func list(from start: String, to end: String, depth: Int) throws(Problem) -> [Node] {
    try expect(start)
    var nodes: [Node] = []
    while !take(end) {
      if !nodes.isEmpty {
        try expect(",")
        // A tuple of one has a comma after it.
        if take(end) { break }
      }
      nodes.append(try node(depth: depth + 1))
    }
    return nodes
  }

  private mutating func dictionary(depth: Int) throws(Problem) -> Node {
    try expect("{")
    var entries: [(Node, Node)] = []
    while !take("}") {
      if !entries.isEmpty { try expect(",") }
      let key = try node(depth: depth + 1)
      try expect(":")
      entries.append((key, try node(depth: depth + 1)))
    }
    return .dictionary(entries)
  }

  private mutating func word(depth: Int) throws(Problem) -> Node {
    if rest.hasPrefix("b'") || rest.hasPrefix("b\"") {
      rest.removeFirst()
      return .bytes(Array(try quoted().utf8) + [0])
    }
    let word = String(rest.prefix { $0.isLetter || $0.isNumber || "+-._".contains($0) })
    guard !word.isEmpty else { throw Problem("has \"\(rest.prefix(20))\" where a value belongs") }
    rest = rest.dropFirst(word.count)
    if word == "true" || word == "false" { return .boolean(word == "true") }
    if let type = Self.keywords[word] { return .typed(type, try node(depth: depth + 1)) }
    guard word.first?.isLetter != true || word == "inf" || word == "nan" else {
      throw Problem("has the word \"\(word)\", which must be quoted to be a string")
    }
    return .number(word)
  }

  private mutating func quoted() throws(Problem) -> String {
    let quote = rest.removeFirst()
    var text = ""
    while let character = rest.popFirst() {
      if character == quote { return text }
      guard character == "\\" else {
        text.append(character)
        continue
      }
      guard let escaped = rest.popFirst() else { break }
      switch escaped {
      case "n": text.append("\n")
      case "t": text.append("\t")
      case "r": text.append("\r")
      case "a": text.append("\u{07}")
      case "b": text.append("\u{08}")
      case "f": text.append("\u{0C}")
      case "v": text.append("\u{0B}")
      case "u", "U":
        let digits = rest.prefix(escaped == "u" ? 4 : 8)
        guard let number = UInt32(digits, radix: 16), number != 0, let scalar = Unicode.Scalar(number) else {
          throw Problem("has the escape \\\(escaped)\(digits)")
        }
        rest = rest.dropFirst(digits.count)
        text.unicodeScalars.append(scalar)
      default: text.append(escaped)
      }
    }
    throw Problem("has a string without its closing quote")
  }

  // MARK: Nodes to values

  /// nil where only the surroundings can tell, as of an empty array.
  private static func type(of node: Node) throws(Problem) -> BusType? {
    switch node {
    case .boolean: return .boolean
    case .number(let text): return isDouble(text) ? .double : .int32
    case .string: return .string
    case .bytes: return .array(.byte)
    case .variant: return .variant
    case .typed(let type, _): return type
    case .array(let nodes): return try common(nodes).map { .array($0) }
    case .tuple(let nodes):
      var fields: [BusType] = []
      for node in nodes {
        guard let type = try type(of: node) else { return nil }
        fields.append(type)
      }
      return .structure(fields)
    case .dictionary(let entries):
      guard let key = try common(entries.map(\.0)), let value = try common(entries.map(\.1)) else { return nil }
      return .array(.entry(key: key, value: value))
    }
  }

  /// What an element says about its type holds for all of an array; else the first that has one, doubles before numbers.
  private static func common(_ nodes: [Node]) throws(Problem) -> BusType? {
    for case .typed(let type, _) in nodes { return type }
    var found: BusType?
    for node in nodes {
      guard let type = try type(of: node) else { continue }
      if found == nil || type == .double { found = type }
    }
    return found
  }

  private static func value(of node: Node, _ wanted: BusType?) throws(Problem) -> BusValue {
    if case .typed(let type, let inner) = node {
      guard wanted == nil || wanted == type else { throw mismatch(type.code, wanted) }
      return try value(of: inner, type)
    }
    let own = try Self.type(of: node)
    guard let type = wanted ?? own else {
      throw Problem("is empty: its type must be written before it, as @as []")
    }
    switch (node, type) {
    case (.boolean(let flag), .boolean): return .boolean(flag)
    case (.number(let text), _): return try number(text, type)
    case (.string(let text), .string): return .string(text)
    case (.string(let text), .objectPath): return .objectPath(text)
    case (.string(let text), .signature):
      guard (try? BusType.types(in: text)) != nil else { throw Problem("has the signature '\(text)'") }
      return .signature(text)
    case (.bytes(let bytes), .array(.byte)): return .bytes(bytes)
    case (.variant(let inner), .variant): return .variant(try value(of: inner, nil))
    case (.array(let nodes), .array(let element)):
      var values: [BusValue] = []
      for node in nodes { values.append(try value(of: node, element)) }
      return .array(of: element, values)
    case (.tuple(let nodes), .structure(let fields)) where nodes.count == fields.count && !nodes.isEmpty:
      var values: [BusValue] = []
      for (node, field) in zip(nodes, fields) { values.append(try value(of: node, field)) }
      return .structure(values)
    case (.dictionary(let entries), .array(.entry(let key, let inner))):
      var values: [BusValue] = []
      for entry in entries {
        values.append(.entry(key: try value(of: entry.0, key), value: try value(of: entry.1, inner)))
      }
      return .array(of: .entry(key: key, value: inner), values)
    default: throw mismatch(own?.code ?? "?", type)
    }
  }

  private static func mismatch(_ found: String, _ wanted: BusType?) -> Problem {
    Problem("has a value of type \(found) where \(wanted?.code ?? "another") belongs")
  }

  private static func isDouble(_ text: String) -> Bool {
    // In hex, e is a digit.
    !text.contains("x") && (text.contains { ".eE".contains($0) } || text.hasSuffix("inf") || text.hasSuffix("nan"))
  }

  private static func number(_ text: String, _ type: BusType) throws(Problem) -> BusValue {
    func whole<Number: FixedWidthInteger>(_ make: (Number) -> BusValue) throws(Problem) -> BusValue {
      let isNegative = text.hasPrefix("-")
      let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
      let radix = digits.hasPrefix("0x") ? 16 : digits.hasPrefix("0") && digits.count > 1 ? 8 : 10
      let bare = radix == 16 ? digits.dropFirst(2) : digits
      guard let number = Number((isNegative ? "-" : "") + bare, radix: radix) else {
        throw Problem("has \(text), which is no number of type \(type.code)")
      }
      return make(number)
    }
    switch type {
    case .byte: return try whole { .byte($0) }
    case .int16: return try whole { .int16($0) }
    case .uint16: return try whole { .uint16($0) }
    case .int32: return try whole { .int32($0) }
    case .uint32: return try whole { .uint32($0) }
    case .int64: return try whole { .int64($0) }
    case .uint64: return try whole { .uint64($0) }
    case .descriptor: return try whole { .descriptor($0) }
    case .double:
      guard let number = Double(text) else { throw Problem("has \(text), which is no number") }
      return .double(number)
    default: throw mismatch(isDouble(text) ? "d" : "i", type)
    }
  }
}
