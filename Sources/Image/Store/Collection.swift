internal import Glibc
internal import GRDB
public import ImageSpec
internal import Kernel
internal import SystemPackage

/// What a collection removed, or would remove.
public struct Collection: Sendable {
  public var removed: [Digest] = []
  /// Bytes of the removed blobs and ingests.
  public var bytes: Int64 = 0
  public var ingests = 0
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

  /// Removes blobs that no name and no hold reaches and that no living lease protects, and ingests whose writers died.
  ///
  /// Readers and writers go on meanwhile: a blob is removed under a lock held for a few of them at a time, after one
  /// more look at its time of change, which `retain` and `commit` renew.
  public func collect(dryRun: Bool = false) throws -> Collection {
    implicitLease.release()
    do {
      let cutoff = try protectedSince()
      let reachable = try reachableDigests()
      var collection = Collection()
      for algorithm in Digest.Algorithm.allCases {
        let directory = root.appending("content").appending("blobs").appending(algorithm.rawValue)
        guard access(directory.string, F_OK) == 0 else { continue }
        let names = try directoryEntries(of: directory)
        let candidates = names.compactMap { name -> Digest? in
          guard let digest = try? Digest(parsing: "\(algorithm.rawValue):\(name)") else { return nil }
          return reachable.contains(digest) ? nil : digest
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
    let lock = try lock()
    defer { lock.unlock() }
    for digest in digests {
      var status = stat()
      let path = path(of: digest).string
      guard stat(path, &status) == 0, status.st_mtim < cutoff else { continue }
      if !dryRun { guard unlink(path) == 0 else { continue } }
      collection.removed.append(digest)
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

  private func reachableDigests() throws -> Set<Digest> {
    var reachable: Set<Digest> = []
    var pending = try names().map(\.descriptor.digest)
    pending += try database.read { database in
      try String.fetchAll(database, sql: "SELECT DISTINCT digest FROM holds").compactMap { try? Digest(parsing: $0) }
    }
    while let digest = pending.popLast() {
      guard reachable.insert(digest).inserted, contains(digest) else { continue }
      pending += try children(of: digest).map(\.digest)
    }
    return reachable
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
