/// The ecosystems of OSV whose packages are found in images. (OSV schema, Defined Ecosystems)
enum Ecosystem {
  private static let schemes: [String: VersionScheme] = [
    "Debian": .debian, "Ubuntu": .debian, "Alpine": .alpine, "Wolfi": .alpine, "Chainguard": .alpine,
    "MinimOS": .alpine,
    "BellSoft Hardened Containers": .alpine, "Red Hat": .rpm, "AlmaLinux": .rpm, "Rocky Linux": .rpm, "SUSE": .rpm,
    "openSUSE": .rpm, "openEuler": .rpm, "Mageia": .rpm, "Photon OS": .rpm, "Azure Linux": .rpm, "npm": .semantic,
    "crates.io": .semantic, "Go": .semantic, "SwiftURL": .semantic, "PyPI": .python, "RubyGems": .gem,
    "Packagist": .composer,
    "Maven": .maven,
  ]

  /// `Debian` of `Debian:12`.
  static func base(_ ecosystem: String) -> String { String(ecosystem.prefix { $0 != ":" }) }

  /// nil for one whose packages are not looked for.
  static func versions(_ ecosystem: String) -> VersionScheme? { schemes[base(ecosystem)] }

  /// A name as it is looked up: where a registry takes several spellings for one, all become the same.
  static func normal(_ name: String, _ ecosystem: String) -> String {
    switch base(ecosystem) {
    case "PyPI": PythonPackages.normal(name)
    case "Packagist", "SwiftURL": name.lowercased()
    default: name
    }
  }

  static func of(_ kind: PackageKind) -> String? {
    switch kind {
    case .deb, .apk, .rpm: nil
    case .npm: "npm"
    case .pypi: "PyPI"
    case .gem: "RubyGems"
    case .golang: "Go"
    case .cargo: "crates.io"
    case .composer: "Packagist"
    case .swift: "SwiftURL"
    case .maven: "Maven"
    }
  }
}

extension OperatingSystem {
  /// Whether an advisory for `ecosystem` is for this system. One without a release is for all of them.
  func isMeant(by ecosystem: String) -> Bool {
    guard let own = self.ecosystem else { return false }
    if ecosystem == own || ecosystem.hasPrefix(own + ":") && own.contains(":") || ecosystem == Ecosystem.base(own) {
      return true
    }
    // SUSE's modules have a product each, all with the release at the end.
    guard own.hasPrefix("SUSE:"), ecosystem.hasPrefix("SUSE:") else { return false }
    let release = own.dropFirst("SUSE:Linux Enterprise Server ".count)
    return !release.isEmpty && ecosystem.hasSuffix(" \(release)")
  }
}
