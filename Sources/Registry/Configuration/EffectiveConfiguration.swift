/// A setting as it holds.
public struct EffectiveSetting: Hashable, Sendable {
  public let section: String
  public let key: String
  /// Empty where nothing is set.
  public let values: [String]
  /// A file's line, a variable, a flag, or `default`.
  public let place: String
  public let isSecret: Bool
  /// Whether a running server takes a change in.
  public let isLive: Bool
  public let isList: Bool

  public var name: String { "\(section).\(key)" }
}

/// All settings of a server and where each comes from.
public struct EffectiveConfiguration: Hashable, Sendable {
  public let settings: [EffectiveSetting]

  public init(settings: [EffectiveSetting]) { self.settings = settings }

  /// YAML that a server would read the same settings from, secrets masked. Each line ends with where the value comes from.
  public func text() -> String {
    var text = ""
    var section = ""
    for setting in settings {
      if setting.section != section {
        section = setting.section
        // An entry of a list is shown by its place in it.
        text += section.contains("[") ? "# \(section)\n" : "\(section):\n"
      }
      let values = setting.isSecret ? setting.values.map { _ in "********" } : setting.values
      let shown =
        setting.isList ? "[\(values.map(Self.quoted).joined(separator: ", "))]" : values.first.map(Self.quoted) ?? "null"
      text += "\(section.contains("[") ? "#" : " ") \(setting.key): \(shown)  # \(setting.place)\n"
    }
    return text
  }

  /// What differs from `other`, which was before: names of settings that a running server takes in, and of those that it
  /// does not.
  public func changes(from other: EffectiveConfiguration) -> (live: [String], restart: [String]) {
    let before = Dictionary(other.settings.map { ($0.name, $0) }) { $1 }
    let now = Dictionary(settings.map { ($0.name, $0) }) { $1 }
    var live: [String] = [], restart: [String] = []
    for name in Set(before.keys).union(now.keys).sorted() {
      guard before[name]?.values != now[name]?.values else { continue }
      if (now[name] ?? before[name])?.isLive == true { live.append(name) } else { restart.append(name) }
    }
    return (live, restart)
  }

  /// In double quotes where YAML could take it for something else.
  private static func quoted(_ value: String) -> String {
    let isPlain =
      value.utf8.first.map { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "/") || value.utf8.count > 1 } == true
      && !["null", "~"].contains(value)
      && value.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "-_./+=@".utf8.contains(byte)
        }
      }
    if isPlain { return value }
    var result = "\""
    for scalar in value.unicodeScalars {
      switch scalar.value {
      case 0x22: result += "\\\""
      case 0x5c: result += "\\\\"
      case 0..<0x20, 0x7f..<0xa0:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
