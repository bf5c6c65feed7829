/// `[epoch:]version[-release]`. (rpm, rpmvercmp; tildes sort before the end, carets after it)
enum RPMVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    let left = Parts(left)
    let right = Parts(right)
    let epochs = orderNumbers(left.epoch, right.epoch)
    if epochs != 0 { return epochs }
    let versions = part(left.version, right.version)
    if versions != 0 { return versions }
    // A version without a release stands for all of them.
    guard let leftRelease = left.release, let rightRelease = right.release else { return 0 }
    return part(leftRelease, rightRelease)
  }

  private struct Parts {
    var epoch: Bytes = []
    var version: Bytes
    var release: Bytes?

    init(_ text: [UInt8]) {
      version = text[...]
      if let colon = version.firstIndex(of: UInt8(ascii: ":")), version[..<colon].allSatisfy(\.isDigit) {
        epoch = version[..<colon]
        version = version[(colon + 1)...]
      }
      if let hyphen = version.lastIndex(of: UInt8(ascii: "-")) {
        release = version[(hyphen + 1)...]
        version = version[..<hyphen]
      }
    }
  }

  private static func part(_ left: Bytes, _ right: Bytes) -> Int {
    if left == right { return 0 }
    var left = left
    var right = right
    func isSeparator(_ byte: UInt8) -> Bool {
      !byte.isDigit && !byte.isLetter && byte != UInt8(ascii: "~") && byte != UInt8(ascii: "^")
    }
    while !left.isEmpty || !right.isEmpty {
      left = left.drop(while: isSeparator)
      right = right.drop(while: isSeparator)
      let tildes = (left.first == UInt8(ascii: "~"), right.first == UInt8(ascii: "~"))
      if tildes.0 || tildes.1 {
        if !tildes.0 { return 1 }
        if !tildes.1 { return -1 }
        left = left.dropFirst()
        right = right.dropFirst()
        continue
      }
      let carets = (left.first == UInt8(ascii: "^"), right.first == UInt8(ascii: "^"))
      if carets.0 || carets.1 {
        // A caret is newer than the end, and older than anything else.
        if left.isEmpty { return -1 }
        if right.isEmpty { return 1 }
        if !carets.0 { return 1 }
        if !carets.1 { return -1 }
        left = left.dropFirst()
        right = right.dropFirst()
        continue
      }
      guard let first = left.first, !right.isEmpty else { break }
      let kind: (UInt8) -> Bool = first.isDigit ? \.isDigit : \.isLetter
      let leftSegment = left.take(while: kind)
      let rightSegment = right.take(while: kind)
      // A number is newer than letters.
      if rightSegment.isEmpty { return first.isDigit ? 1 : -1 }
      let segments = first.isDigit ? orderNumbers(leftSegment, rightSegment) : orderBytes(leftSegment, rightSegment)
      if segments != 0 { return segments }
    }
    return order(left.isEmpty ? 0 : 1, right.isEmpty ? 0 : 1)
  }
}
