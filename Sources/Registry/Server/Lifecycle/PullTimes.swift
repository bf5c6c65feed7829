import Metadata
import Synchronization

/// When manifests were pulled, until `recordPulls` writes it down, and whose pulls do not count.
final class PullTimes: Sendable {
  private let times = Mutex<[Int64: Int64]>([:])
  /// Users, by realm.
  private let excluded = Mutex<[Realm: Set<String>]>([:])

  /// `user` is nil for somebody who did not sign in.
  func note(_ manifest: Int64, _ realm: Realm, by user: @autoclosure () -> String?) {
    let isExcluded = excluded.withLock { excluded in
      guard let users = excluded[realm], let user = user() else { return false }
      return users.contains(user)
    }
    if isExcluded { return }
    let now = Registry.now
    times.withLock { $0[manifest] = now }
  }

  func take() -> [Int64: Int64] {
    times.withLock { times in
      let noted = times
      times = [:]
      return noted
    }
  }

  func exclude(_ users: [Realm: Set<String>]) { excluded.withLock { $0 = users } }
}

/// A principal whose pulls are not written down: a scanner's, say, that would keep every image young. (ECR, pull time
/// update exclusions)
public struct PullTimeExclusion: Hashable, Sendable, Codable {
  /// Milliseconds since 1970.
  public let created: Int64
}

extension Registry {
  private static let exclusionKind = SettingKind("pull-time-exclusion")
  public static let pullTimeExclusionLimit = 100

  /// Excludes the user of an ARN `arn:aws:iam::<account>:user/<name>`. nil where it is excluded already. Throws
  /// `tooManyExclusions`.
  public func addPullTimeExclusion(_ arn: String) throws -> PullTimeExclusion? {
    let added = try metadata.write { session -> PullTimeExclusion? in
      if try setting(session, Self.exclusionKind, arn, as: PullTimeExclusion.self) != nil { return nil }
      let count = try session.value(
        Int.self, "SELECT COUNT(*) FROM registry_setting WHERE account = ?1 AND region = ?2 AND kind = ?3",
        [realm.account, realm.region, Self.exclusionKind.rawValue])
      guard count ?? 0 < Self.pullTimeExclusionLimit else {
        throw RegistryError.tooManyExclusions(limit: Self.pullTimeExclusionLimit)
      }
      let exclusion = PullTimeExclusion(created: Self.now)
      try setSetting(session, Self.exclusionKind, arn, exclusion)
      return exclusion
    }
    try followExclusions()
    return added
  }

  /// Returns false where there was none.
  public func removePullTimeExclusion(_ arn: String) throws -> Bool {
    let removed = try removeSetting(Self.exclusionKind, arn)
    try followExclusions()
    return removed
  }

  /// ARNs in their order, those after `last`.
  public func pullTimeExclusions(after last: String? = nil, limit: Int) throws -> [String] {
    try settings(Self.exclusionKind, after: last, limit: limit, as: PullTimeExclusion.self).map(\.name)
  }

  /// Takes over what other processes have changed.
  func followExclusions() throws {
    var users: [Realm: Set<String>] = [:]
    let rows = try metadata.read { session in
      try session.rows(
        "SELECT account, region, name FROM registry_setting WHERE kind = ?1", [Self.exclusionKind.rawValue])
    }
    for row in rows {
      let realm = try Realm(row)
      let arn: String = try row["name"]
      // A role's sessions are nobody who signs in here.
      guard let user = arn.split(separator: ":user/", maxSplits: 1).last, arn.contains(":user/") else { continue }
      users[realm, default: []].insert(String(user))
    }
    pulls.exclude(users)
  }

  /// Writes down when manifests were pulled. A pull itself writes nothing.
  public func recordPulls() throws {
    let noted = pulls.take()
    guard !noted.isEmpty else { return }
    try metadata.write { session in
      for (manifest, time) in noted {
        try session.execute("UPDATE registry_manifest SET pulled = ?1 WHERE id = ?2", [time, manifest])
      }
    }
  }
}
