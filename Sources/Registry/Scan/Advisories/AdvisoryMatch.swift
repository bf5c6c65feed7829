internal import FoundationEssentials
internal import Metadata

extension AdvisoryDatabase {
  /// What is known to be bad of an image's packages: the worst first, then by name.
  public func findings(for image: ScannedImage) throws -> [Finding] {
    var matcher = AdvisoryMatcher(image)
    for names in matcher.names.chunks(of: Self.namesAtOnce) {
      let rows = try metadata.read { session in
        try session.rows(
          """
          SELECT a.advisory, a.name, a.ecosystem, a.body FROM scan_affected a
          JOIN scan_advisory v ON v.id = a.advisory JOIN scan_source s ON s.id = v.source
          WHERE s.is_complete = 1 AND a.name IN (\(Self.places(Self.namesAtOnce)))
          """, Self.padded(names))
      }
      for row in rows {
        try matcher.consider(
          advisory: row["advisory"], name: row["name"], ecosystem: row["ecosystem"], body: row["body"])
      }
    }
    for ids in Array(matcher.hits.keys).sorted().chunks(of: Self.namesAtOnce) {
      let rows = try metadata.read { session in
        try session.rows(
          "SELECT id, body FROM scan_advisory WHERE id IN (\(ids.map(String.init).joined(separator: ", ")))")
      }
      for row in rows {
        matcher.add(
          try JSONDecoder().decode(Advisory.self, from: Data((row["body"] as String).utf8)), id: try row["id"])
      }
    }
    return try rated(matcher.findings())
  }

  private static let namesAtOnce = 100

  private static func places(_ count: Int) -> String { (1...count).map { "?\($0)" }.joined(separator: ", ") }

  /// Always the same number of parameters: one statement.
  private static func padded(_ names: [String]) -> [String] {
    names + Array(repeating: "", count: namesAtOnce - names.count)
  }

  /// Where a distributor's record does not say how bad it is, the CVE's own does, if it is loaded.
  private func rated(_ findings: [Finding]) throws -> [Finding] {
    let names = Set(findings.filter { $0.severity == .undefined && $0.vector == nil }.map(\.name)).sorted()
    var vectors: [String: String] = [:]
    for names in names.chunks(of: Self.namesAtOnce) {
      let rows = try metadata.read { session in
        try session.rows(
          """
          SELECT v.name, v.body FROM scan_advisory v JOIN scan_source s ON s.id = v.source
          WHERE s.is_complete = 1 AND v.name IN (\(Self.places(Self.namesAtOnce)))
          """, Self.padded(names))
      }
      for row in rows {
        let advisory = try JSONDecoder().decode(Advisory.self, from: Data((row["body"] as String).utf8))
        if let vector = advisory.cvss?.vector { vectors[advisory.id] = vector }
      }
    }
    return findings.map { finding in vectors[finding.name].map { finding.rated($0) } ?? finding }.sorted {
      ($1.severity, $0.name, $0.package.name, $0.package.version, $0.package.path)
        < ($0.severity, $1.name, $1.package.name, $1.package.version, $1.package.path)
    }
  }
}

extension Array {
  fileprivate func chunks(of size: Int) -> [[Element]] {
    stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
  }
}

/// Holds an image's packages against what advisories say of their names.
private struct AdvisoryMatcher {
  private let system: OperatingSystem?
  /// By the name that advisories have for it.
  private var packages: [String: [Package]] = [:]
  /// By the row of an advisory: what of it holds.
  private(set) var hits: [Int64: [(package: Package, affected: AffectedPackage, fixed: String?)]] = [:]
  private var found: [Key: Finding] = [:]

  private struct Key: Hashable {
    let name: String
    let package: Package.Identity
  }

  init(_ image: ScannedImage) {
    system = image.system
    for package in image.packages {
      for name in Set(Self.names(package)) { packages[name, default: []].append(package) }
    }
  }

  var names: [String] { packages.keys.sorted() }

  /// Debian's and Ubuntu's advisories name source packages; Alpine's, SUSE's and openEuler's do too, others of rpm's do not.
  private static func names(_ package: Package) -> [String] {
    switch package.kind {
    case .deb: [package.source?.name ?? package.name]
    case .apk, .rpm: [package.name] + (package.source.map { [$0.name] } ?? [])
    default: [Ecosystem.of(package.kind).map { Ecosystem.normal(package.name, $0) } ?? package.name]
    }
  }

  private func isMeant(_ package: Package, _ ecosystem: String) -> Bool {
    if let own = Ecosystem.of(package.kind) { return Ecosystem.base(ecosystem) == own }
    guard let system, system.isMeant(by: ecosystem) else { return false }
    return Ecosystem.versions(ecosystem) == package.kind.versions
  }

  mutating func consider(advisory: Int64, name: String, ecosystem: String, body: String) throws {
    let candidates = (packages[name] ?? []).filter { isMeant($0, ecosystem) }
    guard !candidates.isEmpty else { return }
    let affected = try JSONDecoder().decode(AffectedPackage.self, from: Data(body.utf8))
    for package in candidates {
      // The version of what the advisory names.
      var version = package.kind == .deb ? package.source?.version ?? package.version : package.version
      // Go's advisories leave the letter out.
      if package.kind == .golang, version.hasPrefix("v") { version.removeFirst() }
      let match = affected.match(version)
      if match.isAffected { hits[advisory, default: []].append((package, affected, match.fixed)) }
    }
  }

  mutating func add(_ advisory: Advisory, id: Int64) {
    for hit in hits[id] ?? [] {
      let finding = Finding(advisory, hit.package, hit.affected, hit.fixed)
      let key = Key(name: finding.name, package: hit.package.identity)
      // Several records of one CVE are one finding: the one that says more.
      if let known = found[key], known.weight >= finding.weight { continue }
      found[key] = finding
    }
  }

  /// What a record of several CVEs says is left out where each of them was found by its own.
  func findings() -> [Finding] {
    let names = Dictionary(grouping: found.values, by: { $0.package }).mapValues { Set($0.map(\.name)) }
    return found.values.filter { finding in
      let numbers = finding.related.filter { $0.hasPrefix("CVE-") }
      guard !finding.name.hasPrefix("CVE-"), numbers.count > 1 else { return true }
      return !numbers.allSatisfy { names[finding.package]?.contains($0) ?? false }
    }
  }
}

extension Finding {
  fileprivate init(_ advisory: Advisory, _ package: Package, _ affected: AffectedPackage, _ fixed: String?) {
    let name = advisory.name
    let cvss =
      affected.vectors.compactMap { CVSS(vector: $0) }.max { $0.version.rawValue < $1.version.rawValue }
      ?? advisory.cvss
    self.init(
      // What the distributor or the source calls it counts before the numbers: it knows how the package is built.
      name: name, severity: affected.severity ?? advisory.severity ?? cvss?.severity ?? .undefined, record: advisory.id,
      title: advisory.summary, description: advisory.details ?? advisory.summary, references: advisory.references,
      related: Set(advisory.aliases + advisory.upstream + [advisory.id]).subtracting([name]).sorted(),
      published: advisory.published, modified: advisory.modified, vector: cvss?.vector, package: FoundPackage(package),
      fixedVersion: fixed)
  }

  /// With the vector of the CVE's own record.
  fileprivate func rated(_ vector: String) -> Finding {
    Finding(
      name: name, severity: CVSS(vector: vector)?.severity ?? severity, record: record, title: title,
      description: description, references: references, related: related, published: published, modified: modified,
      vector: vector, package: package, fixedVersion: fixedVersion)
  }

  fileprivate var weight: Int {
    (severity == .undefined ? 0 : 4) + (fixedVersion == nil ? 0 : 2) + (vector == nil ? 0 : 1)
  }
}
