public import ImageSpec

/// A vulnerability that a package of an image has.
public struct Finding: Hashable, Sendable, Codable {
  /// The CVE, or the record's own name where it has none or several.
  public let name: String
  public let severity: Severity
  /// The record that says so.
  public let record: String
  public let title: String?
  public let description: String?
  public let references: [String]
  /// Its other names.
  public let related: [String]
  /// RFC 3339.
  public let published: String?
  public let modified: String
  public let vector: String?
  public let package: FoundPackage
  /// The version that mends it; nil where there is none.
  public let fixedVersion: String?

  public var cvss: CVSS? { vector.flatMap { CVSS(vector: $0) } }

  /// Where to read about it.
  public var uri: String {
    if name.hasPrefix("CVE-") { return "https://nvd.nist.gov/vuln/detail/\(name)" }
    return references.first ?? "https://osv.dev/vulnerability/\(record)"
  }
}

/// A package as a finding names it.
public struct FoundPackage: Hashable, Sendable, Codable {
  public let kind: PackageKind
  public let name: String
  public let version: String
  public let architecture: String?
  public let path: String
  /// Digest of the layer's blob.
  public let layer: Digest?

  init(_ package: Package) {
    kind = package.kind
    name = package.name
    version = package.version
    architecture = package.architecture
    path = package.path
    layer = package.layer
  }
}
