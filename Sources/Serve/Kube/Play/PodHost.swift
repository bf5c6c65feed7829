public import Engine
public import ImageSpec
public import RegistryClient

/// What playing needs of the machine: the engine, and in tests a pretence of one.
public protocol PodHost: Sendable {
  /// All pods that were made from manifests.
  func pods() throws -> [HostedPod]
  /// Makes the pod's sandbox: its namespaces, its address and its ports of the host. Nothing runs in it yet.
  func makePod(_ plan: PodPlan) throws -> HostedPod
  /// Stops the pods' containers within their grace periods, all at once, and removes everything that is the pods'.
  /// All are tried before the first error is thrown.
  func removePods(_ pods: [HostedPod]) throws
  /// Makes a container of a pod, and starts it.
  func start(_ options: ContainerOptions) throws -> String
  /// The status with which a container ended for good.
  func wait(_ container: String) async throws -> Int32
  /// The end of what a container wrote.
  func lastLines(_ container: String, count: Int) throws -> String
  /// The local image, fetched before where the policy says so.
  func image(_ name: String, _ policy: ImagePullPolicy, credentials: [String: Credential]) async throws -> ImageConfig
  /// Makes the volume where it is missing, and gives its directory.
  func makeVolume(_ name: String) throws -> String
  func removeVolume(_ name: String) throws
  /// Replaces where a service listens and what answers; nothing, to take it away.
  func setService(_ name: String, _ listeners: [ServiceListener]) throws
  var facts: HostFacts { get }
}

/// A pod that exists on the host.
public struct HostedPod: Sendable, Hashable {
  public struct Container: Sendable, Hashable {
    public enum Status: String, Sendable { case created, running, restarting, paused, exited }

    public var id: String
    /// In the pod.
    public var name: String
    /// `init`, `sidecar` or `main`.
    public var role: String
    public var status: Status
    public var exitCode: Int32?
    public var isReady: Bool
    /// Its startup probe has succeeded, or it has none.
    public var isStarted = true
    public var restarts: Int
    public var error: String?
    public var outOfMemory = false

    public init(
      id: String, name: String, role: String, status: Status, exitCode: Int32? = nil, isReady: Bool = false,
      restarts: Int = 0, error: String? = nil
    ) {
      self.id = id
      self.name = name
      self.role = role
      self.status = status
      self.exitCode = exitCode
      self.isReady = isReady
      self.restarts = restarts
      self.error = error
    }
  }

  public var id: String
  public var name: String
  public var namespace: String
  /// `deployment/web`.
  public var owner: String
  public var revision: String
  public var labels: [String: String]
  /// nil in the host's network.
  public var address: String?
  /// The sandbox's process lives.
  public var isAlive: Bool
  public var containers: [Container] = []

  public init(
    id: String, name: String, namespace: String, owner: String, revision: String, labels: [String: String],
    address: String?, isAlive: Bool, containers: [Container] = []
  ) {
    self.id = id
    self.name = name
    self.namespace = namespace
    self.owner = owner
    self.revision = revision
    self.labels = labels
    self.address = address
    self.isAlive = isAlive
    self.containers = containers
  }
}

/// Where a pod stands, in kubectl's words.
public struct PodStatus: Sendable, Hashable {
  public var text: String
  public var isReady: Bool
  /// It ended with success, or failed, and nothing restarts it.
  public var isOver: Bool
  public var succeeded: Bool
  public var readyContainers: Int
  public var containers: Int
  public var restarts: Int

  /// - Parameter spec: the pod's own, for containers that are not there yet and for what restarts; nil where no record tells.
  public init(_ pod: HostedPod, spec: PodSpec?) {
    let main = pod.containers.filter { $0.role == "main" }
    let sidecars = pod.containers.filter { $0.role == "sidecar" }
    let inits = pod.containers.filter { $0.role == "init" }
    let counted = main + sidecars
    containers = max(counted.count, spec.map { $0.containers.count + $0.initContainers.count { $0.isSidecar } } ?? 0)
    readyContainers = counted.count { $0.status == .running && $0.isReady }
    restarts = pod.containers.reduce(0) { $0 + $1.restarts }
    let wanted = spec?.containers.count ?? main.count
    let isComplete = main.count >= wanted && !main.isEmpty
    isOver = isComplete && main.allSatisfy { $0.status == .exited }
    succeeded = isOver && main.allSatisfy { $0.exitCode == 0 }
    isReady = isComplete && pod.isAlive && !counted.isEmpty && counted.allSatisfy { $0.status == .running && $0.isReady }
    text = Self.text(pod, main, inits, spec, isOver: isOver, succeeded: succeeded, isComplete: isComplete)
  }

  private static func text(
    _ pod: HostedPod, _ main: [HostedPod.Container], _ inits: [HostedPod.Container], _ spec: PodSpec?, isOver: Bool,
    succeeded: Bool, isComplete: Bool
  ) -> String {
    if let failed = inits.first(where: { $0.status == .exited && $0.exitCode != 0 }) {
      return failed.outOfMemory ? "Init:OOMKilled" : "Init:Error"
    }
    if isOver {
      if succeeded { return "Completed" }
      if main.contains(where: \.outOfMemory) { return "OOMKilled" }
      return main.contains { $0.error != nil } ? "StartError" : "Error"
    }
    if main.contains(where: { $0.status == .restarting }) { return "CrashLoopBackOff" }
    if !pod.isAlive { return "Lost" }
    if main.contains(where: { $0.status == .paused }) { return "Paused" }
    if isComplete { return "Running" }
    let all = max(inits.count, spec?.initContainers.count { !$0.isSidecar } ?? 0)
    let done = inits.count { $0.status == .exited && $0.exitCode == 0 }
    return all > done ? "Init:\(done)/\(all)" : "PodInitializing"
  }
}
