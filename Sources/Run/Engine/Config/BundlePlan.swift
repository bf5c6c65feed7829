internal import RuntimeSpec

/// Everything that a bundle's config.json says, looked up and checked.
struct BundlePlan {
  var id: String
  var options: ContainerOptions
  var record: ContainerRecord
  var user: FoundUser
  var capabilities: [String]
  var seccomp: LinuxSeccomp?
  var devices: [(device: LinuxDevice, rule: LinuxDeviceRule)] = []
  /// Directory of the container, absolute.
  var directory: String
  var snapshots: String
  /// Topmost first, relative to `snapshots`.
  var lowerDirectories: [String]
  /// Host files that are mounted on /etc/hosts and its like: (source, target).
  var etcFiles: [(source: String, target: String)]
  var processors: Int

  /// Numbers that the namespaces' descriptors have in the supervisor: after the ready descriptor, 3, in the order in
  /// which `SupervisedContainer.start` is given them.
  static let networkDescriptor = 4
  static let ipcDescriptor = 5
  static let utsDescriptor = 6

  static let seccompAnnotation = "dev.clipper.seccomp"
  static let initAnnotation = "dev.clipper.init"

  func config() throws -> RuntimeConfig {
    var config = RuntimeConfig(
      process: try process(), root: ContainerRoot(path: "rootfs", readonly: options.readOnlyRoot ? true : nil),
      mounts: mounts(), annotations: annotations())
    if namespaces().contains(where: { $0.type == .uts && $0.path == nil }) {
      config.hostname = record.hostname
      config.domainname = options.domainName
    }
    config.linux = try linux()
    return config
  }

  private func process() throws -> ContainerProcess {
    var groups = user.additionalGroups
    // Docker's: the group itself is among them. (CVE-2022-36109)
    if !groups.contains(user.groupID) { groups.insert(user.groupID, at: 0) }
    var process = ContainerProcess(
      args: record.arguments, env: record.environment, cwd: record.workingDirectory,
      user: ContainerUser(uid: user.userID, gid: user.groupID, additionalGids: groups),
      terminal: options.terminal ? true : nil, capabilities: LinuxCapabilities(allowing: capabilities))
    if !options.ulimits.isEmpty { process.rlimits = try options.ulimits.map { try $0.limit() } }
    if options.noNewPrivileges { process.noNewPrivileges = true }
    if options.terminal { process.consoleSize = options.terminalSize }
    process.oomScoreAdj = options.resources.oomScoreAdjustment
    return process
  }

  private func annotations() -> [String: String] {
    var annotations = options.annotations
    annotations["dev.clipper.overlay.directory"] = snapshots
    annotations["dev.clipper.overlay.lower"] = lowerDirectories.joined(separator: ":")
    annotations["dev.clipper.overlay.upper"] = directory + "/upper"
    annotations["dev.clipper.overlay.work"] = directory + "/work"
    if case .default = options.seccomp, !options.privileged { annotations[Self.seccompAnnotation] = "docker-default" }
    if options.useInit { annotations[Self.initAnnotation] = "true" }
    return annotations
  }

  func namespaces() -> [LinuxNamespace] {
    var namespaces = [LinuxNamespace(type: .mount), LinuxNamespace(type: .cgroup)]
    let shared = options.hostNamespaces
    let isPod = options.pod != nil
    func join(_ kind: LinuxNamespace.Kind, _ descriptor: Int?) {
      namespaces.append(LinuxNamespace(type: kind, path: descriptor.map { "/proc/self/fd/\($0)" }))
    }
    if !shared.contains(.pid) { join(.pid, nil) }
    if isPod || !shared.contains(.ipc) { join(.ipc, isPod ? Self.ipcDescriptor : nil) }
    if isPod || !shared.contains(.uts) { join(.uts, isPod ? Self.utsDescriptor : nil) }
    if isPod {
      join(.network, Self.networkDescriptor)
    } else {
      switch options.network {
      case .none: join(.network, nil)
      case .host: break
      case .bridge, .container: join(.network, Self.networkDescriptor)
      }
    }
    return namespaces
  }

  private func linux() throws -> LinuxConfig {
    var rules = DockerDefaults.deviceRules + devices.map(\.rule)
    var nodes = devices.map(\.device)
    if options.privileged {
      rules = [LinuxDeviceRule(allow: true, access: "rwm")]
      nodes += DeviceChoice.all().filter { device in !nodes.contains { $0.path == device.path } }
    }
    var linux = LinuxConfig(
      resources: try options.resources.limits(devices: rules, processors: processors), cgroupsPath: "/clipper/\(id)",
      namespaces: namespaces(), devices: nodes.isEmpty ? nil : nodes)
    linux.seccomp = seccomp
    if !options.privileged, !options.unconfinedSystemPaths {
      linux.maskedPaths = DockerDefaults.maskedPaths
      linux.readonlyPaths = DockerDefaults.readonlyPaths
    }
    let sysctls = try sysctls()
    if !sysctls.isEmpty { linux.sysctl = sysctls }
    return linux
  }

  /// Those of namespaces that the container has of its own; Docker's defaults let it use low ports and ping.
  private func sysctls() throws -> [String: String] {
    let kinds = Set(namespaces().map(\.type))
    var sysctls: [String: String] = [:]
    var ownsNetwork = options.pod == nil
    switch options.network {
    case .host, .container: ownsNetwork = false
    case .none, .bridge: break
    }
    if ownsNetwork {
      sysctls["net.ipv4.ip_unprivileged_port_start"] = "0"
      sysctls["net.ipv4.ping_group_range"] = "0 2147483647"
    }
    for (name, value) in options.sysctls {
      let isIPC = ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
        "kernel.shmmni", "kernel.shm_rmid_forced",
      ].contains(name) || name.hasPrefix("fs.mqueue.")
      guard name.hasPrefix("net.") && kinds.contains(.network) || isIPC && kinds.contains(.ipc) else {
        throw EngineError.input("sysctl '\(name)' is not allowed: it is not of a namespace of the container")
      }
      sysctls[name] = value
    }
    return sysctls
  }

  // MARK: Mounts

  private func mounts() -> [ContainerMount] {
    let own = record.mounts
    let targets = Set(own.map(\.target))
    var mounts = DockerDefaults.mounts(shmSize: options.shmSize ?? 64 << 20).filter { !targets.contains($0.destination) }
    for index in mounts.indices {
      switch mounts[index].destination {
      case "/sys" where options.privileged, "/sys/fs/cgroup" where options.privileged:
        mounts[index].options?.removeAll { $0 == "ro" }
      case "/dev/shm" where options.hostNamespaces.contains(.ipc), "/dev/mqueue" where options.hostNamespaces.contains(.ipc):
        let destination = mounts[index].destination
        mounts[index] = ContainerMount(destination: destination, type: "bind", source: destination, options: ["rbind", "rprivate"])
      default: break
      }
    }
    for file in etcFiles where !targets.contains(file.target) {
      mounts.append(
        ContainerMount(
          destination: file.target, type: "bind", source: file.source,
          options: ["rbind", "rprivate"] + (options.readOnlyRoot ? ["ro"] : [])))
    }
    // Those above come first, or they would hide those below.
    func depth(_ path: String) -> Int { path.utf8.count { $0 == UInt8(ascii: "/") } }
    return mounts + own.enumerated().sorted {
      (depth($0.element.target), $0.offset) < (depth($1.element.target), $1.offset)
    }.map { Self.mount($0.element) }
  }

  private static func mount(_ mount: ContainerRecord.Mount) -> ContainerMount {
    switch mount.kind {
    case .tmpfs:
      return ContainerMount(
        destination: mount.target, type: "tmpfs", source: "tmpfs",
        options: mount.options + (mount.readOnly ? ["ro"] : []))
    case .bind, .volume:
      var options = ["rbind", mount.propagation ?? "rprivate"] + mount.options
      if mount.readOnly { options.append("ro") }
      return ContainerMount(destination: mount.target, type: "bind", source: mount.source, options: options)
    }
  }
}
