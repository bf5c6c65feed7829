/// Semantic Versioning 2.0.0, 11, taken broadly: a `v` in front, any count of numbers. npm, crates.io, Go and Swift.
enum SemanticVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    let left = Parts(left)
    let right = Parts(right)
    for index in 0..<max(left.numbers.count, right.numbers.count) {
      let numbers = orderFields(
        index < left.numbers.count ? left.numbers[index] : [0x30],
        index < right.numbers.count ? right.numbers[index] : [0x30])
      if numbers != 0 { return numbers }
    }
    // A version that is announced comes before it.
    if left.prerelease.isEmpty || right.prerelease.isEmpty {
      return order(left.prerelease.isEmpty ? 1 : 0, right.prerelease.isEmpty ? 1 : 0)
    }
    for (leftField, rightField) in zip(left.prerelease, right.prerelease) {
      let fields = orderFields(leftField, rightField)
      if fields != 0 { return fields }
    }
    return order(left.prerelease.count, right.prerelease.count)
  }

  private struct Parts {
    var numbers: [Bytes]
    var prerelease: [Bytes] = []

    init(_ version: [UInt8]) {
      var text = version[...].drop { $0 == UInt8(ascii: "v") || $0 == UInt8(ascii: "=") }
      text = text.prefix { $0 != UInt8(ascii: "+") }
      if let hyphen = text.firstIndex(of: UInt8(ascii: "-")) {
        prerelease = text[(hyphen + 1)...].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        text = text[..<hyphen]
      }
      numbers = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    }
  }

  /// Numbers by value and before words, words by their bytes.
  private static func orderFields(_ left: Bytes, _ right: Bytes) -> Int {
    let isNumber = (left.allSatisfy(\.isDigit), right.allSatisfy(\.isDigit))
    return switch isNumber {
    case (true, true): orderNumbers(left, right)
    case (true, false): -1
    case (false, true): 1
    case (false, false): orderBytes(left, right)
    }
  }
}
