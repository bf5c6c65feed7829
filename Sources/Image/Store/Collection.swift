internal import Glibc
internal import GRDB
public import ImageSpec
internal import Kernel
internal import SystemPackage

/// What a collection removed, or would remove.
public struct Collection: Sendable {
  public struct Blob: Hashable, Sendable {
    public let digest: Digest
    /// Bytes.
    public let size: Int64
  }

  public var blobs: [Blob] = []
  public var removed: [Digest] { blobs.map(\.digest) }
  /// Bytes of the removed blobs and ingests.
  public var bytes: Int64 = 0
  public var ingests = 0

  public init() {}
}

extension ContentStore {
  /// Keeps digests and what they reach, in the name of `owner` (such as `container/<id>`).
  public func hold(_ digests: [Digest], owner: String) throws {
    for digest in digests where try !retain(digest) { throw ContentError.notFound(digest) }
    try database.write { database in
      for digest in digests {
        try database.execute(
          sql: "INSERT OR IGNORE INTO holds (owner, digest) VALUES (?, ?)", arguments: [owner, digest.description])
      }
    }
  }

  /// Gives up all that an owner holds.
  public func release(owner: String) throws {
    try database.write { try $0.execute(sql: "DELETE FROM holds WHERE owner = ?", arguments: [owner]) }
  }

  public func release(_ digest: Digest, owner: String) throws {
    try database.write { database in
      try database.execute(
        sql: "DELETE FROM holds WHERE owner = ? AND digest = ?", arguments: [owner, digest.description])
    }
  }

  /// Gives up several at once.
  public func release(_ digests: [Digest], owner: String) throws {
    guard !digests.isEmpty else { return }
    try database.write { database in
      let statement = try database.cachedStatement(sql: "DELETE FROM holds WHERE owner = ? AND digest = ?")
      for digest in digests { try statement.execute(arguments: [owner, digest.description]) }
    }
  }

  /// Removes blobs that no name and no hold reaches and that no living lease protects, and ingests whose writers died.
  ///
  /// Readers and writers go on meanwhile: a blob is removed under a lock held for a few of them at a time, after one
  /// more look at its time of change, which `retain` and `commit` renew.
  ///
  /// - Parameter released: holds, by owner, that a dry run is to think away.
  public func collect(dryRun: Bool = false, released: [String: Set<Digest>] = [:]) throws -> Collection {
    implicitLease.release()
    do {
      let cutoff = try protectedSince()
      let reachable = try Reachable(self, released)
      var collection = Collection()
      for algorithm in Digest.Algorithm.allCases {
        let directory = root.appending("content").appending("blobs").appending(algorithm.rawValue)
        guard access(directory.string, F_OK) == 0 else { continue }
        let names = try directoryEntries(of: directory)
        let candidates = names.compactMap { name in
          reachable.contains(hex: name) ? nil : try? Digest(parsing: "\(algorithm.rawValue):\(name)")
        }
        for start in stride(from: 0, to: candidates.count, by: 64) {
          try removeUnprotected(candidates[start..<min(start + 64, candidates.count)], cutoff, dryRun, &collection)
        }
      }
      try removeIngests(dryRun, &collection)
      return collection
    } catch let error as Errno {
      throw ContentError.system(operation: "collect garbage in", path: root, error)
    }
  }

  private func removeUnprotected(
    _ digests: ArraySlice<Digest>, _ cutoff: timespec, _ dryRun: Bool, _ collection: inout Collection
  ) throws {
    // Looking alone keeps nobody waiting.
    let lock = try dryRun ? nil : lock()
    defer { lock?.unlock() }
    for digest in digests {
      var status = stat()
      let path = path(of: digest).string
      guard stat(path, &status) == 0, status.st_mtim < cutoff else { continue }
      if !dryRun { guard unlink(path) == 0 else { continue } }
      collection.blobs.append(.init(digest: digest, size: Int64(status.st_size)))
      collection.bytes += Int64(status.st_size)
    }
  }

  /// The time since which something protects what is written: the oldest living lease's start, or now.
  /// Leases of processes that died are removed.
  func protectedSince() throws -> timespec {
    let directory = root.appending("leases")
    // A new lease's file gives the file system's own time, which is coarser than the clock's.
    let now = try Lease(directory: directory)
    defer { now.release() }
    var oldest: timespec?
    for name in try directoryEntries(of: directory) {
      let path = directory.appending(name)
      var status = stat()
      guard stat(path.string, &status) == 0 else { continue }
      if let dead = try FileLock(trying: path) {
        unlink(path.string)
        dead.unlock()
      } else {
        oldest = oldest.map { status.st_mtim < $0 ? status.st_mtim : $0 } ?? status.st_mtim
      }
    }
    return oldest ?? timespec()
  }

  /// The same in seconds and nanoseconds.
  func protectionCutoff() throws -> (seconds: Int64, nanoseconds: Int64) {
    let cutoff = try protectedSince()
    return (Int64(cutoff.tv_sec), Int64(cutoff.tv_nsec))
  }

  /// Seconds for which an ingest with a key may be taken up again.
  private static let resumable = 24 * 3600

  private func removeIngests(_ dryRun: Bool, _ collection: inout Collection) throws {
    let directory = root.appending("ingests")
    for name in try directoryEntries(of: directory) {
      let path = directory.appending(name)
      var status = stat()
      guard stat(path.string, &status) == 0 else { continue }
      let isOld = status.st_mtim.tv_sec + Self.resumable < time(nil)
      guard name.hasPrefix(Self.anonymous) || isOld, let lock = try FileLock(trying: path) else { continue }
      defer { lock.unlock() }
      if !dryRun { unlink(path.string) }
      collection.ingests += 1
      collection.bytes += Int64(status.st_size)
    }
  }
}

private func < (left: timespec, right: timespec) -> Bool {
  (left.tv_sec, left.tv_nsec) < (right.tv_sec, right.tv_nsec)
}

/// The digests that something reaches.
///
/// Kept by half of a hash each, which is little for a hundred thousand of them: two blobs whose halves agree, which somebody
/// would have to make, keep each other.
struct Reachable {
  private struct Key: Hashable {
    let high: UInt64, low: UInt64

    /// Of the first 32 digits. What is not one gives a key that means nothing.
    init(hex: some StringProtocol) {
      var halves: (UInt64, UInt64) = (0, 0)
      var index = 0
      for byte in hex.utf8.prefix(32) {
        let digit = UInt64(byte >= 0x61 ? byte &- 0x57 : byte &- 0x30)
        if index < 16 { halves.0 = halves.0 << 4 | digit } else { halves.1 = halves.1 << 4 | digit }
        index += 1
      }
      (high, low) = halves
    }
  }

  private var keys: Set<Key> = []

  func contains(hex: String) -> Bool { keys.contains(Key(hex: hex)) }

  /// What owners of these ranges of names hold, they hold by itself: a registry's repository each blob and manifest that it
  /// has. Their manifests need not be read.
  private static let exactOwners = [("registry/", "registry0"), ("registry:", "registry;")]

  /// From the names and holds of a store, without those of `released`.
  init(_ store: ContentStore, _ released: [String: Set<Digest>]) throws {
    var walked: Set<Digest> = []
    var pending = try store.names().map(\.descriptor.digest)
    let ranges = Self.exactOwners
    pending += try store.database.read { database in
      try String.fetchAll(
        database,
        sql: """
          SELECT DISTINCT digest FROM holds
          WHERE NOT (owner >= ?1 AND owner < ?2) AND NOT (owner >= ?3 AND owner < ?4)
          """, arguments: [ranges[0].0, ranges[0].1, ranges[1].0, ranges[1].1]
      ).compactMap { try? Digest(parsing: $0) }
    }
    while let digest = pending.popLast() {
      guard walked.insert(digest).inserted, store.contains(digest) else { continue }
      pending += try store.children(of: digest).map(\.digest)
    }
    keys = Set(walked.map { Key(hex: $0.hex) })
    for (first, end) in ranges {
      try store.database.read { database in
        let rows = try Row.fetchCursor(
          database, sql: "SELECT owner, digest FROM holds WHERE owner >= ?1 AND owner < ?2", arguments: [first, end])
        while let row = try rows.next() {
          let text: String = row[1]
          if !released.isEmpty, let digest = try? Digest(parsing: text),
            released[row[0] as String]?.contains(digest) == true
          {
            continue
          }
          // After the algorithm and its colon.
          keys.insert(Key(hex: text.dropFirst(7)))
        }
      }
    }
  }
}
