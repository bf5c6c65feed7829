import Content
public import DistributionSpec
public import ImageSpec
public import Lifecycle
import Metadata

extension Registry {
  /// The manifest that a tag or digest names in a repository, for `user` to pull; nil is somebody who did not sign in.
  /// Throws `manifestUnknown`, `manifestArchived` or `repositoryUnknown`.
  public func manifest(
    _ reference: ManifestReference, in name: String, by user: @autoclosure () -> String? = nil
  ) throws -> ManifestContent {
    let key = ManifestCache.Key(realm: realm, repository: name, reference: reference)
    if let found = try cache.find(key) {
      pulls.note(found.id, realm, by: user())
      return found.content
    }
    let number = cache.number
    let stored = try storedManifest(reference, in: name)
    guard stored.storageClass == .standard else {
      throw RegistryError.manifestArchived(reference.description, repository: name)
    }
    let content = ManifestContent(
      digest: stored.digest, mediaType: stored.mediaType,
      bytes: try storage.read(stored.digest, limit: ManifestDocument.sizeLimit))
    cache.insert(key, .init(id: stored.id, content: content), asOf: number)
    pulls.note(stored.id, realm, by: user())
    return content
  }

  /// Whether manifests are answered from memory: not where the database cannot tell that they changed.
  var keepsManifests: Bool { cache.isUsed }

  /// The manifest in memory, if it is there: never blocks for longer than a look at the database's version.
  func hotManifest(
    _ reference: ManifestReference, in name: String, by user: @autoclosure () -> String?
  ) throws -> ManifestContent? {
    guard let found = try cache.find(.init(realm: realm, repository: name, reference: reference)) else { return nil }
    pulls.note(found.id, realm, by: user())
    return found.content
  }

  /// What the database knows of a manifest, without its tags.
  public func storedManifest(_ reference: ManifestReference, in name: String) throws -> StoredManifest {
    try metadata.read { session in
      guard let found = try Self.find(session, reference, existingID(session, name)) else {
        throw RegistryError.manifestUnknown(reference.description, repository: name)
      }
      return found
    }
  }

  /// False too where there is no such repository.
  func manifestExists(_ reference: ManifestReference, in name: String) throws -> Bool {
    try metadata.read { session in
      guard let repository = try repositoryID(session, name) else { return false }
      return try Self.find(session, reference, repository) != nil
    }
  }

  static func find(
    _ session: any SQLSession, _ reference: ManifestReference, _ repository: Int64
  ) throws -> StoredManifest? {
    let row =
      switch reference {
      case .tag(let tag):
        try session.row(
          """
          SELECT m.* FROM registry_tag t JOIN registry_manifest m ON m.id = t.manifest
          WHERE t.repository = ?1 AND t.name = ?2
          """, [repository, tag])
      case .digest(let digest):
        try session.row(
          "SELECT * FROM registry_manifest WHERE repository = ?1 AND digest = ?2", [repository, digest.description])
      }
    return try row.map(StoredManifest.init)
  }

  /// Stores a manifest and points tags at it: the last step of every push, by `/v2/` and by ECR's PutImage.
  ///
  /// `expected` is the digest that the request names; it also chooses the algorithm. Everything that the manifest names
  /// must be in the repository already, so that a tag never leads to half an image; `lacking` lets it come later.
  public func putManifest(
    _ bytes: [UInt8], contentType: MediaType?, in name: String, tags: [String], expected: Digest? = nil,
    by origin: Origin = .unknown, lacking: Bool = false, onlyIf condition: ManifestCondition = .none
  ) throws -> PutResult {
    let document = try ManifestDocument(parsing: bytes, contentType: contentType)
    let digest = ContentStore.digest(of: bytes, expected?.algorithm ?? .sha256)
    if let expected, expected != digest { throw RegistryError.digestMismatch(expected: expected, actual: digest) }
    try checkBefore(document, digest, name, tags, lacking)
    // Tags lead people to images; what has none may wait for its signature.
    let warnings = tags.isEmpty ? [] : try enforceSignatures(digest, bytes, tags: tags, in: name, at: .push)

    var (result, number) = try storage.keeping {
      try storage.write(bytes, digest)
      return try holding([digest], in: name, isKept: { try has($0, $1, name) }) { session in
        try condition.check(session, try repositoryID(session, name) ?? 0, name)
        return try record(session, document, digest, Int64(bytes.count), name, tags, origin, lacking)
      }
    }
    if let number {
      cache.remove(
        (tags.map(ManifestReference.tag) + [.digest(digest)]).map {
          .init(realm: realm, repository: name, reference: $0)
        }, number: number)
    }
    result.warnings = warnings.map(\.description)
    for event in pushEvents(result, Int64(bytes.count), name, tags, origin) { events.publish(event) }
    return result
  }

  /// Seen before anything is written; seen again in the transaction, since others delete meanwhile.
  private func checkBefore(
    _ document: ManifestDocument, _ digest: Digest, _ name: String, _ tags: [String], _ lacking: Bool
  ) throws {
    try metadata.read { session in
      if let repository = try repository(session, name) {
        _ = try contentSize(session, document, repository, lacking: lacking)
        try Self.checkTags(session, tags, digest, repository)
      } else if try !makesRepository(session, name, for: .createOnPush) {
        throw RegistryError.repositoryUnknown(name)
      } else if !lacking, !document.blobs.isEmpty || !document.children.isEmpty {
        try Self.checkName(name)
        let missing =
          (document.blobs.filter { !$0.mediaType.isForeign }
          + (acceptsSparseIndexes ? [] : document.children)).map(\.digest)
        if !missing.isEmpty {
          throw RegistryError.referencesUnknown(missing, manifests: document.blobs.isEmpty, repository: name)
        }
      }
    }
  }

  /// One a tag; one without where there is none.
  private func pushEvents(
    _ result: PutResult, _ size: Int64, _ name: String, _ tags: [String], _ origin: Origin
  ) -> [RegistryEvent] {
    (tags.isEmpty ? [nil] : tags.map(Optional.some)).map { tag in
      RegistryEvent(
        .push, in: self, repository: name, digest: result.digest.description, tag: tag,
        mediaType: result.mediaType.rawValue, size: size, by: origin)
    }
  }

  private func record(
    _ session: any SQLSession, _ document: ManifestDocument, _ digest: Digest, _ size: Int64, _ name: String,
    _ tags: [String], _ origin: Origin, _ lacking: Bool
  ) throws -> (PutResult, Int64?) {
    let repository = try forPush(session, name)
    let contentSize = try contentSize(session, document, repository, lacking: lacking)
    try Self.checkTags(session, tags, digest, repository)
    let now = Self.now
    let manifest: Int64
    let isNew: Bool
    var isRestored = false
    if let known = try Self.find(session, .digest(digest), repository.id) {
      (manifest, isNew) = (known.id, false)
      isRestored = try Self.restore(session, known, repository.id)
    } else {
      isNew = true
      manifest = try Self.insert(session, document, digest, size, contentSize, repository.id, now)
      // What an index in service lists is in service.
      if document.mediaType.isIndex, let index = try Self.find(session, .digest(digest), repository.id) {
        isRestored = try Self.restore(session, index, repository.id)
      }
    }
    var tagsChanged = false
    for tag in tags {
      let changed = try session.execute(
        """
        INSERT INTO registry_tag (repository, name, manifest, updated) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (repository, name) DO UPDATE SET manifest = ?3, updated = ?4 WHERE registry_tag.manifest <> ?3
        """, [repository.id, tag, manifest, now])
      if changed > 0 { tagsChanged = true }
    }
    try checkQuota((isNew ? [.images] : []) + (tagsChanged ? [.tags] : []), repository, session)
    let number = isNew || tagsChanged || isRestored ? try noteChange(session) : nil
    let result = PutResult(
      digest: digest, mediaType: document.mediaType, subject: document.subject?.digest, isNew: isNew,
      tagsChanged: tagsChanged, isRestored: isRestored)
    for event in pushEvents(result, size, name, tags, origin) { try events.record(event, session) }
    return (result, number)
  }

  private static func insert(
    _ session: any SQLSession, _ document: ManifestDocument, _ digest: Digest, _ size: Int64, _ contentSize: Int64,
    _ repository: Int64, _ now: Int64
  ) throws -> Int64 {
    let manifest: Int64 =
      try session.value(
        Int64.self,
        """
        INSERT INTO registry_manifest
          (repository, digest, media_type, size, artifact_type, subject, annotations, content_size, pushed)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id
        """,
        [
          repository, digest.description, document.mediaType.rawValue, size, document.artifactType,
          document.subject?.digest.description, document.annotations.map(Self.json), contentSize, now,
        ]) ?? 0
    let children = document.children.map { child in
      (child.digest, child.mediaType.isIndex || child.mediaType.isManifest ? "manifest" : "blob")
    }
    for (digest, kind) in document.blobs.map({ ($0.digest, "blob") }) + children {
      try session.execute(
        "INSERT INTO registry_reference (manifest, digest, kind) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        [manifest, digest.description, kind])
    }
    return manifest
  }

  /// Bytes of all that a manifest names. Throws where the repository has some of it in another size, or lacks it and
  /// `lacking` does not allow that.
  private func contentSize(
    _ session: any SQLSession, _ document: ManifestDocument, _ repository: Repository, lacking: Bool
  ) throws -> Int64 {
    func size(_ blob: Descriptor) throws -> Int64? {
      try session.value(
        Int64.self, "SELECT size FROM registry_blob WHERE repository = ?1 AND digest = ?2",
        [repository.id, blob.digest.description])
    }
    var missing: [Digest] = []
    var total: Int64 = 0
    for blob in document.blobs {
      if let size = try size(blob) {
        try Self.check(blob, size)
      } else if !blob.mediaType.isForeign {
        missing.append(blob.digest)
      }
      // What is elsewhere may be said to have any size; the sum of all must stay a number.
      total = min(total, 1 << 60) + min(blob.size, 1 << 50)
    }
    if !missing.isEmpty, !lacking {
      throw RegistryError.referencesUnknown(missing, manifests: false, repository: repository.name)
    }
    missing = []
    for child in document.children {
      // BuildKit's caches are indexes whose members are layers.
      guard child.mediaType.isIndex || child.mediaType.isManifest else {
        if let size = try size(child) {
          try Self.check(child, size)
          total += size
        } else {
          missing.append(child.digest)
        }
        continue
      }
      if let manifest = try Self.find(session, .digest(child.digest), repository.id) {
        try Self.check(child, manifest.size)
        total = max(total, manifest.contentSize)
      } else {
        missing.append(child.digest)
      }
    }
    if !missing.isEmpty, !lacking, !acceptsSparseIndexes {
      throw RegistryError.referencesUnknown(missing, manifests: true, repository: repository.name)
    }
    return total
  }

  private static func check(_ descriptor: Descriptor, _ size: Int64) throws(RegistryError) {
    guard descriptor.size == size else {
      throw .manifestInvalid("it says that \(descriptor.digest) has \(descriptor.size) bytes; it has \(size)")
    }
  }

  private static func checkTags(
    _ session: any SQLSession, _ tags: [String], _ digest: Digest, _ repository: Repository
  ) throws {
    for tag in tags where repository.mutability.isImmutable(tag) {
      // The same image again is no change: a push that is repeated after a lost answer must succeed.
      if let present = try find(session, .tag(tag), repository.id), present.digest != digest {
        throw RegistryError.tagImmutable(tag, repository: repository.name)
      }
    }
  }

  /// Deletes a manifest with all its tags. With `protectingIndexes`, not one that an index of the repository names.
  public func deleteManifest(
    _ digest: Digest, in name: String, protectingIndexes: Bool = false, by origin: Origin = .unknown,
    onlyIf condition: ManifestCondition = .none
  ) throws {
    let event = RegistryEvent(.delete, in: self, repository: name, digest: digest.description, by: origin)
    var keys: [ManifestCache.Key] = []
    var number: Int64 = 0
    try releasing(in: name) { session in
      let repository = try existingID(session, name)
      guard let manifest = try Self.find(session, .digest(digest), repository) else {
        throw RegistryError.manifestUnknown(digest.description, repository: name)
      }
      try condition.check(session, repository, name)
      if protectingIndexes, let parent = try Self.parent(session, digest, repository, kind: "manifest") {
        throw RegistryError.manifestReferenced(digest, by: parent, repository: name)
      }
      let tags = try session.values(
        String.self, "SELECT name FROM registry_tag WHERE manifest = ?1", [manifest.id])
      try session.execute("DELETE FROM registry_manifest WHERE id = ?1", [manifest.id])
      keys = (tags.map(ManifestReference.tag) + [.digest(digest)]).map {
        .init(realm: realm, repository: name, reference: $0)
      }
      number = try noteChange(session)
      try events.record(event, session)
      // A blob of the same digest may have been linked too, and keeps the hold.
      return try has(session, digest, name) ? [] : [digest]
    }
    cache.remove(keys, number: number)
    events.publish(event)
  }

  /// Takes a tag away, and the manifest with it where that was its last one: how ECR deletes an image by tag.
  ///
  /// Returns the manifest's digest. The last tag of what an index of the repository names stays: `manifestReferenced`.
  public func deleteImage(tag: String, in name: String, by origin: Origin = .unknown) throws -> Digest {
    var keys: [ManifestCache.Key] = []
    var number: Int64 = 0
    var event: RegistryEvent?
    var found: Digest?
    try releasing(in: name) { session in
      let repository = try existingID(session, name)
      guard let manifest = try Self.find(session, .tag(tag), repository) else {
        throw RegistryError.manifestUnknown(tag, repository: name)
      }
      let isLast = try !session.exists(
        "SELECT 1 FROM registry_tag WHERE manifest = ?1 AND name <> ?2", [manifest.id, tag])
      if isLast, let parent = try Self.parent(session, manifest.digest, repository, kind: "manifest") {
        throw RegistryError.manifestReferenced(manifest.digest, by: parent, repository: name)
      }
      try session.execute("DELETE FROM registry_tag WHERE repository = ?1 AND name = ?2", [repository, tag])
      if isLast { try session.execute("DELETE FROM registry_manifest WHERE id = ?1", [manifest.id]) }
      keys = [ManifestReference.tag(tag), .digest(manifest.digest)].map {
        .init(realm: realm, repository: name, reference: $0)
      }
      number = try noteChange(session)
      found = manifest.digest
      let deletion = RegistryEvent(
        .delete, in: self, repository: name, digest: manifest.digest.description, tag: tag, by: origin)
      try events.record(deletion, session)
      event = deletion
      return try !isLast || has(session, manifest.digest, name) ? [] : [manifest.digest]
    }
    cache.remove(keys, number: number)
    if let event { events.publish(event) }
    guard let found else { throw RegistryError.manifestUnknown(tag, repository: name) }
    return found
  }

  /// Indexes of the repository that list the manifest, the latest first, with their tags.
  func parents(of digest: Digest, in name: String, limit: Int = 16) throws -> [StoredManifest] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT m.* FROM registry_reference r JOIN registry_manifest m ON m.id = r.manifest
        WHERE r.digest = ?1 AND r.kind = 'manifest' AND m.repository = ?2 ORDER BY m.id DESC LIMIT ?3
        """, [digest.description, existingID(session, name), limit]
      ).map { try Self.withTags(session, StoredManifest($0)) }
    }
  }

  /// A manifest of the repository that names `digest`.
  static func parent(_ session: any SQLSession, _ digest: Digest, _ repository: Int64, kind: String) throws -> Digest? {
    try session.value(
      String.self,
      """
      SELECT m.digest FROM registry_reference r JOIN registry_manifest m ON m.id = r.manifest
      WHERE r.digest = ?1 AND r.kind = ?2 AND m.repository = ?3 LIMIT 1
      """, [digest.description, kind, repository]
    ).map { try Digest(parsing: $0) }
  }

  /// Manifests whose subject is `digest`, in push order, those after the one with the ID `last`. The subject itself need
  /// not be there. nil as the class is all. (distribution-spec, Listing Referrers)
  public func referrers(
    of digest: Digest, artifactType: String?, in name: String, storageClass: StorageClass? = .standard,
    after last: Int64 = 0, limit: Int
  ) throws -> [StoredManifest] {
    try metadata.read { session in
      let filter =
        (artifactType == nil ? "" : "AND artifact_type = ?5")
        + (storageClass.map { " AND storage_class = '\($0.rawValue)'" } ?? "")
      return try session.rows(
        """
        SELECT * FROM registry_manifest WHERE repository = ?1 AND subject = ?2 AND id > ?3 \(filter)
        ORDER BY id LIMIT ?4
        """,
        [existingID(session, name), digest.description, last, limit] + (artifactType.map { [$0] } ?? [])
      ).map(StoredManifest.init)
    }
  }

  /// Manifests with their tags in push order, those after the one with the ID `last`; only tagged or untagged ones
  /// where `tagged` says so, and only those of a class where one is given.
  public func manifests(
    in name: String, after last: Int64 = 0, tagged: Bool? = nil, storageClass: StorageClass? = nil, limit: Int
  ) throws -> [StoredManifest] {
    let ofClass = storageClass.map { "AND m.storage_class = '\($0.rawValue)'" } ?? ""
    let filter =
      switch tagged {
      case nil: ""
      case true?: "AND EXISTS (SELECT 1 FROM registry_tag t WHERE t.manifest = m.id)"
      case false?: "AND NOT EXISTS (SELECT 1 FROM registry_tag t WHERE t.manifest = m.id)"
      }
    return try metadata.read { session in
      try session.rows(
        "SELECT * FROM registry_manifest m WHERE repository = ?1 AND id > ?2 \(filter) \(ofClass) ORDER BY id LIMIT ?3",
        [existingID(session, name), last, limit]
      ).map { try Self.withTags(session, StoredManifest($0)) }
    }
  }

  /// Those of the references that the repository has, with their tags.
  public func manifests(_ references: [ManifestReference], in name: String) throws -> [StoredManifest?] {
    try metadata.read { session in
      let repository = try existingID(session, name)
      return try references.map { reference in
        try Self.find(session, reference, repository).map { try Self.withTags(session, $0) }
      }
    }
  }

  private static func withTags(_ session: any SQLSession, _ manifest: StoredManifest) throws -> StoredManifest {
    var manifest = manifest
    manifest.tags = try session.values(
      String.self, "SELECT name FROM registry_tag WHERE manifest = ?1 ORDER BY name", [manifest.id])
    return manifest
  }
}

extension StoredManifest {
  init(_ row: SQLRow) throws {
    id = try row["id"]
    digest = try Digest(parsing: row["digest"] as String)
    mediaType = MediaType(try row["media_type"] as String)
    size = try row["size"]
    artifactType = try row["artifact_type"]
    subject = try (row["subject"] as String?).map { try Digest(parsing: $0) }
    annotations = Registry.decoded([String: String].self, try row["annotations"])
    contentSize = try row["content_size"]
    pushed = try row["pushed"]
    pulled = try row["pulled"]
    storageClass = StorageClass(rawValue: try row["storage_class"]) ?? .standard
    archived = try row["archived"]
    activated = try row["activated"]
    tags = []
  }
}
