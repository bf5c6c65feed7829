/// RubyGems' order of versions. (RubyGems, Gem::Version)
enum GemVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    let left = segments(left)
    let right = segments(right)
    for index in 0..<max(left.count, right.count) {
      let leftSegment = index < left.count ? left[index] : [0x30]
      let rightSegment = index < right.count ? right[index] : [0x30]
      let segments =
        switch (leftSegment.first?.isDigit ?? false, rightSegment.first?.isDigit ?? false) {
        case (true, true): orderNumbers(leftSegment, rightSegment)
        // Letters announce a version.
        case (true, false): 1
        case (false, true): -1
        case (false, false): orderBytes(leftSegment, rightSegment)
        }
      if segments != 0 { return segments }
    }
    return 0
  }

  /// Runs of digits and of letters, a hyphen read as `.pre.`, without zeros at the end and before the first letters.
  private static func segments(_ version: [UInt8]) -> [Bytes] {
    var text: [UInt8] = []
    for byte in version { if byte == UInt8(ascii: "-") { text += ".pre.".utf8 } else { text.append(byte) } }
    var rest = text[...]
    var numbers: [Bytes] = []
    var announced: [Bytes] = []
    while let first = rest.first {
      if first.isDigit || first.isLetter {
        let segment = first.isDigit ? rest.take(while: \.isDigit) : rest.take(while: \.isLetter)
        if announced.isEmpty, first.isDigit { numbers.append(segment) } else { announced.append(segment) }
      } else {
        rest = rest.dropFirst()
      }
    }
    return withoutZeros(numbers) + withoutZeros(announced)
  }

  private static func withoutZeros(_ segments: [Bytes]) -> [Bytes] {
    var segments = segments
    while let last = segments.last, last.allSatisfy({ $0 == 0x30 }) { segments.removeLast() }
    return segments
  }
}
