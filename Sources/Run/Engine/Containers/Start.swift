import Content
internal import Glibc
internal import GRDB
internal import ImageSpec
internal import Kernel
import RuntimeSpec
public import Sandboxes
internal import SystemPackage

extension Engine {
  /// Starts a container that does not run. One that runs is left as it is.
  ///
  /// - Parameter attach: returns a client that gets everything from the first byte on.
  /// - Throws: `StartFailure` where the program could not be started.
  @discardableResult
  public func start(_ nameOrID: String, attach: Bool = false) throws -> Attachment? {
    let found = try container(nameOrID)
    if found.isRunning { return attach ? try self.attach(found.id) : nil }
    // The supervisor that has just ended may still hold the ports.
    waitForSupervisor(of: found.id)
    let lock = try operationLock(of: found.id)
    return try start(found.id, attach: attach, lock)
  }

  private func start(_ id: String, attach: Bool, _ lock: borrowing OperationLock) throws -> Attachment? {
    // Somebody may have started or removed it meanwhile.
    let container = try container(id)
    if container.isRunning { return attach ? try self.attach(id) : nil }
    if let stale = container.endpoint, stale.owner == id { try? NetworkSetup.unpublish(stale.publications) }
    var options = container.record.options
    options.name = container.name
    let connection = try connect(id, options, exposed: container.record.exposedPorts)
    do {
      try content.database.write { database in
        try database.execute(
          sql: "UPDATE containers SET started = ?, state = NULL WHERE id = ?", arguments: [Moment.now().nanoseconds, id])
      }
    } catch {
      if let connection { disconnect(connection) }
      throw error
    }
    return try launch(id, container.name, container.record, connection, attach: attach)
  }

  /// Attaches to a running container.
  public func attach(_ nameOrID: String, stdin: Bool = true) throws -> Attachment {
    let container = try container(nameOrID)
    guard container.isRunning else { throw EngineError.input("You cannot attach to a stopped container, start it first") }
    guard container.state.status != .paused else {
      throw EngineError.input("You cannot attach to a paused container, unpause it first")
    }
    do {
      return try SupervisedContainer(directory: runDirectory(of: container.id)).attach(stdin: stdin, stdout: true, stderr: true)
    } catch SupervisionError.notRunning {
      throw EngineError.notRunning(name: container.name)
    }
  }

  /// Starts the supervisor of a container that is recorded as started. What fails is undone, a container that is to be
  /// removed with it.
  ///
  /// - Parameter cleansUp: the attached client will call `finish`.
  func launch(
    _ id: String, _ name: String, _ record: ContainerRecord, _ connection: Connection?, attach: Bool, cleansUp: Bool = false
  ) throws -> Attachment? {
    do {
      try writeHosts(id, record, connection)
      var supervision = supervision(id, record)
      if cleansUp { supervision.attachedCleansUp = true }
      let (_, attachment) = try SupervisedContainer.start(
        supervision, runtime: locations.runtime, root: runtimeRoot,
        held: connection?.descriptors() ?? [], attached: attach)
      return attachment
    } catch {
      if let connection { disconnect(connection) }
      abandonStart(id, record, error)
      throw error
    }
  }

  private func abandonStart(_ id: String, _ record: ContainerRecord, _ error: any Error) {
    if record.options.autoRemove {
      try? delete(id, anonymousVolumes: true)
      return
    }
    var state = SupervisedState(status: .created, supervisor: 0)
    state.error = "\(error)"
    state.exitCode = (error as? StartFailure)?.exitStatus ?? 128
    let json = try? encodedJSON(state)
    try? content.database.write { database in
      try database.execute(sql: "UPDATE containers SET started = NULL, state = ? WHERE id = ?", arguments: [json, id])
    }
  }

  private func writeHosts(_ id: String, _ record: ContainerRecord, _ connection: Connection?) throws {
    let options = record.options
    var head: String
    var network: String?
    if let pod = try options.pod.map({ try self.pod($0) }) {
      head = try HostsFile.head(extra: options.extraHosts, gateway: pod.network?.bridge.gateway)
      head += "\(pod.endpoint?.address.description ?? "127.0.1.1")\t\(record.hostname)\n"
    } else {
      switch options.network {
      // It has the other container's file.
      case .container: return
      case .none:
        head = try HostsFile.head(extra: options.extraHosts, gateway: nil)
        head += "127.0.1.1\t\(record.hostname)\n"
      case .host: head = try hostsOfHost() + HostsFile.head(extra: options.extraHosts, gateway: nil)
      case .bridge(let name):
        let gateway = try name == Network.defaultName ? Self.defaultNetwork.bridge.gateway : self.network(name).bridge.gateway
        head = try HostsFile.head(extra: options.extraHosts, gateway: gateway)
        if let endpoint = connection?.endpoint {
          let names = [record.hostname, options.domainName.map { "\(record.hostname).\($0)" }].compactMap { $0 }
          head += "\(endpoint.address)\t\(names.joined(separator: " "))\n"
        }
        network = name
      }
    }
    let path = directory(of: id).appending("hosts")
    do throws(Errno) {
      // In place: it may be mounted in a container that shares this one's network.
      let file = try openat2(workingDirectory, path.string, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
      try writeAll(file.number, Array(head.utf8))
    } catch {
      throw EngineError.system(operation: "write", path: path, error)
    }
    if let network { try refreshHosts(of: network) }
  }

  private func hostsOfHost() throws -> String {
    guard let bytes = try? readFile("/etc/hosts", limit: 1 << 20) else { return "" }
    let text = String(decoding: bytes, as: UTF8.self)
    return text.isEmpty || text.hasSuffix("\n") ? text : text + "\n"
  }

  private func supervision(_ id: String, _ record: ContainerRecord) -> Supervision {
    let options = record.options
    var log = LogDestination(driver: .none)
    if options.log.driver == .jsonFile {
      log = LogDestination(
        driver: .jsonFile, path: logPath(of: id).string, maxSize: options.log.maxSize,
        maxFiles: options.log.maxFiles)
    }
    let probes = options.probes + (record.healthcheck.map { [Self.probe($0)] } ?? [])
    return Supervision(
      id: id, bundle: directory(of: id).string, directory: runDirectory(of: id).string,
      stdin: !options.openStdin ? .none : options.detach ? .open : .once, log: log, restart: options.restart,
      stop: StopPolicy(signal: record.stopSignal, timeout: record.stopTimeout), probes: probes.isEmpty ? nil : probes,
      hooks: options.hooks,
      exitCommand: [
        locations.clipper.string, "--root", locations.root.string, "--run-root", locations.run.string, "container",
        "cleanup", id,
      ])
  }

  func logPath(of id: String) -> FilePath { directory(of: id).appending("log.json") }

  /// Docker's defaults, where the image and the flags say nothing. (moby, daemon/health.go)
  static func probe(_ check: Healthcheck) -> Probe {
    let second: Int64 = 1_000_000_000
    func duration(_ value: Int64?, _ standard: Int64) -> Int64 { value.flatMap { $0 == 0 ? nil : $0 } ?? standard * second }
    var arguments = Array((check.test ?? []).dropFirst())
    if check.test?.first == "CMD-SHELL" { arguments = ["/bin/sh", "-c"] + arguments }
    let period = duration(check.interval, 30)
    let startPeriod = check.startPeriod ?? 0
    let startInterval = duration(check.startInterval, 5)
    return Probe(
      kind: .health, action: .exec(arguments), initialDelay: startPeriod > 0 ? startInterval : period, period: period,
      startPeriod: startPeriod, startInterval: startInterval, timeout: duration(check.timeout, 30),
      failureThreshold: check.retries.flatMap { $0 == 0 ? nil : $0 } ?? 3)
  }

  // MARK: Locks

  func operationLock(of id: String) throws -> OperationLock {
    let path = directory(of: id).appending("lock")
    do { return try OperationLock(path) } catch {
      // Its directory went with it.
      if error == .noSuchFileOrDirectory { throw EngineError.notFound(.container, id) }
      throw EngineError.system(operation: "lock", path: path, error)
    }
  }

  /// A supervisor whose container has ended has a little to do still: its ports are free when it is gone.
  func waitForSupervisor(of id: String) {
    let supervised = SupervisedContainer(directory: runDirectory(of: id))
    var waited = 0
    while waited < 2000, supervised.isSupervised {
      usleep(1000)
      waited += 1
    }
  }
}
