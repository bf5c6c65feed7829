import Content
internal import Glibc
internal import GRDB
internal import Kernel
internal import Sandboxes
import SystemPackage

extension Engine {
  /// Stops a container: its stop signal, and SIGKILL after the timeout. One that does not run is left as it is.
  ///
  /// - Parameters:
  ///   - timeout: seconds; nil takes the container's own, -1 waits for ever.
  ///   - signal: nil takes the container's own.
  public func stop(_ nameOrID: String, timeout: Int? = nil, signal: Int32? = nil) throws {
    let container = try container(nameOrID)
    guard container.isRunning else { return }
    if container.state.status == .paused { try unpause(container.id) }
    try SupervisedContainer(directory: runDirectory(of: container.id)).stop(timeout: timeout, signal: signal)
    // Here and not only by the supervisor: afterwards its ports and its name are free.
    waitForSupervisor(of: container.id)
    try cleanup(container.id)
  }

  /// Sends a signal to the container's process 1. SIGKILL ends the container for good.
  public func kill(_ nameOrID: String, signal: Int32 = 9) throws {
    let container = try container(nameOrID)
    guard container.isRunning else {
      throw EngineError.input("cannot kill container: \(nameOrID): container \(container.shortID) is not running")
    }
    if container.state.status == .paused, signal == SIGKILL { try unpause(container.id) }
    do { try SupervisedContainer(directory: runDirectory(of: container.id)).kill(signal) } catch SupervisionError.notRunning {
      throw EngineError.input("cannot kill container: \(nameOrID): container \(container.shortID) is not running")
    }
  }

  /// Stops it, if it runs, and starts it.
  public func restart(_ nameOrID: String, timeout: Int? = nil) throws {
    let id = try containerID(nameOrID)
    try stop(id, timeout: timeout)
    try start(id)
  }

  /// Waits until a container has ended for good, restarts included.
  ///
  /// - Returns: its exit status.
  public func wait(_ nameOrID: String) throws -> Int32 {
    let container = try container(nameOrID)
    guard container.isRunning else { return container.state.exitCode ?? 0 }
    if let code = try SupervisedContainer(directory: runDirectory(of: container.id)).wait() { return code }
    // It ended in between, and may have been removed with that.
    return (try? self.container(container.id))?.state.exitCode ?? 0
  }

  /// Freezes all processes of a container. (cgroup v2, cgroup.freeze)
  public func pause(_ nameOrID: String) throws {
    let container = try container(nameOrID)
    switch container.state.status {
    case .running: try runtime("pause", container.id)
    case .paused: throw EngineError.isPaused(name: container.name)
    default: throw EngineError.notRunning(name: container.name)
    }
  }

  public func unpause(_ nameOrID: String) throws {
    let container = try container(nameOrID)
    guard container.state.status == .paused else { throw EngineError.notPaused(name: container.name) }
    try runtime("resume", container.id)
  }

  /// Gives a container another name.
  public func rename(_ nameOrID: String, to name: String) throws {
    guard ContainerName.isValid(name) else { throw EngineError.invalidName(.container, name) }
    let container = try container(nameOrID)
    let network = try content.database.write { database -> String? in
      if let other = try String.fetchOne(database, sql: "SELECT id FROM containers WHERE name = ?", arguments: [name]) {
        throw EngineError.nameInUse(.container, name: name, by: other)
      }
      try database.execute(sql: "UPDATE containers SET name = ? WHERE id = ?", arguments: [name, container.id])
      guard let endpoint = container.endpoint, endpoint.owner == container.id else { return nil }
      let names = [name] + endpoint.names.filter { $0 != container.name }
      try database.execute(
        sql: "UPDATE endpoints SET names = ? WHERE owner = ?", arguments: [names.joined(separator: " "), container.id])
      return endpoint.network
    }
    if let network { try refreshHosts(of: network) }
  }

  /// Runs a command of the runtime for one container.
  func runtime(_ verb: String, _ id: String, arguments: [String] = []) throws {
    let spawn = Spawn(locations.runtime, ["--root", runtimeRoot.string, verb] + arguments + [id])
    let run = try spawn.capture(milliseconds: 30_000)
    guard run.status == .exited(0) else {
      var message = String(decoding: run.errorOutput, as: UTF8.self)
      while message.last?.isNewline == true { message.removeLast() }
      throw EngineError.runtime(operation: "\(verb) container \(id.prefix(12))", message: message)
    }
  }
}
