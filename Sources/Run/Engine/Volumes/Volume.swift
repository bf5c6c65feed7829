import Content
internal import Glibc
internal import GRDB
internal import Kernel
internal import Layers
internal import Snapshots
public import SystemPackage

/// A directory that outlives containers.
public struct Volume: Sendable {
  public let name: String
  public let created: Moment
  public let labels: [String: String]
  /// Made for one container, and removed with it.
  public let isAnonymous: Bool
  public let directory: FilePath
}

struct VolumeRecord: Codable {
  var labels: [String: String] = [:]
  var isAnonymous = false
}

extension Engine {
  public func volumes() throws -> [Volume] {
    try content.database.read { try Row.fetchAll($0, sql: "SELECT name, created, record FROM volumes ORDER BY name") }.map(volume)
  }

  public func volume(_ name: String) throws -> Volume {
    let row = try content.database.read {
      try Row.fetchOne($0, sql: "SELECT name, created, record FROM volumes WHERE name = ?", arguments: [name])
    }
    guard let row else { throw EngineError.notFound(.volume, name) }
    return try volume(row)
  }

  private func volume(_ row: Row) throws -> Volume {
    let name: String = row["name"]
    let record: VolumeRecord = try decodedJSON(row["record"])
    return Volume(
      name: name, created: Moment(nanoseconds: row["created"]), labels: record.labels, isAnonymous: record.isAnonymous,
      directory: volumeDirectory(name))
  }

  func volumeDirectory(_ name: String) -> FilePath { volumesDirectory.appending(name).appending("_data") }

  /// Makes a volume; one of this name that exists stays as it is.
  ///
  /// - Parameter name: nil for a random one.
  public func createVolume(_ name: String? = nil, labels: [String: String] = [:], isAnonymous: Bool = false) throws -> Volume {
    let name = name ?? ContainerName.newID()
    guard ContainerName.isValid(name) else { throw EngineError.invalidName(.volume, name) }
    let directory = volumeDirectory(name)
    do { try makeDirectories(directory) } catch { throw EngineError.system(operation: "make", path: directory, error) }
    let record = try encodedJSON(VolumeRecord(labels: labels, isAnonymous: isAnonymous))
    try content.database.write { database in
      try database.execute(
        sql: "INSERT OR IGNORE INTO volumes (name, created, record) VALUES (?, ?, ?)",
        arguments: [name, Moment.now().nanoseconds, record])
    }
    return try volume(name)
  }

  /// Names of the containers that have a volume.
  public func users(ofVolume name: String) throws -> [String] {
    try content.database.read { database in
      try String.fetchAll(database, sql: "SELECT container FROM volume_uses WHERE volume = ?", arguments: [name])
    }
  }

  /// Removes a volume that no container has.
  public func removeVolume(_ name: String) throws {
    _ = try volume(name)
    try content.database.write { database in
      let users = try String.fetchAll(database, sql: "SELECT container FROM volume_uses WHERE volume = ?", arguments: [name])
      guard users.isEmpty else { throw EngineError.inUse(.volume, name: name, by: users) }
      try database.execute(sql: "DELETE FROM volumes WHERE name = ?", arguments: [name])
    }
    try removeVolumeFiles(name)
  }

  func removeVolumeFiles(_ name: String) throws {
    let path = volumesDirectory.appending(name)
    do { try removeTree(path) } catch { throw EngineError.system(operation: "remove", path: path, error) }
  }

  /// Removes volumes that no container has: anonymous ones, and with `all` those with names too.
  ///
  /// - Returns: their names, and the bytes that they took.
  public func pruneVolumes(all: Bool = false, matching: (Volume) -> Bool = { _ in true }) throws -> (removed: [String], bytes: Int64) {
    var removed: [String] = []
    var bytes: Int64 = 0
    for volume in try volumes() where (all || volume.isAnonymous) && matching(volume) {
      guard try users(ofVolume: volume.name).isEmpty else { continue }
      let size = diskUsage(of: volume.directory)
      do { try removeVolume(volume.name) } catch EngineError.inUse { continue } catch EngineError.notFound { continue }
      removed.append(volume.name)
      bytes += size
    }
    return (removed, bytes)
  }

  /// Fills a new volume with what the image has at the place where it is mounted.
  func copyUp(into volume: FilePath, from target: String, of snapshot: Snapshot?, _ files: LayerFiles) throws {
    guard let snapshot else { return }
    // Most images have nothing there: then there is nothing to mount.
    if case .absent = files.isDirectory(target) { return }
    let lock: OperationLock
    do { lock = try OperationLock(volume.removingLastComponent().appending("lock")) } catch {
      throw EngineError.system(operation: "lock", path: volume, error)
    }
    try copyUp(into: volume, from: target, of: snapshot, lock)
  }

  private func copyUp(into volume: FilePath, from target: String, of snapshot: Snapshot, _ lock: borrowing OperationLock) throws {
    do throws(Errno) {
      guard try directoryEntries(of: volume).isEmpty else { return }
    } catch {
      throw EngineError.system(operation: "read", path: volume, error)
    }
    let view = try snapshots.openView(snapshot)
    let source: OwnedDescriptor
    do throws(Errno) {
      source = try openat2(view.number, target, flags: O_RDONLY | O_DIRECTORY, resolve: [.inRoot, .noMagicLinks])
    } catch {
      if error == .noSuchFileOrDirectory || error == .notDirectory { return }
      throw EngineError.system(operation: "open in the image", path: FilePath(target), error)
    }
    let unpacker = try LayerUnpacker(into: volume, options: .archive())
    _ = try writeTree(of: source.number, as: .plain) { try unpacker.write($0) }
    _ = try unpacker.finish()
    var status = stat()
    do throws(Errno) {
      try Errno.check(fstat(source.number, &status))
      try Errno.check(chown(volume.string, status.st_uid, status.st_gid))
      try Errno.check(chmod(volume.string, status.st_mode & 0o7777))
    } catch {
      throw EngineError.system(operation: "set the owner of", path: volume, error)
    }
  }
}
