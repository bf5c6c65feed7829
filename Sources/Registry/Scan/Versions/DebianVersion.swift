/// `[epoch:]upstream[-revision]`. (Debian Policy, 5.6.12)
enum DebianVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    let left = Parts(left)
    let right = Parts(right)
    let epochs = orderNumbers(left.epoch, right.epoch)
    if epochs != 0 { return epochs }
    let upstreams = part(left.upstream, right.upstream)
    return upstreams != 0 ? upstreams : part(left.revision, right.revision)
  }

  private struct Parts {
    var epoch: Bytes = []
    var upstream: Bytes
    var revision: Bytes = []

    init(_ version: [UInt8]) {
      upstream = version[...]
      if let colon = upstream.firstIndex(of: UInt8(ascii: ":")), upstream[..<colon].allSatisfy(\.isDigit) {
        epoch = upstream[..<colon]
        upstream = upstream[(colon + 1)...]
      }
      if let hyphen = upstream.lastIndex(of: UInt8(ascii: "-")) {
        revision = upstream[(hyphen + 1)...]
        upstream = upstream[..<hyphen]
      }
    }
  }

  /// Alternates between what is no digit, by letters before others and `~` before the end, and numbers.
  private static func part(_ left: Bytes, _ right: Bytes) -> Int {
    var left = left
    var right = right
    while !left.isEmpty || !right.isEmpty {
      while left.first.map({ !$0.isDigit }) ?? false || right.first.map({ !$0.isDigit }) ?? false {
        let weights = order(weight(left.first), weight(right.first))
        if weights != 0 { return weights }
        left = left.dropFirst()
        right = right.dropFirst()
      }
      let numbers = orderNumbers(left.take(while: \.isDigit), right.take(while: \.isDigit))
      if numbers != 0 { return numbers }
    }
    return 0
  }

  private static func weight(_ byte: UInt8?) -> Int {
    guard let byte, !byte.isDigit else { return 0 }
    if byte == UInt8(ascii: "~") { return -1 }
    return byte.isLetter ? Int(byte) : Int(byte) + 256
  }
}
