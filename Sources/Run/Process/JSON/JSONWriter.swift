/// Makes a document of `Encodable` values.
struct JSONWriter: Encoder {
  let node: JSONNode
  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    if case .object = node.content {} else { node.content = .object([:]) }
    return KeyedEncodingContainer(JSONMemberWriter(node: node))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    if case .array = node.content {} else { node.content = .array([]) }
    return JSONElementWriter(node: node)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { self }
}

/// A part of a document that is being filled.
final class JSONNode {
  enum Content {
    case empty
    case scalar(JSONValue)
    case array([JSONNode])
    case object([String: JSONNode])
  }

  var content = Content.empty

  func add(_ key: String) -> JSONNode {
    let node = JSONNode()
    if case .object(var members) = content {
      // Not copied for every member.
      content = .empty
      members[key] = node
      content = .object(members)
    }
    return node
  }

  func append() -> JSONNode {
    let node = JSONNode()
    if case .array(var elements) = content {
      content = .empty
      elements.append(node)
      content = .array(elements)
    }
    return node
  }

  var count: Int { if case .array(let elements) = content { elements.count } else { 0 } }

  /// - Parameter indent: nil writes it without blanks.
  func write(to bytes: inout [UInt8], indent: Int?) {
    switch content {
    case .empty: bytes += Array("null".utf8)
    case .scalar(let value): Self.write(value, to: &bytes)
    case .array(let elements):
      Self.list(elements, "[", "]", to: &bytes, indent) { element, bytes, indent in
        element.write(to: &bytes, indent: indent)
      }
    case .object(let members):
      Self.list(members.sorted { $0.key < $1.key }, "{", "}", to: &bytes, indent) { member, bytes, indent in
        JSONBytes.append(member.key.utf8, to: &bytes)
        bytes += Array((indent == nil ? ":" : ": ").utf8)
        member.value.write(to: &bytes, indent: indent)
      }
    }
  }

  private static func list<Element>(
    _ elements: [Element], _ open: Character, _ close: Character, to bytes: inout [UInt8], _ indent: Int?,
    _ write: (Element, inout [UInt8], Int?) -> Void
  ) {
    func line(_ depth: Int?, _ bytes: inout [UInt8]) {
      if let depth { bytes += [UInt8(ascii: "\n")] + [UInt8](repeating: UInt8(ascii: " "), count: 2 * depth) }
    }
    bytes.append(open.asciiValue ?? 0)
    let inner = indent.map { $0 + 1 }
    for (index, element) in elements.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      line(inner, &bytes)
      write(element, &bytes, inner)
    }
    if !elements.isEmpty { line(indent, &bytes) }
    bytes.append(close.asciiValue ?? 0)
  }

  private static func write(_ value: JSONValue, to bytes: inout [UInt8]) {
    switch value {
    case .bool(let bool): bytes += Array((bool ? "true" : "false").utf8)
    case .number(.integer(let magnitude, let isNegative)):
      bytes += Array("\(isNegative ? "-" : "")\(magnitude)".utf8)
    case .number(.double(let double)): bytes += Array((double.isFinite ? "\(double)" : "null").utf8)
    case .string(let text): JSONBytes.append(text.utf8, to: &bytes)
    case .null, .array, .object: bytes += Array("null".utf8)
    }
  }

  // MARK: Values

  func set(_ bool: Bool) { content = .scalar(.bool(bool)) }
  func set(_ text: String) { content = .scalar(.string(text)) }
  func set(_ double: Double) { content = .scalar(.number(.double(double))) }
  func set(_ number: some FixedWidthInteger) {
    content = .scalar(.number(.integer(UInt64(truncatingIfNeeded: number.magnitude), isNegative: number < 0)))
  }
}

extension JSONWriter: SingleValueEncodingContainer {
  func encodeNil() { node.content = .empty }
  func encode(_ value: Bool) { node.set(value) }
  func encode(_ value: String) { node.set(value) }
  func encode(_ value: Double) { node.set(value) }
  func encode(_ value: Float) { node.set(Double(value)) }
  func encode(_ value: Int) { node.set(value) }
  func encode(_ value: Int8) { node.set(value) }
  func encode(_ value: Int16) { node.set(value) }
  func encode(_ value: Int32) { node.set(value) }
  func encode(_ value: Int64) { node.set(value) }
  func encode(_ value: UInt) { node.set(value) }
  func encode(_ value: UInt8) { node.set(value) }
  func encode(_ value: UInt16) { node.set(value) }
  func encode(_ value: UInt32) { node.set(value) }
  func encode(_ value: UInt64) { node.set(value) }
  func encode(_ value: some Encodable) throws { try value.encode(to: self) }
}

private struct JSONMemberWriter<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: JSONNode
  var codingPath: [any CodingKey] { [] }

  func encodeNil(forKey key: Key) { _ = node.add(key.stringValue) }
  func encode(_ value: Bool, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: String, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: Double, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: Float, forKey key: Key) { node.add(key.stringValue).set(Double(value)) }
  func encode(_ value: Int, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: Int8, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: Int16, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: Int32, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: Int64, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: UInt, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: UInt8, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: UInt16, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: UInt32, forKey key: Key) { node.add(key.stringValue).set(value) }
  func encode(_ value: UInt64, forKey key: Key) { node.add(key.stringValue).set(value) }

  func encode(_ value: some Encodable, forKey key: Key) throws {
    try value.encode(to: JSONWriter(node: node.add(key.stringValue)))
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> { JSONWriter(node: node.add(key.stringValue)).container(keyedBy: type) }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    JSONWriter(node: node.add(key.stringValue)).unkeyedContainer()
  }

  func superEncoder() -> any Encoder { JSONWriter(node: node.add("super")) }
  func superEncoder(forKey key: Key) -> any Encoder { JSONWriter(node: node.add(key.stringValue)) }
}

private struct JSONElementWriter: UnkeyedEncodingContainer {
  let node: JSONNode
  var codingPath: [any CodingKey] { [] }
  var count: Int { node.count }

  func encodeNil() { _ = node.append() }
  func encode(_ value: Bool) { node.append().set(value) }
  func encode(_ value: String) { node.append().set(value) }
  func encode(_ value: Double) { node.append().set(value) }
  func encode(_ value: Float) { node.append().set(Double(value)) }
  func encode(_ value: Int) { node.append().set(value) }
  func encode(_ value: Int8) { node.append().set(value) }
  func encode(_ value: Int16) { node.append().set(value) }
  func encode(_ value: Int32) { node.append().set(value) }
  func encode(_ value: Int64) { node.append().set(value) }
  func encode(_ value: UInt) { node.append().set(value) }
  func encode(_ value: UInt8) { node.append().set(value) }
  func encode(_ value: UInt16) { node.append().set(value) }
  func encode(_ value: UInt32) { node.append().set(value) }
  func encode(_ value: UInt64) { node.append().set(value) }
  func encode(_ value: some Encodable) throws { try value.encode(to: JSONWriter(node: node.append())) }

  func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    JSONWriter(node: node.append()).container(keyedBy: type)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { JSONWriter(node: node.append()).unkeyedContainer() }
  func superEncoder() -> any Encoder { JSONWriter(node: node.append()) }
}
