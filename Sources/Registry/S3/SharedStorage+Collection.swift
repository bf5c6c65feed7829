public import ImageSpec
internal import Metadata
public import RegistryServer

extension SharedStorage {
  /// Milliseconds for which a blob stays that was taken into use, although nothing refers to it: a push links it later.
  private static let grace: Int64 = 3_600_000
  /// Milliseconds after which an upload without a session of the registry's is nobody's any more.
  private static let forgotten: Int64 = 48 * 3_600_000
  /// Milliseconds after which an object in parts is nobody's of which no row tells.
  private static let abandoned: Int64 = 24 * 3_600_000

  /// Replicas may collect at once.
  ///
  /// Rows say what is in use, and those that a dry run thinks away are still there: what they keep, it leaves out.
  public func collect(dryRun: Bool, released: [String: Set<Digest>]) throws -> RemovedBlobs {
    try collect(dryRun: dryRun, grace: Self.grace)
  }

  func collect(dryRun: Bool, grace: Int64, abandoned: Int64 = abandoned) throws -> RemovedBlobs {
    var removed = RemovedBlobs()
    let limit = Self.now - grace
    var last = ""
    while true {
      let page = try candidates(before: limit, after: last)
      guard let end = page.last else { break }
      last = end.digest.description
      for blob in page where try dryRun || forget(blob, before: limit) {
        removed.blobs.append((blob.digest, blob.stored.size))
        removed.bytes += blob.stored.size
      }
    }
    if !dryRun {
      removed.uploads = try forgetIngests()
      try removeGarbage()
      removed.uploads += try abortAbandoned(before: Self.now - abandoned)
      _ = try scratch.collect()
    }
    return removed
  }

  private static let unused = """
    touched < ?1 AND NOT EXISTS (SELECT 1 FROM registry_blob b WHERE b.digest = registry_content.digest)
      AND NOT EXISTS (SELECT 1 FROM registry_manifest m WHERE m.digest = registry_content.digest)
    """

  private func candidates(before limit: Int64, after last: String) throws -> [(digest: Digest, stored: Stored)] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT digest, object, size FROM registry_content WHERE \(Self.unused) AND digest > ?2 ORDER BY digest LIMIT 200
        """, [limit, last]
      ).map { row in
        (try Digest(parsing: row["digest"] as String), Stored(object: try row["object"], size: try row["size"]))
      }
    }
  }

  /// Looked at again, in the transaction that takes it out: it may have been taken into use.
  private func forget(_ blob: (digest: Digest, stored: Stored), before limit: Int64) throws -> Bool {
    try metadata.write { session in
      let removed = try session.execute(
        "DELETE FROM registry_content WHERE \(Self.unused) AND digest = ?2 AND object = ?3",
        [limit, blob.digest.description, blob.stored.object])
      guard removed > 0 else { return false }
      try Self.discard(blob.stored.object, upload: nil, in: session)
      return true
    }
  }

  /// Uploads whose sessions ended or expired while another replica was writing them.
  private func forgetIngests() throws -> Int {
    try metadata.write { session in
      let rows = try session.rows(
        """
        DELETE FROM registry_ingest WHERE until < ?1 AND NOT EXISTS (
          SELECT 1 FROM registry_upload u WHERE u.id = registry_ingest.id)
        RETURNING id, upload, tail
        """, [Self.now - Self.forgotten])
      for row in rows {
        try Self.discard(try row["id"], upload: try row["upload"], in: session)
        if let tail: String = try row["tail"] { try Self.discard(tail, upload: nil, in: session) }
      }
      return rows.count
    }
  }

  private func removeGarbage() throws {
    while true {
      let page = try metadata.read { session in
        try session.rows("SELECT object, upload FROM registry_garbage ORDER BY object LIMIT 500").map { row in
          (object: try row["object"] as String, upload: try row["upload"] as String?)
        }
      }
      guard !page.isEmpty else { return }
      for entry in page {
        if let upload = entry.upload { try client.abortMultipart(key(entry.object), upload: upload) }
      }
      try client.delete(page.map { key($0.object) })
      try metadata.write { session in
        for entry in page { try session.execute("DELETE FROM registry_garbage WHERE object = ?1", [entry.object]) }
      }
    }
  }

  /// Ends objects in parts that no row names: a replica that died between their beginning and the row has left them, or
  /// one of an older version. Returns how many.
  private func abortAbandoned(before limit: Int64) throws -> Int {
    let prefix = client.location.prefix + "data/"
    var count = 0
    do {
      try client.unfinishedUploads(under: prefix) { uploads in
        // Asked after they were listed: one that goes on has had its row since it began.
        for upload in uploads where upload.begun.map({ $0 < limit }) ?? false {
          guard upload.key.hasPrefix(prefix), try !isNamed(upload) else { continue }
          try client.abortMultipart(upload.key, upload: upload.upload)
          count += 1
        }
      }
    } catch S3Error.refused(let status, _, _, _) where status == 403 || status == 501 {
      // Credentials that may not list uploads, or a storage that cannot: the bucket's own rule is left then.
    }
    return count
  }

  private func isNamed(_ upload: S3Client.UnfinishedUpload) throws -> Bool {
    try metadata.read { session in
      try session.exists("SELECT 1 FROM registry_ingest WHERE upload = ?1", [upload.upload])
    }
  }
}
