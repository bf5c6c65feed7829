internal import Content
internal import FoundationEssentials
internal import GRDB
public import ImageSpec
internal import Layers
internal import SystemPackage

extension SnapshotStore {
  /// The snapshot's own layer as an archive in the content store: the recorded one, or written now, uncompressed.
  ///
  /// What is written is recorded, with the chain ID where those of the layers below are known.
  public func layer(of snapshot: Snapshot) throws -> (diffID: Digest, descriptor: Descriptor) {
    // Another call may have recorded it since the caller's copy was read.
    let current = try self.snapshot(snapshot.id)
    if let diffID = current.diffID, let layer = current.layer, try content.retain(layer.digest) { return (diffID, layer) }
    let ingest = try content.uncachedIngest()
    let written: (digest: Digest, size: Int64)
    do {
      _ = try writeLayer(of: directory.appending("\(snapshot.id)/fs")) { try ingest.append($0) }
      written = try ingest.commit()
    } catch {
      ingest.discard()
      throw error
    }
    let descriptor = Descriptor(mediaType: .layer, digest: written.digest, size: written.size)
    try record(current, diffID: written.digest, layer: descriptor)
    return (written.digest, descriptor)
  }

  private func record(_ snapshot: Snapshot, diffID: Digest, layer: Descriptor) throws {
    let json = String(decoding: try JSONEncoder().encode(layer), as: UTF8.self)
    try content.database.write { database in
      var chain: Digest? = diffID
      if let parent = snapshot.parent {
        let text = try String.fetchOne(database, sql: "SELECT chain FROM snapshots WHERE id = ?", arguments: [parent])
        chain = try text.map { Self.chainID(try Digest(parsing: $0), diffID) }
      }
      try database.execute(
        sql: "UPDATE snapshots SET diff_id = ?, layer = ?, chain = ?, size = ? WHERE id = ?",
        arguments: [diffID.description, json, chain?.description, layer.size, snapshot.id])
      if let chain {
        // An unpacked layer of the same chain stays the one that containers share.
        try database.execute(
          sql: "INSERT OR IGNORE INTO snapshot_keys (key, snapshot) VALUES (?, ?)",
          arguments: [Self.chainKey(chain), snapshot.id])
      }
    }
  }
}
