internal import ImageSpec
internal import RegistryClient
public import SystemPackage

/// What a play tells while it goes on.
public enum PlayEvent: Sendable, Hashable {
  public enum Change: String, Sendable { case created, configured, unchanged, deleted }

  case object(ObjectKey, Change)
  case warning(String)
}

public struct PlayOptions: Sendable {
  /// Wait until the pods are ready; nil does not wait. Seconds.
  public var wait: Int?

  public init(wait: Int? = nil) { self.wait = wait }
}

/// Makes what runs on this host be what manifests say. One plays at a time on a host; the others wait.
public struct Player: Sendable {
  let host: any PodHost
  let records: KubeRecords
  let root: FilePath
  let run: FilePath
  let report: @Sendable (PlayEvent) -> Void

  public init(
    host: any PodHost, records: KubeRecords, root: FilePath, run: FilePath,
    report: @escaping @Sendable (PlayEvent) -> Void = { _ in }
  ) {
    self.host = host
    self.records = records
    self.root = root
    self.run = run
    self.report = report
  }

  /// Everything is read, checked and fetched before anything is changed. What fails after that is undone.
  ///
  /// - Throws: `KubeError`, and what the engine throws.
  public func play(_ objects: [KubeObject], _ options: PlayOptions = .init()) async throws {
    let objects = objects.sorted { $0.key.kind < $1.key.kind }
    let jobs: [Rollout]
    do {
      let lock = try PlayLock(root)
      defer { withExtendedLifetime(lock) {} }
      jobs = try await apply(objects, options)
    }
    // Without the lock: another play or a down may come between.
    for job in jobs { try await runJob(job) }
    if let seconds = options.wait { try await waitUntilReady(objects.map(\.key), seconds: seconds) }
  }

  /// Everything but the running of jobs, which are returned.
  private func apply(_ objects: [KubeObject], _ options: PlayOptions) async throws -> [Rollout] {
    let before = try records.all()
    let (merged, changes) = try merge(objects, over: before)
    let surroundings = try Self.surroundings(merged)
    let workloads = objects.compactMap { object in WorkloadPlan(object, surroundings).map { (object, $0) } }
    try Self.check(workloads.map(\.1), surroundings)
    let images = try await fetchImages(workloads.map(\.1), surroundings)
    let context = PodContext(
      surroundings: surroundings, images: images, services: try Self.services(merged),
      seccompProfiles: try seccompProfiles(workloads.map(\.1)))
    try checkUsers(workloads.map(\.1), context)

    let undo = Undo()
    do {
      let old = Dictionary(before.map { ($0.key, $0) }) { first, _ in first }
      let new = merged.filter { changes[$0.key] == .created || changes[$0.key] == .configured }
      // Undone from the last to the first: services are pointed at the pods again once the records are the old ones.
      undo.add { try syncAllServices(also: new.map(\.key)) }
      undo.add { try records.change(put: new.compactMap { old[$0.key] }, remove: new.map(\.key).filter { old[$0] == nil }) }
      try records.change(put: new)
      for object in objects where object.key.kind == .claim {
        _ = try host.makeVolume(PodPlan.engineName(namespace: object.key.namespace, pod: object.key.name))
      }
      var jobs: [Rollout] = []
      for (object, workload) in workloads {
        let rollout = Rollout(object: object, plan: workload, context: context, before: before)
        if case .job = workload.kind {
          try await prepareJob(rollout)
          jobs.append(rollout)
        } else {
          try await roll(rollout, undo)
        }
      }
      try syncServices(merged.map(\.key), readyOnly: options.wait != nil)
      for object in objects { report(.object(object.key, changes[object.key] ?? .unchanged)) }
      return jobs
    } catch {
      try await undo.run(after: error)
      throw error
    }
  }

  // MARK: what is wanted

  /// The records after this play, and what it changes.
  private func merge(
    _ objects: [KubeObject], over before: [KubeRecord]
  ) throws -> (records: [KubeRecord], changes: [ObjectKey: PlayEvent.Change]) {
    var merged = Dictionary(before.map { ($0.key, $0) }) { first, _ in first }
    var changes: [ObjectKey: PlayEvent.Change] = [:]
    for object in objects {
      let old = merged[object.key]
      guard old?.canonical != object.canonical else {
        changes[object.key] = .unchanged
        continue
      }
      if let old, try Self.isImmutable(old) { throw KubeError.immutable(object.key) }
      changes[object.key] = old == nil ? .created : .configured
      // A Secret's revision is in names and labels of pods, so it may not be made of the content.
      let revision =
        object.key.kind == .secret ? String(UInt64.random(in: .min ... .max), radix: 36) : PodName.hash([object.canonical])
      var record = KubeRecord(key: object.key, canonical: object.canonical, revision: revision)
      if case .service(let service) = object.body {
        let others = merged.values.filter { $0.key != object.key }
        let ports = Set(others.flatMap(\.nodePorts))
        if let taken = service.ports.compactMap(\.nodePort).first(where: { ports.contains($0) }) {
          let owner = others.first { $0.nodePorts.contains(taken) }.map { "\($0.key)" } ?? "another service"
          throw KubeError.invalid([
            Problem(
              severity: .error, file: object.file, line: object.line, path: object.path + "spec.ports",
              message: "nodePort \(taken) is taken by \(owner)")
          ])
        }
        if !service.isHeadless {
          record.address = old?.address ?? ServicePlan.address(for: object.key, taken: Set(others.compactMap(\.address)))
        }
        record.nodePorts = ServicePlan.nodePorts(for: object.key, service, taken: ports)
      }
      merged[object.key] = record
    }
    return (merged.values.sorted { ($0.key.kind, $0.key.namespace, $0.key.name) < ($1.key.kind, $1.key.namespace, $1.key.name) }, changes)
  }

  private static func isImmutable(_ record: KubeRecord) throws -> Bool {
    switch try record.object().body {
    case .configMap(let map): map.immutable
    case .secret(let secret): secret.immutable
    default: false
    }
  }

  static func surroundings(_ records: [KubeRecord]) throws -> Surroundings {
    var surroundings = Surroundings()
    for record in records where [.configMap, .secret, .claim].contains(record.key.kind) {
      surroundings.add(try record.object(), revision: record.revision)
    }
    return surroundings
  }

  static func services(_ records: [KubeRecord]) throws -> [ServicePlan] {
    try records.compactMap { record in
      guard record.key.kind == .service, case .service(let service) = try record.object().body else { return nil }
      return ServicePlan(key: record.key, service: service, address: record.address, nodePorts: record.nodePorts)
    }
  }

  // MARK: checks before anything changes

  private static func check(_ workloads: [WorkloadPlan], _ surroundings: Surroundings) throws {
    let problems = workloads.flatMap { workload in
      workload.pods.first.map { surroundings.check($0.spec, in: $0.namespace, file: $0.file) } ?? []
    }
    guard problems.isEmpty else { throw KubeError.invalid(problems) }
    // Three replicas of one host port cannot be.
    for workload in workloads where workload.pods.count > 1 {
      guard case .deployment = workload.kind, let pod = workload.pods.first, pod.needsHostPorts, !pod.ports.isEmpty else { continue }
      throw KubeError.invalid([
        Problem(
          severity: .error, file: pod.file, line: pod.spec.line, path: pod.spec.path,
          message: "its pods want the same hostPort, so only one replica can run on this host")
      ])
    }
  }

  /// The configuration of every image, each fetched once.
  private func fetchImages(_ workloads: [WorkloadPlan], _ surroundings: Surroundings) async throws -> [String: ImageConfig] {
    var images: [String: ImageConfig] = [:]
    var fetched: Set<String> = []
    for pod in workloads.compactMap(\.pods.first) {
      let credentials = Self.credentials(pod, surroundings)
      for container in pod.spec.initContainers + pod.spec.containers {
        // One fetch is enough for all replicas, also with Always.
        if images[container.image] != nil, container.pullPolicy != .always || fetched.contains(container.image) { continue }
        if container.pullPolicy == .always { fetched.insert(container.image) }
        do {
          images[container.image] = try await host.image(container.image, container.pullPolicy, credentials: credentials)
        } catch {
          throw KubeError.container(pod: pod.name, container: container.name, error)
        }
      }
    }
    return images
  }

  private static func credentials(_ pod: PodPlan, _ surroundings: Surroundings) -> [String: Credential] {
    var result: [String: Credential] = [:]
    for name in pod.spec.imagePullSecrets {
      guard let secret = surroundings.secret(name, in: pod.namespace),
        let found = try? PullSecret.credentials(type: secret.type, data: secret.data)
      else { continue }
      for credential in found where result[credential.host] == nil {
        result[credential.host] = Credential(username: credential.username, secret: .password(credential.password))
      }
    }
    return result
  }

  /// The kubelet refuses a container at its start; here nothing has been made yet.
  private func checkUsers(_ workloads: [WorkloadPlan], _ context: PodContext) throws {
    for pod in workloads.compactMap(\.pods.first) {
      for container in pod.spec.initContainers + pod.spec.containers {
        let around = context.container(pod.facts(address: nil, host: host.facts), pod: "", image: container.image)
        _ = try pod.options(for: container, around)
      }
    }
  }
}

/// What a failed play takes back, the last first.
final class Undo {
  private var actions: [() async throws -> Void] = []

  func add(_ action: @escaping () async throws -> Void) { actions.append(action) }

  /// - Throws: `KubeError.undo` where it did not work out.
  func run(after error: any Error) async throws {
    var problems: [String] = []
    while let action = actions.popLast() {
      do { try await action() } catch { problems.append("\(error)") }
    }
    if !problems.isEmpty { throw KubeError.undo(of: error, problems: problems) }
  }
}
