import FoundationEssentials
public import Metadata

/// What a setting is about: the owner of one gives it a name.
public struct SettingKind: Hashable, Sendable, RawRepresentable {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
  public init(_ rawValue: String) { self.rawValue = rawValue }
}

/// Settings of a realm and of its repositories: documents of JSON, by kind and name.
extension Registry {
  // MARK: of the realm

  public func setting<Value: Decodable>(_ kind: SettingKind, _ name: String = "", as type: Value.Type) throws -> Value? {
    try metadata.read { try setting($0, kind, name, as: type) }
  }

  public func setting<Value: Decodable>(
    _ session: any SQLSession, _ kind: SettingKind, _ name: String = "", as type: Value.Type
  ) throws -> Value? {
    try session.value(
      String.self,
      "SELECT value FROM registry_setting WHERE account = ?1 AND region = ?2 AND kind = ?3 AND name = ?4",
      [realm.account, realm.region, kind.rawValue, name]
    ).map { try JSONDecoder().decode(type, from: Data($0.utf8)) }
  }

  public func setSetting(_ kind: SettingKind, _ name: String = "", _ value: some Encodable) throws {
    let number = try metadata.write { session in
      try setSetting(session, kind, name, value)
      return try Self.raiseChange(session)
    }
    cache.remove([], number: number)
  }

  public func setSetting(
    _ session: any SQLSession, _ kind: SettingKind, _ name: String = "", _ value: some Encodable
  ) throws {
    try session.execute(
      """
      INSERT INTO registry_setting (account, region, kind, name, value, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
      ON CONFLICT (account, region, kind, name) DO UPDATE SET value = ?5, updated = ?6
      """, [realm.account, realm.region, kind.rawValue, name, Self.encoded(value), Self.now])
    try AccessCache.raise(session)
  }

  /// Returns false where there was none.
  @discardableResult
  public func removeSetting(_ kind: SettingKind, _ name: String = "") throws -> Bool {
    let (removed, number) = try metadata.write { session in
      let removed = try session.execute(
        "DELETE FROM registry_setting WHERE account = ?1 AND region = ?2 AND kind = ?3 AND name = ?4",
        [realm.account, realm.region, kind.rawValue, name])
      try AccessCache.raise(session)
      return (removed > 0, try Self.raiseChange(session))
    }
    cache.remove([], number: number)
    return removed
  }

  /// In order of names, those after `last`.
  public func settings<Value: Decodable>(
    _ kind: SettingKind, after last: String? = nil, limit: Int = .max, as type: Value.Type
  ) throws -> [(name: String, value: Value)] {
    try metadata.read { try settings($0, kind, after: last, limit: limit, as: type) }
  }

  public func settings<Value: Decodable>(
    _ session: any SQLSession, _ kind: SettingKind, after last: String? = nil, limit: Int = .max, as type: Value.Type
  ) throws -> [(name: String, value: Value)] {
    try session.rows(
      """
      SELECT name, value FROM registry_setting
      WHERE account = ?1 AND region = ?2 AND kind = ?3 AND (name > ?4 OR ?5 = 1) ORDER BY name LIMIT ?6
      """, [realm.account, realm.region, kind.rawValue, last ?? "", last == nil, limit]
    ).map { (try $0["name"], try JSONDecoder().decode(type, from: Data(($0["value"] as String).utf8))) }
  }

  // MARK: of a repository

  /// nil where the repository has none. Throws `repositoryUnknown`.
  public func repositorySetting<Value: Decodable>(
    _ kind: SettingKind, of name: String, as type: Value.Type
  ) throws -> Value? {
    try metadata.read { try repositorySetting($0, kind, of: existingID($0, name), as: type) }
  }

  public func repositorySetting<Value: Decodable>(
    _ session: any SQLSession, _ kind: SettingKind, of repository: Int64, as type: Value.Type
  ) throws -> Value? {
    try session.value(
      String.self, "SELECT value FROM registry_repository_setting WHERE repository = ?1 AND kind = ?2",
      [repository, kind.rawValue]
    ).map { try JSONDecoder().decode(type, from: Data($0.utf8)) }
  }

  /// Throws `repositoryUnknown`.
  public func setRepositorySetting(_ kind: SettingKind, of name: String, _ value: some Encodable) throws {
    let number = try metadata.write { session in
      try setRepositorySetting(session, kind, of: existingID(session, name), value)
      return try Self.raiseChange(session)
    }
    cache.remove([], number: number)
  }

  public func setRepositorySetting(
    _ session: any SQLSession, _ kind: SettingKind, of repository: Int64, _ value: some Encodable
  ) throws {
    try session.execute(
      """
      INSERT INTO registry_repository_setting (repository, kind, value, updated) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT (repository, kind) DO UPDATE SET value = ?3, updated = ?4
      """, [repository, kind.rawValue, Self.encoded(value), Self.now])
    try AccessCache.raise(session)
  }

  /// Returns false where the repository has none. Throws `repositoryUnknown`.
  @discardableResult
  public func removeRepositorySetting(_ kind: SettingKind, of name: String) throws -> Bool {
    let (removed, number) = try metadata.write { session in
      let removed = try session.execute(
        "DELETE FROM registry_repository_setting WHERE repository = ?1 AND kind = ?2",
        [existingID(session, name), kind.rawValue])
      try AccessCache.raise(session)
      return (removed > 0, try Self.raiseChange(session))
    }
    cache.remove([], number: number)
    return removed
  }

  /// The number that is raised with each change of images and settings: what caches of either compare. It costs as much
  /// as the manifests' cache does.
  public func changeNumber() throws -> Int64 { try cache.currentNumber(metadata) }

  private static func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
