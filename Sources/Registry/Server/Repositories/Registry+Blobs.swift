import Content
import DistributionSpec
public import ImageSpec
import Metadata

extension Registry {
  /// A blob that the repository has; nil where it has none of this digest, whatever the store has.
  ///
  /// Whether it is archived is looked for only where the repository has an archive, which an index tells.
  public func blob(_ digest: Digest, in name: String) throws -> LinkedBlob? {
    try metadata.read { session in
      try session.row(
        """
        SELECT b.size, b.linked, CASE WHEN EXISTS (
            SELECT 1 FROM registry_manifest m WHERE m.repository = r.id AND m.storage_class = 'ARCHIVE'
          ) AND EXISTS (\(Self.images(of: "b.digest", in: "r.id"))) AND NOT EXISTS (
            \(Self.images(of: "b.digest", in: "r.id")) AND m.storage_class = 'STANDARD'
          ) THEN 1 ELSE 0 END AS archived
        FROM registry_repository r JOIN registry_blob b ON b.repository = r.id
        WHERE r.account = ?1 AND r.region = ?2 AND r.name = ?3 AND b.digest = ?4
        """, [realm.account, realm.region, name, digest.description]
      ).map {
        LinkedBlob(
          size: try $0["size"], linked: try $0["linked"], isArchived: try $0["archived"] as Int64 != 0)
      }
    }
  }

  /// Gives the repository a blob that the storage has. To be called within `keeping`.
  func linkBlob(_ digest: Digest, size: Int64, in name: String) throws {
    try holding([digest], in: name, isKept: { try has($0, $1, name) }) { session in
      let repository = try forPush(session, name)
      let isKnown = try session.exists(
        "SELECT 1 FROM registry_blob WHERE repository = ?1 AND digest = ?2", [repository.id, digest.description])
      try session.execute(
        """
        INSERT INTO registry_blob (repository, digest, size, linked) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (repository, digest) DO UPDATE SET linked = ?4
        """, [repository.id, digest.description, size, Self.now])
      try checkQuota(isKnown ? [] : [.bytes], repository, session)
    }
  }

  /// Gives `name` a blob of another repository without moving a byte. Returns false where the other lacks it, or has it
  /// in its archive alone, which is not read.
  public func mountBlob(_ digest: Digest, from source: String, to name: String) throws -> Bool {
    try mountBlob(digest, from: source, of: self, to: name)
  }

  /// The same from another realm's repository.
  public func mountBlob(_ digest: Digest, from source: String, of other: Registry, to name: String) throws -> Bool {
    try storage.keeping {
      guard let blob = try other.blob(digest, in: source), !blob.isArchived, try storage.retain(digest) else {
        return false
      }
      try linkBlob(digest, size: blob.size, in: name)
      return true
    }
  }

  /// Gives `name` a blob that the store has, in whosever name. Returns false where it does not. For the store's owner alone.
  func linkStored(_ digest: Digest, in name: String) throws -> Bool {
    // Shared storage has nothing of this machine's.
    guard !storage.isShared else { return false }
    return try storage.keeping {
      guard try storage.retain(digest) else { return false }
      try linkBlob(digest, size: try store.size(of: digest), in: name)
      return true
    }
  }

  /// Repositories that have the blob, at most `limit`: where a mount names no source, one that its caller may read will do.
  func repositories(havingBlob digest: Digest, limit: Int = 16) throws -> [String] {
    try metadata.read { session in
      try session.values(
        String.self,
        """
        SELECT r.name FROM registry_blob b JOIN registry_repository r ON r.id = b.repository
        WHERE b.digest = ?1 AND r.account = ?2 AND r.region = ?3 LIMIT ?4
        """, [digest.description, realm.account, realm.region, limit])
    }
  }

  /// Takes a blob from a repository; not one that a manifest there names.
  public func deleteBlob(_ digest: Digest, in name: String) throws {
    try releasing(in: name) { session in
      let repository = try existingID(session, name)
      if let manifest = try Self.parent(session, digest, repository, kind: "blob") {
        throw RegistryError.blobReferenced(digest, by: manifest, repository: name)
      }
      let removed = try session.execute(
        "DELETE FROM registry_blob WHERE repository = ?1 AND digest = ?2", [repository, digest.description])
      guard removed > 0 else { throw RegistryError.blobUnknown(digest, repository: name) }
      return try has(session, digest, name) ? [] : [digest]
    }
  }

  /// Keeps a blob that a push has just asked for from `dropUnusedBlobs` for another while: the push will not send it.
  func touchBlob(_ digest: Digest, in name: String) throws {
    try metadata.write { session in
      try session.execute(
        "UPDATE registry_blob SET linked = ?1 WHERE digest = ?2 AND repository = ?3",
        [Self.now, digest.description, existingID(session, name)])
    }
  }

  /// Whether the repository has the digest, as a blob or a manifest.
  func has(_ session: any SQLSession, _ digest: Digest, _ name: String) throws -> Bool {
    guard let repository = try repositoryID(session, name) else { return false }
    return try session.exists(
      """
      SELECT 1 FROM registry_blob WHERE repository = ?1 AND digest = ?2
      UNION ALL SELECT 1 FROM registry_manifest WHERE repository = ?1 AND digest = ?2
      """, [repository, digest.description])
  }
}

/// A blob as a repository has it.
public struct LinkedBlob: Hashable, Sendable {
  /// Bytes.
  public let size: Int64
  /// When it was pushed, mounted or last asked for by a push: milliseconds since 1970.
  public let linked: Int64
  /// Whether it is part of archived images and of no other: it is kept for a push of one of them, and not served.
  public let isArchived: Bool

  /// Whether `touchBlob` is due: at most once an hour, so that asking writes nothing as a rule.
  var isOld: Bool { linked < Registry.now - 3_600_000 }
}
