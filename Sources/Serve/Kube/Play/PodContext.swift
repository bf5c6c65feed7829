internal import ImageSpec
internal import Kernel
internal import SystemPackage

/// What the pods of one play have in common.
struct PodContext: Sendable {
  var surroundings: Surroundings
  var images: [String: ImageConfig]
  var services: [ServicePlan]
  var seccompProfiles: [String: String]

  func container(_ facts: PodFacts, pod: String, image: String) -> ContainerSurroundings {
    ContainerSurroundings(
      facts: facts, pod: pod, image: images[image]?.config, objects: surroundings, links: links(facts.namespace),
      seccompProfiles: seccompProfiles)
  }

  /// Services with an address, as Kubernetes puts those of the pod's namespace into the environment.
  func links(_ namespace: String) -> [ServiceLink] {
    services.compactMap { service in
      guard service.key.namespace == namespace, let address = service.address else { return nil }
      return ServiceLink(name: service.key.name, address: address, ports: service.service.ports)
    }
  }
}

extension Player {
  /// The profiles that the pods name, from `<root>/seccomp`.
  func seccompProfiles(_ workloads: [WorkloadPlan]) throws -> [String: String] {
    var profiles: [String: String] = [:]
    for pod in workloads.compactMap(\.pods.first) {
      for container in pod.spec.initContainers + pod.spec.containers {
        guard case .localhost(let path) = container.security.over(pod.spec.security.shared).seccompProfile else { continue }
        let file = root.appending("seccomp").pushing(FilePath(path))
        do {
          profiles[path] = String(decoding: try readFile(file, limit: 4 << 20), as: UTF8.self)
        } catch {
          throw KubeError.unreadable(file: file.string, why: "\(error) (the seccomp profile of container \(container.name))")
        }
      }
    }
    return profiles
  }

  /// Makes a pod and starts its containers, init containers to their end one after the other. What fails leaves nothing.
  func start(_ plan: PodPlan, _ context: PodContext) async throws {
    // A play that was killed may have left files under this name.
    try PodVolumes.remove(pod: plan.engineName, root: root, run: run)
    let pod: HostedPod
    do {
      pod = try host.makePod(plan)
    } catch {
      try? PodVolumes.remove(pod: plan.engineName, root: root, run: run)
      throw error
    }
    do {
      try await start(plan, in: pod, context)
    } catch {
      try remove([pod])
      throw error
    }
  }

  private func start(_ plan: PodPlan, in pod: HostedPod, _ context: PodContext) async throws {
    let facts = plan.facts(address: pod.address, host: host.facts)
    let siblings = plan.spec.initContainers + plan.spec.containers
    let mounts = try PodVolumes(pod: plan, root: root, run: run).prepare(
      facts: facts, objects: context.surroundings, volume: { try host.makeVolume($0) },
      variables: {
        $0.variables(pod: facts, siblings: siblings, surroundings: context.surroundings, links: context.links(plan.namespace)).values
      })
    let others = try servicePods()
    func start(_ container: ContainerSpec) throws -> String {
      var around = context.container(facts, pod: pod.id, image: container.image)
      around.mounts = mounts[container.name] ?? []
      around.hosts = context.services.flatMap { $0.hosts(seenFrom: plan.namespace, pods: others) }
      if let subdomain = plan.spec.subdomain, let address = pod.address {
        around.hosts.append("\(plan.hostname).\(subdomain).\(plan.namespace).svc.cluster.local:\(address)")
      }
      let options = try plan.options(for: container, around)
      do { return try host.start(options) } catch {
        throw KubeError.container(pod: plan.name, container: container.name, error)
      }
    }
    for container in plan.spec.initContainers {
      let id = try start(container)
      if container.isSidecar {
        try await waitForSidecar(id, container, of: plan)
      } else {
        let status = try await host.wait(id)
        guard status == 0 else {
          throw KubeError.initContainer(
            pod: plan.name, container: container.name, status: status,
            output: (try? host.lastLines(id, count: 20)) ?? "")
        }
      }
    }
    for container in plan.spec.containers { _ = try start(container) }
  }

  private func waitForSidecar(_ id: String, _ spec: ContainerSpec, of plan: PodPlan) async throws {
    let deadline = ContinuousClock.now + .seconds(300)
    while ContinuousClock.now < deadline {
      let containers = try host.pods().first { $0.name == plan.name && $0.namespace == plan.namespace }?.containers ?? []
      guard let container = containers.first(where: { $0.id == id }) else { break }
      if container.status == .running, container.isStarted { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw KubeError.notReady("sidecar \"\(spec.name)\" of pod \(plan.name) has not started within 300 seconds")
  }

  /// Stops pods and removes all that is their own.
  func remove(_ pods: [HostedPod]) throws {
    guard !pods.isEmpty else { return }
    try host.removePods(pods)
    for pod in pods {
      try PodVolumes.remove(pod: PodPlan.engineName(namespace: pod.namespace, pod: pod.name), root: root, run: run)
    }
  }

  // MARK: services

  /// All pods as services see them, by their records' specs.
  func servicePods() throws -> [ServicePod] { try hostedWithSpecs().map { servicePod($0.pod, $0.spec) } }

  private func servicePod(_ pod: HostedPod, _ spec: PodSpec) -> ServicePod {
    ServicePod(
      name: pod.name, namespace: pod.namespace, labels: pod.labels, spec: spec,
      address: pod.address ?? (spec.hostNetwork ? host.facts.address : nil))
  }

  private func hostedWithSpecs() throws -> [(pod: HostedPod, spec: PodSpec)] {
    let specs = try self.specs()
    return try host.pods().compactMap { pod in
      specs["\(pod.namespace)/\(pod.owner)"].map { (pod, $0) }
    }
  }

  /// Specs of pods by `namespace/deployment/web`.
  func specs() throws -> [String: PodSpec] {
    var specs: [String: PodSpec] = [:]
    for record in try records.all() {
      guard record.key.kind.hasPods else { continue }
      let place = "\(record.key.namespace)/\(record.key.kind.short)/\(record.key.name)"
      switch try record.object().body {
      case .pod(let spec): specs[place] = spec
      case .deployment(let deployment): specs[place] = deployment.template.spec
      case .job(let job): specs[place] = job.template.spec
      default: break
      }
    }
    return specs
  }

  /// Points services at the pods that are there now; those that are no longer recorded are taken away.
  ///
  /// - Parameter readyOnly: leaves out pods that are not ready, where others are.
  /// - Parameter without: IDs of pods that are about to go.
  func syncServices(_ keys: [ObjectKey], readyOnly: Bool = false, without leaving: Set<String> = []) throws {
    let services = Dictionary(try Self.services(records.all()).map { ($0.key, $0) }) { first, _ in first }
    let pods = try hostedWithSpecs().filter {
      $0.pod.isAlive && !PodStatus($0.pod, spec: $0.spec).isOver && !leaving.contains($0.pod.id)
    }
    for key in keys where key.kind == .service {
      guard let service = services[key] else {
        try host.setService(Self.serviceName(key), [])
        continue
      }
      let ready = pods.filter { PodStatus($0.pod, spec: $0.spec).isReady }
      let chosen = readyOnly && !service.service.publishNotReady ? ready : pods
      try host.setService(Self.serviceName(key), service.listeners(pods: chosen.map { servicePod($0.pod, $0.spec) }))
    }
  }

  /// - Parameter also: keys of services that may be recorded no longer.
  func syncAllServices(readyOnly: Bool = false, also keys: [ObjectKey] = []) throws {
    try syncServices(Array(Set(records.all().map(\.key) + keys)), readyOnly: readyOnly)
  }

  static func serviceName(_ key: ObjectKey) -> String { "\(key.namespace)/\(key.name)" }
}
