internal import Content
internal import Glibc
internal import GRDB
public import ImageSpec
internal import Kernel
internal import SystemPackage

extension SnapshotStore {
  /// Removes snapshots that nothing needs: no container holds them, no image in `chains` has them, and, unless the
  /// build cache is to go too, no build step has them. What a living process uses stays.
  ///
  /// - Parameter chains: chain IDs of all layers of the images to keep.
  /// - Returns: how many were removed, and their bytes.
  public func collect(
    keeping chains: Set<Digest>, buildCache: Bool = true, dryRun: Bool = false
  ) throws -> (removed: Int, bytes: Int64) {
    let doomed: [Int64] = try content.whileCollecting { cutoff in
      let unneeded = try unneeded(keeping: chains, buildCache: buildCache)
        .filter { isUnused($0.id, pending: $0.pending, since: cutoff) }
      if !dryRun, !unneeded.isEmpty {
        try content.database.write { database in
          for (id, _) in unneeded {
            try database.execute(sql: "DELETE FROM snapshot_keys WHERE snapshot = ?", arguments: [id])
            try database.execute(sql: "DELETE FROM snapshots WHERE id = ?", arguments: [id])
          }
        }
      }
      return unneeded.map(\.id)
    }
    var bytes: Int64 = 0
    for id in doomed { bytes += diskUsage(of: id) }
    if !dryRun {
      for id in doomed { try remove(id) }
      try removeUnknown()
    }
    return (doomed.count, bytes)
  }

  /// Bytes on disk of one snapshot's own files.
  public func diskUsage(of id: Int64) -> Int64 {
    Kernel.diskUsage(of: directory.appending("\(id)/fs"))
  }

  /// All that is there: identifier, keys and whether something is being written.
  public func all() throws -> [(snapshot: Snapshot, keys: [String])] {
    try content.database.read { database in
      var keys: [Int64: [String]] = [:]
      for row in try Row.fetchAll(database, sql: "SELECT snapshot, key FROM snapshot_keys ORDER BY key") {
        keys[row[0], default: []].append(row[1])
      }
      return try Row.fetchAll(
        database, sql: "SELECT id, parent, lower, diff_id, layer, chain, size FROM snapshots WHERE pending = 0 ORDER BY id"
      ).map { row in
        let snapshot = try Self.decode(row)
        return (snapshot, keys[snapshot.id] ?? [])
      }
    }
  }

  private func unneeded(keeping chains: Set<Digest>, buildCache: Bool) throws -> [(id: Int64, pending: Bool)] {
    try content.database.read { database in
      var parents: [Int64: Int64] = [:]
      var pending: [Int64: Bool] = [:]
      for row in try Row.fetchAll(database, sql: "SELECT id, parent, pending FROM snapshots") {
        let id: Int64 = row[0]
        if let parent: Int64 = row[1] { parents[id] = parent }
        pending[id] = row[2]
      }
      var roots = try Int64.fetchAll(database, sql: "SELECT snapshot FROM snapshot_holds")
      for row in try Row.fetchAll(database, sql: "SELECT key, snapshot FROM snapshot_keys") {
        let key: String = row[0]
        let isChain = key.hasPrefix("chain:")
        let chain = isChain ? try? Digest(parsing: key.dropFirst("chain:".count)) : nil
        if isChain ? chain.map(chains.contains) ?? false : buildCache { roots.append(row[1]) }
      }
      // One that is being made keeps its parents, if its maker lives.
      roots += pending.filter { $0.value && isLocked($0.key) }.map(\.key)
      var needed: Set<Int64> = []
      for root in roots {
        var next: Int64? = root
        while let id = next, needed.insert(id).inserted { next = parents[id] }
      }
      return pending.filter { !needed.contains($0.key) }.map { ($0.key, $0.value) }.sorted { $0.0 > $1.0 }
    }
  }

  private func isLocked(_ id: Int64) -> Bool {
    let number = Glibc.open(directory.appending("\(id)/lock").string, O_RDWR | O_CLOEXEC)
    guard number >= 0 else { return false }
    defer { close(number) }
    return flock(number, LOCK_EX | LOCK_NB) != 0
  }

  private func isUnused(_ id: Int64, pending: Bool, since cutoff: (seconds: Int64, nanoseconds: Int64)) -> Bool {
    var status = stat()
    guard stat(directory.appending(String(id)).string, &status) == 0 else {
      // Its row was written just before its directory is made, or somebody removed the directory by hand.
      return !pending
    }
    if pending { return !isLocked(id) && Int64(status.st_mtim.tv_sec) + 10 < Int64(time(nil)) }
    return (Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec)) < cutoff
  }

  private func remove(_ id: Int64) throws {
    let path = directory.appending(String(id))
    do { try removeTree(path) } catch { throw SnapshotError.system(operation: "remove", path: path, error) }
  }

  /// Directories without a row: of collections that were interrupted.
  private func removeUnknown() throws {
    let names: [String]
    do throws(Errno) {
      names = try directoryEntries(of: directory)
    } catch {
      if error == .noSuchFileOrDirectory { return }
      throw SnapshotError.system(operation: "read", path: directory, error)
    }
    let known = try content.database.read { try Int64.fetchSet($0, sql: "SELECT id FROM snapshots") }
    for name in names {
      guard let id = Int64(name), !known.contains(id), !isLocked(id) else { continue }
      try remove(id)
    }
  }
}
