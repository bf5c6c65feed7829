public import Content
import DistributionSpec
import FoundationEssentials
import GRDB
import Glibc
public import ImageSpec
import Synchronization
import SystemPackage

/// The repositories of a registry: what its tables say, together with the content in the store.
///
/// All functions block and are safe from any thread. Each change is one transaction. What a repository has is held in
/// the store under the owner `registry/<repository>`, so that no collection takes it.
public final class Registry: Sendable {
  public let store: ContentStore
  /// Whether a push makes the repository that it names. Amazon ECR does not.
  public let createsOnPush: Bool
  let cache: ManifestCache
  private let pulls = Mutex<[Int64: Int64]>([:])
  /// A hold in the store and the row that stands for it are two transactions: without this, a delete's release could
  /// fall between the hold and the row of a push of the same manifest.
  private let change = Mutex(())

  public init(_ store: ContentStore, createsOnPush: Bool = true) throws {
    try store.migrate("registry", Schema.steps)
    self.store = store
    self.createsOnPush = createsOnPush
    cache = try ManifestCache(database: store.root.appending("clipper.db").string)
  }

  static func owner(_ repository: String) -> String { "registry/\(repository)" }

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
    _ digests: [Digest], in repository: String, isKept: @Sendable (Database, Digest) throws -> Bool,
    _ write: @Sendable (Database) throws -> Result
  ) throws -> Result {
    try change.withLock { _ in
      let owner = Self.owner(repository)
      try store.hold(digests, owner: owner)
      do {
        return try store.database.write(write)
      } catch {
        for digest in digests where try !store.database.read({ try isKept($0, digest) }) {
          try store.release(digest, owner: owner)
        }
        throw error
      }
    }
  }

  /// Deletes rows, then lets go of the digests that `delete` returns.
  func releasing(in repository: String, _ delete: (Database) throws -> [Digest]) throws {
    try change.withLock { _ in
      for digest in try store.database.write(delete) { try store.release(digest, owner: Self.owner(repository)) }
    }
  }

  /// Raises the number that caches compare, in the transaction that changes something.
  static func raiseChange(_ database: Database) throws -> Int64 {
    try Int64.fetchOne(database, sql: "UPDATE registry_change SET number = number + 1 RETURNING number") ?? 0
  }

  // MARK: repositories

  static func repository(_ database: Database, _ name: String) throws -> Repository? {
    let statement = try database.cachedStatement(sql: "SELECT * FROM registry_repository WHERE name = ?")
    return try Row.fetchOne(statement, arguments: [name]).map(Repository.init)
  }

  static func existing(_ database: Database, _ name: String) throws -> Repository {
    guard let found = try repository(database, name) else { throw RegistryError.repositoryUnknown(name) }
    return found
  }

  /// The repository that a push names, made now where that is allowed.
  func forPush(_ database: Database, _ name: String) throws -> Repository {
    if let found = try Self.repository(database, name) { return found }
    guard createsOnPush else { throw RegistryError.repositoryUnknown(name) }
    return try Self.insert(database, name, TagMutability(), [:])
  }

  private static func insert(
    _ database: Database, _ name: String, _ mutability: TagMutability, _ labels: [String: String]
  ) throws -> Repository {
    try checkName(name)
    let row = try Row.fetchOne(
      database,
      sql: """
        INSERT INTO registry_repository (name, created, mutability, mutability_filters, labels)
        VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING *
        """,
      arguments: [name, now, mutability.rule.rawValue, json(mutability.exclusions), json(labels)])
    guard let row else { throw RegistryError.repositoryExists(name) }
    return Repository(row)
  }

  public func createRepository(
    _ name: String, mutability: TagMutability = TagMutability(), labels: [String: String] = [:]
  ) throws -> Repository {
    try store.database.write { try Self.insert($0, name, mutability, labels) }
  }

  public func repository(_ name: String) throws -> Repository {
    try store.database.read { try Self.existing($0, name) }
  }

  public func repositoryExists(_ name: String) throws -> Bool {
    try store.database.read { try Self.repository($0, name) != nil }
  }

  /// In order of names, those after `last`.
  public func repositories(after last: String? = nil, limit: Int) throws -> [Repository] {
    try store.database.read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM registry_repository WHERE name > ? ORDER BY name LIMIT ?",
        arguments: [last ?? "", max(0, limit)]
      ).map(Repository.init)
    }
  }

  /// Changes the settings of a repository and returns it as it is then.
  public func updateRepository(_ name: String, _ edit: @Sendable (inout Repository) throws -> Void) throws -> Repository
  {
    try store.database.write { database in
      var repository = try Self.existing(database, name)
      try edit(&repository)
      try database.execute(
        sql: "UPDATE registry_repository SET mutability = ?, mutability_filters = ?, labels = ? WHERE id = ?",
        arguments: [
          repository.mutability.rule.rawValue, Self.json(repository.mutability.exclusions),
          Self.json(repository.labels),
          repository.id,
        ])
      return repository
    }
  }

  /// Deletes a repository; one that has images only with `force`.
  public func deleteRepository(_ name: String, force: Bool = false) throws -> Repository {
    try change.withLock { _ in
      let (repository, number) = try store.database.write { database in
        let repository = try Self.existing(database, name)
        if !force {
          let hasImages = try Bool.fetchOne(
            database, sql: "SELECT EXISTS (SELECT 1 FROM registry_manifest WHERE repository = ?)",
            arguments: [repository.id])
          if hasImages == true { throw RegistryError.repositoryNotEmpty(name) }
        }
        try database.execute(sql: "DELETE FROM registry_repository WHERE id = ?", arguments: [repository.id])
        return (repository, try Self.raiseChange(database))
      }
      cache.removeAll(number: number)
      try store.release(owner: Self.owner(name))
      return repository
    }
  }

  // MARK: tags

  /// In lexical order, those after `last`.
  public func tags(_ name: String, after last: String? = nil, limit: Int) throws -> [String] {
    try store.database.read { database in
      let repository = try Self.existing(database, name)
      return try String.fetchAll(
        database, sql: "SELECT name FROM registry_tag WHERE repository = ? AND name > ? ORDER BY name LIMIT ?",
        arguments: [repository.id, last ?? "", max(0, limit)])
    }
  }

  /// Takes a tag away; the manifest stays.
  public func deleteTag(_ tag: String, in name: String) throws {
    let number = try store.database.write { database in
      let repository = try Self.existing(database, name)
      try database.execute(
        sql: "DELETE FROM registry_tag WHERE repository = ? AND name = ?", arguments: [repository.id, tag])
      guard database.changesCount > 0 else { throw RegistryError.manifestUnknown(tag, repository: name) }
      return try Self.raiseChange(database)
    }
    cache.remove([.init(repository: name, reference: .tag(tag))], number: number)
  }

  // MARK: pull times

  /// Remembers that a manifest was pulled now. Written with the next `recordPulls`, so that a pull writes nothing.
  public func notePull(_ manifest: Int64) {
    let now = Self.now
    pulls.withLock { $0[manifest] = now }
  }

  public func recordPulls() throws {
    let noted = pulls.withLock { pulls in
      let noted = pulls
      pulls = [:]
      return noted
    }
    guard !noted.isEmpty else { return }
    try store.database.write { database in
      for (manifest, time) in noted {
        try database.execute(sql: "UPDATE registry_manifest SET pulled = ? WHERE id = ?", arguments: [time, manifest])
      }
    }
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
  init(_ row: Row) {
    id = row["id"]
    name = row["name"]
    created = row["created"]
    let rule: String = row["mutability"]
    mutability = TagMutability(
      TagMutability.Rule(rawValue: rule) ?? .mutable,
      exclusions: Registry.decoded([String].self, row["mutability_filters"]) ?? [])
    labels = Registry.decoded([String: String].self, row["labels"]) ?? [:]
  }
}
