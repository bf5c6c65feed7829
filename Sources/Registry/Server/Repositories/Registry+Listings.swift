public import ImageSpec
import Metadata

/// What a repository comes to.
public struct RepositoryFigures: Hashable, Sendable {
  public let name: String
  /// Milliseconds since 1970.
  public let created: Int64
  public let tags: Int
  public let manifests: Int
  /// Bytes of its blobs, each counted once.
  public let size: Int64
  /// When a manifest came or a tag moved last, in milliseconds since 1970; nil where it is empty.
  public let pushed: Int64?
}

/// A tag with the manifest that it names.
public struct TaggedManifest: Hashable, Sendable {
  public let tag: String
  /// When it was pointed there: milliseconds since 1970.
  public let updated: Int64
  /// Without its tags.
  public let manifest: StoredManifest
}

/// An order of tags, and where a page of them ends.
public enum TagPosition: Hashable, Sendable {
  /// By name, those after this one.
  case name(after: String)
  /// The last moved ones first, those after the one that was moved then and has that name.
  case newest(before: Int64, after: String)

  /// The first page.
  public static let byName = TagPosition.name(after: "")
  public static let newest = TagPosition.newest(before: .max, after: "")
}

/// Listings that cost what they show, for pages that people look at.
extension Registry {
  /// Makes the indexes that the listings below walk along.
  public func prepareListings() throws {
    try metadata.migrate(
      "registry-listings", ["CREATE INDEX registry_tag_updated ON registry_tag (repository, updated, name);"])
  }

  /// Names of repositories in order, those after `last` that have `text` in them. Costs the names that it passes over.
  public func repositoryNames(containing text: String = "", after last: String? = nil, limit: Int) throws -> [String] {
    let escaped = text.map { ["%", "_", "\\"].contains($0) ? "\\\($0)" : "\($0)" }.joined()
    return try metadata.read { session in
      try session.values(
        String.self,
        """
        SELECT name FROM registry_repository
        WHERE account = ?1 AND region = ?2 AND name > ?3 AND (?4 = '' OR name LIKE ?5 ESCAPE '\\')
        ORDER BY name LIMIT ?6
        """, [realm.account, realm.region, last ?? "", text, "%\(escaped)%", limit])
    }
  }

  /// The figures of those of the repositories that are there, in order of names. Costs what these have.
  public func figures(of names: [String]) throws -> [RepositoryFigures] {
    guard !names.isEmpty else { return [] }
    let places = names.indices.map { "?\($0 + 3)" }.joined(separator: ", ")
    let arguments: [any SQLConvertible] = [realm.account, realm.region] + names
    return try metadata.read { session in
      try session.rows(
        """
        SELECT r.name AS name, r.created AS created,
          (SELECT COUNT(*) FROM registry_tag t WHERE t.repository = r.id) AS tags,
          (SELECT COUNT(*) FROM registry_manifest m WHERE m.repository = r.id) AS manifests,
          (SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM registry_blob b WHERE b.repository = r.id) AS size,
          (SELECT m.pushed FROM registry_manifest m WHERE m.repository = r.id ORDER BY m.id DESC LIMIT 1) AS pushed,
          (SELECT MAX(t.updated) FROM registry_tag t WHERE t.repository = r.id) AS moved
        FROM registry_repository r WHERE r.account = ?1 AND r.region = ?2 AND r.name IN (\(places)) ORDER BY r.name
        """, arguments
      ).map(RepositoryFigures.init)
    }
  }

  /// Tags of a repository in an order, those that begin with `prefix` where they are ordered by name.
  public func tags(in name: String, _ position: TagPosition, prefix: String = "", limit: Int) throws -> [TaggedManifest] {
    let columns = "t.name AS tag_name, t.updated AS tag_updated, m.*"
    let tables = "registry_tag t JOIN registry_manifest m ON m.id = t.manifest"
    return try metadata.read { session in
      let repository = try existingID(session, name)
      let rows =
        switch position {
        case .name(let last):
          // A tag is of ASCII: `~` comes after all that it may have.
          try session.rows(
            """
            SELECT \(columns) FROM \(tables)
            WHERE t.repository = ?1 AND t.name > ?2 AND t.name >= ?3 AND t.name < ?4 ORDER BY t.name LIMIT ?5
            """, [repository, last, prefix, prefix + "~", limit])
        case .newest(let time, let last):
          try session.rows(
            """
            SELECT \(columns) FROM \(tables)
            WHERE t.repository = ?1 AND (t.updated, t.name) < (?2, ?3) ORDER BY t.updated DESC, t.name DESC LIMIT ?4
            """, [repository, time, last, limit])
        }
      return try rows.map {
        TaggedManifest(tag: try $0["tag_name"], updated: try $0["tag_updated"], manifest: try StoredManifest($0))
      }
    }
  }

  /// Manifests of a repository, the last pushed first, those before the one with the ID `last`; with `untagged` only
  /// those without a tag. Each has at most `tagLimit` of its tags.
  public func latestManifests(
    in name: String, before last: Int64 = .max, untagged: Bool = false, tagLimit: Int = 8, limit: Int
  ) throws -> [StoredManifest] {
    let filter = untagged ? "AND NOT EXISTS (SELECT 1 FROM registry_tag t WHERE t.manifest = m.id)" : ""
    return try metadata.read { session in
      var found = try session.rows(
        """
        SELECT * FROM registry_manifest m WHERE repository = ?1 AND id < ?2 \(filter) ORDER BY id DESC LIMIT ?3
        """, [existingID(session, name), last, limit]
      ).map { try StoredManifest($0) }
      for index in found.indices { found[index].tags = try Self.tags(session, of: found[index].id, tagLimit) }
      return found
    }
  }

  /// Manifests by their IDs, with at most `tagLimit` of each one's tags; those that are gone are left out.
  public func manifests(withIDs ids: [Int64], tagLimit: Int) throws -> [Int64: StoredManifest] {
    try metadata.read { session in
      var found: [Int64: StoredManifest] = [:]
      for id in ids {
        guard let row = try session.row("SELECT * FROM registry_manifest WHERE id = ?1", [id]) else { continue }
        var manifest = try StoredManifest(row)
        manifest.tags = try Self.tags(session, of: id, tagLimit)
        found[id] = manifest
      }
      return found
    }
  }

  /// A manifest's tags by name, at most `limit`.
  public func tags(of manifest: StoredManifest, limit: Int) throws -> [String] {
    try metadata.read { try Self.tags($0, of: manifest.id, limit) }
  }

  private static func tags(_ session: any SQLSession, of manifest: Int64, _ limit: Int) throws -> [String] {
    try session.values(
      String.self, "SELECT name FROM registry_tag WHERE manifest = ?1 ORDER BY name LIMIT ?2", [manifest, limit])
  }

  /// Indexes of a repository that have the manifest as a member, at most `limit`.
  public func indexes(of digest: Digest, in name: String, limit: Int) throws -> [Digest] {
    try metadata.read { session in
      try session.values(
        String.self,
        """
        SELECT m.digest FROM registry_reference f JOIN registry_manifest m ON m.id = f.manifest
        WHERE f.digest = ?1 AND f.kind = 'manifest' AND m.repository = ?2 ORDER BY m.id DESC LIMIT ?3
        """, [digest.description, existingID(session, name), limit]
      ).map { try Digest(parsing: $0) }
    }
  }
}

extension RepositoryFigures {
  init(_ row: SQLRow) throws {
    name = try row["name"]
    created = try row["created"]
    tags = try row["tags"]
    manifests = try row["manifests"]
    size = try row["size"]
    pushed = [try row["pushed"] as Int64?, try row["moved"] as Int64?].compactMap { $0 }.max()
  }
}
