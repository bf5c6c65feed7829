public import Metadata

/// When images of a realm are scanned. (botocore, ecr, RegistryScanningConfiguration)
public struct ScanningConfiguration: Hashable, Sendable, Codable {
  public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    case basic = "BASIC"
    case enhanced = "ENHANCED"
  }

  public enum Frequency: String, Hashable, Sendable, Codable, CaseIterable {
    case onPush = "SCAN_ON_PUSH"
    /// On push, and again when more is known of vulnerabilities.
    case continuous = "CONTINUOUS_SCAN"
    case manual = "MANUAL"
  }

  public struct Rule: Hashable, Sendable, Codable {
    public let frequency: Frequency
    /// Patterns of repositories' names with `*` for any characters; one without it means all names that contain it.
    public let filters: [String]

    public init(_ frequency: Frequency, filters: [String]) {
      self.frequency = frequency
      self.filters = filters
    }
  }

  public var kind: Kind
  public var rules: [Rule]

  public init(_ kind: Kind = .basic, rules: [Rule] = []) {
    self.kind = kind
    self.rules = rules
  }

  /// The rule that holds for a repository, and those of its filters that match it: of several, the one that scans more.
  public func rule(for repository: String) -> (frequency: Frequency, filters: [String])? {
    let matching = rules.map { rule in
      (frequency: rule.frequency, filters: rule.filters.filter { Self.matches(repository, $0) })
    }.filter { !$0.filters.isEmpty }
    return Self.byEagerness.lazy.compactMap { frequency in matching.first { $0.frequency == frequency } }.first
  }

  private static let byEagerness: [Frequency] = [.continuous, .onPush, .manual]

  private static func matches(_ name: String, _ filter: String) -> Bool {
    let pattern = filter.contains("*") ? filter : "*\(filter)*"
    return TagMutability.matches(Array(name.utf8), pattern: Array(pattern.utf8))
  }
}

/// What a repository itself says of scanning, in ECR's older way.
struct RepositoryScanning: Codable {
  let scanOnPush: Bool
}

extension SettingKind {
  static let scanning = SettingKind("scanning")
}

extension Registry {
  public func scanningConfiguration() throws -> ScanningConfiguration {
    try setting(.scanning, as: ScanningConfiguration.self) ?? ScanningConfiguration()
  }

  public func setScanningConfiguration(_ configuration: ScanningConfiguration) throws {
    try setSetting(.scanning, "", configuration)
  }

  /// Those of `repositories` whose own setting is to scan on push.
  public func scanningOnPush(_ repositories: [Repository]) throws -> Set<Int64> {
    guard !repositories.isEmpty else { return [] }
    let list = repositories.map { String($0.id) }.joined(separator: ", ")
    return try metadata.read { session in
      let rows = try session.rows(
        "SELECT repository, value FROM registry_repository_setting WHERE kind = ?1 AND repository IN (\(list))",
        [SettingKind.scanning.rawValue])
      return Set(
        try rows.compactMap { row in
          Self.decoded(RepositoryScanning.self, try row["value"])?.scanOnPush == true ? try row["repository"] : nil
        })
    }
  }

  /// Throws `repositoryUnknown`.
  public func setScansOnPush(_ isOn: Bool, _ name: String) throws {
    try setRepositorySetting(.scanning, of: name, RepositoryScanning(scanOnPush: isOn))
  }

  /// The same for a repository that is being made.
  public func setScansOnPush(_ session: any SQLSession, _ isOn: Bool, _ repository: Int64) throws {
    try setRepositorySetting(session, .scanning, of: repository, RepositoryScanning(scanOnPush: isOn))
  }

  /// When images of a repository are scanned, and the filters that say so. Throws `repositoryUnknown`.
  public func scanFrequency(_ name: String) throws -> (frequency: ScanningConfiguration.Frequency, filters: [String]) {
    try metadata.read { try scanFrequency($0, name, existingID($0, name)) }
  }

  func scanFrequency(
    _ session: any SQLSession, _ name: String, _ repository: Int64
  ) throws -> (frequency: ScanningConfiguration.Frequency, filters: [String]) {
    let configuration = try setting(session, .scanning, as: ScanningConfiguration.self) ?? ScanningConfiguration()
    if let rule = configuration.rule(for: name) { return rule }
    // The repository's own word counts where no rule of the registry does.
    guard configuration.kind == .basic,
      try repositorySetting(session, .scanning, of: repository, as: RepositoryScanning.self)?.scanOnPush == true
    else { return (.manual, []) }
    return (.onPush, [])
  }
}
