internal import BuildGraph
internal import DockerfileSyntax
internal import FoundationEssentials
internal import Glibc
internal import Kernel
internal import RuntimeSpec
internal import Sandboxes
internal import Snapshots
internal import SystemPackage

/// The bundle of one RUN: isolated as a container is that asks for nothing, its root the image's files with the new
/// layer on top.
///
/// ```
/// <root>/builds/<id>/config.json
///                    rootfs        an empty mount point
///                    hosts, resolv.conf, script
/// ```
struct StepBundle {
  let operation: RunOperation
  let options: BuildOptions
  let user: UserIdentity
  let snapshots: SnapshotStore
  let network: RunInstruction.Network
  /// Of the network that the step is in.
  let gateway: String?
  let directory: WorkDirectory

  /// The network namespace's number in the runtime.
  static let networkDescriptor: CInt = 3
  private static let hostname = "buildkitsandbox"

  func write(_ pending: PendingSnapshot, on parent: Snapshot?) throws {
    let path = directory.path
    do throws(Errno) {
      try makeDirectories(path.appending("rootfs"))
      try file("hosts", try hosts())
      try file("resolv.conf", resolver())
      if let script = operation.script { try file("script", script.content, mode: 0o755) }
      try file("config.json", try json(config(pending, parent)))
    } catch {
      throw BuildError.system(operation: "write", path: path.string, error)
    }
  }

  private func file(_ name: String, _ text: String, mode: UInt32 = 0o644) throws(Errno) {
    let file = try openat2(
      Kernel.workingDirectory, directory.path.appending(name).string, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
    try writeAll(file.number, Array(text.utf8))
  }

  private func json(_ config: RuntimeConfig) throws(Errno) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(config) else { throw .invalidArgument }
    return String(decoding: data, as: UTF8.self)
  }

  private var hostName: String { operation.hostname ?? Self.hostname }

  private func hosts() throws(Errno) -> String {
    var entries = options.extraHosts.map { host in
      HostsEntry(address: host.address == "host-gateway" ? gateway ?? "127.0.0.1" : host.address, names: [host.name])
    }
    entries.append(HostsEntry(address: "127.0.0.1", names: [hostName]))
    return HostFiles.hosts(entries)
  }

  private func resolver() -> String {
    let host = (try? readFile("/etc/resolv.conf", limit: 1 << 20)) ?? []
    return HostFiles.resolvConf(host: String(decoding: host, as: UTF8.self), isolated: network != .host)
  }

  // MARK: - config.json

  func mounts() -> [ContainerMount] {
    let path = directory.path
    func bind(_ name: String, _ target: String) -> ContainerMount {
      ContainerMount(
        destination: target, type: "bind", source: path.appending(name).string, options: ["rbind", "rprivate"])
    }
    var mounts = DockerDefaults.mounts(shmSize: options.shmSize ?? 64 << 20)
    mounts += [bind("hosts", "/etc/hosts"), bind("resolv.conf", "/etc/resolv.conf")]
    if let script = operation.script { mounts.append(bind("script", script.path)) }
    return mounts
  }

  private func config(_ pending: PendingSnapshot, _ parent: Snapshot?) -> RuntimeConfig {
    var config = RuntimeConfig(
      process: process(), root: ContainerRoot(path: "rootfs"), hostname: hostName, mounts: mounts(),
      annotations: [
        "dev.clipper.overlay.directory": snapshots.directory.string,
        "dev.clipper.overlay.lower": parent?.lowerDirectories.joined(separator: ":") ?? "",
        "dev.clipper.overlay.upper": pending.fs.string,
        "dev.clipper.overlay.work": pending.work.string,
        "dev.clipper.seccomp": "docker-default",
      ])
    var resources = LinuxResources(devices: DockerDefaults.deviceRules)
    if let memory = options.memory { resources.memory = LinuxMemory(limit: memory, swap: memory) }
    var linux = LinuxConfig(resources: resources, cgroupsPath: "/clipper/\(directory.id)", namespaces: namespaces())
    linux.maskedPaths = DockerDefaults.maskedPaths
    linux.readonlyPaths = DockerDefaults.readonlyPaths
    if network != .host {
      linux.sysctl = ["net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"]
    }
    config.linux = linux
    return config
  }

  private func namespaces() -> [LinuxNamespace] {
    var namespaces = [LinuxNamespace.Kind.mount, .cgroup, .pid, .ipc, .uts].map { LinuxNamespace(type: $0) }
    switch network {
    case .host: break
    case .none: namespaces.append(LinuxNamespace(type: .network))
    case .default: namespaces.append(LinuxNamespace(type: .network, path: "/proc/self/fd/\(Self.networkDescriptor)"))
    }
    return namespaces
  }

  private func process() -> ContainerProcess {
    let available = Privileges.boundingSet()
    let capabilities = DockerDefaults.capabilities.filter { name in
      DockerDefaults.allCapabilities.firstIndex(of: name).map { available.contains(CapabilitySet(number: $0)) } ?? false
    }
    var groups = user.additionalGroups
    // The group itself is among them. (CVE-2022-36109)
    if !groups.contains(user.groupID) { groups.insert(user.groupID, at: 0) }
    var environment = operation.environment + operation.proxies
    if !environment.contains(where: { $0.hasPrefix("HOME=") }) { environment.append("HOME=\(user.home ?? "/")") }
    var process = ContainerProcess(
      args: operation.arguments, env: environment, cwd: operation.workingDirectory,
      user: ContainerUser(uid: user.userID, gid: user.groupID, additionalGids: groups),
      capabilities: LinuxCapabilities(allowing: capabilities))
    if !options.limits.isEmpty {
      process.rlimits = options.limits.map { ResourceLimit(type: $0.name, hard: $0.hard, soft: $0.soft) }
    }
    return process
  }
}
