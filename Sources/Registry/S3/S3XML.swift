/// The little XML that S3 answers with: elements and text, no attributes that matter, never deeper than a few levels.
struct S3XML: Sendable {
  let name: String
  private(set) var text = ""
  private(set) var children: [S3XML] = []

  private init(name: String) { self.name = name }

  subscript(name: String) -> S3XML? { children.first { $0.name == name } }

  func all(_ name: String) -> [S3XML] { children.filter { $0.name == name } }

  private static let deepest = 16

  /// nil where it is not such a document. Of at most some megabytes: the caller bounds what it reads.
  init?(parsing bytes: [UInt8]) {
    var open: [S3XML] = []
    var root: S3XML?
    var index = bytes.startIndex
    while index < bytes.endIndex {
      guard bytes[index] == UInt8(ascii: "<") else {
        let end = bytes[index...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.endIndex
        if !open.isEmpty {
          guard let text = Self.decoded(bytes[index..<end]) else { return nil }
          open[open.count - 1].text += text
        }
        index = end
        continue
      }
      guard let end = bytes[index...].firstIndex(of: UInt8(ascii: ">")) else { return nil }
      let tag = bytes[(index + 1)..<end]
      index = end + 1
      // Declarations and comments; a document type, which could define entities, is none of S3's.
      if tag.first == UInt8(ascii: "?") { continue }
      if tag.first == UInt8(ascii: "!") { return nil }
      if tag.first == UInt8(ascii: "/") {
        guard let last = open.popLast(), Array(last.name.utf8) == Array(tag.dropFirst()) else { return nil }
        if open.isEmpty { root = last } else { open[open.count - 1].children.append(last) }
        continue
      }
      guard root == nil, open.count < Self.deepest else { return nil }
      let isEmpty = tag.last == UInt8(ascii: "/")
      let name = tag.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\n") }
      guard !name.isEmpty else { return nil }
      let element = S3XML(name: String(decoding: name, as: UTF8.self))
      if !isEmpty {
        open.append(element)
      } else if open.isEmpty {
        root = element
      } else {
        open[open.count - 1].children.append(element)
      }
    }
    guard let root, open.isEmpty else { return nil }
    self = root
  }

  private static func decoded(_ bytes: ArraySlice<UInt8>) -> String? {
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    guard text.contains("&") else { return text }
    return text.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
      .replacing("&#34;", with: "\"").replacing("&#39;", with: "'").replacing("&apos;", with: "'")
      .replacing("&amp;", with: "&")
  }

  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
