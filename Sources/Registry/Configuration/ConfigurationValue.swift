public import SystemPackage

/// A value that a configuration may hold, written as one word or line.
public protocol ConfigurationValue: Sendable {
  /// nil where the text is none of its kind.
  init?(configuration text: String)
  /// As it is written in a file.
  var configurationText: String { get }
  /// What it must be, as an error ends: "true or false".
  static var expected: String { get }
}

extension String: ConfigurationValue {
  public init?(configuration text: String) { self = text }
  public var configurationText: String { self }
  public static var expected: String { "a text" }
}

extension Bool: ConfigurationValue {
  public init?(configuration text: String) {
    switch text {
    case "true": self = true
    case "false": self = false
    default: return nil
    }
  }
  public var configurationText: String { description }
  public static var expected: String { "true or false" }
}

extension Int: ConfigurationValue {
  /// Not negative: no setting counts below nothing.
  public init?(configuration text: String) {
    guard let number = Int(text), number >= 0 else { return nil }
    self = number
  }
  public var configurationText: String { description }
  public static var expected: String { "a whole number" }
}

extension Double: ConfigurationValue {
  public init?(configuration text: String) {
    guard let number = Double(text), number >= 0, number.isFinite else { return nil }
    self = number
  }
  public var configurationText: String { description }
  public static var expected: String { "a number" }
}

extension FilePath: ConfigurationValue {
  public init?(configuration text: String) {
    guard !text.isEmpty, !text.utf8.contains(0) else { return nil }
    self.init(text)
  }
  public var configurationText: String { string }
  public static var expected: String { "a path" }
}

extension ConfigurationValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  public init?(configuration text: String) { self.init(rawValue: text) }
  public var configurationText: String { rawValue }
  public static var expected: String {
    let words = allCases.map(\.rawValue)
    return words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
  }
}

/// A span of time: `250ms`, `30s`, `5m`, `12h`, `7d`.
public struct TimeSpan: ConfigurationValue, Hashable, Comparable {
  public var milliseconds: Int64

  public init(milliseconds: Int64) { self.milliseconds = milliseconds }
  public static func seconds(_ count: Int64) -> TimeSpan { TimeSpan(milliseconds: count * 1000) }

  private static let units: [(String, Int64)] = [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1000)]

  public init?(configuration text: String) {
    if text == "0" {
      milliseconds = 0
      return
    }
    guard let (unit, size) = Self.units.first(where: { text.hasSuffix($0.0) }),
      let number = Int64(text.dropLast(unit.count)), number >= 0, number <= 1 << 40
    else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: size)
    guard !overflow else { return nil }
    milliseconds = product
  }

  public var configurationText: String {
    if milliseconds == 0 { return "0" }
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] as [(String, Int64)]
    where milliseconds % size == 0 {
      return "\(milliseconds / size)\(unit)"
    }
    return "\(milliseconds)ms"
  }
  public static var expected: String { "a time such as 250ms, 30s, 5m, 12h or 7d" }

  public var duration: Duration { .milliseconds(milliseconds) }

  public static func < (left: TimeSpan, right: TimeSpan) -> Bool { left.milliseconds < right.milliseconds }
}

/// A number of bytes: `512`, `64KiB`, `10GB`.
public struct ByteCount: ConfigurationValue, Hashable, Comparable {
  public var bytes: Int64

  public init(_ bytes: Int64) { self.bytes = bytes }

  private static let units: [(String, Int64)] = [
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("kB", 1000), ("KB", 1000), ("MB", 1_000_000),
    ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
  ]

  public init?(configuration text: String) {
    let (unit, size) = Self.units.first { text.hasSuffix($0.0) } ?? ("", 1)
    guard let number = Int64(text.dropLast(unit.count)), number >= 0 else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: size)
    guard !overflow else { return nil }
    bytes = product
  }

  public var configurationText: String {
    let fitting = Self.units.filter { bytes % $0.1 == 0 && bytes / $0.1 > 0 }
    guard let (unit, size) = fitting.max(by: { $0.1 < $1.1 }), size > 1 else { return "\(bytes)" }
    return "\(bytes / size)\(unit)"
  }
  public static var expected: String { "a number of bytes such as 512, 64KiB or 10GB" }

  public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}
