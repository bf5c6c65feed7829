import ImageSpec
import Lifecycle
import Metadata

/// The images of a repository as a policy looks at them, newest first: by push, and a restored one by its restoration.
///
/// Each page is a transaction of its own, so that nobody waits for the whole.
struct LifecycleImages {
  private let metadata: any MetadataDatabase
  private let repository: Int64
  private var pushed = Page()
  private var restored = Page()

  private struct Page {
    var images: ArraySlice<LifecycleImage> = []
    /// The last image that was read; nil before the first.
    var last: LifecycleImage?
    var isEnd = false
  }

  /// Images of a page.
  private static let pageSize = 2000

  init(_ metadata: any MetadataDatabase, repository: Int64) {
    self.metadata = metadata
    self.repository = repository
  }

  mutating func next() throws -> LifecycleImage? {
    if pushed.images.isEmpty, !pushed.isEnd {
      pushed = try page(
        "repository = ?1 AND activated IS NULL AND id < ?2 ORDER BY id DESC LIMIT ?3",
        [repository, pushed.last?.id ?? .max, Self.pageSize])
    }
    if restored.images.isEmpty, !restored.isEnd {
      restored = try page(
        """
        repository = ?1 AND activated IS NOT NULL AND (activated < ?2 OR (activated = ?2 AND id < ?3))
        ORDER BY activated DESC, id DESC LIMIT ?4
        """, [repository, restored.last?.activated ?? .max, restored.last?.id ?? .max, Self.pageSize])
    }
    switch (pushed.images.first, restored.images.first) {
    case (let plain?, let other?) where plain.born <= other.born: return restored.images.popFirst()
    case (nil, _): return restored.images.popFirst()
    default: return pushed.images.popFirst()
    }
  }

  private func page(_ condition: String, _ arguments: [any SQLConvertible]) throws -> Page {
    let found = try metadata.read { session in
      try Self.load(session, "SELECT id FROM registry_manifest WHERE \(condition)", arguments)
    }.sorted { ($0.activated ?? 0, $0.id) > ($1.activated ?? 0, $1.id) }
    return Page(images: found[...], last: found.last, isEnd: found.count < Self.pageSize)
  }

  /// The images whose IDs `scope` selects, in no order.
  static func load(
    _ session: any SQLSession, _ scope: String, _ arguments: [any SQLConvertible]
  ) throws -> [LifecycleImage] {
    var tags: [Int64: [String]] = [:]
    for row in try session.rows("SELECT manifest, name FROM registry_tag WHERE manifest IN (\(scope))", arguments) {
      tags[try row["manifest"], default: []].append(try row["name"])
    }
    var indexes: [Int64: [Int64]] = [:]
    let listed = try session.rows(
      """
      SELECT m.id AS member, i.id AS parent FROM registry_manifest m
      JOIN registry_reference r ON r.digest = m.digest AND r.kind = 'manifest'
      JOIN registry_manifest i ON i.id = r.manifest AND i.repository = m.repository WHERE m.id IN (\(scope))
      """, arguments)
    for row in listed { indexes[try row["member"], default: []].append(try row["parent"]) }
    return try session.rows(
      """
      SELECT m.id AS id, m.media_type AS media_type, m.pushed AS pushed, m.pulled AS pulled,
        m.storage_class AS storage_class, m.archived AS archived, m.activated AS activated, s.id AS subject
      FROM registry_manifest m
      LEFT JOIN registry_manifest s ON s.repository = m.repository AND s.digest = m.subject WHERE m.id IN (\(scope))
      """, arguments
    ).map { row in
      let id: Int64 = try row["id"]
      return LifecycleImage(
        id: id, tags: tags[id] ?? [], pushed: try row["pushed"], pulled: try row["pulled"],
        storageClass: StorageClass(rawValue: try row["storage_class"]) ?? .standard, archived: try row["archived"],
        activated: try row["activated"], isIndex: MediaType(try row["media_type"] as String).isIndex,
        subject: try row["subject"], indexes: indexes[id] ?? [])
    }
  }
}
