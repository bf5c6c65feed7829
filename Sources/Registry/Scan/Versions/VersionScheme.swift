/// How the versions of one kind of package are ordered. Each is its packaging system's own.
public enum VersionScheme: String, Sendable, CaseIterable {
  case debian, alpine, rpm, semantic, python, maven, gem, composer

  /// Negative where `left` is the older one, 0 where they are equal, positive where it is the newer one.
  ///
  /// A text that is no version of the scheme has a place in the order, too: what a hostile image says is compared, never
  /// trusted.
  public func compare(_ left: String, _ right: String) -> Int {
    let left = Array(left.utf8.prefix(Self.lengthLimit))
    let right = Array(right.utf8.prefix(Self.lengthLimit))
    return switch self {
    case .debian: DebianVersion.compare(left, right)
    case .alpine: AlpineVersion.compare(left, right)
    case .rpm: RPMVersion.compare(left, right)
    case .semantic: SemanticVersion.compare(left, right)
    case .python: PythonVersion.compare(left, right)
    case .maven: MavenVersion.compare(left, right)
    case .gem: GemVersion.compare(left, right)
    case .composer: ComposerVersion.compare(left, right)
    }
  }

  /// Bytes of a version that are looked at.
  static let lengthLimit = 512
}

typealias Bytes = ArraySlice<UInt8>

extension UInt8 {
  var isDigit: Bool { (0x30...0x39).contains(self) }
  var isLowercase: Bool { (0x61...0x7a).contains(self) }
  var isLetter: Bool { (0x61...0x7a).contains(self | 0x20) }
  /// Letters of ASCII alone.
  var lowercase: UInt8 { (0x41...0x5a).contains(self) ? self | 0x20 : self }
}

func order<Value: Comparable>(_ left: Value, _ right: Value) -> Int { left < right ? -1 : left > right ? 1 : 0 }

func orderBytes(_ left: Bytes, _ right: Bytes) -> Int {
  left.lexicographicallyPrecedes(right) ? -1 : right.lexicographicallyPrecedes(left) ? 1 : 0
}

/// Numbers of any length by their digits.
func orderNumbers(_ left: Bytes, _ right: Bytes) -> Int {
  let left = left.drop { $0 == 0x30 }
  let right = right.drop { $0 == 0x30 }
  return left.count == right.count ? orderBytes(left, right) : order(left.count, right.count)
}

extension Bytes {
  /// Takes what `belongs` from the front.
  mutating func take(while belongs: (UInt8) -> Bool) -> Bytes {
    let taken = prefix(while: belongs)
    self = self[taken.endIndex...]
    return taken
  }
}
