import Metadata
import Synchronization

/// How much a repository, or an account's registry as a whole, may have. nil is no limit.
public struct Quota: Hashable, Sendable, Codable {
  /// Bytes of the blobs that repositories have, each repository's counted by itself.
  public var bytes: Int64?
  /// Images, indexes and artifacts.
  public var images: Int64?
  public var tags: Int64?
  /// Of an account only.
  public var repositories: Int64?

  public init(bytes: Int64? = nil, images: Int64? = nil, tags: Int64? = nil, repositories: Int64? = nil) {
    self.bytes = bytes
    self.images = images
    self.tags = tags
    self.repositories = repositories
  }

  public var isEmpty: Bool { self == Quota() }

  /// What this leaves open is as `other` says.
  func filled(from other: Quota) -> Quota {
    Quota(
      bytes: bytes ?? other.bytes, images: images ?? other.images, tags: tags ?? other.tags,
      repositories: repositories ?? other.repositories)
  }
}

/// A push that would have made more of something than is allowed.
public struct QuotaExceeded: Error, Hashable, Sendable, CustomStringConvertible {
  /// nil for the account.
  public let repository: String?
  public let what: String
  public let limit: Int64

  public var description: String {
    "quota exceeded: \(repository.map { "the repository \"\($0)\"" } ?? "this registry") may have \(limit) \(what); delete "
      + "something, or ask its operator for more"
  }
}

/// Quotas of repositories and accounts for which none is set.
public struct DefaultQuotas: Hashable, Sendable {
  public var repository = Quota()
  public var account = Quota()

  public init() {}
}

/// The defaults of a server. Changed while it runs.
public final class QuotaDefaults: Sendable {
  private let current = Mutex(DefaultQuotas())

  public var quotas: DefaultQuotas {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }
}

extension SettingKind {
  static let quota = SettingKind("quota")
}

extension Registry {
  /// Sets the quota of a repository, or with nil that of the realm. An empty one takes it away.
  public func setQuota(_ quota: Quota, of repository: String?) throws {
    if let repository {
      if quota.isEmpty { try removeRepositorySetting(.quota, of: repository) } else {
        try setRepositorySetting(.quota, of: repository, quota)
      }
    } else if quota.isEmpty {
      try removeSetting(.quota)
    } else {
      try setSetting(.quota, "", quota)
    }
  }

  /// What was set; nil where nothing was.
  public func quota(of repository: String?) throws -> Quota? {
    try repository.map { try repositorySetting(.quota, of: $0, as: Quota.self) } ?? setting(.quota, as: Quota.self)
  }

  /// Names of the realm's repositories that have a quota of their own.
  public func repositoriesWithQuota() throws -> [(name: String, quota: Quota)] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT r.id, r.name FROM registry_repository_setting s JOIN registry_repository r ON r.id = s.repository
        WHERE s.kind = ?1 AND r.account = ?2 AND r.region = ?3 ORDER BY r.name
        """, [SettingKind.quota.rawValue, realm.account, realm.region]
      ).compactMap { row in
        try repositorySetting(session, .quota, of: row["id"], as: Quota.self).map { (try row["name"], $0) }
      }
    }
  }

  /// How much a repository, or the realm, has now: what a quota limits.
  public func usage(of repository: String?) throws -> Quota {
    try metadata.read { session in
      let scope = try repository.map { Scope.repository(try existingID(session, $0)) } ?? .realm
      let usage = try [Measure.bytes, .images, .tags, .repositories].map { try count($0, scope, session) }
      return Quota(bytes: usage[0], images: usage[1], tags: usage[2], repositories: usage[3])
    }
  }

  /// What a transaction has just made more of.
  enum Measure: String { case bytes, images, tags, repositories }

  private enum Scope {
    case repository(Int64)
    case realm
  }

  /// Throws `QuotaExceeded` where a push has made more than is allowed; the transaction is then taken back. Only what has
  /// a limit is counted, since that looks at a row for each thing.
  func checkQuota(_ grown: [Measure], _ repository: Repository, _ session: any SQLSession) throws {
    guard !grown.isEmpty else { return }
    let defaults = quotaDefaults.quotas
    let own = try (repositorySetting(session, .quota, of: repository.id, as: Quota.self) ?? Quota())
      .filled(from: defaults.repository)
    let account = try (setting(session, .quota, as: Quota.self) ?? Quota()).filled(from: defaults.account)
    for measure in grown {
      if measure != .repositories, let limit = Self.limit(own, measure),
        try count(measure, .repository(repository.id), session) > limit
      {
        throw QuotaExceeded(repository: repository.name, what: measure.rawValue, limit: limit)
      }
      if let limit = Self.limit(account, measure), try count(measure, .realm, session) > limit {
        throw QuotaExceeded(repository: nil, what: measure.rawValue, limit: limit)
      }
    }
  }

  private static func limit(_ quota: Quota, _ measure: Measure) -> Int64? {
    switch measure {
    case .bytes: quota.bytes
    case .images: quota.images
    case .tags: quota.tags
    case .repositories: quota.repositories
    }
  }

  private func count(_ measure: Measure, _ scope: Scope, _ session: any SQLSession) throws -> Int64 {
    let (table, what) =
      switch measure {
      case .bytes: ("registry_blob", "CAST(COALESCE(SUM(t.size), 0) AS BIGINT)")
      case .images: ("registry_manifest", "COUNT(*)")
      case .tags: ("registry_tag", "COUNT(*)")
      case .repositories: ("registry_repository", "COUNT(*)")
      }
    switch (scope, measure) {
    case (.repository, .repositories): return 1
    case (.repository(let id), _):
      return try session.value(Int64.self, "SELECT \(what) FROM \(table) t WHERE t.repository = ?1", [id]) ?? 0
    case (.realm, .repositories):
      return try session.value(
        Int64.self, "SELECT \(what) FROM registry_repository t WHERE t.account = ?1 AND t.region = ?2",
        [realm.account, realm.region]) ?? 0
    case (.realm, _):
      return try session.value(
        Int64.self,
        """
        SELECT \(what) FROM \(table) t JOIN registry_repository r ON r.id = t.repository
        WHERE r.account = ?1 AND r.region = ?2
        """, [realm.account, realm.region]) ?? 0
    }
  }
}
