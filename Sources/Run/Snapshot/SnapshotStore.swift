public import Content
internal import struct Crypto.SHA256
internal import FoundationEssentials
internal import Glibc
internal import GRDB
public import ImageSpec
public import Kernel
public import SystemPackage

/// Unpacked layers, as lower directories of overlay mounts.
///
/// ```
/// <root>/snapshots/<id>/fs      the layer's files; overlay's whiteouts for what it removes
///                  <id>/work    overlay's work directory while a build step writes to fs
///                  <id>/lock    held by the process that makes it; gone afterwards
///                  <id>/step    of a build's step: when it was made, and its key
///                  empty/       the lower directory of what has none
/// ```
/// Identifiers are short numbers: mount options of a hundred layers must fit a page.
/// A snapshot is found by keys (`chain:<chain ID>` for the layers of an image, `build:<cache key>` for a build's step).
/// Its directory's time of change is when it was last asked for: what a living process uses is not collected.
public final class SnapshotStore: Sendable {
  public let content: ContentStore
  /// `<root>/snapshots`
  public let directory: FilePath

  public init(_ content: ContentStore) throws {
    self.content = content
    directory = content.root.appending("snapshots")
    try content.migrate("snapshots", Self.tables)
  }

  private static let tables: [@Sendable (Database) throws -> Void] = [
    { database in
      try database.execute(
        sql: """
          CREATE TABLE snapshots (id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER, pending INTEGER NOT NULL,
            lower TEXT NOT NULL, diff_id TEXT, layer TEXT, chain TEXT, size INTEGER);
          CREATE TABLE snapshot_keys (key TEXT PRIMARY KEY, snapshot INTEGER NOT NULL) WITHOUT ROWID;
          CREATE INDEX snapshot_keys_snapshot ON snapshot_keys (snapshot);
          CREATE TABLE snapshot_holds (owner TEXT NOT NULL, snapshot INTEGER NOT NULL, PRIMARY KEY (owner, snapshot)) WITHOUT ROWID;
          """)
    }
  ]

  /// The chain ID of layers, lowest first. (image-spec, config.md, Layer ChainID)
  public static func chainID(_ diffIDs: [Digest]) -> Digest {
    precondition(!diffIDs.isEmpty, "no layers have no chain ID")
    return diffIDs.dropFirst().reduce(diffIDs[0], chainID)
  }

  static func chainID(_ parent: Digest, _ diffID: Digest) -> Digest {
    Digest(hash: SHA256.hash(data: Array("\(parent) \(diffID)".utf8)))
  }

  public static func chainKey(_ chainID: Digest) -> String { "chain:\(chainID)" }

  // MARK: - Finding

  /// The snapshot of a key. It then stays as long as this process protects what it uses (`ContentStore.protect`).
  public func find(_ key: String) throws -> Snapshot? {
    try content.protect()
    return try content.withoutCollection {
      let row = try content.database.read { database in
        try Row.fetchOne(
          database,
          sql: """
            SELECT id, parent, lower, diff_id, layer, chain, size FROM snapshots
            WHERE id = (SELECT snapshot FROM snapshot_keys WHERE key = ?)
            """, arguments: [key])
      }
      guard let row else { return nil }
      let snapshot = try Self.decode(row)
      // A directory that somebody removed by hand is not there: the caller makes it anew.
      return touch(snapshot.id) ? snapshot : nil
    }
  }

  /// The snapshot of an image's layers, lowest first: nil where they are not unpacked, or there are none.
  public func find(chain diffIDs: [Digest]) throws -> Snapshot? {
    diffIDs.isEmpty ? nil : try find(Self.chainKey(Self.chainID(diffIDs)))
  }

  public func snapshot(_ id: Int64) throws -> Snapshot {
    let row = try content.database.read { database in
      try Row.fetchOne(
        database, sql: "SELECT id, parent, lower, diff_id, layer, chain, size FROM snapshots WHERE id = ? AND pending = 0",
        arguments: [id])
    }
    guard let row else { throw SnapshotError.missing(id: id) }
    return try Self.decode(row)
  }

  private func touch(_ id: Int64) -> Bool {
    utimensat(workingDirectory, directory.appending(String(id)).string, nil, 0) == 0
  }

  static func decode(_ row: Row) throws -> Snapshot {
    let lower: String = row[2]
    let diffID: String? = row[3]
    let layer: String? = row[4]
    let chain: String? = row[5]
    return Snapshot(
      id: row[0], parent: row[1], lowerDirectories: lower.split(separator: ":").map { "\($0)/fs" },
      diffID: try diffID.map { try Digest(parsing: $0) },
      layer: try layer.map { try JSONDecoder().decode(Descriptor.self, from: Data($0.utf8)) },
      chainID: try chain.map { try Digest(parsing: $0) }, size: row[6])
  }

  /// Another key for a snapshot; a key that names another one is moved.
  public func addKey(_ key: String, to snapshot: Snapshot) throws {
    try content.database.write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO snapshot_keys (key, snapshot) VALUES (?, ?)", arguments: [key, snapshot.id])
    }
  }

  // MARK: - Making

  /// A new, empty snapshot on top of `parent`. It is visible when it is committed, and swept when its process dies.
  public func begin(parent: Snapshot?) throws -> PendingSnapshot {
    try content.protect()
    let lower = parent.map { $0.lowerDirectories.map { $0.prefix { $0 != "/" } }.joined(separator: ":") } ?? ""
    let id = try content.database.write { database in
      try database.execute(
        sql: "INSERT INTO snapshots (parent, pending, lower) VALUES (?, 1, ?)", arguments: [parent?.id, lower])
      return database.lastInsertedRowID
    }
    return try PendingSnapshot(store: self, id: id, parent: parent)
  }

  // MARK: - Holding

  /// Keeps a snapshot and those below for `owner`, such as `container/<id>`.
  public func hold(_ snapshot: Snapshot, owner: String) throws {
    try content.database.write { database in
      try database.execute(
        sql: "INSERT OR IGNORE INTO snapshot_holds (owner, snapshot) VALUES (?, ?)", arguments: [owner, snapshot.id])
    }
  }

  public func release(owner: String) throws {
    try content.database.write { try $0.execute(sql: "DELETE FROM snapshot_holds WHERE owner = ?", arguments: [owner]) }
  }

  // MARK: - Views

  /// Path of the lower directories, topmost first; the empty directory where there is none.
  public func lowerPaths(_ snapshot: Snapshot?) throws -> [FilePath] {
    if let snapshot, !snapshot.lowerDirectories.isEmpty { return snapshot.lowerDirectories.map { directory.appending($0) } }
    let empty = directory.appending("empty")
    do { try makeDirectories(empty) } catch { throw SnapshotError.system(operation: "make", path: empty, error) }
    return [empty]
  }

  /// The files of a chain of snapshots as a mount that is attached nowhere: nothing to unmount, gone with its descriptor.
  ///
  /// - Parameters:
  ///   - snapshot: nil for an empty root.
  ///   - upper: where writes go; nil is read-only.
  ///   - work: overlay's work directory, on the file system of `upper`.
  public func openView(_ snapshot: Snapshot?, upper: FilePath? = nil, work: FilePath? = nil) throws -> OwnedDescriptor {
    let lower = try lowerPaths(snapshot)
    do throws(Errno) {
      // overlayfs refuses a single directory without an upper one.
      if upper == nil, lower.count == 1 { return try DetachedMount.readOnly(lower[0]) }
      return try DetachedMount.overlay(lower: lower, upper: upper, work: work)
    } catch {
      throw SnapshotError.system(operation: "mount an overlay of", path: lower[0], error)
    }
  }
}

/// A snapshot that is being made. Removed unless it is committed.
public final class PendingSnapshot: @unchecked Sendable {
  public let id: Int64
  public let parent: Snapshot?
  /// Where the files go.
  public let fs: FilePath
  /// Overlay's work directory.
  public let work: FilePath

  private let store: SnapshotStore
  private let directory: FilePath
  private var lock: CInt
  private var isOpen = true

  init(store: SnapshotStore, id: Int64, parent: Snapshot?) throws {
    self.store = store
    self.id = id
    self.parent = parent
    directory = store.directory.appending(String(id))
    fs = directory.appending("fs")
    work = directory.appending("work")
    do throws(Errno) {
      if mkdir(directory.string, 0o700) != 0 {
        try makeDirectories(store.directory, mode: 0o700)
        try makeDirectories(directory, mode: 0o700)
      }
      lock = try openat2(workingDirectory, directory.appending("lock").string, flags: O_RDWR | O_CREAT, mode: 0o600).release()
      flock(lock, LOCK_EX | LOCK_NB)
      try Errno.check(mkdir(fs.string, 0o755))
      try Errno.check(mkdir(work.string, 0o700))
    } catch {
      throw SnapshotError.system(operation: "make", path: directory, error)
    }
  }

  deinit { discard() }

  /// Makes it visible under `keys`, which move here from snapshots that had them.
  ///
  /// - Parameters:
  ///   - diffID: digest of the layer's uncompressed archive, where it is known.
  ///   - layer: the archive in the content store, where there is one.
  ///   - size: bytes of the uncompressed archive.
  public func commit(
    keys: [String], diffID: Digest? = nil, layer: Descriptor? = nil, size: Int64? = nil
  ) throws -> Snapshot {
    try commit(on: parent, keys: keys, diffID: diffID, layer: layer, size: size)
  }

  func commit(
    on parent: Snapshot?, keys: [String], diffID: Digest?, layer: Descriptor?, size: Int64?
  ) throws -> Snapshot {
    precondition(isOpen, "committed or discarded before")
    let chain: Digest? =
      if let diffID {
        if let parent { parent.chainID.map { SnapshotStore.chainID($0, diffID) } } else { diffID }
      } else {
        nil
      }
    let lower = ([String(id)] + (parent?.lowerDirectories.map { String($0.prefix { $0 != "/" }) } ?? [])).joined(separator: ":")
    let json = try layer.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) }
    // The work directory's own subdirectory has no permissions; nothing but overlay may look into it.
    try? removeTree(work)
    try store.content.database.write { database in
      try database.execute(
        sql: "UPDATE snapshots SET parent = ?, pending = 0, lower = ?, diff_id = ?, layer = ?, chain = ?, size = ? WHERE id = ?",
        arguments: [parent?.id, lower, diffID?.description, json, chain?.description, size, id])
      for key in keys + (chain.map { [SnapshotStore.chainKey($0)] } ?? []) {
        try database.execute(sql: "INSERT OR REPLACE INTO snapshot_keys (key, snapshot) VALUES (?, ?)", arguments: [key, id])
      }
    }
    isOpen = false
    unlink(directory.appending("lock").string)
    close(lock)
    return Snapshot(
      id: id, parent: parent?.id, lowerDirectories: ["\(id)/fs"] + (parent?.lowerDirectories ?? []), diffID: diffID,
      layer: layer, chainID: chain, size: size)
  }

  public func discard() {
    guard isOpen else { return }
    isOpen = false
    try? removeTree(directory)
    try? store.content.database.write { try $0.execute(sql: "DELETE FROM snapshots WHERE id = ?", arguments: [id]) }
    close(lock)
  }
}
