internal import Content
internal import Glibc
internal import GRDB
internal import ImageSpec
internal import Kernel
internal import RuntimeSpec
internal import Sandboxes
internal import Snapshots
internal import SystemPackage

/// A container that is decided and checked, and not recorded yet.
struct Blueprint {
  let id: String
  var record: ContainerRecord
  let image: Image
  let snapshot: Snapshot?
  let config: RuntimeConfig
  /// Volumes that it uses, in the order of its mounts; those that are new have their record.
  let volumes: [(name: String, record: VolumeRecord?)]
  /// The working directory is not in the image and is made.
  let makesWorkingDirectory: Bool
}

extension Engine {
  /// - Parameter id: its directory exists.
  func blueprint(_ options: ContainerOptions, id: String) throws -> Blueprint {
    var options = options
    try check(&options)
    let image = try image(options.image, platform: options.platform)
    let snapshot = try unpack(image)
    let defaults = image.config.config ?? ContainerConfig()
    let layers = try LayerFiles(snapshot, snapshots)
    let pod = try options.pod.map { try self.pod($0) }
    options.pod = pod?.id

    let userText = options.user ?? defaults.user ?? ""
    let user = try find(user: userText, groups: options.additionalGroups, layers, snapshot)
    var entrypoint = options.entrypoint ?? []
    var command = options.command
    // An entrypoint of one's own takes the image's command away, too. (moby, daemon/commit.go, merge)
    if options.entrypoint == nil {
      entrypoint = defaults.entrypoint ?? []
      if command.isEmpty { command = defaults.cmd ?? [] }
    }
    guard !(entrypoint + command).isEmpty else { throw EngineError.noCommand(image: options.image) }
    let hostname = pod?.hostname ?? options.hostname ?? hostname(options, id)
    let workingDirectory = try Self.workingDirectory(options.workingDirectory ?? defaults.workingDir)
    var record = ContainerRecord(
      options: options, created: .now(), imageID: image.id, manifest: image.descriptor.digest, snapshot: snapshot?.id,
      entrypoint: entrypoint, command: command,
      environment: ContainerEnvironment.merge(
        image: defaults.env ?? [], options: options.environment, hostname: hostname, terminal: options.terminal,
        home: user.home ?? (user.userID == 0 ? "/root" : "/")),
      workingDirectory: workingDirectory, user: userText, hostname: hostname,
      labels: (defaults.labels ?? [:]).merging(options.labels) { $1 },
      exposedPorts: Set((defaults.exposedPorts ?? [:]).keys).union(options.exposedPorts).sorted(),
      stopSignal: try SignalName.number(options.stopSignal ?? defaults.stopSignal ?? "TERM"),
      stopTimeout: options.stopTimeout ?? 10, healthcheck: Self.healthcheck(options, defaults))
    let volumes = try resolveMounts(of: &record, image: defaults, snapshot, layers)
    let capabilities = try CapabilityChoice.names(
      added: options.addedCapabilities, dropped: options.droppedCapabilities, privileged: options.privileged)
    let plan = BundlePlan(
      id: id, options: options, record: record, user: user, capabilities: capabilities,
      seccomp: try seccomp(options, capabilities), devices: try DeviceChoice.devices(options.devices),
      directory: directory(of: id).string, snapshots: snapshots.directory.string,
      lowerDirectories: snapshot?.lowerDirectories ?? [], etcFiles: try etcFiles(options, id),
      processors: sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    return Blueprint(
      id: id, record: record, image: image, snapshot: snapshot, config: try plan.config(), volumes: volumes,
      makesWorkingDirectory: needsMaking(workingDirectory, record, layers))
  }

  /// What can be said before the image is looked at.
  private func check(_ options: inout ContainerOptions) throws {
    if let name = options.name, !ContainerName.isValid(name) { throw EngineError.invalidName(.container, name) }
    if options.autoRemove, options.restart.policy != .no {
      throw EngineError.input("Conflicting options: cannot specify both --restart and --rm")
    }
    if let hostname = options.hostname, hostname.utf8.count > 64 {
      throw EngineError.input("invalid hostname \"\(hostname)\": it is longer than 64 bytes")
    }
    if let timeout = options.stopTimeout, timeout < -1 { throw EngineError.input("invalid stop timeout: \(timeout)") }
    switch options.network {
    case .container(let id):
      guard options.ports.isEmpty, !options.publishAll else {
        throw EngineError.input("conflicting options: port publishing and the container type network mode")
      }
      options.network = .container(id: try containerID(id))
    case .host, .none:
      guard options.networkAliases.isEmpty else {
        throw EngineError.input("network-scoped aliases are only supported for containers in a bridge network")
      }
    case .bridge(let name): if options.pod == nil { options.network = .bridge(name: try network(name).name) }
    }
    if options.pod != nil, !options.ports.isEmpty || options.publishAll {
      throw EngineError.input("the ports of a pod are the pod's: a container of it publishes none")
    }
  }

  private func hostname(_ options: ContainerOptions, _ id: String) -> String {
    guard options.network == .host || options.hostNamespaces.contains(.uts) else { return String(id.prefix(12)) }
    return hostName()
  }

  private static func workingDirectory(_ text: String?) throws -> String {
    guard let text, !text.isEmpty else { return "/" }
    guard text.hasPrefix("/") else {
      throw EngineError.input("the working directory '\(text)' is invalid, it needs to be an absolute path")
    }
    return FilePath(text).lexicallyNormalized().string
  }

  /// The one from the flags over the image's, part by part.
  static func healthcheck(_ options: ContainerOptions, _ defaults: ContainerConfig) -> Healthcheck? {
    guard !options.disableHealthcheck else { return nil }
    var check = defaults.healthcheck ?? Healthcheck()
    if let own = options.healthcheck {
      if let test = own.test, !test.isEmpty { check.test = test }
      check.interval = own.interval ?? check.interval
      check.timeout = own.timeout ?? check.timeout
      check.startPeriod = own.startPeriod ?? check.startPeriod
      check.startInterval = own.startInterval ?? check.startInterval
      check.retries = own.retries ?? check.retries
    }
    guard let kind = check.test?.first, kind != "NONE" else { return nil }
    return check
  }

  private func seccomp(_ options: ContainerOptions, _ capabilities: [String]) throws -> LinuxSeccomp? {
    guard case .profile(let json) = options.seccomp, !options.privileged else { return nil }
    return try SeccompProfile(parsing: json).filter(.current(capabilities: capabilities))
  }

  private func find(user: String, groups: [String], _ layers: LayerFiles, _ snapshot: Snapshot?) throws -> FoundUser {
    try UserFiles { path in
      switch layers.read(path) {
      case .found(let bytes): return bytes
      case .absent: return nil
      case .unclear:
        let view = try self.snapshots.openView(snapshot)
        do throws(Errno) { return try readFile(path, inRoot: view.number) } catch {
          throw EngineError.system(operation: "read in the image", path: FilePath("/" + path), error)
        }
      }
    }.find(user, groups: groups)
  }

  private func needsMaking(_ directory: String, _ record: ContainerRecord, _ layers: LayerFiles) -> Bool {
    if directory == "/" { return false }
    let isMounted = record.mounts.contains { directory == $0.target || directory.hasPrefix($0.target + "/") }
    if isMounted { return false }
    if case .found = layers.isDirectory(directory) { return false }
    return true
  }

  /// Host files for /etc: those of the container whose network it shares, or its own.
  private func etcFiles(_ options: ContainerOptions, _ id: String) throws -> [(source: String, target: String)] {
    var owner = directory(of: id).string
    if case .container(let other) = options.network, options.pod == nil { owner = directory(of: other).string }
    return ["resolv.conf", "hostname", "hosts"].map { ("\(owner)/\($0)", "/etc/\($0)") }
  }

  // MARK: Writing it

  /// Writes the bundle into the container's directory.
  func write(_ blueprint: Blueprint) throws {
    let directory = directory(of: blueprint.id)
    do throws(Errno) {
      for name in ["upper", "work", "rootfs"] { try Errno.check(mkdir(directory.appending(name).string, 0o755)) }
      try writeNew(directory.appending("config.json"), try Self.json(blueprint.config))
      try writeEtcFiles(blueprint.record, directory)
    } catch {
      throw EngineError.system(operation: "write the bundle at", path: directory, error)
    }
    if blueprint.makesWorkingDirectory {
      try makeDirectory(blueprint.record.workingDirectory, of: blueprint.snapshot, in: directory)
    }
  }

  private static func json(_ config: RuntimeConfig) throws(Errno) -> String {
    // Every value of it can be encoded.
    guard let json = try? encodedJSON(config) else { throw .invalidArgument }
    return json
  }

  private func writeNew(_ path: FilePath, _ text: String) throws(Errno) {
    let file = try openat2(Kernel.workingDirectory, path.string, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
    try writeAll(file.number, Array(text.utf8))
  }

  private func writeEtcFiles(_ record: ContainerRecord, _ directory: FilePath) throws(Errno) {
    let options = record.options
    let isHost = options.pod == nil && options.network == .host
    try writeNew(directory.appending("hostname"), record.hostname + "\n")
    try writeNew(
      directory.appending("resolv.conf"),
      HostFiles.resolvConf(
        host: Self.hostResolvConf(), servers: options.dns, search: options.dnsSearch, options: options.dnsOptions,
        isolated: !isHost))
    // With the network's lines when it starts.
    try writeNew(directory.appending("hosts"), "")
  }

  /// The host's resolv.conf; that of the resolver's own upstreams where the host asks a resolver on its loopback.
  private static func hostResolvConf() -> String {
    func text(_ path: FilePath) -> String? {
      (try? readFile(path, limit: 1 << 16)).map { String(decoding: $0, as: UTF8.self) }
    }
    let own = text("/etc/resolv.conf") ?? ""
    let servers = own.split(separator: "\n").filter { $0.hasPrefix("nameserver") }
    guard !servers.isEmpty, servers.allSatisfy({ $0.contains(" 127.0.0.5") }) else { return own }
    return text("/run/systemd/resolve/resolv.conf") ?? own
  }

  private func makeDirectory(_ path: String, of snapshot: Snapshot?, in directory: FilePath) throws {
    let view = try snapshots.openView(
      snapshot, upper: directory.appending("upper"), work: directory.appending("work"))
    do throws(Errno) { try makeDirectories(path, inRoot: view.number) } catch {
      throw EngineError.system(operation: "make the working directory", path: FilePath(path), error)
    }
  }

  /// Records the container and what it keeps from being removed.
  ///
  /// - Returns: its name.
  func insert(_ blueprint: Blueprint, started: Moment?, _ database: Database) throws -> String {
    let owner = "container/\(blueprint.id)"
    let name = try freeName(blueprint.record.options.name, database)
    try database.execute(
      sql: "INSERT INTO containers (id, name, pod, created, record, started) VALUES (?, ?, ?, ?, ?, ?)",
      arguments: [
        blueprint.id, name, blueprint.record.options.pod, blueprint.record.created.nanoseconds,
        try encodedJSON(blueprint.record), started?.nanoseconds,
      ])
    try content.hold(Array(Set([blueprint.image.target.digest, blueprint.image.descriptor.digest])), owner: owner, in: database)
    if let snapshot = blueprint.snapshot { try snapshots.hold(snapshot, owner: owner, in: database) }
    for volume in blueprint.volumes {
      if let record = volume.record {
        try database.execute(
          sql: "INSERT OR IGNORE INTO volumes (name, created, record) VALUES (?, ?, ?)",
          arguments: [volume.name, blueprint.record.created.nanoseconds, try encodedJSON(record)])
      }
      try database.execute(
        sql: "INSERT OR IGNORE INTO volume_uses (container, volume) VALUES (?, ?)", arguments: [blueprint.id, volume.name])
    }
    return name
  }

  private func freeName(_ wanted: String?, _ database: Database) throws -> String {
    func user(of name: String) throws -> String? {
      try String.fetchOne(database, sql: "SELECT id FROM containers WHERE name = ?", arguments: [name])
    }
    if let wanted {
      if let id = try user(of: wanted) { throw EngineError.nameInUse(.container, name: wanted, by: id) }
      return wanted
    }
    var attempt = 0
    var name = ContainerName.random()
    while try user(of: name) != nil {
      attempt += 1
      name = ContainerName.random(attempt: attempt)
    }
    return name
  }
}

/// This machine's name. (gethostname(2))
func hostName() -> String {
  var buffer = [CChar](repeating: 0, count: 65)
  guard gethostname(&buffer, 64) == 0 else { return "localhost" }
  return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Makes a directory and those above it below an open directory that stands for `/`.
func makeDirectories(_ path: String, inRoot root: CInt) throws(Errno) {
  var parent = try openat2(root, ".", flags: pathOnly | O_DIRECTORY)
  var walked = ""
  for part in path.split(separator: "/") {
    walked += "/" + part
    do throws(Errno) {
      parent = try openat2(root, walked, flags: pathOnly | O_DIRECTORY, resolve: [.inRoot, .noMagicLinks])
    } catch {
      guard error == .noSuchFileOrDirectory, part != ".." else { throw error }
      let number = parent.number
      if mkdirat(number, String(part), 0o755) != 0, Errno.current != .fileExists { throw Errno.current }
      parent = try openat2(root, walked, flags: pathOnly | O_DIRECTORY, resolve: [.inRoot, .noMagicLinks])
    }
  }
}
