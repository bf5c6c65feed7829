/// A pod as it should run: what `play` makes, and compares with what runs already.
public struct PodPlan: Sendable, Hashable {
  public var name: String
  public var namespace: String
  /// The object of the manifest that it belongs to: itself for a Pod.
  public var owner: ObjectKey
  public var labels: [String: String]
  public var annotations: [String: String]
  public var spec: PodSpec
  /// Changes with everything that the pod is made from; a pod that runs with another one is replaced.
  public var revision: String
  /// Restarts of a failing container before it stays down; nil is without limit.
  public var maximumRestarts: Int?
  public var file: String

  public var uid: String { PodName.uid([namespace, name, revision]) }

  /// What the pod's own processes see as their host's name. (Kubernetes, PodSpec, hostname)
  public var hostname: String {
    var name = spec.hostname ?? self.name
    if name.utf8.count > 63 { name = String(name.prefix(63)) }
    while name.hasSuffix("-") || name.hasSuffix(".") { name.removeLast() }
    return name
  }

  /// The engine's name of a container, or of the pod itself; another namespace than `default` goes before it.
  public static func engineName(namespace: String, pod: String, container: String? = nil) -> String {
    (namespace == "default" ? "" : "\(namespace).") + pod + (container.map { "-\($0)" } ?? "")
  }

  public var engineName: String { Self.engineName(namespace: namespace, pod: name) }

  /// Two pods of this spec cannot run side by side: they would want the same ports of the host.
  public var needsHostPorts: Bool {
    spec.hostNetwork || (spec.initContainers + spec.containers).contains { $0.ports.contains { $0.hostPort != nil } }
  }

  public func facts(address: String?, host: HostFacts) -> PodFacts {
    PodFacts(
      name: name, namespace: namespace, uid: uid, labels: labels, annotations: annotations, address: address, host: host)
  }
}

/// Labels that Clipper sets on pods and containers that it made from manifests.
public enum KubeLabel {
  public static let namespace = "clipper.kube.namespace"
  public static let pod = "clipper.kube.pod"
  public static let container = "clipper.kube.container"
  /// `init`, `sidecar` or `main`.
  public static let role = "clipper.kube.role"
  /// `deployment/web`.
  public static let owner = "clipper.kube.owner"
  public static let revision = "clipper.kube.revision"
}

/// The pods of one object.
public struct WorkloadPlan: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    case pod
    case deployment(Deployment.Strategy, minimumReady: Int64, deadline: Int64)
    case job(Job)
  }

  public var owner: ObjectKey
  public var kind: Kind
  /// All of them; for a Job as many as complete it, without those that replace failed ones.
  public var pods: [PodPlan]

  /// nil for objects that have no pods.
  public init?(_ object: KubeObject, _ surroundings: Surroundings) {
    owner = object.key
    switch object.body {
    case .pod(let spec):
      kind = .pod
      pods = [
        PodPlan(
          name: object.key.name, namespace: object.key.namespace, owner: object.key, labels: object.metadata.labels,
          annotations: object.metadata.annotations, spec: spec,
          revision: Self.revision(object, spec, object.metadata, surroundings), maximumRestarts: nil, file: object.file)
      ]
    case .deployment(let deployment):
      kind = .deployment(deployment.strategy, minimumReady: deployment.minimumReady, deadline: deployment.progressDeadline)
      pods = Self.pods(of: deployment, object, surroundings)
    case .job(let job):
      kind = .job(job)
      pods = (0..<job.completions).map { Self.pod($0, of: job, object, surroundings) }
    case .service, .configMap, .secret, .claim: return nil
    }
  }

  private static func pods(of deployment: Deployment, _ object: KubeObject, _ surroundings: Surroundings) -> [PodPlan] {
    let template = deployment.template
    let revision = revision(object, template.spec, template.metadata, surroundings)
    var labels = template.metadata.labels
    labels["pod-template-hash"] = revision
    return (0..<deployment.replicas).map { index in
      PodPlan(
        name: PodName.replica(of: object.key.name, hash: revision, index: index), namespace: object.key.namespace,
        owner: object.key, labels: labels, annotations: template.metadata.annotations, spec: template.spec,
        revision: revision, maximumRestarts: nil, file: object.file)
    }
  }

  /// A Job's pod; those from `completions` on replace failed ones.
  static func pod(_ index: Int, of job: Job, _ object: KubeObject, _ surroundings: Surroundings) -> PodPlan {
    let template = job.template
    let revision = revision(object, template.spec, template.metadata, surroundings)
    let name = PodName.job(object.key.name, hash: revision, index: index)
    var labels = template.metadata.labels
    labels["job-name"] = object.key.name
    labels["batch.kubernetes.io/job-name"] = object.key.name
    return PodPlan(
      name: name, namespace: object.key.namespace, owner: object.key, labels: labels,
      annotations: template.metadata.annotations, spec: template.spec, revision: revision,
      maximumRestarts: job.backoffLimit, file: object.file)
  }

  /// Of the pod's content alone: another number of replicas leaves the pods that run as they are.
  private static func revision(
    _ object: KubeObject, _ spec: PodSpec, _ metadata: Metadata, _ surroundings: Surroundings
  ) -> String {
    PodName.hash([object.podContent] + surroundings.revisions(readBy: spec, in: object.key.namespace))
  }
}

/// What to do so that the planned pods are those that run.
public struct PodChanges: Sendable, Hashable {
  /// A pod that exists, as far as it matters here.
  public struct Existing: Sendable, Hashable {
    public var name: String
    public var revision: String
    /// Its sandbox is there and no container of it has gone for good.
    public var isWhole: Bool

    public init(name: String, revision: String, isWhole: Bool) {
      self.name = name
      self.revision = revision
      self.isWhole = isWhole
    }
  }

  public var keep: [PodPlan] = []
  public var create: [PodPlan] = []
  /// Names of pods that go; one that is replaced under its own name goes before the new one comes.
  public var remove: [String] = []
  public var replaced: Set<String> = []

  public init(from existing: [Existing], to planned: [PodPlan]) {
    let current = Dictionary(existing.map { ($0.name, $0) }) { first, _ in first }
    for plan in planned {
      if let pod = current[plan.name], pod.revision == plan.revision, pod.isWhole {
        keep.append(plan)
      } else {
        create.append(plan)
        if current[plan.name] != nil { replaced.insert(plan.name) }
      }
    }
    let kept = Set(keep.map(\.name))
    remove = existing.map(\.name).filter { !kept.contains($0) }
  }
}
