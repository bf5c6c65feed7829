internal import Dispatch
public import Engine
internal import Glibc
public import ImageSpec
public import RegistryClient
internal import RuntimeSpec
internal import Sandboxes
internal import SystemPackage

/// The engine of this machine as what manifests are played on.
public struct EngineHost: PodHost {
  private let engine: Engine
  public let facts: HostFacts

  public init(_ engine: Engine) throws {
    self.engine = engine
    let gateway = try engine.network(Network.defaultName).bridge.gateway
    facts = HostFacts(
      name: Self.hostName(), address: gateway.description, processors: max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))),
      memory: Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE))))
  }

  private static func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: Pods

  public func pods() throws -> [HostedPod] {
    try engine.pods().compactMap { pod in
      // Made by other means: not ours to touch.
      guard pod.labels[KubeLabel.owner] != nil else { return nil }
      return hosted(pod, try engine.containers(ofPod: pod.id).compactMap(hosted))
    }
  }

  public func makePod(_ plan: PodPlan) throws -> HostedPod {
    var options = PodOptions(name: plan.engineName, hostname: plan.hostname)
    options.network = plan.spec.hostNetwork ? .host : .bridge(name: Network.defaultName)
    options.ports = plan.ports
    options.labels = plan.labels
    options.labels[KubeLabel.namespace] = plan.namespace
    options.labels[KubeLabel.pod] = plan.name
    options.labels[KubeLabel.owner] = "\(plan.owner.kind.short)/\(plan.owner.name)"
    options.labels[KubeLabel.revision] = plan.revision
    options.annotations = plan.annotations
    return hosted(try engine.createPod(options), [])
  }

  public func removePods(_ pods: [HostedPod]) throws { try engine.removePods(pods.map(\.id)) }

  private static let own: Set<String> = [
    KubeLabel.namespace, KubeLabel.pod, KubeLabel.container, KubeLabel.role, KubeLabel.owner, KubeLabel.revision,
  ]

  private func hosted(_ pod: Pod, _ containers: [HostedPod.Container]) -> HostedPod {
    HostedPod(
      id: pod.id, name: pod.labels[KubeLabel.pod] ?? pod.name, namespace: pod.labels[KubeLabel.namespace] ?? "default",
      owner: pod.labels[KubeLabel.owner] ?? "", revision: pod.labels[KubeLabel.revision] ?? "",
      labels: pod.labels.filter { !Self.own.contains($0.key) }, address: pod.address, isAlive: pod.isAlive,
      containers: containers)
  }

  private func hosted(_ container: Container) -> HostedPod.Container? {
    let labels = container.record.labels
    guard let name = labels[KubeLabel.container], let role = labels[KubeLabel.role] else { return nil }
    let status: HostedPod.Container.Status =
      switch container.state.status {
      case .created: .created
      case .running: .running
      case .paused: .paused
      case .restarting: .restarting
      case .exited, .dead: .exited
      }
    var hosted = HostedPod.Container(
      id: container.id, name: name, role: role, status: status, exitCode: container.state.exitCode,
      isReady: container.state.isReady, restarts: container.state.restartCount, error: container.state.error)
    hosted.isStarted = container.state.isStarted
    hosted.outOfMemory = container.state.isOutOfMemory
    return hosted
  }

  // MARK: Containers

  public func start(_ options: ContainerOptions) throws -> String {
    try engine.run(options).container.id
  }

  public func wait(_ container: String) async throws -> Int32 {
    // A wait that blocks: on a thread of Dispatch's, of which there are enough for the pods that start at once.
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async { [engine] in
        continuation.resume(with: Result { try engine.wait(container) })
      }
    }
  }

  public func lastLines(_ container: String, count: Int) throws -> String {
    var query = LogQuery()
    query.tail = count
    var text = ""
    try engine.logs(container, query) { line in
      text += line.text
      return true
    }
    return text
  }

  // MARK: Images and volumes

  public func image(_ name: String, _ policy: ImagePullPolicy, credentials: [String: Credential]) async throws -> ImageConfig {
    let pull: PullPolicy =
      switch policy {
      case .always: .always
      case .ifNotPresent: .missing
      case .never: .never
      }
    return try await engine.ensureImage(name, pull: pull, credentials: credentials).config
  }

  public func makeVolume(_ name: String) throws -> String {
    do { return try engine.volume(name).directory.string } catch EngineError.notFound { return try engine.createVolume(name).directory.string }
  }

  public func removeVolume(_ name: String) throws { try engine.removeVolume(name) }

  // MARK: Services

  public func setService(_ name: String, _ listeners: [ServiceListener]) throws {
    let rules = try listeners.enumerated().map { index, listener in
      var address: IPv4Address?
      if case .cluster(let text) = listener.place { address = try Self.address(text) }
      return ServiceRule(
        name: "\(name)-\(index)", address: address, port: listener.port, transport: listener.transport == .tcp ? .tcp : .udp,
        backends: try listener.backends.map { .init(address: try Self.address($0.address), port: $0.port) })
    }
    try engine.setService(name, rules)
  }

  private static func address(_ text: String) throws -> IPv4Address {
    guard let address = IPv4Address(text) else { throw NetworkError.invalidAddress(text) }
    return address
  }
}
