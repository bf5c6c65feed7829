/// `digits{.digits}[letter]{_suffix[digits]}[~commit][-rdigits]`. (apk-tools 3, apk-package(5))
enum AlpineVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var left = Tokens(rest: left[...])
    var right = Tokens(rest: right[...])
    while true {
      let leftToken = left.next()
      let rightToken = right.next()
      guard leftToken.kind == rightToken.kind else {
        // What is longer is newer, but for a suffix that announces a version.
        if leftToken.announces { return -1 }
        if rightToken.announces { return 1 }
        return order(rightToken.kind.rawValue, leftToken.kind.rawValue)
      }
      if leftToken.kind == .end { return 0 }
      let values = leftToken.order(against: rightToken)
      if values != 0 { return values }
    }
  }

  private enum Kind: Int { case first, digits, letter, suffix, suffixNumber, commit, revision, end }

  private struct Token {
    var kind: Kind
    var text: Bytes = []

    /// Suffixes before the version that they belong to, the version itself (0), those after it.
    private static let suffixes = [
      "alpha": -4, "beta": -3, "pre": -2, "rc": -1, "cvs": 1, "svn": 2, "git": 3, "hg": 4, "p": 5,
    ]

    private var rank: Int { Self.suffixes[String(decoding: text, as: UTF8.self)] ?? 0 }

    var announces: Bool { kind == .suffix && rank < 0 }

    func order(against other: Token) -> Int {
      switch kind {
      // As Gentoo has it: with a zero in front, digits are a fraction's.
      case .digits where text.first == UInt8(ascii: "0") || other.text.first == UInt8(ascii: "0"):
        return orderBytes(text, other.text)
      case .first, .digits, .suffixNumber, .revision: return orderNumbers(text, other.text)
      case .suffix: return Scanning.order(rank, other.rank)
      case .letter, .commit, .end: return orderBytes(text, other.text)
      }
    }
  }

  private struct Tokens {
    var rest: Bytes
    var last: Kind?

    /// The end where nothing more, or nothing that may stand here, follows.
    mutating func next() -> Token {
      let token = read() ?? Token(kind: .end)
      // Each part stands once and in its place, but for digits after dots and further suffixes.
      if let last, token.kind.rawValue <= last.rawValue, token.kind != .end {
        let repeats =
          token.kind == .digits && last == .digits
          || token.kind == .suffix && (last == .suffix || last == .suffixNumber)
        if !repeats {
          rest = []
          return Token(kind: .end)
        }
      }
      last = token.kind
      return token
    }

    private mutating func read() -> Token? {
      guard let first = rest.first else { return nil }
      guard last != nil else { return first.isDigit ? Token(kind: .first, text: rest.take(while: \.isDigit)) : nil }
      switch first {
      case UInt8(ascii: "."):
        rest = rest.dropFirst()
        let digits = rest.take(while: \.isDigit)
        return digits.isEmpty ? nil : Token(kind: .digits, text: digits)
      case UInt8(ascii: "_"):
        rest = rest.dropFirst()
        return Token(kind: .suffix, text: rest.take(while: \.isLowercase))
      case UInt8(ascii: "~"):
        rest = rest.dropFirst()
        return Token(kind: .commit, text: rest.take { $0.isDigit || (0x61...0x66).contains($0) })
      case UInt8(ascii: "-"):
        guard rest.dropFirst().first == UInt8(ascii: "r") else { return nil }
        rest = rest.dropFirst(2)
        return Token(kind: .revision, text: rest.take(while: \.isDigit))
      case _ where first.isDigit: return Token(kind: .suffixNumber, text: rest.take(while: \.isDigit))
      case _ where first.isLowercase:
        defer { rest = rest.dropFirst() }
        return Token(kind: .letter, text: rest.prefix(1))
      default: return nil
      }
    }
  }
}
