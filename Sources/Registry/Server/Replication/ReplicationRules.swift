/// Which pushes go where else. (Amazon ECR, Private image replication)
public struct ReplicationRules: Codable, Hashable, Sendable {
  public struct Rule: Codable, Hashable, Sendable {
    public var destinations: [Realm]
    /// Beginnings of repositories' names; none stands for all.
    public var prefixes: [String]

    public init(destinations: [Realm], prefixes: [String]) {
      self.destinations = destinations
      self.prefixes = prefixes
    }

    func covers(_ repository: String) -> Bool {
      prefixes.isEmpty || prefixes.contains { repository.hasPrefix($0) }
    }
  }

  public var rules: [Rule]

  public init(rules: [Rule] = []) { self.rules = rules }

  /// Each once, in the rules' order.
  public func destinations(of repository: String) -> [Realm] {
    var found: [Realm] = []
    for rule in rules where rule.covers(repository) {
      for destination in rule.destinations where !found.contains(destination) { found.append(destination) }
    }
    return found
  }
}

extension SettingKind {
  static let replication = SettingKind("replication")
}

extension Registry {
  public func replicationRules() throws -> ReplicationRules {
    try setting(.replication, as: ReplicationRules.self) ?? ReplicationRules()
  }

  /// Counts for pushes from now on.
  public func setReplicationRules(_ rules: ReplicationRules) throws { try setSetting(.replication, "", rules) }
}
