import Content
internal import Glibc
internal import GRDB
internal import Kernel
internal import Sandboxes
internal import SystemPackage

extension Engine {
  /// Removes the containers that do not run.
  ///
  /// - Returns: their IDs, and the bytes of what they had changed.
  public func pruneContainers(matching: (Container) -> Bool = { _ in true }) throws -> (removed: [String], bytes: Int64) {
    var removed: [String] = []
    var bytes: Int64 = 0
    for container in try containers() where !container.isRunning && matching(container) {
      // One of a pod is the pod's.
      guard container.record.options.pod == nil else { continue }
      let size = diskUsage(of: directory(of: container.id).appending("upper"))
      do { try remove(container.id) } catch EngineError.notFound { continue } catch EngineError.isRunning { continue }
      removed.append(container.id)
      bytes += size
    }
    return (removed, bytes)
  }

  /// Clears what processes that were killed have left: places in networks, published ports, containers to be removed,
  /// and directories that belong to nothing. What living processes are at work on is left alone.
  public func sweep() throws {
    for container in try containers() where !container.isRunning {
      guard let lock = try? OperationLock(trying: directory(of: container.id).appending("lock")) else { continue }
      _ = consume lock
      try cleanup(container.id)
    }
    try sweepEndpoints()
    try sweepDirectories(of: containersDirectory, runs: locations.run.appending("containers"), table: "containers")
    try sweepRuntimes()
    try sweepBuilds()
  }

  /// What builds that were killed have left.
  private func sweepBuilds() throws {
    for id in (try? directoryEntries(of: buildsDirectory)) ?? [] where id.utf8.count == 64 && isAbandoned(id) {
      let path = buildsDirectory.appending(id)
      do { try removeTree(path) } catch { throw EngineError.system(operation: "remove", path: path, error) }
    }
  }

  /// Endpoints of owners that were never recorded.
  private func sweepEndpoints() throws {
    let rows = try content.database.read { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT owner, network, address, names, ports FROM endpoints
          WHERE owner NOT IN (SELECT id FROM containers) AND owner NOT IN (SELECT id FROM pods)
          """)
    }
    var networks: Set<String> = []
    for row in rows {
      guard let endpoint = try Endpoint(row, owner: row["owner"]), isAbandoned(endpoint.owner) else { continue }
      try NetworkSetup.unpublish(endpoint.publications)
      try NetworkSetup.disconnect(hostInterface: endpoint.hostInterface)
      try content.database.write { database in
        try database.execute(sql: "DELETE FROM endpoints WHERE owner = ?", arguments: [endpoint.owner])
      }
      networks.insert(endpoint.network)
    }
    for network in networks { try refreshHosts(of: network) }
  }

  /// Nobody is making, starting or removing it.
  private func isAbandoned(_ id: String) -> Bool {
    for directory in [directory(of: id), podDirectory(id), buildsDirectory.appending(id)] where access(directory.string, F_OK) == 0 {
      guard let lock = try? OperationLock(trying: directory.appending("lock")) else { return false }
      _ = consume lock
    }
    return true
  }

  private func sweepDirectories(of directory: FilePath, runs: FilePath, table: String) throws {
    let known = try Set(content.database.read { try String.fetchAll($0, sql: "SELECT id FROM \(table)") })
    for place in [directory, runs] {
      for name in (try? directoryEntries(of: place)) ?? [] where !known.contains(name) && name.utf8.count == 64 {
        guard isAbandoned(name), !SupervisedContainer(directory: runDirectory(of: name)).isSupervised else { continue }
        try removeFiles(of: name)
      }
    }
  }

  /// What the runtime keeps of containers that are not there any more, or whose supervisor was killed.
  private func sweepRuntimes() throws {
    for id in (try? directoryEntries(of: runtimeRoot)) ?? [] where id.utf8.count == 64 {
      guard !SupervisedContainer(directory: runDirectory(of: id)).isSupervised, isAbandoned(id) else { continue }
      try runtime("delete", id, arguments: ["--force"])
    }
  }
}
