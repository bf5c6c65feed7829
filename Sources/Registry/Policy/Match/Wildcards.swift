/// A text with `*` for any characters and `?` for one.
///
/// Time grows with the product of the lengths at most: a hostile pattern costs nothing that its length does not say.
struct Wildcards: Hashable, Sendable {
  /// A byte, or one of the two below.
  typealias Token = UInt16
  static let many: Token = 256
  static let one: Token = 257

  var tokens: [Token]

  init(tokens: [Token]) { self.tokens = tokens }

  init(_ pattern: some StringProtocol) {
    tokens = pattern.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "*"): Self.many
      case UInt8(ascii: "?"): Self.one
      default: Token(byte)
      }
    }
  }

  func matches(_ text: some StringProtocol) -> Bool {
    var text = String(text)
    return text.withUTF8 { Self.matches($0, tokens[...]) }
  }

  private static func matches(_ text: UnsafeBufferPointer<UInt8>, _ pattern: ArraySlice<Token>) -> Bool {
    var textIndex = 0, index = pattern.startIndex
    var star: (pattern: Int, text: Int)?
    while textIndex < text.count {
      let token = index < pattern.endIndex ? pattern[index] : nil
      if token == many {
        star = (index, textIndex)
        index += 1
      } else if token == one {
        textIndex = next(text, textIndex)
        index += 1
      } else if let token, token == Token(text[textIndex]) {
        textIndex += 1
        index += 1
      } else if let (lastStar, lastText) = star {
        index = lastStar + 1
        textIndex = next(text, lastText)
        star = (lastStar, textIndex)
      } else {
        return false
      }
    }
    return pattern[index...].allSatisfy { $0 == many }
  }

  /// The character that follows the one at `index`.
  private static func next(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
    var index = index + 1
    while index < text.count, text[index] & 0xc0 == 0x80 { index += 1 }
    return index
  }
}

/// A text of a policy: letters, `*` and `?` where they stand for others, and variables like `${aws:username}`.
/// (IAM, Variables and tags)
struct PolicyText: Hashable, Sendable {
  private enum Part: Hashable, Sendable {
    case tokens([Wildcards.Token])
    /// `defaulted` is what the policy says for where a request has no such value.
    case variable(ConditionKey, defaulted: [Wildcards.Token]?)
  }

  private let parts: [Part]
  /// The tokens, where there is no variable.
  private let fixed: Wildcards?

  /// `hasWildcards` says whether `*` and `?` stand for others. Throws what is wrong with a variable.
  init(_ text: some StringProtocol, hasWildcards: Bool, _ version: PolicyDocument.Version) throws(PolicyTextError) {
    func tokens(_ piece: some StringProtocol) -> [Wildcards.Token] {
      hasWildcards ? Wildcards(piece).tokens : piece.utf8.map { Wildcards.Token($0) }
    }
    var parts: [Part] = []
    var rest = Substring(text)
    while version == .y2012, let start = rest.firstRange(of: "${") {
      guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
        throw PolicyTextError("a variable that begins with ${ has no closing brace")
      }
      parts.append(.tokens(tokens(rest[..<start.lowerBound])))
      parts.append(try Self.variable(rest[start.upperBound..<end]))
      rest = rest[rest.index(after: end)...]
    }
    parts.append(.tokens(tokens(rest)))
    self.parts = parts
    var all: [Wildcards.Token] = []
    var isFixed = true
    for part in parts {
      if case .tokens(let tokens) = part { all += tokens } else { isFixed = false }
    }
    fixed = isFixed ? Wildcards(tokens: all) : nil
  }

  private static func variable(_ text: Substring) throws(PolicyTextError) -> Part {
    // How a policy writes the characters that stand for others.
    if ["*", "?", "$"].contains(text) { return .tokens(text.utf8.map { Wildcards.Token($0) }) }
    var name = text
    var defaulted: [Wildcards.Token]?
    if let comma = text.firstIndex(of: ",") {
      name = text[..<comma]
      let value = text[text.index(after: comma)...].drop { $0 == " " }
      guard value.count >= 2, value.first == "'", value.last == "'" else {
        throw PolicyTextError("the default value of the variable ${\(text.prefix(80))} must stand between apostrophes")
      }
      defaulted = value.dropFirst().dropLast().utf8.map { Wildcards.Token($0) }
    }
    guard let key = ConditionKey(String(name)) else {
      throw PolicyTextError("the variable ${\(name.prefix(80))} is not supported; \(ConditionKey.list) are")
    }
    guard !key.hasSeveralValues else { throw PolicyTextError("\(key) has several values and cannot be a variable") }
    return .variable(key, defaulted: defaulted)
  }

  /// With the request's values in place of variables; nil where it lacks one that has no default.
  func wildcards(_ request: AccessRequest) -> Wildcards? {
    if let fixed { return fixed }
    var all: [Wildcards.Token] = []
    for part in parts {
      switch part {
      case .tokens(let tokens): all += tokens
      case .variable(let key, let defaulted):
        if let value = key.values(in: request)?.first {
          all += value.utf8.map { Wildcards.Token($0) }
        } else if let defaulted {
          all += defaulted
        } else {
          return nil
        }
      }
    }
    return Wildcards(tokens: all)
  }

  func matches(_ text: String, _ request: AccessRequest) -> Bool { wildcards(request)?.matches(text) ?? false }
}

struct PolicyTextError: Error {
  let message: String
  init(_ message: String) { self.message = message }
}

/// The name of a resource or of a principal with wildcards. Each of an ARN's six parts is matched by itself: what stands
/// for a region cannot take in the account after it. (IAM, ArnLike)
struct ARNPattern: Hashable, Sendable {
  private let parts: [PolicyText]

  /// Throws where it has no six parts, or a variable is wrong.
  init(_ text: String, _ version: PolicyDocument.Version) throws(PolicyTextError) {
    var parts: [PolicyText] = []
    for part in Self.split(text) { parts.append(try PolicyText(part, hasWildcards: true, version)) }
    guard parts.count == 6 else {
      throw PolicyTextError(
        "\"\(text.prefix(160))\" is no ARN: it has six parts, arn:aws:ecr:<region>:<account>:repository/<name>")
    }
    self.parts = parts
  }

  /// At colons outside of variables, into six parts at most.
  private static func split(_ text: String) -> [Substring] {
    var parts: [Substring] = []
    var start = text.startIndex
    var isInVariable = false
    for index in text.indices {
      switch text[index] {
      case "{" where index > text.startIndex && text[text.index(before: index)] == "$": isInVariable = true
      case "}": isInVariable = false
      case ":" where !isInVariable && parts.count < 5:
        parts.append(text[start..<index])
        start = text.index(after: index)
      default: break
      }
    }
    return parts + [text[start...]]
  }

  func matches(_ arn: String, _ request: AccessRequest) -> Bool {
    let components = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
    guard components.count == 6 else { return false }
    return zip(parts, components).allSatisfy { $0.matches(String($1), request) }
  }
}
