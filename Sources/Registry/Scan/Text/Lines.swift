/// Lines of a text, one after the other, without their ends: a file of nothing but ends costs no more than another. What
/// is beyond `limit` bytes of a line is left out.
struct Lines: Sequence, IteratorProtocol {
  private var rest: Bytes?
  private let limit: Int

  init(_ bytes: [UInt8], limit: Int = 64 << 10) {
    rest = bytes[...]
    self.limit = limit
  }

  mutating func next() -> Substring? {
    guard let text = rest else { return nil }
    let end = text.firstIndex(of: 0x0a)
    rest = end.map { text[($0 + 1)...] }
    let line = text[..<(end ?? text.endIndex)]
    return String(decoding: (line.last == 0x0d ? line.dropLast() : line).prefix(limit), as: UTF8.self)[...]
  }
}

extension Substring {
  /// Without blanks at both ends.
  var trimmed: Substring {
    var text = drop { $0 == " " || $0 == "\t" }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return text
  }

  /// Without the quotation marks around it, if it has such.
  var unquoted: String {
    guard count >= 2, let first, first == last, first == "\"" || first == "'" else { return String(self) }
    return String(dropFirst().dropLast())
  }
}

/// Paragraphs of `Name: value` fields, as Debian's control files have them; folded lines go on with a blank.
/// (deb822(5); names without case)
func paragraphs(_ bytes: [UInt8]) -> [[String: String]] {
  var all: [[String: String]] = []
  var current: [String: String] = [:]
  var last = ""
  for line in Lines(bytes) {
    if line.isEmpty {
      if !current.isEmpty { all.append(current) }
      (current, last) = ([:], "")
    } else if line.first == " " || line.first == "\t" {
      // Long descriptions are nobody's concern here.
      if let value = current[last], value.utf8.count < 8 << 10 { current[last] = value + "\n" + line.trimmed }
    } else if let colon = line.firstIndex(of: ":") {
      last = line[..<colon].lowercased()
      current[last] = String(line[line.index(after: colon)...].trimmed)
    }
  }
  if !current.isEmpty { all.append(current) }
  return all
}
