import Content
import DistributionSpec
import ImageSpec
import Metadata

extension PullThroughCache {
  /// When a tag was last looked for at its upstream, and what refers to an image.
  static let schema = [
    """
    CREATE TABLE registry_cached_tag (
      repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      checked INTEGER NOT NULL,
      PRIMARY KEY (repository, name)
    ) CLUSTERED;
    """,
    """
    CREATE TABLE registry_cached_referrers (
      repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
      subject TEXT NOT NULL,
      checked INTEGER NOT NULL,
      PRIMARY KEY (repository, subject)
    ) CLUSTERED;
    """,
  ]
}

extension Registry {
  /// Milliseconds since 1970; nil for a tag that did not come from an upstream, or is gone.
  func cachedTagChecked(_ tag: String, in name: String) throws -> Int64? {
    try metadata.read { session in
      try session.value(
        Int64.self,
        """
        SELECT c.checked FROM registry_repository r JOIN registry_cached_tag c ON c.repository = r.id
        JOIN registry_tag t ON t.repository = r.id AND t.name = c.name
        WHERE r.account = ?1 AND r.region = ?2 AND r.name = ?3 AND c.name = ?4
        """, [realm.account, realm.region, name, tag])
    }
  }

  func noteCachedTag(_ tag: String, in name: String, at time: Int64) throws {
    _ = try metadata.write { session in
      try session.execute(
        """
        INSERT INTO registry_cached_tag (repository, name, checked) VALUES (?1, ?2, ?3)
        ON CONFLICT (repository, name) DO UPDATE SET checked = ?3
        """, [existingID(session, name), tag, time])
    }
  }

  /// When the referrers of an image were last looked for at its upstream: milliseconds since 1970; nil for never.
  func cachedReferrersChecked(_ subject: Digest, in name: String) throws -> Int64? {
    try metadata.read { session in
      try session.value(
        Int64.self,
        """
        SELECT c.checked FROM registry_repository r JOIN registry_cached_referrers c ON c.repository = r.id
        WHERE r.account = ?1 AND r.region = ?2 AND r.name = ?3 AND c.subject = ?4
        """, [realm.account, realm.region, name, subject.description])
    }
  }

  /// A repository that is not there has nothing to note.
  func noteCachedReferrers(_ subject: Digest, in name: String, at time: Int64) throws {
    try metadata.write { session in
      guard let repository = try repositoryID(session, name) else { return }
      try session.execute(
        """
        INSERT INTO registry_cached_referrers (repository, subject, checked) VALUES (?1, ?2, ?3)
        ON CONFLICT (repository, subject) DO UPDATE SET checked = ?3
        """, [repository, subject.description, time])
    }
  }

  /// Stores a manifest that an upstream has. What it names comes when it is asked for.
  func putCachedManifest(_ bytes: [UInt8], mediaType: MediaType, digest: Digest, in name: String, tag: String?) throws {
    _ = try putManifest(
      bytes, contentType: mediaType, in: name, tags: tag.map { [$0] } ?? [], expected: digest,
      by: .upstream, lacking: true)
    if let tag { try noteCachedTag(tag, in: name, at: Self.now) }
  }

  /// Gives the repository a blob that was fetched into this machine's store, which need not be where blobs are kept.
  func linkFetchedBlob(_ blob: Descriptor, in name: String) throws {
    try storage.keeping {
      if storage.isShared, try !storage.retain(blob.digest) { try copyToStorage(blob) }
      try linkBlob(blob.digest, size: blob.size, in: name)
    }
  }

  private func copyToStorage(_ blob: Descriptor) throws {
    let file = BlobFile(try store.open(blob.digest))
    let ingest = try storage.ingest(nil, hashing: blob.digest.algorithm)
    do {
      var offset: Int64 = 0
      while offset < blob.size {
        let piece = try file.read(at: offset, count: Int(min(1 << 20, blob.size - offset)))
        try piece.withUnsafeReadableBytes { try ingest.append($0) }
        offset += Int64(piece.readableBytes)
      }
      _ = try ingest.commit(expecting: blob.digest)
    } catch {
      try? ingest.discard()
      throw error
    }
  }

  /// A blob as a manifest of the repository describes it; nil where none names it.
  func descriptor(of digest: Digest, in name: String) throws -> Descriptor? {
    guard let parent = try metadata.read({ try Self.parent($0, digest, existingID($0, name), kind: "blob") }) else {
      return nil
    }
    let stored = try storedManifest(.digest(parent), in: name)
    let bytes = try storage.read(parent, limit: ManifestDocument.sizeLimit)
    let document = try ManifestDocument(parsing: bytes, contentType: stored.mediaType)
    return (document.blobs + document.children).first { $0.digest == digest }
  }
}

extension Origin {
  /// Images that a pull brought from an upstream; they are not replicated, since what they name may not be here yet.
  static let upstream = Origin(principal: "upstream", replica: true)
}
