/// A license as a package states it, in SPDX's terms where it is stated in such.
enum LicenseExpression: Hashable {
  /// One identifier of the list.
  case identifier(String)
  /// A valid expression of several. (SPDX 2.3, annex D)
  case expression(String)
  /// Anything else.
  case text(String)

  /// nil where nothing is stated. Several statements hold together.
  init?(_ statements: [String]) {
    let statements = statements.filter { !$0.isEmpty && $0 != "NOASSERTION" }
    guard let first = statements.first else { return nil }
    if statements.count == 1 {
      self = Self.parsed(first)
      return
    }
    let parts = statements.map(Self.parsed)
    let isKnown = parts.allSatisfy { if case .text = $0 { false } else { true } }
    guard isKnown else {
      self = .text(statements.joined(separator: ", "))
      return
    }
    self = .expression(
      parts.map { part in
        switch part {
        case .identifier(let text): text
        case .expression(let text), .text(let text): "(\(text))"
        }
      }.joined(separator: " AND "))
  }

  private static func parsed(_ text: String) -> LicenseExpression {
    let text = text.split { $0.isWhitespace }.joined(separator: " ")
    if LicenseList.licenses.contains(text[...]) { return .identifier(text) }
    var parser = Parser(tokens: tokens(text)[...])
    guard text.utf8.count <= 2048, let parsed = parser.disjunction(depth: 0), parser.tokens.isEmpty else {
      return .text(text)
    }
    return .expression(parsed)
  }

  private static func tokens(_ text: String) -> [Substring] {
    var tokens: [Substring] = []
    for word in text.split(separator: " ") {
      var rest = word
      while rest.first == "(" {
        tokens.append("(")
        rest = rest.dropFirst()
      }
      let inner = rest.prefix { $0 != ")" }
      if !inner.isEmpty { tokens.append(inner) }
      tokens += rest[inner.endIndex...].map { $0 == ")" ? ")" : "?" }
    }
    return tokens
  }

  private struct Parser {
    var tokens: ArraySlice<Substring>

    mutating func disjunction(depth: Int) -> String? { list("OR", depth) { $0.conjunction(depth: depth) } }

    private mutating func conjunction(depth: Int) -> String? { list("AND", depth) { $0.term(depth: depth) } }

    private mutating func list(_ word: String, _ depth: Int, _ part: (inout Parser) -> String?) -> String? {
      guard depth < 32, var text = part(&self) else { return nil }
      while tokens.first?.uppercased() == word {
        tokens.removeFirst()
        guard let next = part(&self) else { return nil }
        text += " \(word) \(next)"
      }
      return text
    }

    private mutating func term(depth: Int) -> String? {
      guard let token = tokens.popFirst() else { return nil }
      if token == "(" {
        guard let inner = disjunction(depth: depth + 1), tokens.popFirst() == ")" else { return nil }
        return "(\(inner))"
      }
      guard
        LicenseList.licenses.contains(token) || token.hasSuffix("+") && LicenseList.licenses.contains(token.dropLast())
      else { return nil }
      guard tokens.first?.uppercased() == "WITH" else { return String(token) }
      tokens.removeFirst()
      guard let exception = tokens.popFirst(), LicenseList.exceptions.contains(exception) else { return nil }
      return "\(token) WITH \(exception)"
    }
  }
}
