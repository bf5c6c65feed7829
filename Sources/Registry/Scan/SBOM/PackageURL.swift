/// A package's name across all packaging systems: `pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12`.
/// (Package URL specification, and its types)
public enum PackageURL {
  /// - Parameter system: names the distribution of a package of the operating system's.
  public static func of(_ package: Package, system: OperatingSystem?) -> String {
    var path = package.name.split(separator: "/").map { encoded($0) }.joined(separator: "/")
    var version = package.version
    var qualifiers: [(String, String)] = []
    switch package.kind {
    case .deb, .apk, .rpm:
      path = "\(encoded(system?.id ?? distribution(package.kind)))/\(encoded(package.name))"
      if let architecture = package.architecture { qualifiers.append(("arch", architecture)) }
      if let system {
        qualifiers.append(("distro", system.versionID.isEmpty ? system.id : "\(system.id)-\(system.versionID)"))
      }
      if package.kind == .rpm, let colon = version.firstIndex(of: ":") {
        qualifiers.append(("epoch", String(version[..<colon])))
        version = String(version[version.index(after: colon)...])
      }
      if let source = package.source {
        qualifiers.append(("upstream", source.name + (source.version.map { "@\($0)" } ?? "")))
      }
    case .maven:
      path = package.name.split(separator: ":").map { encoded($0) }.joined(separator: "/")
    case .composer, .swift: path = path.lowercased()
    case .npm, .pypi, .gem, .golang, .cargo: break
    }
    let query = qualifiers.map { "\($0.0)=\(encoded($0.1))" }.joined(separator: "&")
    return "pkg:\(package.kind.rawValue)/\(path)@\(encoded(version))" + (query.isEmpty ? "" : "?\(query)")
  }

  private static func distribution(_ kind: PackageKind) -> String {
    switch kind {
    case .apk: "alpine"
    case .rpm: "redhat"
    default: "debian"
    }
  }

  static func encoded(_ text: some StringProtocol) -> String {
    text.utf8.map { byte in
      if byte.isDigit || byte.isLetter || [0x2d, 0x2e, 0x5f, 0x7e].contains(byte) {
        return String(UnicodeScalar(byte))
      }
      let digits = String(byte, radix: 16, uppercase: true)
      return "%" + (digits.count == 1 ? "0" : "") + digits
    }.joined()
  }
}
