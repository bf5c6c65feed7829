import Content
internal import Glibc
internal import GRDB
internal import Kernel
internal import Sandboxes
internal import SystemPackage

/// What a pod's sandbox is made from.
public struct PodOptions: Sendable, Codable {
  /// Unique among pods.
  public var name: String
  public var hostname: String
  /// `none`, `host`, or a bridge network.
  public var network: NetworkMode = .bridge(name: Network.defaultName)
  public var ports: [PortMapping] = []
  public var labels: [String: String] = [:]
  public var annotations: [String: String] = [:]

  public init(name: String, hostname: String) {
    self.name = name
    self.hostname = hostname
  }
}

/// A sandbox that containers share: their network, IPC and host name.
public struct Pod: Sendable {
  public let id: String
  public let options: PodOptions
  public let created: Moment
  /// nil in the host's network, and without one.
  public let endpoint: Endpoint?
  public let network: Network?
  /// Of the process that keeps the namespaces; nil when it is gone.
  public let pid: Int32?

  public var name: String { options.name }
  public var hostname: String { options.hostname }
  public var labels: [String: String] { options.labels }
  public var address: String? { endpoint?.address.description }
  public var isAlive: Bool { pid != nil }
}

extension Engine {
  /// Makes a pod's sandbox. Nothing runs in it but the process that keeps it.
  public func createPod(_ options: PodOptions) throws -> Pod {
    guard ContainerName.isValid(options.name) else { throw EngineError.invalidName(.pod, options.name) }
    let id = ContainerName.newID()
    let directory = podDirectory(id)
    let lock: OperationLock
    do throws(Errno) {
      try makeDirectories(directory, mode: 0o711)
      lock = try OperationLock(directory.appending("lock"))
    } catch {
      throw EngineError.system(operation: "make", path: directory, error)
    }
    return try createPod(options, id: id, lock)
  }

  private func createPod(_ options: PodOptions, id: String, _ lock: borrowing OperationLock) throws -> Pod {
    let directory = podDirectory(id)
    let connection: Connection?
    do {
      try record(options, id)
      switch options.network {
      case .bridge(let name): connection = try connect(owner: id, to: name, names: [], mappings: options.ports)
      case .none, .host:
        guard options.ports.isEmpty else { throw EngineError.input("pod \(options.name): ports need a bridge network") }
        connection = nil
      case .container: throw EngineError.input("pod \(options.name): a pod does not join a container's network")
      }
    } catch {
      forgetPod(id)
      try? removeTree(directory)
      throw error
    }
    do {
      try hold(options, connection, directory)
      return try pod(id)
    } catch {
      HoldProcess.stop(pidFile: directory.appending("pid"))
      if let connection { disconnect(connection) }
      forgetPod(id)
      try? removeTree(directory)
      throw error
    }
  }

  private func record(_ options: PodOptions, _ id: String) throws {
    try content.database.write { database in
      if let other = try String.fetchOne(database, sql: "SELECT id FROM pods WHERE name = ?", arguments: [options.name]) {
        throw EngineError.nameInUse(.pod, name: options.name, by: other)
      }
      try database.execute(
        sql: "INSERT INTO pods (id, name, created, record) VALUES (?, ?, ?, ?)",
        arguments: [id, options.name, Moment.now().nanoseconds, try encodedJSON(options)])
    }
  }

  private func forgetPod(_ id: String) {
    try? content.database.write { try $0.execute(sql: "DELETE FROM pods WHERE id = ?", arguments: [id]) }
  }

  private func hold(_ options: PodOptions, _ connection: Connection?, _ directory: FilePath) throws {
    var namespace = try connection?.descriptors().first
    var own: OwnedDescriptor?
    if connection == nil, options.network == .none {
      let made = try NetworkSetup.newNamespace()
      namespace = made.number
      own = consume made
    }
    _ = try HoldProcess.start(
      runtime: locations.runtime, hostname: options.hostname, namespace: namespace, pidFile: directory.appending("pid"),
      held: connection?.ports?.descriptors ?? [])
    // Until the process has it.
    _ = consume own
  }

  public func pods() throws -> [Pod] {
    try content.database.read { try Row.fetchAll($0, sql: Self.selectPods + " ORDER BY p.created, p.name") }.map(pod)
  }

  /// A pod by name, by ID, or by the start of its ID.
  public func pod(_ nameOrID: String) throws -> Pod {
    let rows = try content.database.read { database in
      let exact = try Row.fetchAll(
        database, sql: Self.selectPods + " WHERE p.name = ? OR p.id = ?", arguments: [nameOrID, nameOrID])
      if !exact.isEmpty || nameOrID.isEmpty { return exact }
      return try Row.fetchAll(
        database, sql: Self.selectPods + " WHERE p.id >= ? AND p.id < ? LIMIT 2", arguments: [nameOrID, nameOrID + "g"])
    }
    guard let row = rows.first else { throw EngineError.notFound(.pod, nameOrID) }
    guard rows.count == 1 else { throw EngineError.ambiguous(.pod, nameOrID) }
    return try pod(row)
  }

  /// The containers of a pod, in the order in which they were made.
  public func containers(ofPod id: String) throws -> [Container] {
    try content.database.read { database in
      try Row.fetchAll(database, sql: Self.select + " WHERE c.pod = ? ORDER BY c.created, c.rowid", arguments: [id])
    }.map(load)
  }

  /// Stops the containers of a pod, all at once and each within its timeout, and removes them and the pod.
  public func removePod(_ nameOrID: String) throws {
    let pod = try pod(nameOrID)
    let containers = try containers(ofPod: pod.id)
    let stops = containers.filter(\.isRunning).map { container in Beside { try self.stop(container.id) } }
    for stop in stops { _ = try? stop.get() }
    for container in containers {
      do { try remove(container.id, force: true, volumes: true) } catch EngineError.notFound {}
    }
    try releasePod(pod)
  }

  /// The same for several, all at once. All are tried before the first error is thrown.
  public func removePods(_ namesOrIDs: [String]) throws {
    let removals = namesOrIDs.map { pod in Beside { try self.removePod(pod) } }
    var failure: (any Error)?
    for removal in removals {
      do { try removal.get() } catch EngineError.notFound {} catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  func releasePod(_ pod: Pod) throws {
    HoldProcess.stop(pidFile: podDirectory(pod.id).appending("pid"))
    if let endpoint = pod.endpoint {
      try NetworkSetup.unpublish(endpoint.publications)
      try NetworkSetup.disconnect(hostInterface: endpoint.hostInterface)
    }
    try content.database.write { database in
      try database.execute(sql: "DELETE FROM endpoints WHERE owner = ?", arguments: [pod.id])
      try database.execute(sql: "DELETE FROM pods WHERE id = ?", arguments: [pod.id])
    }
    let directory = podDirectory(pod.id)
    do { try removeTree(directory) } catch { throw EngineError.system(operation: "remove", path: directory, error) }
  }

  private static let selectPods = """
    SELECT p.id, p.created, p.record, e.network, e.address, e.names, e.ports FROM pods p
    LEFT JOIN endpoints e ON e.owner = p.id
    """

  private func pod(_ row: Row) throws -> Pod {
    let id: String = row["id"]
    let endpoint = try Endpoint(row, owner: id)
    return Pod(
      id: id, options: try decodedJSON(row["record"]), created: Moment(nanoseconds: row["created"]), endpoint: endpoint,
      network: try endpoint.map { $0.network == Network.defaultName ? Self.defaultNetwork : try network($0.network) },
      pid: HoldProcess.pid(pidFile: podDirectory(id).appending("pid")))
  }
}
