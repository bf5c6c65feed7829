public import Content
import DistributionSpec
import FoundationEssentials
import Glibc
import ImageSpec
import Lifecycle
public import Metadata
public import Scanning
import Synchronization
import SystemPackage

/// The repositories of one realm: what its tables say, together with the content in the store.
///
/// All functions block and are safe from any thread. Each change is one transaction. What a repository has is held in
/// the store under an owner of its own, so that no collection takes it.
public final class Registry: Sendable {
  /// This machine's store. Where the storage is shared, it has copies of what was read as files.
  public let store: ContentStore
  public let storage: any BlobStorage
  public let metadata: any MetadataDatabase
  public let realm: Realm
  /// Whether a push makes the repository that it names. Amazon ECR does not.
  public let createsOnPush: Bool
  /// Whether an index may list manifests that its repository lacks. (distribution-spec 1.1, Pushing Manifests)
  public let acceptsSparseIndexes: Bool
  public let events: EventBus
  public let jobs: Jobs
  /// What is known of vulnerabilities: the same for all realms.
  public let advisories: AdvisoryDatabase
  public let quotaDefaults: QuotaDefaults
  let cache: ManifestCache
  let access: AccessCache
  let pushes: OngoingPushes
  let pulls: PullTimes
  public let templateDocuments: TemplateDocuments
  let signatures: SignatureVerdicts

  /// The main realm of what `store` has. Where they are left out, `metadata` is the store's own database, and `storage`
  /// the store.
  public init(
    _ store: ContentStore, metadata: (any MetadataDatabase)? = nil, storage: (any BlobStorage)? = nil,
    createsOnPush: Bool = true, acceptsSparseIndexes: Bool = false
  ) throws {
    let metadata = metadata ?? SQLiteMetadata(store)
    try metadata.migrate("registry", Schema.steps)
    try metadata.migrate("registry-replication", Replication.schema)
    try metadata.migrate("registry-lifecycle", LifecycleTables.steps)
    try metadata.migrate("registry-scan", ScanSchema.steps)
    try metadata.migrate("registry-signing", ManagedSigning.schema)
    try metadata.migrate("registry-cache", PullThroughCache.schema)
    try metadata.migrate("registry-layers", Uploads.schema)
    self.store = store
    self.metadata = metadata
    self.storage = try storage ?? FileStorage(store, metadata)
    self.createsOnPush = createsOnPush
    self.acceptsSparseIndexes = acceptsSparseIndexes
    realm = .main
    events = EventBus()
    jobs = Jobs(metadata)
    advisories = try AdvisoryDatabase(metadata)
    quotaDefaults = QuotaDefaults()
    cache = try ManifestCache(metadata)
    access = try AccessCache(metadata)
    pushes = try OngoingPushes(metadata)
    pulls = PullTimes()
    templateDocuments = TemplateDocuments()
    templateDocuments.registerRepositoryPolicy()
    signatures = SignatureVerdicts()
    templateDocuments.register(
      .lifecyclePolicy, check: { _ = try LifecyclePolicy(parsing: $0) },
      apply: { text, registry, session, repository in
        try registry.setLifecyclePolicy(session, text, of: repository.id)
      })
    try followExclusions()
  }

  private init(_ other: Registry, _ realm: Realm) {
    store = other.store
    storage = other.storage
    metadata = other.metadata
    self.realm = realm
    createsOnPush = other.createsOnPush
    acceptsSparseIndexes = other.acceptsSparseIndexes
    events = other.events
    jobs = other.jobs
    advisories = other.advisories
    quotaDefaults = other.quotaDefaults
    cache = other.cache
    access = other.access
    pushes = other.pushes
    pulls = other.pulls
    templateDocuments = other.templateDocuments
    signatures = other.signatures
  }

  /// The same registry as it is in another realm.
  public func at(_ realm: Realm) -> Registry { realm == self.realm ? self : Registry(self, realm) }

  func owner(_ repository: String) -> String {
    realm.isMain ? "registry/\(repository)" : "registry:\(realm)/\(repository)"
  }

  static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  static func checkName(_ name: String) throws(RegistryError) {
    guard Reference.isPath(name), name.utf8.count <= 255 else { throw .nameInvalid(name) }
  }

  /// Holds `digests` and writes the rows that say so. Where the rows are not written, what is new is let go again.
  func holding<Result: Sendable>(
    _ digests: [Digest], in repository: String, isKept: (any SQLSession, Digest) throws -> Bool,
    _ write: (any SQLSession) throws -> Result
  ) throws -> Result {
    try storage.hold(digests, owner: owner(repository), isKept: isKept, write: write)
  }

  /// Deletes rows, then lets go of the digests that `delete` returns.
  func releasing(in repository: String, _ delete: (any SQLSession) throws -> [Digest]) throws {
    try storage.release(owner: owner(repository), delete: delete)
  }

  /// The same for manifests and tags, which are in memory only where the database tells of changes: where it does not,
  /// all pushes of all replicas would wait for one row.
  func noteChange(_ session: any SQLSession) throws -> Int64 { cache.isUsed ? try Self.raiseChange(session) : 0 }

  /// Raises the number that caches compare, in the transaction that changes something.
  static func raiseChange(_ session: any SQLSession) throws -> Int64 {
    try session.value(Int64.self, "UPDATE registry_change SET number = number + 1 RETURNING number") ?? 0
  }

  // MARK: repositories

  func repository(_ session: any SQLSession, _ name: String) throws -> Repository? {
    try session.row(
      "SELECT * FROM registry_repository WHERE account = ?1 AND region = ?2 AND name = ?3",
      [realm.account, realm.region, name]
    ).map(Repository.init)
  }

  func existing(_ session: any SQLSession, _ name: String) throws -> Repository {
    guard let found = try repository(session, name) else { throw RegistryError.repositoryUnknown(name) }
    return found
  }

  /// The number of a repository's row; cheaper than all of it.
  func repositoryID(_ session: any SQLSession, _ name: String) throws -> Int64? {
    try session.value(
      Int64.self, "SELECT id FROM registry_repository WHERE account = ?1 AND region = ?2 AND name = ?3",
      [realm.account, realm.region, name])
  }

  func existingID(_ session: any SQLSession, _ name: String) throws -> Int64 {
    guard let found = try repositoryID(session, name) else { throw RegistryError.repositoryUnknown(name) }
    return found
  }

  /// The repository that a push names, made now where that is allowed.
  func forPush(_ session: any SQLSession, _ name: String) throws -> Repository {
    try repository(session, name, for: .createOnPush)
  }

  func insert(
    _ session: any SQLSession, _ name: String, _ mutability: TagMutability, _ labels: [String: String]
  ) throws -> Repository {
    try Self.checkName(name)
    let row = try session.row(
      """
      INSERT INTO registry_repository (account, region, name, created, mutability, mutability_filters, labels)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING RETURNING *
      """,
      [
        realm.account, realm.region, name, Self.now, mutability.rule.rawValue, Self.json(mutability.exclusions),
        Self.json(labels),
      ])
    guard let row else { throw RegistryError.repositoryExists(name) }
    try AccessCache.raise(session)
    let repository = try Repository(row)
    try checkQuota([.repositories], repository, session)
    return repository
  }

  public func createRepository(
    _ name: String, mutability: TagMutability = TagMutability(), labels: [String: String] = [:]
  ) throws -> Repository {
    try createRepository(name, mutability: mutability, labels: labels) { _, _ in }
  }

  /// `complete` writes what else belongs to the new repository, in the same transaction.
  public func createRepository(
    _ name: String, mutability: TagMutability, labels: [String: String],
    complete: (any SQLSession, Repository) throws -> Void
  ) throws -> Repository {
    try metadata.write { session in
      let repository = try insert(session, name, mutability, labels)
      try complete(session, repository)
      return repository
    }
  }

  public func repository(_ name: String) throws -> Repository { try metadata.read { try existing($0, name) } }

  public func repositoryExists(_ name: String) throws -> Bool {
    try metadata.read { try repositoryID($0, name) != nil }
  }

  /// In order of names, those after `last`.
  public func repositories(after last: String? = nil, limit: Int) throws -> [Repository] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT * FROM registry_repository WHERE account = ?1 AND region = ?2 AND name > ?3 ORDER BY name LIMIT ?4
        """, [realm.account, realm.region, last ?? "", max(0, limit)]
      ).map(Repository.init)
    }
  }

  /// Changes the settings of a repository and returns it as it is then.
  public func updateRepository(_ name: String, _ edit: (inout Repository) throws -> Void) throws -> Repository {
    try metadata.write { session in
      var repository = try existing(session, name)
      try edit(&repository)
      try session.execute(
        "UPDATE registry_repository SET mutability = ?1, mutability_filters = ?2, labels = ?3 WHERE id = ?4",
        [
          repository.mutability.rule.rawValue, Self.json(repository.mutability.exclusions),
          Self.json(repository.labels), repository.id,
        ])
      try AccessCache.raise(session)
      return repository
    }
  }

  /// Deletes a repository; one that has images only with `force`.
  public func deleteRepository(_ name: String, force: Bool = false, by origin: Origin = .unknown) throws -> Repository {
    let (repository, number) = try storage.releaseAll(owner: owner(name)) { session in
      let repository = try existing(session, name)
      if !force,
        try session.exists("SELECT 1 FROM registry_manifest WHERE repository = ?1", [repository.id])
      {
        throw RegistryError.repositoryNotEmpty(name)
      }
      try session.execute("DELETE FROM registry_repository WHERE id = ?1", [repository.id])
      // What policies knew of it is gone with it.
      try AccessCache.raise(session)
      return (repository, try Self.raiseChange(session))
    }
    cache.removeAll(number: number)
    events.publish(RegistryEvent(.deleteRepository, in: self, repository: name, by: origin))
    return repository
  }

  // MARK: tags

  /// In lexical order, those after `last`.
  public func tags(_ name: String, after last: String? = nil, limit: Int) throws -> [String] {
    try metadata.read { session in
      try session.values(
        String.self, "SELECT name FROM registry_tag WHERE repository = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
        [existingID(session, name), last ?? "", max(0, limit)])
    }
  }

  /// Takes a tag away; the manifest stays.
  public func deleteTag(
    _ tag: String, in name: String, by origin: Origin = .unknown, onlyIf condition: ManifestCondition = .none
  ) throws {
    let number = try metadata.write { session in
      try condition.check(session, try existingID(session, name), name)
      let removed = try session.value(
        Int64.self, "DELETE FROM registry_tag WHERE repository = ?1 AND name = ?2 RETURNING manifest",
        [existingID(session, name), tag])
      guard let removed else { throw RegistryError.manifestUnknown(tag, repository: name) }
      let digest = try session.value(String.self, "SELECT digest FROM registry_manifest WHERE id = ?1", [removed])
      try events.record(
        RegistryEvent(.delete, in: self, repository: name, digest: digest, tag: tag, by: origin), session)
      return try noteChange(session)
    }
    cache.remove([.init(realm: realm, repository: name, reference: .tag(tag))], number: number)
    events.publish(RegistryEvent(.delete, in: self, repository: name, tag: tag, by: origin))
  }

  static func json(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Arrays and dictionaries of strings always encode.
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
  }

  static func decoded<Value: Decodable>(_ type: Value.Type, _ text: String?) -> Value? {
    text.flatMap { try? JSONDecoder().decode(type, from: Data($0.utf8)) }
  }
}

extension Repository {
  init(_ row: SQLRow) throws {
    id = try row["id"]
    name = try row["name"]
    created = try row["created"]
    mutability = TagMutability(
      TagMutability.Rule(rawValue: try row["mutability"]) ?? .mutable,
      exclusions: Registry.decoded([String].self, try row["mutability_filters"]) ?? [])
    labels = Registry.decoded([String: String].self, try row["labels"]) ?? [:]
  }
}
