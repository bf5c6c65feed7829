public import GRDB

extension SnapshotStore {
  /// `hold` as a part of a caller's transaction on the content store's database.
  public func hold(_ snapshot: Snapshot, owner: String, in database: Database) throws {
    try database.execute(
      sql: "INSERT OR IGNORE INTO snapshot_holds (owner, snapshot) VALUES (?, ?)", arguments: [owner, snapshot.id])
  }

  /// `release(owner:)` as a part of a caller's transaction.
  public func release(owner: String, in database: Database) throws {
    try database.execute(sql: "DELETE FROM snapshot_holds WHERE owner = ?", arguments: [owner])
  }
}
