/// Maven's order of versions. (Maven, POM reference, Version Order Specification)
enum MavenVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    let left = tokens(left)
    let right = tokens(right)
    for index in 0..<max(left.count, right.count) {
      let leftToken = index < left.count ? left[index] : padding(for: right[index])
      let rightToken = index < right.count ? right[index] : padding(for: left[index])
      let tokens = leftToken.order(against: rightToken)
      if tokens != 0 { return tokens }
    }
    return 0
  }

  private struct Token {
    var isAfterHyphen: Bool
    var text: Bytes

    var isNumber: Bool { text.first?.isDigit ?? false }
    /// `0`, the empty word and what means the same.
    var isNull: Bool { isNumber ? text.allSatisfy { $0 == 0x30 } : MavenVersion.rank(text) == MavenVersion.releaseRank }

    func order(against other: Token) -> Int {
      switch (isNumber, other.isNumber) {
      case (true, true):
        // A number after a hyphen is older than one after a dot.
        return isAfterHyphen == other.isAfterHyphen ? orderNumbers(text, other.text) : isAfterHyphen ? -1 : 1
      case (true, false): return 1
      case (false, true): return -1
      case (false, false):
        let ranks = Scanning.order(MavenVersion.rank(text), MavenVersion.rank(other.text))
        return ranks != 0 || MavenVersion.rank(text) != MavenVersion.unknownRank ? ranks : orderBytes(text, other.text)
      }
    }
  }

  private static let ranks = [
    "alpha": 0, "beta": 1, "milestone": 2, "rc": 3, "cr": 3, "snapshot": 4, "": 5, "final": 5, "ga": 5, "release": 5, "sp": 6,
  ]
  private static let releaseRank = 5
  private static let unknownRank = 7

  private static func rank(_ text: Bytes) -> Int { ranks[String(decoding: text, as: UTF8.self)] ?? unknownRank }

  private static func padding(for token: Token) -> Token {
    Token(isAfterHyphen: token.isAfterHyphen, text: token.isAfterHyphen || !token.isNumber ? [] : [0x30])
  }

  private static func tokens(_ version: [UInt8]) -> [Token] {
    var tokens: [Token] = []
    var rest = version.map(\.lowercase)[...]
    var isAfterHyphen = false
    while true {
      let text = rest.first?.isDigit == true
        ? rest.take(while: \.isDigit)
        : rest.take { !$0.isDigit && $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "-") }
      let next = rest.first
      let isBeforeNumber = next?.isDigit ?? false
      tokens.append(Token(isAfterHyphen: isAfterHyphen, text: text.isEmpty ? [0x30] : word(text, isBeforeNumber)))
      guard let next else { break }
      // A change between digits and letters is a hyphen.
      isAfterHyphen = next != UInt8(ascii: ".")
      if next == UInt8(ascii: ".") || next == UInt8(ascii: "-") { rest = rest.dropFirst() }
    }
    return trimmed(tokens)
  }

  /// `a1`, `b1` and `m1` are short for alpha, beta and milestone.
  private static func word(_ text: Bytes, _ isBeforeNumber: Bool) -> Bytes {
    guard isBeforeNumber, text.count == 1 else { return text }
    return switch text.first {
    case UInt8(ascii: "a"): Array("alpha".utf8)[...]
    case UInt8(ascii: "b"): Array("beta".utf8)[...]
    case UInt8(ascii: "m"): Array("milestone".utf8)[...]
    default: text
    }
  }

  /// Without nulls at the end and before each hyphen.
  private static func trimmed(_ tokens: [Token]) -> [Token] {
    var kept: [Token] = []
    for token in tokens.reversed() {
      if token.isNull, kept.last?.isAfterHyphen ?? true { continue }
      kept.append(token)
    }
    return kept.reversed()
  }
}
