/// Composer's order of versions: normalised to four numbers, then as PHP's version_compare has it. (composer/semver)
enum ComposerVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    let left = parts(left)
    let right = parts(right)
    for index in 0..<max(left.count, right.count) {
      // The end stands for a release.
      guard index < left.count else { return -rank(right[index], againstEnd: true) }
      guard index < right.count else { return rank(left[index], againstEnd: true) }
      let isNumber = (left[index].first?.isDigit ?? false, right[index].first?.isDigit ?? false)
      let parts =
        isNumber == (true, true)
        ? orderNumbers(left[index], right[index]) : order(rank(left[index]), rank(right[index]))
      if parts != 0 { return parts }
    }
    return 0
  }

  /// Words that announce a version below 0, a number 0, a patch above it.
  private static func rank(_ part: Bytes, againstEnd: Bool = false) -> Int {
    if part.first?.isDigit ?? false { return againstEnd ? 1 : 0 }
    return switch String(decoding: part, as: UTF8.self) {
    case "dev": -4
    case "alpha", "a": -3
    case "beta", "b": -2
    case "rc": -1
    case "patch", "pl", "p": 1
    default: -5
    }
  }

  private static func parts(_ version: [UInt8]) -> [Bytes] {
    var rest = version.map(\.lowercase)[...].prefix { $0 != UInt8(ascii: "+") }
    if rest.first == UInt8(ascii: "v") { rest = rest.dropFirst() }
    var parts: [Bytes] = []
    while let first = rest.first {
      if first.isDigit {
        parts.append(rest.take(while: \.isDigit))
      } else if first.isLetter {
        let word = rest.take(while: \.isLetter)
        // A release may say so.
        if !word.elementsEqual("stable".utf8) { parts.append(word) }
      } else {
        rest = rest.dropFirst()
      }
    }
    let numbers = parts.prefix { $0.first?.isDigit ?? false }.count
    if numbers < 4 { parts.insert(contentsOf: Array(repeating: [0x30], count: 4 - numbers), at: numbers) }
    return parts
  }
}
