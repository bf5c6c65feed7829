public import Engine
public import ImageSpec
internal import RuntimeSpec

/// What a container's options need beside its own description.
public struct ContainerSurroundings: Sendable {
  public var facts: PodFacts
  /// The engine's ID of the pod.
  public var pod: String
  public var image: ContainerConfig?
  public var mounts: [MountOption]
  public var objects: Surroundings
  public var links: [ServiceLink]
  /// `name:address` of services and of the pod itself.
  public var hosts: [String]
  /// Localhost profiles by their path: JSON, read already.
  public var seccompProfiles: [String: String]

  public init(
    facts: PodFacts, pod: String, image: ContainerConfig?, mounts: [MountOption] = [], objects: Surroundings = .init(),
    links: [ServiceLink] = [], hosts: [String] = [], seccompProfiles: [String: String] = [:]
  ) {
    self.facts = facts
    self.pod = pod
    self.image = image
    self.mounts = mounts
    self.objects = objects
    self.links = links
    self.hosts = hosts
    self.seccompProfiles = seccompProfiles
  }
}

extension PodPlan {
  /// The role of a container, as its label says it.
  func role(of container: ContainerSpec) -> String {
    guard spec.initContainers.contains(container) else { return "main" }
    return container.isSidecar ? "sidecar" : "init"
  }

  /// A container's options. Throws `KubeError.notNonRoot` where the kubelet would refuse to start it.
  public func options(for container: ContainerSpec, _ around: ContainerSurroundings) throws -> ContainerOptions {
    var options = ContainerOptions(image: container.image)
    options.name = Self.engineName(namespace: namespace, pod: name, container: container.name)
    options.pod = around.pod
    options.hostname = spec.hostNetwork ? nil : hostname
    options.detach = true
    setProgram(&options, container, around)
    setIdentity(&options, container)
    try setSecurity(&options, container, around)
    setResources(&options, container, around.facts.host)
    setProbes(&options, container, around.facts.address)
    options.mounts = around.mounts
    options.extraHosts = spec.hostAliases.flatMap { alias in alias.names.map { "\($0):\(alias.address)" } } + around.hosts
    options.dns = spec.dnsServers
    options.dnsSearch = spec.dnsSearch
    options.dnsOptions = spec.dnsOptions
    options.restart = restartPolicy(of: container)
    options.stopTimeout = Int(spec.terminationGracePeriod)
    options.terminal = container.tty
    options.openStdin = container.stdin
    // A pod's health is its probes'; the image's health check is Docker's. (Kubernetes ignores it)
    options.disableHealthcheck = true
    return options
  }

  private func setProgram(_ options: inout ContainerOptions, _ container: ContainerSpec, _ around: ContainerSurroundings) {
    let variables = container.variables(
      pod: around.facts, siblings: spec.initContainers + spec.containers, surroundings: around.objects,
      links: spec.enableServiceLinks ? around.links : [])
    options.environment = variables.assignments
    options.entrypoint = container.command?.map { expandVariables($0, variables.values) }
    options.command = container.args?.map { expandVariables($0, variables.values) } ?? []
    options.workingDirectory = container.workingDirectory
  }

  private func setIdentity(_ options: inout ContainerOptions, _ container: ContainerSpec) {
    options.labels = labels
    options.labels[KubeLabel.namespace] = namespace
    options.labels[KubeLabel.pod] = name
    options.labels[KubeLabel.container] = container.name
    options.labels[KubeLabel.role] = role(of: container)
    options.labels[KubeLabel.owner] = "\(owner.kind.short)/\(owner.name)"
    options.labels[KubeLabel.revision] = revision
  }

  private func setSecurity(
    _ options: inout ContainerOptions, _ container: ContainerSpec, _ around: ContainerSurroundings
  ) throws {
    let security = container.security.over(spec.security.shared)
    do {
      try NonRootRule.check(
        runAsNonRoot: security.runAsNonRoot, runAsUser: security.runAsUser, imageUser: around.image?.user)
    } catch {
      throw KubeError.notNonRoot(pod: name, container: container.name, why: error.description)
    }
    options.user = Self.user(security, image: around.image?.user)
    options.additionalGroups = (spec.security.supplementalGroups + [spec.security.fsGroup].compactMap { $0 }).map { String($0) }
    options.privileged = security.privileged ?? false
    // A privileged container may always gain privileges, and so may one that keeps CAP_SYS_ADMIN.
    options.noNewPrivileges = security.allowPrivilegeEscalation == false
    options.readOnlyRoot = security.readOnlyRootFilesystem ?? false
    options.addedCapabilities = security.addedCapabilities
    options.droppedCapabilities = security.droppedCapabilities
    options.unconfinedSystemPaths = security.unmaskedProc
    options.sysctls = spec.security.sysctls
    switch security.seccompProfile {
    // Without a profile, as a kubelet with seccompDefault.
    case nil, .runtimeDefault: options.seccomp = .default
    case .unconfined: options.seccomp = .unconfined
    case .localhost(let path): options.seccomp = .profile(json: around.seccompProfiles[path] ?? "")
    }
  }

  private static func user(_ security: SecurityContext, image: String?) -> String? {
    let imageUser = (image ?? "").split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).first.map(String.init)
    switch (security.runAsUser, security.runAsGroup) {
    case (nil, nil): return nil
    case (let user?, nil): return String(user)
    case (let user?, let group?): return "\(user):\(group)"
    case (nil, let group?): return (imageUser.flatMap { $0.isEmpty ? nil : $0 } ?? "0") + ":\(group)"
    }
  }

  private func setResources(_ options: inout ContainerOptions, _ container: ContainerSpec, _ host: HostFacts) {
    let resources = container.resources
    if let memory = resources.limitMemory, memory.value > 0 {
      options.resources.memory = memory.value
      // The kubelet's containers do not swap.
      options.resources.memorySwap = memory.value
    }
    if let cpu = resources.limitCPU, cpu.milli > 0 {
      // More than the host has is no limit, and less than a hundredth is more than the scheduler can measure.
      options.resources.cpus = min(max(Double(cpu.milli) / 1000, 0.01), Double(host.processors))
    }
    if let cpu = resources.requestCPU, cpu.milli > 0 {
      // (Kubernetes, pkg/kubelet/cm, MilliCPUToShares)
      options.resources.cpuShares = UInt64(min(max(2, cpu.milli * 1024 / 1000), 262_144))
    }
    options.resources.oomScoreAdjustment = outOfMemoryScore(resources, host)
  }

  /// Who asked for least is killed first. Never below 0: the host is not a node that runs pods only.
  /// (Kubernetes, pkg/kubelet/qos, GetContainerOOMScoreAdjust)
  private func outOfMemoryScore(_ resources: ResourceRequirements, _ host: HostFacts) -> Int {
    let all = spec.initContainers + spec.containers
    let isGuaranteed = all.allSatisfy { container in
      guard let cpu = container.resources.limitCPU, let memory = container.resources.limitMemory else { return false }
      return container.resources.requestCPU?.milli == cpu.milli && container.resources.requestMemory?.milli == memory.milli
    }
    if isGuaranteed { return 0 }
    let asks = all.contains { container in
      [container.resources.limitCPU, container.resources.limitMemory, container.resources.requestCPU,
        container.resources.requestMemory,
      ].contains { ($0?.milli ?? 0) > 0 }
    }
    guard asks, host.memory > 0 else { return 1000 }
    let share = Double(resources.requestMemory?.value ?? 0) / Double(host.memory)
    return min(max(2, 1000 - Int(min(share, 1) * 1000)), 999)
  }

  private func setProbes(_ options: inout ContainerOptions, _ container: ContainerSpec, _ address: String?) {
    options.probes = container.probes.map { $0.probe(address: address) }
    if let lifecycle = container.lifecycle {
      options.hooks = LifecycleHooks(
        postStart: lifecycle.postStart?.action(address: address), preStop: lifecycle.preStop?.action(address: address))
    }
  }

  func restartPolicy(of container: ContainerSpec) -> RestartPolicy {
    if container.isSidecar { return RestartPolicy(policy: .always) }
    if spec.initContainers.contains(container) {
      guard spec.restartPolicy != .never else { return RestartPolicy(policy: .no) }
      // The kubelet never gives up; a command that somebody waits for does.
      return RestartPolicy(policy: .onFailure, maximumRetries: min(maximumRestarts ?? 5, 5))
    }
    return switch spec.restartPolicy {
    case .always: RestartPolicy(policy: .always)
    case .onFailure: onFailure
    case .never: RestartPolicy(policy: .no)
    }
  }

  private var onFailure: RestartPolicy {
    // The supervisor reads 0 retries as without limit.
    maximumRestarts == 0 ? RestartPolicy(policy: .no) : RestartPolicy(policy: .onFailure, maximumRetries: maximumRestarts)
  }

  /// Ports of the host that lead to the pod; none in the host's own network, where they are the same.
  public var ports: [PortMapping] {
    guard !spec.hostNetwork else { return [] }
    return (spec.initContainers.filter(\.isSidecar) + spec.containers).flatMap(\.ports).compactMap { port in
      port.hostPort.map {
        PortMapping(
          hostAddress: port.hostIP, hostPort: $0, containerPort: port.containerPort,
          transport: port.transport == .tcp ? .tcp : .udp)
      }
    }
  }
}

extension ProbeSpec {
  func probe(address: String?) -> Probe {
    let second: Int64 = 1_000_000_000
    let kind: Probe.Kind =
      switch self.kind {
      case .startup: .startup
      case .liveness: .liveness
      case .readiness: .readiness
      }
    return Probe(
      kind: kind, action: handler.action(address: address), initialDelay: initialDelay * second, period: period * second,
      timeout: timeout * second, successThreshold: Int(successThreshold), failureThreshold: Int(failureThreshold))
  }
}

extension Handler {
  /// - Parameter address: the pod's, which the kubelet connects to where the handler names no host.
  func action(address: String?) -> ProbeAction {
    switch self {
    case .exec(let command): .exec(command)
    case .http(let host, let port, let path, let headers):
      .http(
        HTTPProbe(
          host: host ?? address, port: port, path: path,
          headers: Dictionary(headers.map { ($0.name, $0.value) }) { first, _ in first }))
    case .tcp(let host, let port): .tcp(TCPProbe(host: host ?? address, port: port))
    }
  }
}
