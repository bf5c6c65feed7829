internal import Content
internal import Glibc
internal import GRDB
internal import Kernel
internal import RuntimeSpec
internal import Sandboxes
import Snapshots
internal import SystemPackage

extension Engine {
  /// Removes a container with all that is its own.
  ///
  /// - Parameters:
  ///   - force: kills one that runs.
  ///   - volumes: its anonymous volumes go, too.
  public func remove(_ nameOrID: String, force: Bool = false, volumes: Bool = false) throws {
    let container = try container(nameOrID)
    if container.isRunning {
      guard force else { throw EngineError.isRunning(name: "/" + container.name, operation: "remove") }
      try end(container)
    }
    // Its files may be in use until its supervisor is gone.
    waitForSupervisor(of: container.id)
    let lock: OperationLock
    do { lock = try operationLock(of: container.id) } catch EngineError.notFound {
      // Only the row is left.
      return try delete(container.id, anonymousVolumes: volumes)
    }
    try remove(container.id, volumes: volumes, lock)
  }

  private func remove(_ id: String, volumes: Bool, _ lock: borrowing OperationLock) throws {
    // Started again before the lock was ours: then somebody wants it.
    if let container = try? container(id), container.isRunning {
      throw EngineError.isRunning(name: "/" + container.name, operation: "remove")
    }
    try delete(id, anonymousVolumes: volumes)
  }

  /// Kills a running container and waits for its end.
  private func end(_ container: Container) throws {
    if container.state.status == .paused { try? unpause(container.id) }
    let supervised = SupervisedContainer(directory: runDirectory(of: container.id))
    do {
      try supervised.kill(SIGKILL)
      _ = try supervised.wait()
    } catch SupervisionError.notRunning {}
  }

  /// Does what is left to do when a container's process has ended: its ports and address are given up, its neighbours
  /// forget it, its last state is kept, or, where it is one to be removed, it is. To do it twice is fine.
  public func cleanup(_ id: String) throws {
    let lock: OperationLock
    do { lock = try operationLock(of: id) } catch EngineError.notFound { return }
    try cleanup(id, lock)
  }

  private func cleanup(_ id: String, _ lock: borrowing OperationLock) throws {
    let container: Container
    do { container = try self.container(id) } catch EngineError.notFound { return }
    // It has been started again, or was never started.
    guard !container.isRunning, container.state.status == .exited else { return }
    if container.record.options.autoRemove { return try delete(id, anonymousVolumes: true) }
    let state = SupervisedContainer(directory: runDirectory(of: id)).state()
    try release(container) { database in
      guard let state else { return }
      try database.execute(sql: "UPDATE containers SET state = ? WHERE id = ?", arguments: [try encodedJSON(state), id])
    }
  }

  /// Gives up a container's place in its network.
  private func release(_ container: Container, _ more: (Database) throws -> Void) throws {
    let endpoint = container.endpoint.flatMap { $0.owner == container.id ? $0 : nil }
    if let endpoint { try NetworkSetup.unpublish(endpoint.publications) }
    try content.database.write { database in
      if endpoint != nil {
        try database.execute(sql: "DELETE FROM endpoints WHERE owner = ?", arguments: [container.id])
      }
      try more(database)
    }
    if let endpoint { try refreshHosts(of: endpoint.network) }
  }

  /// What a client that was attached to the end of a container does in place of its supervisor: the fast way of `cleanup`.
  ///
  /// - Parameter container: as `run` returned it.
  public func finish(_ container: Container) throws {
    guard container.record.options.autoRemove else { return try cleanup(container.id) }
    let endpoint = container.endpoint.flatMap { $0.owner == container.id ? $0 : nil }
    if let endpoint { try NetworkSetup.unpublish(endpoint.publications) }
    try delete(container.id, endpoint: endpoint, volumes: container.record.mounts.filter(\.isAnonymous).compactMap(\.name))
  }

  /// Removes a container that does not run: its rows first, so that nobody meets half of it; files that stay behind
  /// are swept by `prune`.
  func delete(_ id: String, anonymousVolumes: Bool) throws {
    let row = try content.database.read { database in
      try Row.fetchOne(database, sql: "SELECT network, address, names, ports FROM endpoints WHERE owner = ?", arguments: [id])
    }
    let endpoint = try row.flatMap { try Endpoint($0, owner: id) }
    if let endpoint { try NetworkSetup.unpublish(endpoint.publications) }
    var volumes: [String] = []
    if anonymousVolumes {
      volumes = try content.database.read { database in
        try Row.fetchAll(
          database, sql: "SELECT name, record FROM volumes WHERE name IN (SELECT volume FROM volume_uses WHERE container = ?)",
          arguments: [id]
        ).compactMap { row in
          let record: VolumeRecord = try decodedJSON(row["record"])
          return record.isAnonymous ? row["name"] : nil
        }
      }
    }
    try delete(id, endpoint: endpoint, volumes: volumes)
  }

  private func delete(_ id: String, endpoint: Endpoint?, volumes: [String]) throws {
    let owner = "container/\(id)"
    let orphans = try content.database.write { database -> [String] in
      try database.execute(sql: "DELETE FROM containers WHERE id = ?", arguments: [id])
      try content.release(owner: owner, in: database)
      try snapshots.release(owner: owner, in: database)
      if endpoint != nil { try database.execute(sql: "DELETE FROM endpoints WHERE owner = ?", arguments: [id]) }
      try database.execute(sql: "DELETE FROM volume_uses WHERE container = ?", arguments: [id])
      return try volumes.filter { volume in
        // Another container may have been given it by name.
        let users = try Int.fetchOne(database, sql: "SELECT count(*) FROM volume_uses WHERE volume = ?", arguments: [volume])
        guard users == 0 else { return false }
        try database.execute(sql: "DELETE FROM volumes WHERE name = ?", arguments: [volume])
        return true
      }
    }
    for volume in orphans { try removeVolumeFiles(volume) }
    try removeFiles(of: id)
    if let endpoint { try refreshHosts(of: endpoint.network) }
  }

  func removeFiles(of id: String) throws {
    for path in [directory(of: id), runDirectory(of: id)] {
      do { try removeTree(path) } catch {
        // The supervisor that is just ending may write its last word beside it.
        if error == .directoryNotEmpty, (try? removeTree(path)) != nil { continue }
        throw EngineError.system(operation: "remove", path: path, error)
      }
    }
  }
}
