internal import Content
internal import GRDB
internal import ImageSpec

/// What earlier transfers have taught, so that the next one does less.
///
/// ```
/// registry_blobs(host, digest, repository, used)   where a registry has a blob: it can be mounted from there
/// registry_layers(digest, compressed, size)        the gzip form of an uncompressed layer
/// ```
struct TransferRecords: Sendable {
  private let store: ContentStore

  init(_ store: ContentStore) { self.store = store }

  private static let steps: [@Sendable (Database) throws -> Void] = [
    { database in
      try database.execute(
        sql: """
          CREATE TABLE registry_blobs (host TEXT NOT NULL, digest TEXT NOT NULL, repository TEXT NOT NULL,
            used INTEGER NOT NULL DEFAULT (unixepoch()), PRIMARY KEY (host, digest, repository)) WITHOUT ROWID;
          CREATE TABLE registry_layers (digest TEXT PRIMARY KEY, compressed TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
          """)
    }
  ]

  private func database() throws -> any DatabaseWriter {
    try store.migrate("registry-client", Self.steps)
    return store.database
  }

  func note(_ digests: [Digest], on host: Host, repository: String) throws {
    try database().write { database in
      for digest in digests {
        try database.execute(
          sql: "INSERT OR REPLACE INTO registry_blobs (host, digest, repository) VALUES (?, ?, ?)",
          arguments: [host.name, digest.description, repository])
      }
    }
  }

  /// A repository of this registry, other than `repository`, that has or had the blob.
  func source(of digest: Digest, on host: Host, besides repository: String) throws -> String? {
    try database().read { database in
      try String.fetchOne(
        database,
        sql:
          "SELECT repository FROM registry_blobs WHERE host = ? AND digest = ? AND repository <> ? ORDER BY used DESC",
        arguments: [host.name, digest.description, repository])
    }
  }

  /// It was not there after all.
  func forget(_ digest: Digest, on host: Host, repository: String) throws {
    try database().write { database in
      try database.execute(
        sql: "DELETE FROM registry_blobs WHERE host = ? AND digest = ? AND repository = ?",
        arguments: [host.name, digest.description, repository])
    }
  }

  /// Digest and size of the gzip form; nil where there is none in the store any more.
  func compressed(_ digest: Digest) throws -> (digest: Digest, size: Int64)? {
    let row = try database().read { database in
      try Row.fetchOne(
        database, sql: "SELECT compressed, size FROM registry_layers WHERE digest = ?", arguments: [digest.description])
    }
    guard let row, let found = try? Digest(parsing: row[0] as String), try store.retain(found) else { return nil }
    return (found, row[1])
  }

  func note(_ digest: Digest, compressed: Digest, size: Int64) throws {
    try database().write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO registry_layers (digest, compressed, size) VALUES (?, ?, ?)",
        arguments: [digest.description, compressed.description, size])
    }
  }
}
