import Content
internal import GRDB
public import RuntimeSpec
internal import Sandboxes
import SystemPackage

/// A container as it is now.
public struct Container: Sendable {
  public let id: String
  public let name: String
  public let record: ContainerRecord
  public let state: ContainerState
  /// Its place in a network while it runs; that of its pod for a container of a pod.
  public let endpoint: Endpoint?

  public var shortID: String { String(id.prefix(12)) }
  public var isRunning: Bool { state.isRunning }
}

/// Where a container stands in its life.
public struct ContainerState: Sendable, Hashable {
  public enum Status: String, Sendable, CaseIterable { case created, running, paused, restarting, exited, dead }

  public var status: Status
  /// Process 1 of the container, as the host numbers it.
  public var pid: Int32?
  public var exitCode: Int32?
  /// RFC 3339, as `finishedAt`.
  public var startedAt: String?
  public var finishedAt: String?
  public var error: String?
  public var isOutOfMemory = false
  public var restartCount = 0
  /// nil without a health check.
  public var health: HealthState?
  public var isReady = false
  /// Its startup probe has succeeded, or it has none.
  public var isStarted = false

  public init(status: Status) { self.status = status }

  init(_ state: SupervisedState) {
    status =
      switch state.status {
      case .created: .created
      case .running: .running
      case .paused: .paused
      case .restarting: .restarting
      case .exited: .exited
      }
    pid = state.pid
    exitCode = state.exitCode
    startedAt = state.startedAt
    finishedAt = state.finishedAt
    error = state.error
    isOutOfMemory = state.oomKilled
    restartCount = state.restartCount
    health = state.health
    isReady = state.ready
    isStarted = state.started
  }

  /// Its process lives, or will be started again.
  public var isRunning: Bool { status == .running || status == .paused || status == .restarting }
}

extension Engine {
  /// A container by name, by ID, or by the start of its ID.
  ///
  /// - Throws: `EngineError.notFound`, `EngineError.ambiguous`.
  public func container(_ nameOrID: String) throws -> Container { try load(content.database.read { try Self.row(nameOrID, $0) }) }

  /// The full ID of a container.
  public func containerID(_ nameOrID: String) throws -> String {
    try content.database.read { try Self.row(nameOrID, $0)["id"] }
  }

  /// - Parameter all: also those that do not run.
  public func containers(all: Bool = true) throws -> [Container] {
    let rows = try content.database.read { try Row.fetchAll($0, sql: Self.select + " ORDER BY c.created DESC, c.rowid DESC") }
    return try rows.map(load).filter { all || $0.isRunning }
  }

  static let select = """
    SELECT c.id, c.name, c.pod, c.record, c.started, c.state, e.network, e.address, e.names, e.ports
    FROM containers c LEFT JOIN endpoints e ON e.owner = coalesce(c.pod, c.id)
    """

  /// A name wins over the start of an ID.
  static func row(_ nameOrID: String, _ database: Database) throws -> Row {
    let wanted = nameOrID.hasPrefix("/") ? String(nameOrID.dropFirst()) : nameOrID
    if let row = try Row.fetchOne(database, sql: select + " WHERE c.name = ? OR c.id = ?", arguments: [wanted, wanted]) { return row }
    guard !wanted.isEmpty, wanted.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) else {
      throw EngineError.notFound(.container, nameOrID)
    }
    // `g` is the byte after `f`: a range over the primary key instead of a walk.
    let rows = try Row.fetchAll(database, sql: select + " WHERE c.id >= ? AND c.id < ? LIMIT 2", arguments: [wanted, wanted + "g"])
    guard let row = rows.first else { throw EngineError.notFound(.container, nameOrID) }
    guard rows.count == 1 else { throw EngineError.ambiguous(.container, nameOrID) }
    return row
  }

  func load(_ row: Row) throws -> Container {
    let id: String = row["id"]
    let record: ContainerRecord
    do { record = try decodedJSON(row["record"]) } catch {
      throw EngineError.damaged(path: locations.root.appending("clipper.db"), "container \(id): \(error)")
    }
    return Container(
      id: id, name: row["name"], record: record, state: state(of: id, started: row["started"], last: row["state"]),
      endpoint: try Endpoint(row, owner: row["pod"] ?? id))
  }

  /// The supervisor's word; after its directory went with a reboot, the last one that was kept.
  func state(of id: String, started: Int64?, last: String?) -> ContainerState {
    if started != nil, let current = SupervisedContainer(directory: runDirectory(of: id)).state() {
      var state = ContainerState(current)
      if state.status == .running, isFrozen(state.pid) { state.status = .paused }
      return state
    }
    if let last, let kept = try? decodedJSON(last, as: SupervisedState.self) { return ContainerState(kept) }
    guard let started else { return ContainerState(status: .created) }
    var state = ContainerState(status: .exited)
    state.exitCode = 137
    state.startedAt = Moment(nanoseconds: started).description
    state.error = "its supervisor was killed"
    return state
  }
}
