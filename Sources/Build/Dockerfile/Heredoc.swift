/// Lines below an instruction, up to one that is its name. (Dockerfile reference, Here-Documents)
public struct Heredoc: Hashable, Sendable {
  public var name: String
  /// `<<-`: tabs at the beginning of lines are not content.
  public var stripsTabs: Bool
  /// The name had no quotes: variables in the content are filled in.
  public var expands: Bool
  /// As it stands in the file, newlines included.
  public var content: String

  /// The content without what `<<-` strips.
  public var text: String {
    guard stripsTabs else { return content }
    var result: [UInt8] = []
    var atStart = true
    for byte in content.utf8 {
      if atStart, byte == UInt8(ascii: "\t") { continue }
      result.append(byte)
      atStart = byte == UInt8(ascii: "\n")
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// Parses `<<NAME`, `<<-NAME`, `3<<NAME`, with or without quotes; nil where the word is none of these.
  init?(word: String) {
    var rest = word.utf8.drop { isDigit($0) }
    guard rest.starts(with: "<<".utf8) else { return nil }
    rest = rest.dropFirst(2)
    stripsTabs = rest.first == UInt8(ascii: "-")
    if stripsTabs { rest = rest.dropFirst() }
    guard !rest.isEmpty, !rest.contains(UInt8(ascii: "<")) else { return nil }
    let written = String(decoding: rest, as: UTF8.self)
    var raw = ShellLexer()
    raw.keepsQuotes = true
    raw.keepsEscapes = true
    raw.ignoresVariables = true
    var resolving = ShellLexer()
    resolving.ignoresVariables = true
    guard let plain = try? resolving.words(written, [:]), plain.count == 1, let name = plain.first,
      let quoted = try? raw.words(written, [:]), quoted.count == 1
    else { return nil }
    self.name = name
    expands = quoted[0] == name
    content = ""
  }

  /// Those that a line announces, in order.
  static func announced(in line: String) -> [Heredoc] {
    let sign = UInt8(ascii: "<")
    guard zip(line.utf8, line.utf8.dropFirst()).contains(where: { $0 == sign && $1 == sign }) else { return [] }
    var lexer = ShellLexer()
    lexer.keepsQuotes = true
    lexer.keepsEscapes = true
    lexer.ignoresVariables = true
    // A shell's own syntax need not be ours: quotes that do not close announce nothing.
    guard let words = try? lexer.words(line, [:]) else { return [] }
    return words.compactMap { Heredoc(word: $0) }
  }
}
