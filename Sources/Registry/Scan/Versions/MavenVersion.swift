/// Maven's order of versions. (Maven, ComparableVersion; POM reference, Version Order Specification)
///
/// A hyphen, and a change between digits and letters, begin a list inside the one before.
enum MavenVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int { parsed(left).order(against: parsed(right)) }

  private indirect enum Item {
    case number(Bytes)
    case word(Bytes)
    case list([Item])

    /// What says no more than nothing: zero, a release's words, an empty list.
    var isNull: Bool {
      switch self {
      case .number(let digits): digits.allSatisfy { $0 == 0x30 }
      case .word(let text): MavenVersion.rank(text) == MavenVersion.releaseRank
      case .list(let items): items.isEmpty
      }
    }

    /// Against nothing where `other` is left out.
    func order(against other: Item?) -> Int {
      switch (self, other) {
      case (.number, nil): isNull ? 0 : 1
      case (.number(let left), .number(let right)): orderNumbers(left, right)
      case (.number, _): 1
      case (.word(let text), nil): Scanning.order(MavenVersion.rank(text), MavenVersion.releaseRank)
      case (.word(let left), .word(let right)): MavenVersion.orderWords(left, right)
      case (.word, _): -1
      case (.list(let items), nil): items.lazy.map { $0.order(against: nil) }.first { $0 != 0 } ?? 0
      case (.list, .number): -1
      case (.list, .word): 1
      case (.list(let left), .list(let right)): Self.order(left, right)
      }
    }

    private static func order(_ left: [Item], _ right: [Item]) -> Int {
      for index in 0..<max(left.count, right.count) {
        let items =
          index < left.count
          ? left[index].order(against: index < right.count ? right[index] : nil) : -right[index].order(against: nil)
        if items != 0 { return items }
      }
      return 0
    }
  }

  private static let ranks = [
    "alpha": 0, "beta": 1, "milestone": 2, "rc": 3, "cr": 3, "snapshot": 4, "": 5, "final": 5, "ga": 5, "release": 5,
    "sp": 6,
  ]
  private static let releaseRank = 5
  private static let unknownRank = 7

  private static func rank(_ text: Bytes) -> Int { ranks[String(decoding: text, as: UTF8.self)] ?? unknownRank }

  private static func orderWords(_ left: Bytes, _ right: Bytes) -> Int {
    let ranks = order(rank(left), rank(right))
    return ranks != 0 || rank(left) != unknownRank ? ranks : orderBytes(left, right)
  }

  private static func parsed(_ version: [UInt8]) -> Item {
    var rest = version.map(\.lowercase)[...]
    // Each list is the last item of the one before it.
    var lists: [[Item]] = [[]]
    while !rest.isEmpty {
      let isNumber = rest.first?.isDigit ?? false
      let text = rest.take { byte in
        byte.isDigit == isNumber && byte != UInt8(ascii: ".") && byte != UInt8(ascii: "-")
      }
      let next = rest.first
      let isSeparated = next == UInt8(ascii: ".") || next == UInt8(ascii: "-")
      // A word at the end or before a number counts as one after a hyphen. (MNG-7644)
      if !text.isEmpty, !isNumber, !isSeparated, lists.last?.isEmpty == false { lists.append([]) }
      let item: Item =
        text.isEmpty || isNumber ? .number(text) : .word(word(text, isBeforeNumber: next?.isDigit ?? false))
      lists[lists.count - 1].append(item)
      if next != nil, next != UInt8(ascii: ".") { lists.append([]) }
      if isSeparated { rest = rest.dropFirst() }
    }
    var inner: [Item]?
    for list in lists.reversed() { inner = normal(list + (inner.map { [.list($0)] } ?? [])) }
    return .list(inner ?? [])
  }

  /// `a1`, `b1` and `m1` are short for alpha, beta and milestone.
  private static func word(_ text: Bytes, isBeforeNumber: Bool) -> Bytes {
    guard isBeforeNumber, text.count == 1 else { return text }
    return switch text.first {
    case UInt8(ascii: "a"): Array("alpha".utf8)[...]
    case UInt8(ascii: "b"): Array("beta".utf8)[...]
    case UInt8(ascii: "m"): Array("milestone".utf8)[...]
    default: text
    }
  }

  /// Without what says nothing at the end and before a list.
  private static func normal(_ items: [Item]) -> [Item] {
    var items = items
    for index in items.indices.reversed() {
      if items[index].isNull {
        items.remove(at: index)
      } else if case .list = items[index] {
        continue
      } else {
        break
      }
    }
    return items
  }
}
