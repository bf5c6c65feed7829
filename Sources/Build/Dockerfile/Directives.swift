/// The `# name=value` lines at the very beginning of a Dockerfile. (Dockerfile reference, Parser directives)
public struct Directives: Hashable, Sendable {
  /// The frontend that the file was written for; always one of Docker's own.
  public var syntax: String?
  public var escape: UInt8 = UInt8(ascii: "\\")
  /// `skip=A,B;error=true`, as written.
  public var check: String?

  init() {}

  /// Reads one line. False: it is not a directive, and none can follow.
  mutating func read(_ line: Substring.UTF8View, at location: SourceRange) throws(DockerfileError) -> Bool {
    guard let (name, value) = Self.split(line) else { return false }
    switch name {
    case "syntax":
      guard syntax == nil else { throw DockerfileError(.malformed("only one syntax directive can be used"), at: location) }
      try Self.check(syntax: value, at: location)
      syntax = value
    case "escape":
      guard escapeLine == nil else { throw DockerfileError(.malformed("only one escape directive can be used"), at: location) }
      guard value == "\\" || value == "`", let byte = value.utf8.first else {
        throw DockerfileError(.malformed("invalid escape directive \"\(value)\": it must be ` or \\"), at: location)
      }
      escape = byte
      escapeLine = location.firstLine
    case "check":
      guard check == nil else { throw DockerfileError(.malformed("only one check directive can be used"), at: location) }
      try Self.check(checks: value, at: location)
      check = value
    default: return false
    }
    return true
  }

  private var escapeLine: Int?

  /// `#`, spaces, a name, `=`, a value; spaces around each.
  private static func split(_ line: Substring.UTF8View) -> (name: String, value: String)? {
    guard line.first == UInt8(ascii: "#") else { return nil }
    let rest = line.dropFirst().drop(while: isSpace)
    let name = rest.prefix { isLetter($0) || isDigit($0) }
    guard let first = name.first, isLetter(first) else { return nil }
    let after = rest[name.endIndex...].drop(while: isSpace)
    guard after.first == UInt8(ascii: "=") else { return nil }
    let value = trimmed(after.dropFirst())
    guard !value.isEmpty else { return nil }
    return (String(decoding: name, as: UTF8.self).lowercased(), String(decoding: value, as: UTF8.self))
  }

  /// Another frontend is another language: building its file as a Dockerfile would make something else of it.
  private static func check(syntax: String, at location: SourceRange) throws(DockerfileError) {
    let repository = syntax.split(separator: "/").last.map { $0.prefix { $0 != ":" && $0 != "@" } }
    guard repository == "dockerfile" || repository == "dockerfile-upstream" else {
      throw DockerfileError(.unsupported("the frontend \"\(syntax.prefix(100))\" of the syntax directive"), at: location)
    }
  }

  /// Names of checks are not looked at: a newer frontend may know more of them.
  private static func check(checks: String, at location: SourceRange) throws(DockerfileError) {
    for option in checks.split(separator: ";") {
      let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        .map { String(decoding: trimmed($0.utf8), as: UTF8.self) }
      switch (parts[0], parts.count == 2 ? parts[1] : nil) {
      case ("skip", _?), ("experimental", _?): continue
      case ("error", let value?) where ["true", "false", "1", "0"].contains(value.lowercased()): continue
      default: throw DockerfileError(.malformed("invalid check directive: \"\(option)\""), at: location)
      }
    }
  }
}

/// Without spaces at both ends.
func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
  var text = text.drop(while: isSpace)
  while let last = text.last, isSpace(last) { text = text.dropLast() }
  return text
}

func trimmed(_ text: String) -> String { String(decoding: trimmed(text[...].utf8), as: UTF8.self) }
