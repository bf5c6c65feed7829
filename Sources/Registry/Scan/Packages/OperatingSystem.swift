/// What `os-release` says. (os-release(5))
public struct OperatingSystem: Hashable, Sendable {
  /// `debian`, `alpine`, `rhel`, …
  public let id: String
  /// `12`, `3.20.1`, `9.4`; empty where a system has none (Debian's unstable, Wolfi).
  public let versionID: String
  public let codename: String?
  public let prettyName: String?
  /// `ID_LIKE`
  public let related: [String]

  public init(
    id: String, versionID: String, codename: String? = nil, prettyName: String? = nil, related: [String] = []
  ) {
    self.id = id
    self.versionID = versionID
    self.codename = codename
    self.prettyName = prettyName
    self.related = related
  }

  /// nil where the text has no `ID`.
  init?(parsing bytes: [UInt8]) {
    var values: [String: String] = [:]
    for line in Lines(bytes, limit: 4096) where line.first != "#" {
      guard let equals = line.firstIndex(of: "=") else { continue }
      values[String(line[..<equals].trimmed)] = Self.value(line[line.index(after: equals)...].trimmed)
    }
    guard let id = values["ID"], !id.isEmpty, id.utf8.count <= 64 else { return nil }
    self.init(
      id: id.lowercased(), versionID: String((values["VERSION_ID"] ?? "").prefix(64)),
      codename: values["VERSION_CODENAME"],
      prettyName: values["PRETTY_NAME"],
      related: (values["ID_LIKE"] ?? "").split(separator: " ").map { $0.lowercased() })
  }

  /// Quoted as in a shell's assignment.
  private static func value(_ text: Substring) -> String {
    let inner = text.unquoted
    guard inner.utf8.contains(UInt8(ascii: "\\")) else { return inner }
    var value = ""
    var isEscaped = false
    for character in inner {
      if !isEscaped, character == "\\" {
        isEscaped = true
      } else {
        value.append(character)
        isEscaped = false
      }
    }
    return value
  }

  /// The ecosystem of its advisories: `Debian:12`, `Alpine:v3.20`; nil where none is known.
  ///
  /// - Note: advisories may say more than this, such as a repository (`Red Hat:enterprise_linux:9::appstream`).
  public var ecosystem: String? {
    let parts = versionID.split(separator: ".")
    let major = parts.first.map(String.init) ?? ""
    let minor = parts.prefix(2).joined(separator: ".")
    func versioned(_ name: String, _ version: String) -> String { version.isEmpty ? name : "\(name):\(version)" }
    return switch id {
    // Before its release, a system of Debian's has no number yet.
    case "debian": versioned("Debian", major.isEmpty ? Self.debianReleases[codename ?? ""] ?? "" : major)
    case "ubuntu": versioned("Ubuntu", versionID)
    case "alpine": parts.count >= 2 ? "Alpine:v\(minor)" : "Alpine:edge"
    case "wolfi": "Wolfi"
    case "chainguard": "Chainguard"
    case "rhel": versioned("Red Hat:enterprise_linux", major)
    case "almalinux": versioned("AlmaLinux", major)
    case "rocky": versioned("Rocky Linux", major)
    case "opensuse-leap": "openSUSE:Leap \(versionID)"
    case "opensuse-tumbleweed": "openSUSE:Tumbleweed"
    case "sles", "sled": "SUSE:Linux Enterprise Server \(Self.servicePack(parts))"
    case "openeuler": versioned("openEuler", versionID)
    case "mageia": versioned("Mageia", major)
    case "photon": versioned("Photon OS", versionID)
    case "azurelinux", "mariner": versioned("Azure Linux", major)
    case "bellsoft-hardened-containers": "BellSoft Hardened Containers"
    case "minimos": "MinimOS"
    default: nil
    }
  }

  private static let debianReleases = ["bookworm": "12", "trixie": "13", "forky": "14", "duke": "15"]

  /// `15.5` is called `15 SP5`.
  private static func servicePack(_ parts: [Substring]) -> String {
    parts.count == 2 && parts[1] != "0" ? "\(parts[0]) SP\(parts[1])" : parts.first.map(String.init) ?? ""
  }
}
