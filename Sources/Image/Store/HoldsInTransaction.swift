public import GRDB
public import ImageSpec

extension ContentStore {
  /// `hold` as a part of a caller's transaction on this store's database. The caller has retained the digests.
  public func hold(_ digests: [Digest], owner: String, in database: Database) throws {
    for digest in digests {
      try database.execute(
        sql: "INSERT OR IGNORE INTO holds (owner, digest) VALUES (?, ?)", arguments: [owner, digest.description])
    }
  }

  /// `release(owner:)` as a part of a caller's transaction.
  public func release(owner: String, in database: Database) throws {
    try database.execute(sql: "DELETE FROM holds WHERE owner = ?", arguments: [owner])
  }
}
