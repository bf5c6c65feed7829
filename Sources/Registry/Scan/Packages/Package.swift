public import ImageSpec

/// The packaging systems whose traces are found in images.
public enum PackageKind: String, Hashable, Sendable, Codable, CaseIterable {
  case deb, apk, rpm
  case npm, pypi, gem, golang, cargo, composer, swift, maven

  /// Whether an operating system's package manager installed it.
  public var isSystem: Bool { self == .deb || self == .apk || self == .rpm }

  public var versions: VersionScheme {
    switch self {
    case .deb: .debian
    case .apk: .alpine
    case .rpm: .rpm
    case .npm, .golang, .cargo, .swift: .semantic
    case .pypi: .python
    case .gem: .gem
    case .composer: .composer
    case .maven: .maven
    }
  }
}

/// A package that an image has.
public struct Package: Hashable, Sendable {
  public let kind: PackageKind
  public let name: String
  public let version: String
  public var architecture: String?
  /// The source package that it was built from, where that is another; advisories of Debian and Alpine name these.
  public var source: Source?
  /// As the package says it: SPDX expressions as a rule.
  public var licenses: [String] = []
  public var supplier: String?
  /// The file that tells of it, without a slash in front.
  public var path: String = ""
  /// The layer that brought it: the digest of its blob.
  public var layer: Digest?

  public struct Source: Hashable, Sendable {
    public let name: String
    /// nil where it is the package's own.
    public let version: String?
  }

  public init(_ kind: PackageKind, name: String, version: String) {
    self.kind = kind
    self.name = name
    self.version = version
  }

  /// What a package is, wherever it is.
  struct Identity: Hashable {
    let kind: PackageKind
    let name: String
    let version: String
    let architecture: String?
  }

  var identity: Identity { Identity(kind: kind, name: name, version: version, architecture: architecture) }
}

/// Bytes of a name and of a version that are taken. What is longer is no package.
private let nameLimit = 512
private let versionLimit = 256

extension Package {
  /// nil for what no packaging system would call a name or a version.
  init?(_ kind: PackageKind, _ name: (some StringProtocol)?, _ version: (some StringProtocol)?) {
    guard let name, let version else { return nil }
    func isGood(_ text: some StringProtocol, limit: Int) -> Bool {
      (1...limit).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
    }
    guard isGood(name, limit: nameLimit), isGood(version, limit: versionLimit) else { return nil }
    self.init(kind, name: String(name), version: String(version))
  }
}
