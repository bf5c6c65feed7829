public enum GlobError: Error, Hashable, Sendable, CustomStringConvertible {
  case malformed(String)

  public var description: String {
    switch self {
    case .malformed(let pattern): "\"\(pattern)\" is not a pattern: a [ is not closed, or it ends in a backslash"
    }
  }
}

/// A pattern for paths: `*` and `?` do not match `/`, `[a-z]` and `[^a-z]` are classes, which may, `\` makes the next one plain
/// (Go, filepath.Match), and where it is asked for `**` is any number of directories (moby, patternmatcher).
public struct Glob: Hashable, Sendable {
  private enum Token: Hashable, Sendable {
    case byte(UInt8)
    case star
    case one
    case set([ClosedRange<UInt32>], negated: Bool)
    /// `**` in front of something: nothing, or anything up to a `/`.
    case directories
    /// `**` at the end.
    case everything
  }

  private let tokens: [Token]

  /// Whether the text is more than a plain path.
  public static func hasWildcards(_ text: String) -> Bool {
    var isEscaped = false
    for byte in text.utf8 {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if Array("*?[".utf8).contains(byte) {
        return true
      }
    }
    return false
  }

  public init(_ pattern: String, crossesDirectories: Bool = false) throws(GlobError) {
    var tokens: [Token] = []
    var rest = pattern.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "*":
        guard crossesDirectories, rest.first == "*" else {
          tokens.append(.star)
          continue
        }
        rest.removeFirst()
        if rest.first == "/" { rest.removeFirst() }
        tokens.append(rest.isEmpty ? .everything : .directories)
      case "?": tokens.append(.one)
      case "[": tokens.append(try Self.set(&rest, pattern))
      case "\\":
        guard let escaped = rest.popFirst() else { throw .malformed(pattern) }
        tokens += String(escaped).utf8.map { .byte($0) }
      default: tokens += String(scalar).utf8.map { .byte($0) }
      }
    }
    self.tokens = tokens
  }

  private static func set(_ rest: inout Substring.UnicodeScalarView, _ pattern: String) throws(GlobError) -> Token {
    var ranges: [ClosedRange<UInt32>] = []
    let negated = rest.first == "^"
    if negated { rest.removeFirst() }
    while true {
      if rest.first == "]", !ranges.isEmpty {
        rest.removeFirst()
        return .set(ranges, negated: negated)
      }
      let low = try member(&rest, pattern)
      var high = low
      if rest.first == "-" {
        rest.removeFirst()
        high = try member(&rest, pattern)
      }
      // A range that is upside down has no members, and is no error.
      if low <= high { ranges.append(low...high) } else { ranges.append(UInt32.max...UInt32.max) }
    }
  }

  private static func member(_ rest: inout Substring.UnicodeScalarView, _ pattern: String) throws(GlobError) -> UInt32 {
    guard var scalar = rest.popFirst(), scalar != "-", scalar != "]" else { throw .malformed(pattern) }
    if scalar == "\\" {
      guard let escaped = rest.popFirst() else { throw .malformed(pattern) }
      scalar = escaped
    }
    return scalar.value
  }

  public func matches(_ path: String) -> Bool {
    var path = path
    return path.withUTF8 { matches($0) }
  }

  private func matches(_ path: UnsafeBufferPointer<UInt8>) -> Bool {
    // Positions in the path that the tokens so far can have reached.
    var places = [Bool](repeating: false, count: path.count + 1)
    places[0] = true
    let slash = UInt8(ascii: "/")
    for token in tokens {
      var next = [Bool](repeating: false, count: path.count + 1)
      var isOpen = false
      var reached = false
      for index in 0...path.count {
        switch token {
        case .byte(let byte):
          if places[index], index < path.count, path[index] == byte { (next[index + 1], reached) = (true, true) }
        case .star:
          isOpen = isOpen || places[index]
          if isOpen { (next[index], reached) = (true, true) }
          if index < path.count, path[index] == slash { isOpen = false }
        case .one, .set:
          guard places[index], let (scalar, end) = Self.scalar(path, index), matches(token, scalar) else { continue }
          (next[end], reached) = (true, true)
        case .directories:
          if places[index] || (isOpen && index > 0 && path[index - 1] == slash) { (next[index], reached) = (true, true) }
          isOpen = isOpen || places[index]
        case .everything:
          isOpen = isOpen || places[index]
          if isOpen { (next[index], reached) = (true, true) }
        }
      }
      if !reached { return false }
      places = next
    }
    return places[path.count]
  }

  private func matches(_ token: Token, _ scalar: UInt32) -> Bool {
    guard case .set(let ranges, let negated) = token else { return scalar != 0x2f }
    return ranges.contains { $0.contains(scalar) } != negated
  }

  /// The character that begins at `index`; a byte that is no UTF-8 stands for itself.
  private static func scalar(_ path: UnsafeBufferPointer<UInt8>, _ index: Int) -> (UInt32, end: Int)? {
    guard index < path.count else { return nil }
    let first = path[index]
    let length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1
    guard length > 1, index + length <= path.count else { return (UInt32(first), index + 1) }
    var value = UInt32(first) & (0xff >> UInt32(length + 1))
    for offset in 1..<length { value = value << 6 | UInt32(path[index + offset] & 0x3f) }
    return (value, index + length)
  }
}
