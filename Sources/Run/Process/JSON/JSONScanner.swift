/// Reads a document from its beginning to its end, straight into the values that it describes. (RFC 8259)
///
/// The runtime reads config.json for every container and every `exec`. Codable's containers would take longer for that
/// than all system calls of a start: each asks Swift's runtime for types and conformances that it has to look up anew
/// in every process.
struct JSONScanner {
  let bytes: UnsafeBufferPointer<UInt8>
  var place = 0
  /// Where `linux.seccomp` stands: what is compiled once for all that have the same.
  var seccomp: Range<Int>?
  private var steps: [Step] = []
  /// Deeper ones would use up the stack.
  private static let deepest = 256

  /// On the way from the document to the value that is read.
  private enum Step {
    case member(start: Int, count: Int)
    case element(Int)
  }

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
    steps.reserveCapacity(16)
  }

  /// Reads the whole document, which is one value.
  mutating func document<Value>(
    _ read: (inout JSONScanner) throws(JSONError) -> Value
  ) throws(JSONError) -> Value {
    skipBlanks()
    let value = try read(&self)
    skipBlanks()
    guard place == bytes.count else { throw malformed("something follows the end of the document") }
    return value
  }

  // MARK: Objects and arrays

  /// Reads an object: `member` is called for each property and reads its value. A property that is null counts as not
  /// there, as in the other runtimes; of several of one name the last one holds.
  mutating func members(
    _ member: (JSONKey, inout JSONScanner) throws(JSONError) -> Void
  ) throws(JSONError) {
    guard take("{") else { throw mismatch("an object is expected") }
    skipBlanks()
    if take("}") { return }
    while true {
      skipBlanks()
      guard next == UInt8(ascii: "\"") else { throw malformed("a property's name is expected") }
      let start = place + 1
      let key = try key()
      let count = place - 1 - start
      skipBlanks()
      guard take(":") else { throw malformed("a colon is expected") }
      skipBlanks()
      try descend(.member(start: start, count: count))
      if next == UInt8(ascii: "n") { try word("null") } else { try member(key, &self) }
      steps.removeLast()
      skipBlanks()
      if take(",") { continue }
      guard take("}") else { throw malformed("a comma or } is expected") }
      return
    }
  }

  /// Reads an array of which `element` reads each.
  mutating func array<Element>(
    _ element: (inout JSONScanner) throws(JSONError) -> Element
  ) throws(JSONError) -> [Element] {
    guard take("[") else { throw mismatch("an array is expected") }
    var elements: [Element] = []
    skipBlanks()
    if take("]") { return elements }
    while true {
      skipBlanks()
      try descend(.element(elements.count))
      elements.append(try element(&self))
      steps.removeLast()
      skipBlanks()
      if take(",") { continue }
      guard take("]") else { throw malformed("a comma or ] is expected") }
      return elements
    }
  }

  mutating func array<Element: JSONReadable>(of type: Element.Type = Element.self) throws(JSONError) -> [Element] {
    try array { (json) throws(JSONError) in try Element(&json) }
  }

  mutating func strings() throws(JSONError) -> [String] { try array { (json) throws(JSONError) in try json.string() } }

  /// Reads an object whose properties' names are the keys.
  mutating func dictionary<Value>(
    _ value: (inout JSONScanner) throws(JSONError) -> Value
  ) throws(JSONError) -> [String: Value] {
    var values: [String: Value] = [:]
    try members { (key, json) throws(JSONError) in values[key.text] = try value(&json) }
    return values
  }

  mutating func dictionary<Value: JSONReadable>(
    of type: Value.Type = Value.self
  ) throws(JSONError) -> [String: Value] {
    try dictionary { (json) throws(JSONError) in try Value(&json) }
  }

  mutating func texts() throws(JSONError) -> [String: String] {
    try dictionary { (json) throws(JSONError) in try json.string() }
  }

  /// Reads a value that nobody asks for; it must be JSON all the same.
  mutating func skip() throws(JSONError) {
    switch next {
    case UInt8(ascii: "{"): try members { (_, json) throws(JSONError) in try json.skip() }
    case UInt8(ascii: "["): _ = try array { (json) throws(JSONError) in try json.skip() }
    case UInt8(ascii: "\""): _ = try key()
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "n"): try word("null")
    default: _ = try number()
    }
  }

  private mutating func descend(_ step: Step) throws(JSONError) {
    guard steps.count < Self.deepest else { throw malformed("it is nested more than \(Self.deepest) deep") }
    steps.append(step)
  }

  // MARK: Bytes

  var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  mutating func skipBlanks() {
    while place < bytes.count {
      switch bytes[place] {
      case 0x20, 0x0a, 0x0d, 0x09: place += 1
      default: return
      }
    }
  }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard place < bytes.count, UInt32(bytes[place]) == character.value else { return false }
    place += 1
    return true
  }

  mutating func word(_ word: StaticString) throws(JSONError) {
    let count = word.utf8CodeUnitCount
    guard bytes.count - place >= count else { throw malformed("a value is expected") }
    for offset in 0..<count where bytes[place + offset] != word.utf8Start[offset] {
      throw malformed("a value is expected")
    }
    place += count
  }

  // MARK: Errors

  /// The document is no JSON here.
  func malformed(_ problem: String) -> JSONError {
    JSONError(
      offset: place, path: "", problem: place < bytes.count ? problem : "it ends too early", isMalformed: true)
  }

  /// The value that begins here is not what its property takes.
  func mismatch(_ problem: String) -> JSONError {
    guard let next else { return malformed(problem) }
    return switch next {
    case UInt8(ascii: "n"): wrong("\(problem), and not null", at: place)
    case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\""), UInt8(ascii: "t"), UInt8(ascii: "f"),
      UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      wrong(problem, at: place)
    default: malformed("a value is expected")
    }
  }

  /// The value is JSON, and wrong.
  func wrong(_ problem: String, at offset: Int) -> JSONError {
    JSONError(offset: offset, path: path, problem: problem, isMalformed: false)
  }

  /// The object that was just read lacks a property.
  func missing(_ name: String) -> JSONError {
    JSONError(
      offset: place - 1, path: path.isEmpty ? name : "\(path).\(name)", problem: "it is required", isMalformed: false)
  }

  private var path: String {
    var text = ""
    for step in steps {
      switch step {
      case .member(let start, let count):
        let name = String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<start + count]), as: UTF8.self)
        text += text.isEmpty ? name : ".\(name)"
      case .element(let index): text += "[\(index)]"
      }
    }
    return text
  }
}

struct JSONError: Error {
  /// Bytes from the beginning.
  let offset: Int
  /// Of the value that is wrong, `process.args[0]`; empty for the document itself, and where it is no JSON at all.
  let path: String
  let problem: String
  /// The document is no JSON.
  let isMalformed: Bool
}

/// A value that reads itself where it stands in a document. One that is also `Decodable` must read the same by either.
protocol JSONReadable: Decodable {
  init(_ json: inout JSONScanner) throws(JSONError)
}

/// The name of a property, compared without making a string of it.
struct JSONKey {
  fileprivate let bytes: UnsafeBufferPointer<UInt8>
  /// Where the document has escapes in it.
  fileprivate let unescaped: String?

  init(_ bytes: UnsafeBufferPointer<UInt8>, unescaped: String? = nil) {
    self.bytes = bytes
    self.unescaped = unescaped
  }

  var text: String { unescaped ?? String(decoding: bytes, as: UTF8.self) }

  static func ~= (name: StaticString, key: JSONKey) -> Bool {
    if let text = key.unescaped { return text == "\(name)" }
    let count = name.utf8CodeUnitCount
    guard key.bytes.count == count else { return false }
    for index in 0..<count where key.bytes[index] != name.utf8Start[index] { return false }
    return true
  }
}
