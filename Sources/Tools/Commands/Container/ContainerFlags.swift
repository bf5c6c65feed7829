internal import Engine
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import RuntimeSpec
internal import SystemPackage

/// What `create` and `run` were asked for, as the engine takes it.
struct ContainerFlags {
  let parsed: FlagSet.Parsed

  func options() throws -> ContainerOptions {
    guard let image = parsed.rest.first else { throw Failure("an image is missing", status: 125) }
    guard !image.isEmpty else { throw Failure("invalid reference format: the image's name is empty", status: 125) }
    var options = ContainerOptions(image: image)
    options.command = Array(parsed.rest.dropFirst())
    try setProcess(&options)
    try setLife(&options)
    try setNetwork(&options)
    try setResources(&options)
    try setIsolation(&options)
    options.mounts = try MountFlags.mounts(parsed)
    options.readOnlyRoot = parsed.isOn("read-only")
    options.shmSize = try bytes("shm-size")
    options.devices = try parsed.all("device").map(Self.device)
    return options
  }

  private func bytes(_ name: String) throws -> Int64? {
    try parsed.last(name).map { try Quantity.bytes($0, flag: name) }
  }

  static func failure(_ value: String, _ flag: String, _ reason: String) -> Failure {
    Failure("invalid argument \"\(value)\" for \"--\(flag)\" flag: \(reason)", status: 125)
  }

  // MARK: Process

  private func setProcess(_ options: inout ContainerOptions) throws {
    options.name = parsed.last("name")
    options.environment = try Self.environment(parsed)
    options.workingDirectory = parsed.last("workdir")
    options.user = parsed.last("user")
    options.additionalGroups = parsed.all("group-add")
    options.hostname = parsed.last("hostname")
    options.domainName = parsed.last("domainname")
    options.labels = try labels()
    for text in parsed.all("annotation") {
      guard let (key, value) = Self.pair(text) else { throw Self.failure(text, "annotation", "write key=value") }
      options.annotations[key] = value
    }
    // An empty one clears the image's.
    options.entrypoint = parsed.last("entrypoint").map { $0.isEmpty ? [] : [$0] }
    options.terminal = parsed.isOn("tty")
    options.openStdin = parsed.isOn("interactive")
    options.useInit = parsed.isOn("init")
    options.platform = try parsed.last("platform").map { try Platform(parsing: $0) }
  }

  static func pair(_ text: String) -> (String, String)? {
    guard let separator = text.firstIndex(of: "="), separator != text.startIndex else { return nil }
    return (String(text[..<separator]), String(text[text.index(after: separator)...]))
  }

  /// Those of files come first, in any order of the flags. A name alone takes this process's value, where it has one.
  static func environment(_ parsed: FlagSet.Parsed) throws -> [String] {
    let lines = try parsed.all("env-file").flatMap { try self.lines(of: $0) }
    return try (lines + parsed.all("env")).compactMap { entry in
      guard let first = entry.first, first != "=" else {
        throw Failure("invalid environment variable: \(entry)", status: 125)
      }
      if entry.contains("=") { return entry }
      guard let value = getenv(entry) else { return nil }
      return "\(entry)=\(String(cString: value))"
    }
  }

  /// Lines of a file without comments and blanks at their start.
  private static func lines(of path: String) throws -> [String] {
    let text: String
    do { text = String(decoding: try readFile(FilePath(path)), as: UTF8.self) } catch {
      throw Failure("open \(path): \(error)", status: 125)
    }
    return try text.split(whereSeparator: \.isNewline).compactMap { line in
      let line = line.drop { $0 == " " || $0 == "\t" }
      guard let first = line.first, first != "#" else { return nil }
      let name = line.prefix { $0 != "=" }
      guard !name.contains(where: \.isWhitespace) else {
        throw Failure("\(path): variable '\(name)' contains whitespaces", status: 125)
      }
      return String(line)
    }
  }

  private func labels() throws -> [String: String] {
    var labels: [String: String] = [:]
    for entry in try parsed.all("label-file").flatMap({ try Self.lines(of: $0) }) + parsed.all("label") {
      guard !entry.hasPrefix("=") else { throw Self.failure(entry, "label", "the key is empty") }
      let (key, value) = Self.pair(entry) ?? (entry, "")
      labels[key] = value
    }
    return labels
  }

  // MARK: Life

  private func setLife(_ options: inout ContainerOptions) throws {
    options.autoRemove = parsed.isOn("rm")
    options.detach = parsed.isOn("detach")
    if let text = parsed.last("restart") { options.restart = try Self.restart(text) }
    if let text = parsed.last("stop-signal") {
      _ = try SignalName.number(text)
      options.stopSignal = text
    }
    options.stopTimeout = try parsed.number("stop-timeout")
    try setHealth(&options)
    switch parsed.last("log-driver") {
    case nil, "json-file": break
    case "none": options.log.driver = .none
    case let driver?: throw Self.failure(driver, "log-driver", "use json-file or none")
    }
    for text in parsed.all("log-opt") {
      switch Self.pair(text) {
      case ("max-size", let size)?: options.log.maxSize = try Quantity.bytes(size, flag: "log-opt max-size")
      case ("max-file", let count)?:
        guard let number = Int(count), number > 0 else {
          throw Self.failure(text, "log-opt", "max-file is a number from 1 on")
        }
        options.log.maxFiles = number
      default: throw Self.failure(text, "log-opt", "use max-size=BYTES or max-file=COUNT")
      }
    }
    guard options.log.maxFiles == 1 || options.log.maxSize != nil else {
      throw Failure("invalid log options: max-file needs max-size", status: 125)
    }
  }

  static func restart(_ text: String) throws -> RestartPolicy {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let policy = RestartPolicy.Policy(rawValue: parts[0]) else {
      throw failure(text, "restart", "use no, on-failure[:max], always or unless-stopped")
    }
    guard parts.count == 2 else { return RestartPolicy(policy: policy) }
    guard policy == .onFailure else {
      throw failure(text, "restart", "maximum retry count can only be used with 'on-failure'")
    }
    guard let count = Int(parts[1]), count >= 0 else {
      throw failure(text, "restart", "the maximum is a number from 0 on")
    }
    return RestartPolicy(policy: policy, maximumRetries: count)
  }

  private func setHealth(_ options: inout ContainerOptions) throws {
    let names = ["cmd", "interval", "retries", "start-period", "start-interval", "timeout"].map { "health-\($0)" }
    let isGiven = names.contains(where: parsed.has)
    if parsed.isOn("no-healthcheck") {
      guard !isGiven else { throw Failure("--no-healthcheck conflicts with --health-* options", status: 125) }
      options.disableHealthcheck = true
      return
    }
    guard isGiven else { return }
    var check = Healthcheck()
    if let command = parsed.last("health-cmd"), !command.isEmpty { check.test = ["CMD-SHELL", command] }
    func duration(_ name: String) throws -> Int64? {
      guard let text = parsed.last(name) else { return nil }
      guard let value = Quantity.duration(text) else {
        throw Self.failure(text, name, "write a time such as 30s or 1m30s")
      }
      guard value == 0 || value >= 1_000_000 else { throw Self.failure(text, name, "it cannot be less than 1ms") }
      return value
    }
    check.interval = try duration("health-interval")
    check.timeout = try duration("health-timeout")
    check.startPeriod = try duration("health-start-period")
    check.startInterval = try duration("health-start-interval")
    check.retries = try parsed.number("health-retries")
    if let retries = check.retries, retries < 0 { throw Failure("--health-retries cannot be negative", status: 125) }
    options.healthcheck = check
  }

  // MARK: Network

  private func setNetwork(_ options: inout ContainerOptions) throws {
    let networks = parsed.given.filter { $0.name == "network" || $0.name == "net" }.map(\.value)
    guard networks.count < 2 else { throw Failure("--network: a container is in one network only", status: 125) }
    options.networkAliases = parsed.all("network-alias") + parsed.all("net-alias")
    if let text = networks.first { try setNetwork(text, &options) }
    options.ports = try parsed.all("publish").flatMap { try PortFlags.mappings($0, flag: "publish") }
    options.publishAll = parsed.isOn("publish-all")
    options.exposedPorts = try parsed.all("expose").flatMap(PortFlags.exposed)
    options.extraHosts = parsed.all("add-host")
    options.dns = parsed.all("dns")
    options.dnsSearch = parsed.all("dns-search")
    options.dnsOptions = parsed.all("dns-option") + parsed.all("dns-opt")
  }

  private func setNetwork(_ text: String, _ options: inout ContainerOptions) throws {
    var name = text
    if text.contains("=") {
      name = ""
      for field in text.split(separator: ",").map(String.init) {
        switch Self.pair(field) {
        case ("name", let value)?: name = value
        case ("alias", let value)?: options.networkAliases.append(value)
        default: throw Self.failure(text, "network", "\(field) is not supported; use name=NAME and alias=NAME")
        }
      }
    }
    switch name {
    case "none": options.network = .none
    case "host": options.network = .host
    case "", "default", "bridge": options.network = .bridge(name: Network.defaultName)
    case let other where other.hasPrefix("container:"): options.network = .container(id: String(other.dropFirst(10)))
    case let other: options.network = .bridge(name: other)
    }
  }

  // MARK: Resources

  private func setResources(_ options: inout ContainerOptions) throws {
    var resources = ResourceOptions()
    resources.memory = try bytes("memory")
    resources.memorySwap = try bytes("memory-swap")
    resources.memoryReservation = try bytes("memory-reservation")
    resources.cpus = try parsed.number("cpus")
    if let quota: Double = try parsed.number("cpu-quota"), quota > 0 {
      guard resources.cpus == nil else {
        throw Failure("Conflicting options: CPU quota and --cpus cannot both be set", status: 125)
      }
      resources.cpus = quota / (try parsed.number("cpu-period") ?? 100_000)
    }
    resources.cpuShares = try parsed.number("cpu-shares")
    resources.cpusetCPUs = parsed.last("cpuset-cpus")
    resources.pidsLimit = try parsed.number("pids-limit")
    resources.ioWeight = try parsed.number("blkio-weight")
    resources.oomScoreAdjustment = try parsed.number("oom-score-adj")
    options.resources = resources
    options.ulimits = try parsed.all("ulimit").map { text in
      guard let (name, limits) = Self.pair(text) else { throw Self.failure(text, "ulimit", "write name=soft[:hard]") }
      let numbers = limits.split(separator: ":", omittingEmptySubsequences: false).map {
        $0 == "unlimited" ? -1 : Int64($0)
      }
      guard numbers.count <= 2, let soft = numbers.first ?? nil, let hard = numbers.last ?? nil else {
        throw Self.failure(text, "ulimit", "write name=soft[:hard]")
      }
      return UlimitOption(name: name, soft: soft, hard: hard)
    }
  }

  // MARK: Isolation

  private func setIsolation(_ options: inout ContainerOptions) throws {
    options.addedCapabilities = Self.list(parsed.all("cap-add"))
    options.droppedCapabilities = Self.list(parsed.all("cap-drop"))
    options.privileged = parsed.isOn("privileged")
    for text in parsed.all("security-opt") { try setSecurity(text, &options) }
    for text in parsed.all("sysctl") {
      guard let (name, value) = Self.pair(text) else { throw Self.failure(text, "sysctl", "write name=value") }
      options.sysctls[name] = value
    }
    for (flag, namespace) in [("pid", HostNamespace.pid), ("ipc", .ipc), ("uts", .uts)] {
      switch parsed.last(flag) {
      case nil, "": break
      case "private" where flag != "uts", "shareable" where flag == "ipc": break
      case "host": options.hostNamespaces.insert(namespace)
      case let mode?: throw Self.failure(mode, flag, "use host")
      }
    }
    if let mode = parsed.last("cgroupns"), mode != "private" {
      throw Self.failure(mode, "cgroupns", "only private is supported")
    }
    // Containers have the host's user namespace.
    if let mode = parsed.last("userns"), mode != "host", !mode.isEmpty {
      throw Self.failure(mode, "userns", "only host is supported")
    }
  }

  private static func list(_ values: [String]) -> [String] {
    values.flatMap { $0.split(separator: ",").map(String.init) }
  }

  private func setSecurity(_ text: String, _ options: inout ContainerOptions) throws {
    let separator = text.firstIndex { $0 == "=" || $0 == ":" }
    let name = separator.map { String(text[..<$0]) } ?? text
    let value = separator.map { String(text[text.index(after: $0)...]) }
    switch (name, value) {
    case ("no-new-privileges", nil), ("no-new-privileges", "true"): options.noNewPrivileges = true
    case ("no-new-privileges", "false"): options.noNewPrivileges = false
    case ("seccomp", "unconfined"): options.seccomp = .unconfined
    case ("seccomp", "builtin"): options.seccomp = .default
    case ("seccomp", let path?):
      do { options.seccomp = .profile(json: String(decoding: try readFile(FilePath(path)), as: UTF8.self)) } catch {
        throw Failure("opening seccomp profile (\(path)) failed: \(error)", status: 125)
      }
    case ("systempaths", "unconfined"): options.unconfinedSystemPaths = true
    // Neither AppArmor nor SELinux confines containers here.
    case ("apparmor", "unconfined"), ("label", "disable"): break
    default:
      throw Self.failure(
        text, "security-opt", "use no-new-privileges, seccomp=FILE, seccomp=unconfined or systempaths=unconfined")
    }
  }

  private static func device(_ text: String) throws -> DeviceOption {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard (1...3).contains(parts.count), !parts[0].isEmpty else {
      throw failure(text, "device", "write host-path[:container-path[:rwm]]")
    }
    // In two parts the second may be either.
    if parts.count == 2, !parts[1].hasPrefix("/") {
      return DeviceOption(hostPath: parts[0], containerPath: parts[0], permissions: parts[1])
    }
    return DeviceOption(
      hostPath: parts[0], containerPath: parts.count > 1 ? parts[1] : parts[0],
      permissions: parts.count > 2 ? parts[2] : "rwm")
  }
}
