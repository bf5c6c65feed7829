internal import Content
internal import Glibc
internal import GRDB
import ImageSpec
internal import Kernel
public import Sandboxes
internal import SystemPackage

extension Engine {
  /// Makes a container of a local image, without starting it.
  public func create(_ options: ContainerOptions) throws -> Container {
    let id = ContainerName.newID()
    let lock = try makeDirectory(of: id)
    return try create(options, id: id, lock)
  }

  private func create(_ options: ContainerOptions, id: String, _ lock: borrowing OperationLock) throws -> Container {
    do {
      let blueprint = try blueprint(options, id: id)
      try write(blueprint)
      try retain(blueprint)
      let name = try content.database.write { try insert(blueprint, started: nil, $0) }
      return Container(
        id: id, name: name, record: blueprint.record, state: ContainerState(status: .created), endpoint: nil)
    } catch {
      discardFiles(of: id)
      throw error
    }
  }

  /// Makes a container and starts it, in as few steps as possible: its network is made while its image is looked up.
  ///
  /// - Parameter attach: returns a client that gets everything from the first byte on, and that calls `finish` at the end.
  /// - Throws: `StartFailure` where the program could not be started. Then the container stays, not started, unless it
  ///   is one to be removed.
  public func run(_ options: ContainerOptions, attach: Bool = false) throws -> (container: Container, attachment: Attachment?) {
    let id = ContainerName.newID()
    let lock = try makeDirectory(of: id)
    return try run(options, id: id, attach: attach, lock)
  }

  private func run(
    _ options: ContainerOptions, id: String, attach: Bool, _ lock: borrowing OperationLock
  ) throws -> (container: Container, attachment: Attachment?) {
    let early: Connection?
    let blueprint: Blueprint
    do {
      // With -P the image says which ports there are.
      early = options.publishAll ? nil : try connect(id, options, exposed: [])
      do { blueprint = try self.blueprint(options, id: id) } catch {
        if let early { disconnect(early) }
        throw error
      }
    } catch {
      discardFiles(of: id)
      throw error
    }
    var connection = early
    var name = ""
    let started = Moment.now()
    do {
      try write(blueprint)
      try retain(blueprint)
      if connection == nil { connection = try connect(id, blueprint.record.options, exposed: blueprint.record.exposedPorts) }
      name = try content.database.write { try insert(blueprint, started: started, $0) }
    } catch {
      if let connection { disconnect(connection) }
      discardFiles(of: id)
      throw error
    }
    let attachment = try launch(id, name, blueprint.record, connection, attach: attach, cleansUp: attach)
    var state = ContainerState(status: .running)
    state.startedAt = started.description
    return (
      Container(id: id, name: name, record: blueprint.record, state: state, endpoint: connection?.endpoint), attachment
    )
  }

  /// What the container keeps must not be collected until that is recorded.
  private func retain(_ blueprint: Blueprint) throws {
    _ = try content.retain(blueprint.image.target.digest)
    _ = try content.retain(blueprint.image.descriptor.digest)
  }

  private func makeDirectory(of id: String) throws -> OperationLock {
    let directory = directory(of: id)
    do throws(Errno) {
      if mkdir(directory.string, 0o711) != 0 { try makeDirectories(directory, mode: 0o711) }
      return try OperationLock(directory.appending("lock"))
    } catch {
      throw EngineError.system(operation: "make", path: directory, error)
    }
  }

  /// Of a container that was never recorded. What cannot be removed now, a later prune removes.
  private func discardFiles(of id: String) { try? removeTree(directory(of: id)) }
}
