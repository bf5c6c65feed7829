import Content
public import DistributionSpec
import GRDB
public import ImageSpec

extension Registry {
  /// The manifest that a tag or digest names in a repository. Throws `manifestUnknown` or `repositoryUnknown`.
  public func manifest(_ reference: ManifestReference, in name: String) throws -> ManifestContent {
    let key = ManifestCache.Key(repository: name, reference: reference)
    if let found = try cache.find(key) {
      notePull(found.id)
      return found.content
    }
    let number = cache.number
    let stored = try storedManifest(reference, in: name)
    let content = ManifestContent(
      digest: stored.digest, mediaType: stored.mediaType,
      bytes: try store.read(stored.digest, limit: ManifestDocument.sizeLimit))
    cache.insert(key, .init(id: stored.id, content: content), asOf: number)
    notePull(stored.id)
    return content
  }

  /// The manifest in memory, if it is there: never blocks for longer than a look at the database's version.
  func hotManifest(_ reference: ManifestReference, in name: String) throws -> ManifestContent? {
    guard let found = try cache.find(.init(repository: name, reference: reference)) else { return nil }
    notePull(found.id)
    return found.content
  }

  /// What the database knows of a manifest, without its tags.
  public func storedManifest(_ reference: ManifestReference, in name: String) throws -> StoredManifest {
    try store.database.read { database in
      let repository = try Self.existing(database, name)
      guard let found = try Self.find(database, reference, repository.id) else {
        throw RegistryError.manifestUnknown(reference.description, repository: name)
      }
      return found
    }
  }

  static func find(_ database: Database, _ reference: ManifestReference, _ repository: Int64) throws -> StoredManifest?
  {
    let row =
      switch reference {
      case .tag(let tag):
        try Row.fetchOne(
          try database.cachedStatement(
            sql: """
              SELECT m.* FROM registry_tag t JOIN registry_manifest m ON m.id = t.manifest
              WHERE t.repository = ? AND t.name = ?
              """),
          arguments: [repository, tag])
      case .digest(let digest):
        try Row.fetchOne(
          try database.cachedStatement(sql: "SELECT * FROM registry_manifest WHERE repository = ? AND digest = ?"),
          arguments: [repository, digest.description])
      }
    return try row.map { try StoredManifest($0) }
  }

  /// Stores a manifest and points tags at it: the last step of every push, by `/v2/` and by ECR's PutImage.
  ///
  /// `expected` is the digest that the request names; it also chooses the algorithm. Everything that the manifest names
  /// must be in the repository already, so that a tag never leads to half an image.
  public func putManifest(
    _ bytes: [UInt8], contentType: MediaType?, in name: String, tags: [String], expected: Digest? = nil
  ) throws -> PutResult {
    let document = try ManifestDocument(parsing: bytes, contentType: contentType)
    let digest = ContentStore.digest(of: bytes, expected?.algorithm ?? .sha256)
    if let expected, expected != digest { throw RegistryError.digestMismatch(expected: expected, actual: digest) }

    // Seen before anything is written; seen again in the transaction, since others delete meanwhile.
    try store.database.read { database in
      if let repository = try Self.repository(database, name) {
        _ = try Self.contentSize(database, document, repository)
        try Self.checkTags(database, tags, digest, repository)
      } else if !createsOnPush {
        throw RegistryError.repositoryUnknown(name)
      } else if !document.blobs.isEmpty || !document.children.isEmpty {
        try Self.checkName(name)
        let missing = (document.blobs.filter { !$0.mediaType.isForeign } + document.children).map(\.digest)
        if !missing.isEmpty {
          throw RegistryError.referencesUnknown(missing, manifests: document.blobs.isEmpty, repository: name)
        }
      }
    }

    let lease = try store.lease()
    defer { lease.release() }
    let ingest = try store.ingest()
    do {
      try ingest.append(bytes)
      _ = try ingest.commit(expecting: digest, size: Int64(bytes.count))
    } catch {
      ingest.discard()
      throw error
    }
    let (result, number) = try holding([digest], in: name, isKept: { try Self.has($0, $1, name) }) { database in
      try record(database, document, digest, Int64(bytes.count), name, tags)
    }
    if let number {
      cache.remove(
        tags.map { .init(repository: name, reference: .tag($0)) } + [
          .init(repository: name, reference: .digest(digest))
        ],
        number: number)
    }
    return result
  }

  private func record(
    _ database: Database, _ document: ManifestDocument, _ digest: Digest, _ size: Int64, _ name: String,
    _ tags: [String]
  ) throws -> (PutResult, Int64?) {
    let repository = try forPush(database, name)
    let contentSize = try Self.contentSize(database, document, repository)
    try Self.checkTags(database, tags, digest, repository)
    let now = Self.now
    let manifest: Int64
    let isNew: Bool
    if let known = try Self.find(database, .digest(digest), repository.id) {
      (manifest, isNew) = (known.id, false)
    } else {
      isNew = true
      try database.execute(
        sql: """
          INSERT INTO registry_manifest
            (repository, digest, media_type, size, artifact_type, subject, annotations, content_size, pushed)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          repository.id, digest.description, document.mediaType.rawValue, size, document.artifactType,
          document.subject?.digest.description, document.annotations.map(Self.json), contentSize, now,
        ])
      manifest = database.lastInsertedRowID
      let statement = try database.cachedStatement(
        sql: "INSERT OR IGNORE INTO registry_reference (manifest, digest, kind) VALUES (?, ?, ?)")
      for blob in document.blobs { try statement.execute(arguments: [manifest, blob.digest.description, "blob"]) }
      for child in document.children {
        let kind = child.mediaType.isIndex || child.mediaType.isManifest ? "manifest" : "blob"
        try statement.execute(arguments: [manifest, child.digest.description, kind])
      }
    }
    var tagsChanged = false
    for tag in tags {
      try database.execute(
        sql: """
          INSERT INTO registry_tag (repository, name, manifest, updated) VALUES (?1, ?2, ?3, ?4)
          ON CONFLICT (repository, name) DO UPDATE SET manifest = ?3, updated = ?4 WHERE manifest <> ?3
          """,
        arguments: [repository.id, tag, manifest, now])
      if database.changesCount > 0 { tagsChanged = true }
    }
    let number = isNew || tagsChanged ? try Self.raiseChange(database) : nil
    let result = PutResult(
      digest: digest, mediaType: document.mediaType, subject: document.subject?.digest, isNew: isNew,
      tagsChanged: tagsChanged)
    return (result, number)
  }

  /// Bytes of all that a manifest names. Throws where the repository lacks some of it or has it in another size.
  private static func contentSize(_ database: Database, _ document: ManifestDocument, _ repository: Repository) throws
    -> Int64
  {
    let blobs = try database.cachedStatement(sql: "SELECT size FROM registry_blob WHERE repository = ? AND digest = ?")
    var missing: [Digest] = []
    var total: Int64 = 0
    for blob in document.blobs {
      if let size = try Int64.fetchOne(blobs, arguments: [repository.id, blob.digest.description]) {
        try check(blob, size)
      } else if !blob.mediaType.isForeign {
        missing.append(blob.digest)
      }
      total += min(blob.size, 1 << 50)
    }
    if !missing.isEmpty {
      throw RegistryError.referencesUnknown(missing, manifests: false, repository: repository.name)
    }
    for child in document.children {
      // BuildKit's caches are indexes whose members are layers.
      guard child.mediaType.isIndex || child.mediaType.isManifest else {
        if let size = try Int64.fetchOne(blobs, arguments: [repository.id, child.digest.description]) {
          try check(child, size)
          total += size
        } else {
          missing.append(child.digest)
        }
        continue
      }
      if let manifest = try find(database, .digest(child.digest), repository.id) {
        try check(child, manifest.size)
        total = max(total, manifest.contentSize)
      } else {
        missing.append(child.digest)
      }
    }
    if !missing.isEmpty { throw RegistryError.referencesUnknown(missing, manifests: true, repository: repository.name) }
    return total
  }

  private static func check(_ descriptor: Descriptor, _ size: Int64) throws(RegistryError) {
    guard descriptor.size == size else {
      throw .manifestInvalid("it says that \(descriptor.digest) has \(descriptor.size) bytes; it has \(size)")
    }
  }

  private static func checkTags(_ database: Database, _ tags: [String], _ digest: Digest, _ repository: Repository)
    throws
  {
    for tag in tags where repository.mutability.isImmutable(tag) {
      // The same image again is no change: a push that is repeated after a lost answer must succeed.
      if let present = try find(database, .tag(tag), repository.id), present.digest != digest {
        throw RegistryError.tagImmutable(tag, repository: repository.name)
      }
    }
  }

  private static func has(_ database: Database, _ digest: Digest, _ name: String) throws -> Bool {
    guard let repository = try repository(database, name) else { return false }
    return try find(database, .digest(digest), repository.id) != nil
      || Bool.fetchOne(
        database, sql: "SELECT EXISTS (SELECT 1 FROM registry_blob WHERE repository = ? AND digest = ?)",
        arguments: [repository.id, digest.description]) == true
  }

  /// Deletes a manifest with all its tags. With `protectingIndexes`, not one that an index of the repository names.
  public func deleteManifest(_ digest: Digest, in name: String, protectingIndexes: Bool = false) throws {
    let keys = try deleteRows(digest, name, protectingIndexes)
    cache.remove(keys.keys, number: keys.number)
  }

  private func deleteRows(
    _ digest: Digest, _ name: String, _ protectingIndexes: Bool
  ) throws -> (keys: [ManifestCache.Key], number: Int64) {
    var result: (keys: [ManifestCache.Key], number: Int64) = ([], 0)
    try releasing(in: name) { database in
      let repository = try Self.existing(database, name)
      guard let manifest = try Self.find(database, .digest(digest), repository.id) else {
        throw RegistryError.manifestUnknown(digest.description, repository: name)
      }
      if protectingIndexes, let parent = try Self.parent(database, digest, repository.id, kind: "manifest") {
        throw RegistryError.manifestReferenced(digest, by: parent, repository: name)
      }
      let tags = try String.fetchAll(
        database, sql: "SELECT name FROM registry_tag WHERE manifest = ?", arguments: [manifest.id])
      try database.execute(sql: "DELETE FROM registry_manifest WHERE id = ?", arguments: [manifest.id])
      result = (
        (tags.map(ManifestReference.tag) + [.digest(digest)]).map { .init(repository: name, reference: $0) },
        try Self.raiseChange(database)
      )
      // A blob of the same digest may have been linked too, and keeps the hold.
      return try Self.has(database, digest, name) ? [] : [digest]
    }
    return result
  }

  /// Takes a tag away, and the manifest with it where that was its last one: how ECR deletes an image by tag.
  ///
  /// Returns the manifest's digest. The last tag of what an index of the repository names stays: `manifestReferenced`.
  public func deleteImage(tag: String, in name: String) throws -> Digest {
    var keys: [ManifestCache.Key] = []
    var number: Int64 = 0
    var found: Digest?
    try releasing(in: name) { database in
      let repository = try Self.existing(database, name)
      guard let manifest = try Self.find(database, .tag(tag), repository.id) else {
        throw RegistryError.manifestUnknown(tag, repository: name)
      }
      let others = try Int.fetchOne(
        database, sql: "SELECT COUNT(*) FROM registry_tag WHERE manifest = ? AND name <> ?",
        arguments: [manifest.id, tag])
      let isLast = (others ?? 0) == 0
      if isLast, let parent = try Self.parent(database, manifest.digest, repository.id, kind: "manifest") {
        throw RegistryError.manifestReferenced(manifest.digest, by: parent, repository: name)
      }
      try database.execute(
        sql: "DELETE FROM registry_tag WHERE repository = ? AND name = ?", arguments: [repository.id, tag])
      if isLast { try database.execute(sql: "DELETE FROM registry_manifest WHERE id = ?", arguments: [manifest.id]) }
      keys = [ManifestReference.tag(tag), .digest(manifest.digest)].map { .init(repository: name, reference: $0) }
      number = try Self.raiseChange(database)
      found = manifest.digest
      return try !isLast || Self.has(database, manifest.digest, name) ? [] : [manifest.digest]
    }
    cache.remove(keys, number: number)
    guard let found else { throw RegistryError.manifestUnknown(tag, repository: name) }
    return found
  }

  /// A manifest of the repository that names `digest`.
  static func parent(_ database: Database, _ digest: Digest, _ repository: Int64, kind: String) throws -> Digest? {
    try String.fetchOne(
      database,
      sql: """
        SELECT m.digest FROM registry_reference r JOIN registry_manifest m ON m.id = r.manifest
        WHERE r.digest = ? AND r.kind = ? AND m.repository = ? LIMIT 1
        """, arguments: [digest.description, kind, repository]
    ).map { try Digest(parsing: $0) }
  }

  /// Manifests whose subject is `digest`, in push order, those after the one with the ID `last`. The subject itself need
  /// not be there. (distribution-spec, Listing Referrers)
  public func referrers(
    of digest: Digest, artifactType: String?, in name: String, after last: Int64 = 0, limit: Int
  ) throws -> [StoredManifest] {
    try store.database.read { database in
      let repository = try Self.existing(database, name)
      return try Row.fetchAll(
        database,
        sql: """
          SELECT * FROM registry_manifest WHERE repository = ?1 AND subject = ?2 AND id > ?3
            AND (?4 IS NULL OR artifact_type = ?4) ORDER BY id LIMIT ?5
          """, arguments: [repository.id, digest.description, last, artifactType, limit]
      ).map { try StoredManifest($0) }
    }
  }

  /// Manifests with their tags in push order, those after the one with the ID `last`; only tagged or untagged ones
  /// where `tagged` says so.
  public func manifests(in name: String, after last: Int64 = 0, tagged: Bool? = nil, limit: Int) throws
    -> [StoredManifest]
  {
    try store.database.read { database in
      let repository = try Self.existing(database, name)
      let filter =
        switch tagged {
        case nil: ""
        case true?: "AND EXISTS (SELECT 1 FROM registry_tag t WHERE t.manifest = m.id)"
        case false?: "AND NOT EXISTS (SELECT 1 FROM registry_tag t WHERE t.manifest = m.id)"
        }
      let found = try Row.fetchAll(
        database,
        sql: "SELECT * FROM registry_manifest m WHERE repository = ? AND id > ? \(filter) ORDER BY id LIMIT ?",
        arguments: [repository.id, last, limit]
      ).map { try StoredManifest($0) }
      return try found.map { try Self.withTags(database, $0) }
    }
  }

  /// Those of the references that the repository has, with their tags.
  public func manifests(_ references: [ManifestReference], in name: String) throws -> [StoredManifest?] {
    try store.database.read { database in
      let repository = try Self.existing(database, name)
      return try references.map { reference in
        try Self.find(database, reference, repository.id).map { try Self.withTags(database, $0) }
      }
    }
  }

  private static func withTags(_ database: Database, _ manifest: StoredManifest) throws -> StoredManifest {
    var manifest = manifest
    let statement = try database.cachedStatement(sql: "SELECT name FROM registry_tag WHERE manifest = ? ORDER BY name")
    manifest.tags = try String.fetchAll(statement, arguments: [manifest.id])
    return manifest
  }
}

extension StoredManifest {
  init(_ row: Row) throws {
    id = row["id"]
    digest = try Digest(parsing: row["digest"] as String)
    mediaType = MediaType(row["media_type"] as String)
    size = row["size"]
    artifactType = row["artifact_type"]
    subject = try (row["subject"] as String?).map { try Digest(parsing: $0) }
    annotations = Registry.decoded([String: String].self, row["annotations"])
    contentSize = row["content_size"]
    pushed = row["pushed"]
    pulled = row["pulled"]
    tags = []
  }
}
