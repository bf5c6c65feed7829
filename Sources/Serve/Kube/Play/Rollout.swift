/// One object's pods on their way to what is planned.
struct Rollout: Sendable {
  var object: KubeObject
  var plan: WorkloadPlan
  var context: PodContext
  /// What was recorded before, to go back to.
  var before: [KubeRecord]
}

extension Player {
  /// The existing pods of an object.
  func existing(_ owner: ObjectKey) throws -> [HostedPod] {
    try host.pods().filter { $0.namespace == owner.namespace && $0.owner == "\(owner.kind.short)/\(owner.name)" }
  }

  func roll(_ rollout: Rollout, _ undo: Undo) async throws {
    let hosted = try existing(rollout.plan.owner)
    let changes = PodChanges(from: hosted.map { $0.existing(rollout.plan.pods.first?.spec) }, to: rollout.plan.pods)
    let byName = Dictionary(hosted.map { ($0.name, $0) }) { first, _ in first }
    let old = changes.remove.compactMap { byName[$0] }
    switch rollout.plan.kind {
    case .deployment(.rolling(let surge, let unavailable), let minimumReady, let deadline)
    where !changes.create.isEmpty && old.contains { !changes.replaced.contains($0.name) } && !rollout.plan.pods[0].needsHostPorts:
      // A broken pod serves nobody: it goes first, and its name is needed.
      try removeForGood(old.filter { changes.replaced.contains($0.name) }, rollout, undo)
      try await replaceInTurn(
        old.filter { !changes.replaced.contains($0.name) }, with: changes, surge: surge, unavailable: unavailable,
        ready: .seconds(minimumReady), deadline: .seconds(deadline), rollout, undo)
    default:
      try removeForGood(old, rollout, undo)
      try await create(changes.create, rollout, undo)
    }
  }

  /// New pods before old ones go, within the strategy's bounds.
  private func replaceInTurn(
    _ former: [HostedPod], with changes: PodChanges, surge: Int, unavailable: Int, ready: Duration, deadline: Duration,
    _ rollout: Rollout, _ undo: Undo
  ) async throws {
    var old = former
    var waiting = changes.create
    let created = changes.create.map(\.name)
    let wanted = rollout.plan.pods.count
    while !waiting.isEmpty || !old.isEmpty {
      let running = changes.keep.count + (created.count - waiting.count) + old.count
      let batch = Array(waiting.prefix(max(0, wanted + surge - running)))
      waiting.removeFirst(batch.count)
      try await create(batch, rollout, undo)
      if !batch.isEmpty {
        try await waitUntilReady(
          batch.map(\.name), of: rollout.plan.owner, spec: rollout.plan.pods[0].spec, for: ready, deadline: deadline)
      }
      let available = changes.keep.count + (created.count - waiting.count) + old.count
      let spare = min(old.count, max(available - (wanted - unavailable), batch.isEmpty ? 1 : 0))
      let leaving = Array(old.prefix(spare))
      old.removeFirst(spare)
      // Connections go to the new pods before the old ones stop.
      if !leaving.isEmpty {
        try syncServices(rollout.context.services.map(\.key), readyOnly: true, without: Set(leaving.map(\.id)))
      }
      try removeForGood(leaving, rollout, undo)
    }
  }

  private func create(_ plans: [PodPlan], _ rollout: Rollout, _ undo: Undo) async throws {
    guard !plans.isEmpty else { return }
    undo.add {
      let names = Set(plans.map(\.name))
      try remove(existing(rollout.plan.owner).filter { names.contains($0.name) })
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Side by side, but not a hundred at once.
      var rest = plans[...]
      for _ in 0..<8 {
        guard let plan = rest.popFirst() else { break }
        group.addTask { try await start(plan, rollout.context) }
      }
      while try await group.next() != nil {
        if let plan = rest.popFirst() { group.addTask { try await start(plan, rollout.context) } }
      }
    }
  }

  /// Removes pods; undoing makes them again from what was recorded before.
  private func removeForGood(_ pods: [HostedPod], _ rollout: Rollout, _ undo: Undo) throws {
    for pod in pods { undo.add { try await restore(pod, rollout) } }
    try remove(pods)
  }

  private func restore(_ pod: HostedPod, _ rollout: Rollout) async throws {
    guard let record = rollout.before.first(where: { $0.key == rollout.plan.owner }) else { return }
    let surroundings = try Self.surroundings(rollout.before)
    let former = WorkloadPlan(try record.object(), surroundings)
    // A pod that had nothing to do with the former manifest any more stays gone.
    guard let plan = former?.pods.first(where: { $0.name == pod.name && $0.revision == pod.revision }) else { return }
    var context = PodContext(
      surroundings: surroundings, images: [:], services: try Self.services(rollout.before),
      seccompProfiles: try former.map { try seccompProfiles([$0]) } ?? [:])
    for container in plan.spec.initContainers + plan.spec.containers {
      context.images[container.image] = try await host.image(container.image, .never, credentials: [:])
    }
    try await start(plan, context)
  }

  // MARK: readiness

  /// So often may a container fail before its pod counts as ready: half a minute of the growing pauses in between.
  private static let maximumRestarts = 8
  /// How long a container must have run that has failed before. One that fails again and again is ready in between.
  private static let steady: Duration = .seconds(5)
  /// How long one must have run of which no probe tells whether it works. One that fails at once is ready before.
  private static let settled: Duration = .milliseconds(500)

  /// Waits until the pods have been ready for a time. Seconds of `deadline` without it are an error, and so is a pod
  /// whose containers fail again and again meanwhile.
  func waitUntilReady(
    _ names: [String], of owner: ObjectKey, spec: PodSpec, for time: Duration = .zero, deadline: Duration
  ) async throws {
    let clock = ContinuousClock()
    let end = clock.now + deadline
    var restarts: [String: Int] = [:]
    var since: [String: (time: ContinuousClock.Instant, restarts: Int)] = [:]
    while true {
      var late: String?
      for pod in try existing(owner) where names.contains(pod.name) {
        let status = PodStatus(pod, spec: spec)
        if status.isReady {
          if since[pod.name]?.restarts != status.restarts { since[pod.name] = (clock.now, status.restarts) }
          let needed = max(time, status.restarts > 0 ? Self.steady : spec.isProbed ? .zero : Self.settled)
          if let since = since[pod.name], clock.now - since.time >= needed { continue }
        } else {
          since[pod.name] = nil
        }
        if status.isOver, spec.restartPolicy == .always || !status.succeeded {
          throw KubeError.notReady("pod \(pod.name) ended: \(Self.explanation(pod, status))")
        }
        if status.isOver { continue }
        // Those of an earlier play do not count: whatever they waited for may be in this one.
        let earlier = restarts[pod.name] ?? status.restarts
        restarts[pod.name] = earlier
        if pod.containers.contains(where: { $0.status == .restarting }), status.restarts - earlier >= Self.maximumRestarts {
          throw KubeError.notReady("pod \(pod.name) fails again and again: \(Self.explanation(pod, status))")
        }
        late = "pod \(pod.name) is not ready: \(Self.explanation(pod, status))"
      }
      guard let late else { return }
      guard clock.now < end else { throw KubeError.notReady("\(late) (waited \((deadline + .milliseconds(500)).components.seconds) seconds)") }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  /// Waits for all pods of the objects, then lets the services lead to them.
  func waitUntilReady(_ keys: [ObjectKey], seconds: Int) async throws {
    let specs = try specs()
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    defer { _ = try? syncAllServices(readyOnly: true) }
    for key in keys where key.kind == .pod || key.kind == .deployment {
      guard let spec = specs["\(key.namespace)/\(key.kind.short)/\(key.name)"] else { continue }
      let names = try existing(key).map(\.name)
      try await waitUntilReady(names, of: key, spec: spec, deadline: max(end - clock.now, .zero))
    }
    try syncAllServices(readyOnly: true)
  }

  static func explanation(_ pod: HostedPod, _ status: PodStatus) -> String {
    var parts = [status.text, "\(status.readyContainers) of \(status.containers) containers ready"]
    for container in pod.containers where container.status == .exited || container.status == .restarting {
      if container.role == "init", container.exitCode == 0 { continue }
      let why = container.error ?? container.exitCode.map { "status \($0)" } ?? "no status"
      let name = PodPlan.engineName(namespace: pod.namespace, pod: pod.name, container: container.name)
      parts.append("container \(container.name): \(why) (clipper logs \(name))")
    }
    return parts.joined(separator: "; ")
  }
}

extension PodSpec {
  /// Probes tell of every container when it is ready.
  fileprivate var isProbed: Bool {
    containers.allSatisfy { $0.probes.contains { $0.kind == .readiness || $0.kind == .startup } }
  }
}

extension HostedPod {
  /// - Parameter spec: what it should be made of.
  func existing(_ spec: PodSpec?) -> PodChanges.Existing {
    var isWhole = isAlive
    if let spec {
      let wanted = spec.initContainers.count + spec.containers.count
      let failed = containers.contains { $0.role == "init" && $0.status == .exited && $0.exitCode != 0 }
      let ended = spec.restartPolicy == .always && containers.contains { $0.role != "init" && $0.status == .exited }
      let unstarted = containers.contains { $0.status == .created }
      isWhole = isWhole && containers.count >= wanted && !failed && !ended && !unstarted
    }
    return PodChanges.Existing(name: name, revision: revision, isWhole: isWhole)
  }
}
