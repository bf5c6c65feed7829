/// A page taken apart by the strict part of HTML that the console keeps to: every element is closed, every attribute is
/// quoted, every `<` and `&` is one of the page's own.
struct HTMLDocument {
  struct Element {
    let name: String
    let attributes: [String: String]
  }

  private(set) var elements: [Element] = []
  private(set) var text = ""
  private(set) var faults: [String] = []

  private static let void: Set<String> = ["meta", "link", "img", "input", "br"]
  private static let raw: Set<String> = ["script", "title"]

  init(_ html: String) {
    var rest = html[...]
    var open: [String] = []
    guard rest.hasPrefix("<!doctype html>") else {
      faults.append("no doctype")
      return
    }
    rest = rest.dropFirst("<!doctype html>".count)
    while let start = rest.unicodeScalars.firstIndex(of: "<") {
      add(String(rest[..<start]))
      rest = rest[start...]
      if rest.hasPrefix("</") {
        let name = String(rest.dropFirst(2).prefix { $0 != ">" })
        if open.popLast() != name { faults.append("</\(name)> closes another element") }
        rest = rest.dropFirst(name.count + 3)
        continue
      }
      guard let (element, after) = tag(rest.dropFirst()) else {
        faults.append("a tag cannot be read: \(rest.prefix(80))")
        return
      }
      elements.append(element)
      rest = after
      if Self.void.contains(element.name) { continue }
      open.append(element.name)
      if element.name == "script", let end = rest.firstRange(of: "</script>") { rest = rest[end.lowerBound...] }
    }
    if !open.isEmpty { faults.append("left open: \(open)") }
  }

  private mutating func add(_ piece: String) {
    if piece.contains(">") { faults.append("a bare > in \(piece.prefix(80))") }
    text += decoded(piece)
  }

  /// By code points: an accent after an entity is no part of it.
  private mutating func decoded(_ piece: String) -> String {
    let known = ["&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": "\"", "&#39;": "'", "&#96;": "`"]
    var result = String.UnicodeScalarView()
    var rest = piece.unicodeScalars[...]
    while let ampersand = rest.firstIndex(of: "&") {
      result.append(contentsOf: rest[..<ampersand])
      rest = rest[ampersand...]
      guard let (name, value) = known.first(where: { rest.starts(with: $0.key.unicodeScalars) }) else {
        faults.append("a bare & in \(String(rest.prefix(40)))")
        break
      }
      result.append(contentsOf: value.unicodeScalars)
      rest = rest.dropFirst(name.unicodeScalars.count)
    }
    result.append(contentsOf: rest)
    return String(result)
  }

  private mutating func tag(_ text: Substring) -> (Element, Substring)? {
    let name = String(text.prefix { $0.isLetter || $0.isNumber })
    guard !name.isEmpty else { return nil }
    var rest = text.dropFirst(name.count)
    var attributes: [String: String] = [:]
    while true {
      rest = rest.drop { $0 == " " || $0 == "\n" }
      guard let first = rest.first else { return nil }
      if first == ">" { return (Element(name: name, attributes: attributes), rest.dropFirst()) }
      let key = String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" })
      rest = rest.dropFirst(key.count)
      guard !key.isEmpty else { return nil }
      guard rest.first == "=" else {
        attributes[key] = ""
        continue
      }
      guard rest.dropFirst().unicodeScalars.first == "\"" else { return nil }
      // By code points: a browser ends the value at the quotation mark, whatever follows it.
      let value = rest.dropFirst().unicodeScalars.dropFirst()
      guard let end = value.firstIndex(of: "\"") else { return nil }
      attributes[key] = decoded(String(value[..<end]))
      rest = Substring(value[value.index(after: end)...])
    }
  }

  var links: [String] { elements.compactMap { $0.name == "a" || $0.name == "link" ? $0.attributes["href"] : nil } }
}
