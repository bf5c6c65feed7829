import Glibc
import Metadata
import Synchronization

/// Pushes under way by sign-in tokens: what lets a push end that lasts longer than its token.
///
/// A token that has ended still serves requests of a push to one repository where its key was pushing there when the token
/// was good, and has not paused for longer than `pause` since; and no longer than `grace` after its end. It opens nothing
/// else: the key has to exist, and its user's policies have to allow each step, as ever. A client may change its address
/// and a server its process in between: pushes are noted in the database, a minute late at most.
final class OngoingPushes: Sendable {
  private struct Key: Hashable {
    let id: String
    let realm: Realm
    let repository: String
  }

  private struct Push {
    /// Seconds since 1970.
    var began: Int64
    var active: Int64
    var isNoted = false
  }

  /// Seconds.
  static let pause: Int64 = 3600
  static let grace: Int64 = 12 * 3600

  private let metadata: any MetadataDatabase
  private let pushes = Mutex<[Key: Push]>([:])

  private static let steps = [
    """
    CREATE TABLE registry_push (
      key_id TEXT NOT NULL,
      account TEXT NOT NULL,
      region TEXT NOT NULL,
      repository TEXT NOT NULL,
      began INTEGER NOT NULL,
      active INTEGER NOT NULL,
      PRIMARY KEY (key_id, account, region, repository)
    ) CLUSTERED;
    """
  ]

  init(_ metadata: any MetadataDatabase) throws {
    try metadata.migrate("registry-pushes", Self.steps)
    self.metadata = metadata
  }

  /// Remembers that a key pushes to a repository now. Costs no look at the database.
  func note(_ keyID: String, _ repository: String, of realm: Realm, at now: Int64 = Int64(time(nil))) {
    let key = Key(id: keyID, realm: realm, repository: repository)
    pushes.withLock { pushes in
      var push = pushes[key] ?? Push(began: now, active: now)
      if push.active < now - Self.pause { push.began = now }
      // Minutes are exact enough for the database.
      if push.active < now - 60 { push.isNoted = false }
      push.active = now
      pushes[key] = push
    }
  }

  /// Whether a push goes on that an ended token belongs to. Reads the database where another process may know it.
  func goesOn(_ token: SignInToken, _ repository: String, of realm: Realm, at now: Int64 = Int64(time(nil))) throws
    -> Bool
  {
    guard now < token.expires + Self.grace else { return false }
    let key = Key(id: token.keyID, realm: realm, repository: repository)
    if let push = pushes.withLock({ $0[key] }), Self.covers(push, token, now) { return true }
    let row = try metadata.read { session in
      try session.row(
        """
        SELECT began, active FROM registry_push
        WHERE key_id = ?1 AND account = ?2 AND region = ?3 AND repository = ?4
        """, [token.keyID, realm.account, realm.region, repository])
    }
    guard let row else { return false }
    let push = Push(began: try row["began"], active: try row["active"], isNoted: true)
    guard Self.covers(push, token, now) else { return false }
    pushes.withLock { if ($0[key]?.active ?? 0) < push.active { $0[key] = push } }
    return true
  }

  private static func covers(_ push: Push, _ token: SignInToken, _ now: Int64) -> Bool {
    push.began < token.expires && push.active >= now - pause
  }

  /// Writes down what the database does not have yet, and forgets what is over.
  func record(at now: Int64 = Int64(time(nil))) throws {
    let fresh = pushes.withLock { pushes in
      pushes = pushes.filter { $0.value.active >= now - Self.pause }
      let fresh = pushes.filter { !$0.value.isNoted }
      for key in fresh.keys { pushes[key]?.isNoted = true }
      return fresh
    }
    guard !fresh.isEmpty else { return }
    try metadata.write { session in
      for (key, push) in fresh {
        try session.execute(
          """
          INSERT INTO registry_push (key_id, account, region, repository, began, active) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
          ON CONFLICT (key_id, account, region, repository) DO UPDATE SET active = ?6,
            began = CASE WHEN registry_push.active >= ?5 - ?7 THEN registry_push.began ELSE ?5 END
          WHERE registry_push.active < ?6
          """, [key.id, key.realm.account, key.realm.region, key.repository, push.began, push.active, Self.pause])
      }
      try session.execute("DELETE FROM registry_push WHERE active < ?1", [now - Self.grace])
    }
  }
}
