import DistributionSpec
public import ImageSpec
public import Lifecycle
import Metadata

/// The archive: images that are kept and not served. Their content stays in the store as it is, since layers are
/// compressed already; a push finds it and need not send it again. (ECR, archive storage class)
///
/// What an index in service lists is in service too: an image cannot be archived while such an index lists it, and
/// restoring an index restores what it lists. What is about an image follows it.
extension Registry {
  /// Throws `manifestReferenced` where an index in service lists the image.
  public func archive(_ digest: Digest, in name: String) throws {
    let (keys, number) = try metadata.write { session in
      let repository = try existingID(session, name)
      guard let manifest = try Self.find(session, .digest(digest), repository) else {
        throw RegistryError.manifestUnknown(digest.description, repository: name)
      }
      if let index = try Self.activeIndex(session, digest, repository) {
        throw RegistryError.manifestReferenced(digest, by: index, repository: name)
      }
      var keys: [ManifestCache.Key] = []
      var pending = [manifest]
      var seen = Set<Int64>()
      while let next = pending.popLast() {
        guard seen.insert(next.id).inserted else { continue }
        if next.storageClass == .standard {
          keys += try archive(session, next.id, next.digest, Self.tags(session, next.id), name)
        }
        pending += try Self.referrers(session, of: next.digest, repository).filter {
          try Self.activeIndex(session, $0.digest, repository) == nil
        }
      }
      return (keys, try Self.raiseChange(session))
    }
    cache.remove(keys, number: number)
  }

  /// Marks one image, and returns what caches must forget.
  func archive(
    _ session: any SQLSession, _ manifest: Int64, _ digest: Digest, _ tags: [String], _ name: String
  ) throws -> [ManifestCache.Key] {
    try session.execute(
      "UPDATE registry_manifest SET storage_class = ?2, archived = ?3 WHERE id = ?1",
      [manifest, StorageClass.archive.rawValue, Self.now])
    return (tags.map(ManifestReference.tag) + [.digest(digest)]).map {
      .init(realm: realm, repository: name, reference: $0)
    }
  }

  /// An image that is in service already stays as it is.
  public func restore(_ digest: Digest, in name: String) throws {
    let number = try metadata.write { session in
      let repository = try existingID(session, name)
      guard let manifest = try Self.find(session, .digest(digest), repository) else {
        throw RegistryError.manifestUnknown(digest.description, repository: name)
      }
      try Self.restore(session, manifest, repository)
      return try Self.raiseChange(session)
    }
    cache.remove([], number: number)
  }

  /// Restores an image with what it lists and what is about it; returns whether any of it was archived.
  @discardableResult
  static func restore(_ session: any SQLSession, _ manifest: StoredManifest, _ repository: Int64) throws -> Bool {
    var isChanged = false
    var pending = [manifest]
    var seen = Set<Int64>()
    while let next = pending.popLast() {
      guard seen.insert(next.id).inserted else { continue }
      if next.mediaType.isIndex {
        pending += try session.rows(
          """
          SELECT m.* FROM registry_reference r JOIN registry_manifest m ON m.digest = r.digest
          WHERE r.manifest = ?1 AND r.kind = 'manifest' AND m.repository = ?2 AND m.storage_class <> 'STANDARD'
          """, [next.id, repository]
        ).map(StoredManifest.init)
      }
      guard next.storageClass != .standard else { continue }
      try session.execute(
        "UPDATE registry_manifest SET storage_class = 'STANDARD', activated = ?2 WHERE id = ?1", [next.id, now])
      isChanged = true
      pending += try referrers(session, of: next.digest, repository)
    }
    return isChanged
  }

  private static func referrers(
    _ session: any SQLSession, of digest: Digest, _ repository: Int64
  ) throws -> [StoredManifest] {
    try session.rows(
      "SELECT * FROM registry_manifest WHERE repository = ?1 AND subject = ?2", [repository, digest.description]
    ).map(StoredManifest.init)
  }

  private static func activeIndex(
    _ session: any SQLSession, _ digest: Digest, _ repository: Int64
  ) throws -> Digest? {
    try session.value(
      String.self,
      """
      SELECT i.digest FROM registry_reference r JOIN registry_manifest i ON i.id = r.manifest
      WHERE r.digest = ?1 AND r.kind = 'manifest' AND i.repository = ?2 AND i.storage_class = 'STANDARD' LIMIT 1
      """, [digest.description, repository]
    ).map { try Digest(parsing: $0) }
  }

  static func tags(_ session: any SQLSession, _ manifest: Int64) throws -> [String] {
    try session.values(String.self, "SELECT name FROM registry_tag WHERE manifest = ?1 ORDER BY name", [manifest])
  }

  /// Selects the manifests `m` of a repository that name a digest.
  static func images(of digest: String, in repository: String) -> String {
    """
    SELECT 1 FROM registry_reference f JOIN registry_manifest m ON m.id = f.manifest
    WHERE f.digest = \(digest) AND m.repository = \(repository)
    """
  }

  /// The class of the images that a blob is part of, the archive where all of them are archived; nil where it is part of
  /// none.
  public func storageClass(ofBlob digest: Digest, in name: String) throws -> StorageClass? {
    try metadata.read { session in
      let repository = try existingID(session, name)
      let images = Self.images(of: "?1", in: "?2")
      if try session.exists("\(images) AND m.storage_class = 'STANDARD'", [digest.description, repository]) {
        return .standard
      }
      return try session.exists(images, [digest.description, repository]) ? .archive : nil
    }
  }
}
