public import ImageSpec
import Metadata

/// How far the copy of an image in one destination is.
public struct ReplicationStatus: Hashable, Sendable {
  public enum State: String, Hashable, Sendable {
    case inProgress = "IN_PROGRESS"
    case complete = "COMPLETE"
    /// The last attempt failed; it is tried again for a day.
    case failed = "FAILED"
  }

  public let destination: Realm
  public let state: State
  /// Why the last attempt failed.
  public let failure: String?
}

extension Replication {
  static let schema = [
    """
    CREATE TABLE registry_replication (
      account TEXT NOT NULL,
      region TEXT NOT NULL,
      repository TEXT NOT NULL,
      digest TEXT NOT NULL,
      to_account TEXT NOT NULL,
      to_region TEXT NOT NULL,
      state TEXT NOT NULL,
      failure TEXT,
      began INTEGER NOT NULL,
      PRIMARY KEY (account, region, repository, digest, to_account, to_region)
    ) CLUSTERED;
    CREATE INDEX registry_replication_state ON registry_replication (state, began);
    """
  ]

  /// In order of destinations; empty for an image that no rule covered when it was pushed.
  public func statuses(of digest: Digest, in repository: String, of registry: Registry) throws -> [ReplicationStatus] {
    try registry.metadata.read { session in
      try session.rows(
        """
        SELECT to_account, to_region, state, failure FROM registry_replication
        WHERE account = ?1 AND region = ?2 AND repository = ?3 AND digest = ?4 ORDER BY to_account, to_region
        """, [registry.realm.account, registry.realm.region, repository, digest.description]
      ).compactMap { row in
        guard let destination = Realm(account: try row["to_account"], region: try row["to_region"]),
          let state = ReplicationStatus.State(rawValue: try row["state"])
        else { return nil }
        return ReplicationStatus(destination: destination, state: state, failure: try row["failure"])
      }
    }
  }

  /// What has not arrived yet, over all realms: how many copies, and for how many milliseconds the oldest has been under
  /// way.
  public func lag() throws -> (copies: Int, oldest: Int64) { try main.metadata.read(Self.lag) }

  static func lag(_ session: any SQLSession) throws -> (copies: Int, oldest: Int64) {
    let row = try session.row(
      "SELECT COUNT(*) AS copies, MIN(began) AS oldest FROM registry_replication WHERE state <> ?1",
      [ReplicationStatus.State.complete.rawValue])
    let began = try row?["oldest"] as Int64?
    return (try row?["copies"] ?? 0, began.map { Registry.now - $0 } ?? 0)
  }

  /// `began` of a copy that is under way already stays.
  static func begin(_ session: any SQLSession, _ copy: Copy) throws {
    try session.execute(
      """
      INSERT INTO registry_replication (account, region, repository, digest, to_account, to_region, state, failure, began)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8)
      ON CONFLICT (account, region, repository, digest, to_account, to_region) DO UPDATE SET state = ?7, began = ?8
      """, copy.key + [ReplicationStatus.State.inProgress.rawValue, Registry.now])
  }

  static func note(
    _ session: any SQLSession, _ copy: Copy, _ state: ReplicationStatus.State, failure: String? = nil
  ) throws {
    try session.execute(
      """
      UPDATE registry_replication SET state = ?7, failure = ?8
      WHERE account = ?1 AND region = ?2 AND repository = ?3 AND digest = ?4 AND to_account = ?5 AND to_region = ?6
      """, copy.key + [state.rawValue, failure])
  }

  static func forget(_ session: any SQLSession, _ digest: String?, _ repository: String, _ realm: Realm) throws {
    try session.execute(
      """
      DELETE FROM registry_replication WHERE account = ?1 AND region = ?2 AND repository = ?3 AND (digest = ?4 OR ?4 IS NULL)
      """, [realm.account, realm.region, repository, digest])
  }
}
