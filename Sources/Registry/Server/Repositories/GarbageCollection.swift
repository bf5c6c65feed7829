import Content
public import ImageSpec
import Metadata

/// What a collection took away, or would take.
public struct GarbageReport: Sendable {
  /// A blob that a repository lets go of: no manifest of it names it any more, or ever did.
  public struct Link: Hashable, Sendable {
    public let realm: Realm
    public let repository: String
    public let digest: Digest
    /// Bytes.
    public let size: Int64
  }

  public var links: [Link] = []
  /// Uploads that nobody went on with.
  public var uploads = 0
  /// Content that nothing reaches any more, and what dead writers left.
  public var content = RemovedBlobs()
}

/// Online garbage collection: in steps of a few milliseconds each, between which pushes and deletes go on.
extension Registry {
  /// Takes blobs from repositories where no manifest names them, and removes content that nothing reaches.
  ///
  /// - Parameters:
  ///   - age: milliseconds since a blob was pushed or asked for by a push: until then a manifest may still come.
  ///   - dryRun: changes nothing and tells what would be done.
  public func collectGarbage(unusedFor age: Int64 = 24 * 3_600_000, dryRun: Bool = false) throws -> GarbageReport {
    var report = GarbageReport()
    if dryRun {
      report.links = try unusedLinks(before: Self.now - age, limit: .max)
      var released: [String: Set<Digest>] = [:]
      for link in report.links { released[at(link.realm).owner(link.repository), default: []].insert(link.digest) }
      for (owner, digests) in try strayHolds() { released[owner, default: []].formUnion(digests) }
      report.content = try storage.collect(dryRun: true, released: released)
      return report
    }
    report.links = try dropUnusedLinks(olderThan: age)
    for (owner, digests) in try strayHolds() { try releaseStray(digests, owner) }
    report.content = try storage.collect(dryRun: false)
    return report
  }

  /// Takes blobs from repositories of any realm where no manifest names them any more, or ever did, and that were not
  /// pushed or asked for within `age` milliseconds. Returns how many.
  @discardableResult
  public func dropUnusedBlobs(olderThan age: Int64 = 24 * 3_600_000) throws -> Int {
    try dropUnusedLinks(olderThan: age).count
  }

  /// Rows of one transaction: others wait no longer than it takes.
  private static let step = 64

  private func dropUnusedLinks(olderThan age: Int64) throws -> [GarbageReport.Link] {
    let limit = Self.now - age
    var dropped: [GarbageReport.Link] = []
    while true {
      let page = try unusedLinks(before: limit, limit: 8192)
      var isDone = true
      var start = page.startIndex
      while start < page.endIndex {
        // They come in the order of repositories.
        let first = page[start]
        var end = start
        while end < page.endIndex, end - start < Self.step, page[end].realm == first.realm,
          page[end].repository == first.repository
        {
          end += 1
        }
        let gone = try at(first.realm).drop(page[start..<end], in: first.repository, before: limit)
        if !gone.isEmpty { isDone = false }
        dropped += gone
        start = end
      }
      if isDone { return dropped }
    }
  }

  private func unusedLinks(before limit: Int64, limit count: Int) throws -> [GarbageReport.Link] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT r.account, r.region, r.name, b.digest, b.size FROM registry_blob b
          JOIN registry_repository r ON r.id = b.repository
        WHERE b.linked < ?1 AND NOT EXISTS (
          SELECT 1 FROM registry_reference f JOIN registry_manifest m ON m.id = f.manifest
          WHERE f.digest = b.digest AND m.repository = b.repository)
        ORDER BY b.repository, b.digest LIMIT ?2
        """, [limit, count]
      ).map { row in
        GarbageReport.Link(
          realm: try Realm(row), repository: try row["name"],
          digest: try Digest(parsing: try row["digest"] as String), size: try row["size"])
      }
    }
  }

  /// Returns those that were still unused.
  private func drop(
    _ links: ArraySlice<GarbageReport.Link>, in name: String, before limit: Int64
  ) throws -> [GarbageReport.Link] {
    var dropped: [GarbageReport.Link] = []
    try releasing(in: name) { session in
      dropped = []
      guard let repository = try repositoryID(session, name) else { return [] }
      for link in links {
        // Looked at again: a push may have come in between.
        guard try Self.parent(session, link.digest, repository, kind: "blob") == nil else { continue }
        let removed = try session.execute(
          "DELETE FROM registry_blob WHERE repository = ?1 AND digest = ?2 AND linked < ?3",
          [repository, link.digest.description, limit])
        if removed > 0 { dropped.append(link) }
      }
      return try dropped.map(\.digest).filter { try !has(session, $0, name) }
    }
    return dropped
  }

  /// Holds in the name of a repository which has no row that goes with them: a process died between the two.
  func strayHolds() throws -> [String: Set<Digest>] {
    // Where replicas share the storage, rows alone say what is in use.
    if storage.isShared { return [:] }
    var stray: [String: Set<Digest>] = [:]
    for (owner, digest) in try store.held(byOwnersWith: "registry/") + store.held(byOwnersWith: "registry:") {
      stray[owner, default: []].insert(digest)
    }
    for owner in Array(stray.keys) {
      guard let (realm, name) = Self.repository(ofOwner: owner) else {
        stray[owner] = nil
        continue
      }
      let known = try metadata.read { session in try at(realm).digests(session, name) }
      stray[owner]?.subtract(known)
      if stray[owner]?.isEmpty == true { stray[owner] = nil }
    }
    return stray
  }

  private func digests(_ session: any SQLSession, _ name: String) throws -> [Digest] {
    guard let repository = try repositoryID(session, name) else { return [] }
    return try session.values(
      String.self,
      """
      SELECT digest FROM registry_blob WHERE repository = ?1
      UNION ALL SELECT digest FROM registry_manifest WHERE repository = ?1
      """, [repository]
    ).compactMap { try? Digest(parsing: $0) }
  }

  func releaseStray(_ digests: Set<Digest>, _ owner: String) throws {
    guard let (realm, name) = Self.repository(ofOwner: owner) else { return }
    let registry = at(realm)
    let all = Array(digests)
    for start in stride(from: 0, to: all.count, by: Self.step) {
      // Looked at again under the lock that a push of any process on this root holds from its hold to its row.
      try registry.releasing(in: name) { session in
        try all[start..<min(start + Self.step, all.count)].filter { try !registry.has(session, $0, name) }
      }
    }
  }

  /// The reverse of `owner(_:)`.
  private static func repository(ofOwner owner: String) -> (Realm, String)? {
    if owner.hasPrefix("registry/") { return (.main, String(owner.dropFirst("registry/".count))) }
    let parts = owner.dropFirst("registry:".count).split(separator: "/", maxSplits: 2)
    guard parts.count == 3, let realm = Realm(account: String(parts[0]), region: String(parts[1])) else { return nil }
    return (realm, String(parts[2]))
  }
}
