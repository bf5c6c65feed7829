/// Takes text apart as Docker's builder does: quotes, escapes, and `$` with all its forms.
/// (Dockerfile reference, Environment replacement)
public struct ShellLexer: Sendable {
  /// `\`, or the one that a `# escape=` directive names.
  public var escape: UInt8
  /// Quotes are part of the result.
  var keepsQuotes = false
  /// Escapes are part of the result.
  var keepsEscapes = false
  /// Quotes are characters like others: the content of a heredoc.
  var ignoresQuotes = false
  /// `$` is a character like others.
  var ignoresVariables = false

  static let maximumLength = 1 << 20
  static let maximumDepth = 100

  public init(escape: UInt8 = UInt8(ascii: "\\")) { self.escape = escape }

  /// The text with its variables filled in and quotes and escapes resolved; a variable that is not there is empty.
  public func word(_ text: String, _ variables: [String: String]) throws(ExpansionError) -> String {
    // Nothing to do is by far the commonest.
    if !text.utf8.contains(where: { $0 == escape || Self.special.contains($0) }) { return text }
    var scanner = Scanner(lexer: self, bytes: Array(text.utf8), variables: variables)
    return String(decoding: try scanner.scan(until: nil, keepsEscapes: keepsEscapes).text, as: UTF8.self)
  }

  /// The same, split at spaces outside of quotes, those inside the variables' values included.
  public func words(_ text: String, _ variables: [String: String]) throws(ExpansionError) -> [String] {
    var scanner = Scanner(lexer: self, bytes: Array(text.utf8), variables: variables)
    return try scanner.scan(until: nil, keepsEscapes: keepsEscapes).words.map { String(decoding: $0, as: UTF8.self) }
  }

  /// The content of a heredoc with its variables filled in; quotes stay, a backslash makes the next character plain.
  public static func content(_ text: String, _ variables: [String: String]) throws(ExpansionError) -> String {
    var lexer = ShellLexer()
    lexer.ignoresQuotes = true
    return try lexer.word(text, variables)
  }

  private static let special: [UInt8] = Array("$'\"".utf8)
}

private struct Scanner {
  let lexer: ShellLexer
  let bytes: [UInt8]
  let variables: [String: String]
  var position = 0
  var depth = 0

  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func take() -> UInt8? {
    guard position < bytes.count else { return nil }
    defer { position += 1 }
    return bytes[position]
  }

  /// Text and words up to the end, or up to `stop`, which is taken.
  mutating func scan(until stop: UInt8?, keepsEscapes: Bool) throws(ExpansionError) -> (text: [UInt8], words: [[UInt8]]) {
    depth += 1
    defer { depth -= 1 }
    guard depth <= ShellLexer.maximumDepth else { throw .tooDeep }
    var output = Words()
    while let byte = next {
      if byte == stop {
        position += 1
        return output.finish()
      }
      switch byte {
      case UInt8(ascii: "$") where !lexer.ignoresVariables: output.append(text: try dollar())
      case UInt8(ascii: "'") where !lexer.ignoresQuotes: output.append(quoted: try singleQuoted())
      case UInt8(ascii: "\"") where !lexer.ignoresQuotes: output.append(quoted: try doubleQuoted(keepsEscapes))
      case lexer.escape:
        position += 1
        if keepsEscapes { output.append(quoted: [byte]) }
        // An escape at the very end escapes nothing.
        if let escaped = take() { output.append(quoted: [escaped]) }
      default:
        position += 1
        output.append(text: [byte])
      }
      guard output.text.count <= ShellLexer.maximumLength else { throw .tooLong }
    }
    if stop != nil { throw .missingBrace }
    return output.finish()
  }

  private mutating func singleQuoted() throws(ExpansionError) -> [UInt8] {
    position += 1
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "'")) else { throw .unterminated(quote: "'") }
    defer { position = end + 1 }
    return lexer.keepsQuotes ? Array(bytes[(position - 1)...end]) : Array(bytes[position..<end])
  }

  /// Only a quote, a dollar sign and the escape itself can be escaped here.
  private mutating func doubleQuoted(_ keepsEscapes: Bool) throws(ExpansionError) -> [UInt8] {
    let quote = UInt8(ascii: "\"")
    position += 1
    var result: [UInt8] = lexer.keepsQuotes ? [quote] : []
    while let byte = next {
      switch byte {
      case quote:
        position += 1
        if lexer.keepsQuotes { result.append(quote) }
        return result
      case UInt8(ascii: "$") where !lexer.ignoresVariables: result += try dollar()
      case lexer.escape:
        position += 1
        if keepsEscapes { result.append(byte) }
        switch next {
        case nil: continue
        case quote?, UInt8(ascii: "$")?, lexer.escape?: result.append(take()!)
        default: if !keepsEscapes { result.append(byte) }
        }
      default:
        position += 1
        result.append(byte)
      }
    }
    throw .unterminated(quote: "\"")
  }

  private mutating func dollar() throws(ExpansionError) -> [UInt8] {
    position += 1
    guard next == UInt8(ascii: "{") else {
      let name = name()
      return name.isEmpty ? [UInt8(ascii: "$")] : Array((variables[name] ?? "").utf8)
    }
    position += 1
    guard let first = next else { throw .missingBrace }
    guard ![UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: ":")].contains(first) else { throw .badSubstitution }
    let name = name()
    guard let operation = take() else { throw .missingBrace }
    switch operation {
    case UInt8(ascii: "}"): return Array((variables[name] ?? "").utf8)
    case UInt8(ascii: ":"):
      guard let operation = take() else { throw .missingBrace }
      guard [UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "?")].contains(operation) else {
        throw .unsupportedModifier(":" + String(UnicodeScalar(operation)))
      }
      return try alternative(name, operation, emptyIsUnset: true)
    case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "?"):
      return try alternative(name, operation, emptyIsUnset: false)
    case UInt8(ascii: "#"), UInt8(ascii: "%"): return try trimmed(name, operation)
    case UInt8(ascii: "/"): return try replaced(name)
    default: throw .unsupportedModifier(String(UnicodeScalar(operation)))
    }
  }

  /// `${name-word}`, `${name+word}`, `${name?word}`, each also with a colon.
  private mutating func alternative(
    _ name: String, _ operation: UInt8, emptyIsUnset: Bool
  ) throws(ExpansionError) -> [UInt8] {
    let word = try scan(until: UInt8(ascii: "}"), keepsEscapes: false).text
    let value = variables[name]
    let isSet = value != nil && !(emptyIsUnset && value == "")
    switch operation {
    case UInt8(ascii: "-"): return isSet ? Array((value ?? "").utf8) : word
    case UInt8(ascii: "+"): return isSet ? word : []
    default:
      guard isSet else {
        let message = value == nil ? "is not allowed to be unset" : "is not allowed to be empty"
        throw .required(name: name, message: word.isEmpty ? message : String(decoding: word, as: UTF8.self))
      }
      return Array((value ?? "").utf8)
    }
  }

  /// `${name#pattern}`, `${name##pattern}`, `${name%pattern}`, `${name%%pattern}`.
  private mutating func trimmed(_ name: String, _ operation: UInt8) throws(ExpansionError) -> [UInt8] {
    var word = try scan(until: UInt8(ascii: "}"), keepsEscapes: true).text[...]
    let longest = word.first == operation
    if longest { word = word.dropFirst() }
    let pattern = try ShellPattern(String(decoding: word, as: UTF8.self))
    let value = variables[name] ?? ""
    return Array(
      (operation == UInt8(ascii: "#")
        ? pattern.removingPrefix(from: value, longest: longest) : pattern.removingSuffix(from: value, longest: longest)).utf8)
  }

  /// `${name/pattern/replacement}`, `${name//pattern/replacement}`.
  private mutating func replaced(_ name: String) throws(ExpansionError) -> [UInt8] {
    let all = next == UInt8(ascii: "/")
    if all { position += 1 }
    let word: [UInt8]
    do { word = try scan(until: UInt8(ascii: "/"), keepsEscapes: true).text } catch {
      throw error == .missingBrace ? .missingSlash : error
    }
    let replacement = try scan(until: UInt8(ascii: "}"), keepsEscapes: true).text
    let pattern = try ShellPattern(String(decoding: word, as: UTF8.self))
    let result = pattern.replacing(
      in: variables[name] ?? "", with: String(decoding: replacement, as: UTF8.self), all: all)
    return Array(result.utf8)
  }

  /// Digits, one special parameter, or letters, digits and underscores.
  private mutating func name() -> String {
    guard let first = next else { return "" }
    let start = position
    if isDigit(first) {
      while let byte = next, isDigit(byte) { position += 1 }
    } else if Array("@*#?-$!".utf8).contains(first) {
      position += 1
    } else {
      while let byte = next, isDigit(byte) || isLetter(byte) || byte == UInt8(ascii: "_") { position += 1 }
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }
}

/// The text, and the words that it makes: text splits at spaces, what was quoted does not.
private struct Words {
  private(set) var text: [UInt8] = []
  private var words: [[UInt8]] = []
  private var word: [UInt8] = []

  mutating func append(text added: [UInt8]) {
    text += added
    for byte in added {
      if !isSpace(byte) {
        word.append(byte)
      } else if !word.isEmpty {
        words.append(word)
        word = []
      }
    }
  }

  mutating func append(quoted added: [UInt8]) {
    text += added
    word += added
  }

  func finish() -> (text: [UInt8], words: [[UInt8]]) { (text, word.isEmpty ? words : words + [word]) }
}

func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

func isLetter(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
}
