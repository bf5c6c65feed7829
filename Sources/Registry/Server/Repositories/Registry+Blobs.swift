import Content
import DistributionSpec
import GRDB
public import ImageSpec

extension Registry {
  /// A blob that the repository has; nil where it has none of this digest, whatever the store has.
  public func blob(_ digest: Digest, in name: String) throws -> LinkedBlob? {
    try store.database.read { database in
      try Row.fetchOne(
        try database.cachedStatement(
          sql: """
            SELECT b.size, b.linked FROM registry_repository r JOIN registry_blob b ON b.repository = r.id
            WHERE r.name = ? AND b.digest = ?
            """), arguments: [name, digest.description]
      ).map { LinkedBlob(size: $0["size"], linked: $0["linked"]) }
    }
  }

  /// Gives the repository a blob that the store has. The caller's lease keeps it there until this returns.
  func linkBlob(_ digest: Digest, size: Int64, in name: String) throws {
    try holding([digest], in: name, isKept: { try Self.isLinked($0, digest, name) || Self.isManifest($0, $1, name) }) {
      database in
      let repository = try forPush(database, name)
      try database.execute(
        sql: """
          INSERT INTO registry_blob (repository, digest, size, linked) VALUES (?1, ?2, ?3, ?4)
          ON CONFLICT (repository, digest) DO UPDATE SET linked = ?4
          """, arguments: [repository.id, digest.description, size, Self.now])
    }
  }

  /// Gives `name` a blob of another repository without moving a byte. Returns false where the other lacks it.
  public func mountBlob(_ digest: Digest, from source: String, to name: String) throws -> Bool {
    let lease = try store.lease()
    defer { lease.release() }
    guard let blob = try blob(digest, in: source), try store.retain(digest) else { return false }
    try linkBlob(digest, size: blob.size, in: name)
    return true
  }

  /// Repositories that have the blob, at most `limit`: where a mount names no source, one that its caller may read will do.
  func repositories(havingBlob digest: Digest, limit: Int = 16) throws -> [String] {
    try store.database.read { database in
      try String.fetchAll(
        database,
        sql: """
          SELECT r.name FROM registry_blob b JOIN registry_repository r ON r.id = b.repository
          WHERE b.digest = ? LIMIT ?
          """, arguments: [digest.description, limit])
    }
  }

  /// Takes a blob from a repository; not one that a manifest there names.
  public func deleteBlob(_ digest: Digest, in name: String) throws {
    try releasing(in: name) { database in
      let repository = try Self.existing(database, name)
      if let manifest = try Self.parent(database, digest, repository.id, kind: "blob") {
        throw RegistryError.blobReferenced(digest, by: manifest, repository: name)
      }
      try database.execute(
        sql: "DELETE FROM registry_blob WHERE repository = ? AND digest = ?",
        arguments: [repository.id, digest.description])
      guard database.changesCount > 0 else { throw RegistryError.blobUnknown(digest, repository: name) }
      return try Self.isManifest(database, digest, name) ? [] : [digest]
    }
  }

  /// Keeps a blob that a push has just asked for from `dropUnusedBlobs` for another while: the push will not send it.
  func touchBlob(_ digest: Digest, in name: String) throws {
    try store.database.write { database in
      try database.execute(
        sql: """
          UPDATE registry_blob SET linked = ?1 WHERE digest = ?2
            AND repository = (SELECT id FROM registry_repository WHERE name = ?3)
          """, arguments: [Self.now, digest.description, name])
    }
  }

  /// Takes blobs from repositories where no manifest names them any more, or ever did, and that were not pushed or asked
  /// for within `age` milliseconds. Returns how many.
  @discardableResult
  public func dropUnusedBlobs(olderThan age: Int64 = 24 * 3_600_000) throws -> Int {
    let limit = Self.now - age
    let candidates = try store.database.read { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT r.name, b.digest FROM registry_blob b JOIN registry_repository r ON r.id = b.repository
          WHERE b.linked < ? AND NOT EXISTS (
            SELECT 1 FROM registry_reference f JOIN registry_manifest m ON m.id = f.manifest
            WHERE f.digest = b.digest AND m.repository = b.repository)
          """, arguments: [limit]
      ).map { (name: $0["name"] as String, digest: $0["digest"] as String) }
    }
    var dropped = 0
    for candidate in candidates {
      let digest = try Digest(parsing: candidate.digest)
      try releasing(in: candidate.name) { database in
        // Looked at again: a push may have come in between.
        guard let repository = try Self.repository(database, candidate.name),
          try Self.parent(database, digest, repository.id, kind: "blob") == nil
        else { return [] }
        try database.execute(
          sql: "DELETE FROM registry_blob WHERE repository = ? AND digest = ? AND linked < ?",
          arguments: [repository.id, candidate.digest, limit])
        guard database.changesCount > 0 else { return [] }
        dropped += 1
        return try Self.isManifest(database, digest, candidate.name) ? [] : [digest]
      }
    }
    return dropped
  }

  private static func isLinked(_ database: Database, _ digest: Digest, _ name: String) throws -> Bool {
    try Bool.fetchOne(
      database,
      sql: """
        SELECT EXISTS (SELECT 1 FROM registry_blob b JOIN registry_repository r ON r.id = b.repository
          WHERE r.name = ? AND b.digest = ?)
        """, arguments: [name, digest.description]) == true
  }

  private static func isManifest(_ database: Database, _ digest: Digest, _ name: String) throws -> Bool {
    guard let repository = try repository(database, name) else { return false }
    return try find(database, .digest(digest), repository.id) != nil
  }
}

/// A blob as a repository has it.
public struct LinkedBlob: Hashable, Sendable {
  /// Bytes.
  public let size: Int64
  /// When it was pushed, mounted or last asked for by a push: milliseconds since 1970.
  public let linked: Int64

  /// Whether `touchBlob` is due: at most once an hour, so that asking writes nothing as a rule.
  var isOld: Bool { linked < Registry.now - 3_600_000 }
}
