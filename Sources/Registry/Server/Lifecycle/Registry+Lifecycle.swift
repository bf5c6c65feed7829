import Lifecycle
public import Metadata

/// The policy that a repository has.
public struct StoredLifecyclePolicy: Hashable, Sendable {
  /// As it was given.
  public let text: String
  /// When it was last run, in milliseconds since 1970; nil where it never was.
  public let evaluated: Int64?
  /// Tells it from one that was put in its place.
  let updated: Int64

  init(_ row: SQLRow) throws {
    text = try row["policy"]
    evaluated = try row["evaluated"]
    updated = try row["updated"]
  }
}

extension Registry {
  /// nil where the repository has none. Throws `repositoryUnknown`.
  public func lifecyclePolicy(of name: String) throws -> StoredLifecyclePolicy? {
    try metadata.read { try Self.lifecyclePolicy($0, existingID($0, name)) }
  }

  static func lifecyclePolicy(_ session: any SQLSession, _ repository: Int64) throws -> StoredLifecyclePolicy? {
    try session.row("SELECT * FROM registry_lifecycle WHERE repository = ?1", [repository])
      .map(StoredLifecyclePolicy.init)
  }

  /// Gives a repository a policy, in place of the one that it may have. Throws `PolicyError`.
  public func setLifecyclePolicy(_ text: String, of name: String) throws {
    try metadata.write { try setLifecyclePolicy($0, text, of: existingID($0, name)) }
  }

  /// The same for a repository that is being made.
  public func setLifecyclePolicy(_ session: any SQLSession, _ text: String, of repository: Int64) throws {
    _ = try LifecyclePolicy(parsing: text)
    let now = Self.now
    try session.execute(
      """
      INSERT INTO registry_lifecycle (repository, policy, updated, since) VALUES (?1, ?2, ?3, ?3)
      ON CONFLICT (repository) DO UPDATE SET policy = ?2, since = ?3, evaluated = NULL,
        updated = CASE WHEN registry_lifecycle.updated < ?3 THEN ?3 ELSE registry_lifecycle.updated + 1 END
      """, [repository, text, now])
  }

  /// The policy that was taken away; nil where the repository had none.
  public func removeLifecyclePolicy(of name: String) throws -> StoredLifecyclePolicy? {
    try metadata.write { session in
      let repository = try existingID(session, name)
      let policy = try Self.lifecyclePolicy(session, repository)
      try session.execute("DELETE FROM registry_lifecycle WHERE repository = ?1", [repository])
      return policy
    }
  }
}
