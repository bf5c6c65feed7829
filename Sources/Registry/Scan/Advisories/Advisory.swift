/// A record of a vulnerability in OSV's format, with what is of use here. (OSV schema 1.7)
struct Advisory: Hashable, Sendable, Codable {
  let id: String
  /// RFC 3339.
  let modified: String
  var published: String?
  var withdrawn: String?
  var aliases: [String] = []
  /// Records that it is derived from, such as the CVE of a distributor's record.
  var upstream: [String] = []
  var summary: String?
  var details: String?
  var vectors: [String] = []
  /// What its source calls it, where it does.
  var severity: Severity?
  var references: [String] = []
  var affected: [AffectedPackage] = []

  /// The affected packages are rows of their own.
  enum CodingKeys: CodingKey {
    case id, modified, published, withdrawn, aliases, upstream, summary, details, vectors, severity, references
  }

  /// The CVE that it is about; its own name where it is about several, or about none.
  var name: String {
    if id.hasPrefix("CVE-") { return id }
    let numbers = Set((aliases + upstream).filter { $0.hasPrefix("CVE-") })
    return numbers.count == 1 ? numbers.first ?? id : id
  }

  /// The newest version of CVSS that it has a vector of.
  var cvss: CVSS? { vectors.compactMap { CVSS(vector: $0) }.max { $0.version.rawValue < $1.version.rawValue } }
}

/// What an advisory says of one package.
struct AffectedPackage: Hashable, Sendable, Codable {
  let ecosystem: String
  /// As `Ecosystem.normal` has it.
  let name: String
  var ranges: [AffectedRange] = []
  /// Versions that no range covers.
  var versions: [String] = []
  var severity: Severity?
  var vectors: [String] = []

  /// Whether a version is affected, and the version that mends it, where there is one.
  func match(_ version: String) -> (isAffected: Bool, fixed: String?) {
    let scheme = Ecosystem.versions(ecosystem) ?? .semantic
    let hits = ranges.filter { $0.contains(version, scheme) }
    let fixed = ranges.compactMap { $0.fix(after: version, scheme) }.first
    return (!hits.isEmpty || versions.contains(version), fixed)
  }
}

/// A range of versions by the events that begin and end it. (OSV schema, affected[].ranges[].events)
struct AffectedRange: Hashable, Sendable, Codable {
  enum Event: Hashable, Sendable, Codable {
    /// `0` is before every version.
    case introduced(String)
    case fixed(String)
    case lastAffected(String)
    case limit(String)
  }

  /// Of the type SEMVER, whatever the ecosystem's own order is.
  let isSemantic: Bool
  /// In the order of their versions.
  let events: [Event]

  init(isSemantic: Bool, events: [Event], _ scheme: VersionScheme) {
    self.isSemantic = isSemantic
    self.events = Self.sorted(events, isSemantic ? .semantic : scheme)
  }

  /// (OSV schema, Evaluation)
  func contains(_ version: String, _ scheme: VersionScheme) -> Bool {
    let scheme = isSemantic ? .semantic : scheme
    let limits = events.compactMap { if case .limit(let limit) = $0 { limit } else { nil } }
    guard limits.isEmpty || limits.contains(where: { $0 == "*" || scheme.compare(version, $0) < 0 }) else {
      return false
    }
    var isAffected = false
    for event in events {
      switch event {
      case .introduced(let start): if start == "0" || scheme.compare(version, start) >= 0 { isAffected = true }
      case .fixed(let end): if scheme.compare(version, end) >= 0 { isAffected = false }
      case .lastAffected(let end): if scheme.compare(version, end) > 0 { isAffected = false }
      case .limit: break
      }
    }
    return isAffected
  }

  /// The first version after `version` that mends it.
  func fix(after version: String, _ scheme: VersionScheme) -> String? {
    let scheme = isSemantic ? .semantic : scheme
    for case .fixed(let end) in events where scheme.compare(version, end) < 0 { return end }
    return nil
  }

  private static func sorted(_ events: [Event], _ scheme: VersionScheme) -> [Event] {
    func version(_ event: Event) -> (String, rank: Int) {
      switch event {
      case .introduced(let version): (version, 0)
      case .fixed(let version), .limit(let version): (version, 1)
      case .lastAffected(let version): (version, 2)
      }
    }
    return events.sorted {
      let (left, right) = (version($0), version($1))
      if left.0 == "0" || right.0 == "0" { return left.0 == "0" && right.0 != "0" }
      let versions = scheme.compare(left.0, right.0)
      return versions == 0 ? left.rank < right.rank : versions < 0
    }
  }
}
