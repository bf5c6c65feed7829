public import AccessPolicies
import FoundationEssentials
import Metadata
import Synchronization

extension SettingKind {
  /// The text of a repository's policy.
  public static let repositoryPolicy = SettingKind("repository-policy")
  /// The text of a registry's policy.
  public static let registryPolicy = SettingKind("registry-policy")
}

/// What policies look at of a repository.
public struct RepositoryAccess: Sendable {
  public var exists = false
  /// ECR's resource tags.
  public var labels: [String: String] = [:]
  public var policy: PolicyDocument?
  /// Whether everybody may pull from it.
  public var isPublic = false

  /// Of a request that is about no repository.
  public static let none = RepositoryAccess()
}

/// What policies look at of a registry.
public struct RegistryAccess: Sendable {
  public var policy: PolicyDocument?
  /// ECR's newer accounts have V2, and a policy that is there is kept in full.
  public var scope = RegistryPolicyScope.v2
}

/// Policies and tags of repositories, parsed, in memory. A change of any is seen by the database's watch, as the cache of
/// manifests sees those of images, and by a number of its own: a push leaves all of this as it is.
final class AccessCache: Sendable {
  struct Key: Hashable {
    let realm: Realm
    let repository: String
  }

  private struct State {
    var version: Int64?
    /// `registry_access_change` as far as this cache has followed.
    var number: Int64
    var repositories: [Key: RepositoryAccess] = [:]
    var registries: [Realm: RegistryAccess] = [:]
  }

  private let watch: (any MetadataWatch)?
  private let state: Mutex<State>
  /// By their texts: a document is parsed once, whether the database has a watch or not.
  private let documents = Mutex<[String: PolicyDocument]>([:])
  private static let capacity = 16_384

  static let steps = [
    """
    CREATE TABLE registry_access_change (number INTEGER NOT NULL);
    INSERT INTO registry_access_change VALUES (0);
    """
  ]

  init(_ metadata: any MetadataDatabase) throws {
    try metadata.migrate("registry-access", Self.steps)
    watch = try metadata.watch()
    let start = try watch?.follow(since: nil, Self.number)
    state = Mutex(State(version: start?.version, number: start?.result ?? 0))
  }

  private static func number(_ session: any SQLSession) throws -> Int64 {
    try session.value(Int64.self, "SELECT number FROM registry_access_change") ?? 0
  }

  /// To be called in the transaction that changes a repository's tags, its being there, or a setting.
  static func raise(_ session: any SQLSession) throws {
    try session.execute("UPDATE registry_access_change SET number = number + 1")
  }

  private func follow() throws {
    let known = state.withLock { $0.version }
    guard let (version, number) = try watch?.follow(since: known, Self.number) else { return }
    state.withLock { state in
      if number > state.number { state = State(version: version, number: number) }
      state.version = version
    }
  }

  /// What is in memory, and surely still so.
  func find(_ key: Key) throws -> (RepositoryAccess, RegistryAccess)? {
    guard watch != nil else { return nil }
    try follow()
    return state.withLock { state in
      guard let registry = state.registries[key.realm] else { return nil }
      if key.repository.isEmpty { return (.none, registry) }
      return state.repositories[key].map { ($0, registry) }
    }
  }

  /// The state that a look-up in the database begins in.
  func currentNumber() throws -> Int64 {
    try follow()
    return state.withLock { $0.number }
  }

  /// Keeps what was looked up where nothing has changed since `number`.
  func insert(_ repositories: [Key: RepositoryAccess], _ registry: RegistryAccess, of realm: Realm, asOf number: Int64)
  {
    guard watch != nil else { return }
    state.withLock { state in
      guard state.number == number else { return }
      if state.repositories.count + repositories.count > Self.capacity { state.repositories = [:] }
      state.repositories.merge(repositories) { _, new in new }
      state.registries[realm] = registry
    }
  }

  /// A policy that was checked when it was set. One that cannot be read now denies all by failing.
  func document(_ text: String, as kind: PolicyDocument.Kind) throws -> PolicyDocument {
    if let known = documents.withLock({ $0[text] }), known.kind == kind { return known }
    let document = try PolicyDocument(parsing: text, as: kind)
    documents.withLock { documents in
      if documents.count >= 1024 { documents = [:] }
      documents[text] = document
    }
    return document
  }
}

extension TemplateDocuments {
  /// Gives repositories the policy of the template that they are made by.
  func registerRepositoryPolicy() {
    register(
      .repositoryPolicy, check: { _ = try PolicyDocument(parsing: $0, as: .repository) },
      apply: { text, registry, session, repository in
        try registry.setRepositorySetting(session, .repositoryPolicy, of: repository.id, text)
      })
  }
}

extension Registry {
  /// What policies look at; `""` is the registry itself. Nothing where it is not in memory.
  func accessInMemory(_ name: String) throws -> (repository: RepositoryAccess, registry: RegistryAccess)? {
    try access.find(.init(realm: realm, repository: name))
  }

  /// What policies look at, from memory or the database.
  func access(to name: String) throws -> (repository: RepositoryAccess, registry: RegistryAccess) {
    if let known = try accessInMemory(name) { return known }
    let number = try access.currentNumber()
    let (repository, registry) = try metadata.read { session in
      (name.isEmpty ? .none : try repositoryAccess(session, name), try registryAccess(session))
    }
    let key = AccessCache.Key(realm: realm, repository: name)
    access.insert(name.isEmpty ? [:] : [key: repository], registry, of: realm, asOf: number)
    return (repository, registry)
  }

  private func repositoryAccess(_ session: any SQLSession, _ name: String) throws -> RepositoryAccess {
    let row = try session.row(
      """
      SELECT r.labels AS labels, s.value AS policy, p.kind AS public FROM registry_repository r
      LEFT JOIN registry_repository_setting s ON s.repository = r.id AND s.kind = ?4
      LEFT JOIN registry_repository_setting p ON p.repository = r.id AND p.kind = ?5
      WHERE r.account = ?1 AND r.region = ?2 AND r.name = ?3
      """,
      [
        realm.account, realm.region, name, SettingKind.repositoryPolicy.rawValue,
        SettingKind.publicRepository.rawValue,
      ])
    guard let row else { return .none }
    let text: String? = try (row["policy"] as String?).map {
      try JSONDecoder().decode(String.self, from: Data($0.utf8))
    }
    return RepositoryAccess(
      exists: true, labels: Self.decoded([String: String].self, try row["labels"]) ?? [:],
      policy: try text.map { try access.document($0, as: .repository) },
      isPublic: try row["public"] as String? != nil)
  }

  private func registryAccess(_ session: any SQLSession) throws -> RegistryAccess {
    let text = try setting(session, .registryPolicy, as: String.self)
    return RegistryAccess(
      policy: try text.map { try access.document($0, as: .registry) }, scope: try registryPolicyScope(session))
  }

  /// Brings what policies look at of many repositories into memory at once.
  func loadAccess(to names: [String]) throws {
    guard let first = names.min(), let last = names.max() else { return }
    let missing = try names.filter { try accessInMemory($0) == nil }
    guard missing.count > 1 else { return }
    let number = try access.currentNumber()
    let (found, registry) = try metadata.read { session in
      let rows = try session.rows(
        """
        SELECT r.name AS name, r.labels AS labels, s.value AS policy, p.kind AS public FROM registry_repository r
        LEFT JOIN registry_repository_setting s ON s.repository = r.id AND s.kind = ?5
        LEFT JOIN registry_repository_setting p ON p.repository = r.id AND p.kind = ?6
        WHERE r.account = ?1 AND r.region = ?2 AND r.name >= ?3 AND r.name <= ?4
        """,
        [
          realm.account, realm.region, first, last, SettingKind.repositoryPolicy.rawValue,
          SettingKind.publicRepository.rawValue,
        ])
      var found: [AccessCache.Key: RepositoryAccess] = [:]
      for row in rows {
        let text = try (row["policy"] as String?).map { try JSONDecoder().decode(String.self, from: Data($0.utf8)) }
        found[.init(realm: realm, repository: try row["name"])] = RepositoryAccess(
          exists: true, labels: Self.decoded([String: String].self, try row["labels"]) ?? [:],
          policy: try text.map { try access.document($0, as: .repository) },
          isPublic: try row["public"] as String? != nil)
      }
      return (found, try registryAccess(session))
    }
    access.insert(found, registry, of: realm, asOf: number)
  }
}
