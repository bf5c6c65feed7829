/// The pattern of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` is any text, `?` one character, `\` makes the next one plain.
struct ShellPattern {
  private enum Element { case anything, one, scalar(Unicode.Scalar) }

  private let elements: [Element]

  init(_ text: String) throws(ExpansionError) {
    var elements: [Element] = []
    let scalars = Array(text.unicodeScalars)
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      index += 1
      switch scalar {
      case "*": elements.append(.anything)
      case "?": elements.append(.one)
      case "\\":
        // Braces and slashes are escaped for the sake of the ${} around them.
        guard index < scalars.count, ["}", "/", "*", "?", "\\"].contains(scalars[index]) else {
          throw .invalidPattern(text, escape: index < scalars.count ? String(scalars[index]) : "")
        }
        elements.append(.scalar(scalars[index]))
        index += 1
      default: elements.append(.scalar(scalar))
      }
    }
    self.elements = elements
  }

  /// Where matches that begin at `start` end, in rising order.
  private func ends(in text: [Unicode.Scalar], from start: Int) -> [Int] {
    var places: Set<Int> = [start]
    for element in elements {
      switch element {
      case .anything: places = Set(places.min()!...text.count)
      case .one: places = Set(places.filter { $0 < text.count }.map { $0 + 1 })
      case .scalar(let scalar): places = Set(places.filter { $0 < text.count && text[$0] == scalar }.map { $0 + 1 })
      }
      if places.isEmpty { return [] }
    }
    return places.sorted()
  }

  func removingPrefix(from value: String, longest: Bool) -> String {
    let text = Array(value.unicodeScalars)
    let ends = ends(in: text, from: 0)
    guard let end = longest ? ends.last : ends.first else { return value }
    return string(text[end...])
  }

  func removingSuffix(from value: String, longest: Bool) -> String {
    let text = Array(value.unicodeScalars)
    let starts = longest ? Array(0...text.count) : Array((0...text.count).reversed())
    guard let start = starts.first(where: { ends(in: text, from: $0).last == text.count }) else { return value }
    return string(text[..<start])
  }

  /// The first match, or all that do not overlap, leftmost and longest.
  func replacing(in value: String, with replacement: String, all: Bool) -> String {
    let text = Array(value.unicodeScalars)
    var result = ""
    var position = 0
    var lastEnd = -1
    while position <= text.count {
      if let end = ends(in: text, from: position).last, end > position || position != lastEnd {
        result += replacement
        if !all { return result + string(text[end...]) }
        lastEnd = end
        if end > position {
          position = end
          continue
        }
      }
      if position < text.count { result.unicodeScalars.append(text[position]) }
      position += 1
    }
    return result
  }

  private func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars)
    return String(result)
  }
}
