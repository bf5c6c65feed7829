extension Player {
  /// Removes pods of another content. A job goes on where an interrupted play left it.
  func prepareJob(_ rollout: Rollout) async throws {
    let revision = rollout.plan.pods.first?.revision
    try remove(existing(rollout.plan.owner).filter { $0.revision != revision })
  }

  /// Runs a job to its end: this command is its controller.
  ///
  /// - Throws: `KubeError.jobFailed`; the pods stay, for their logs.
  func runJob(_ rollout: Rollout) async throws {
    guard case .job(let job) = rollout.plan.kind else { return }
    let owner = rollout.plan.owner
    let clock = ContinuousClock()
    let end = job.activeDeadline.map { clock.now + .seconds($0) }
    while try records.all().contains(where: { $0.key == owner && $0.canonical == rollout.object.canonical }) {
      let pods = try existing(owner)
      let states = pods.map { ($0, PodStatus($0, spec: job.template.spec)) }
      let succeeded = states.count { $0.1.succeeded }
      let failed = states.filter { $0.1.isOver && !$0.1.succeeded || !$0.0.isAlive && !$0.1.isOver }
      let active = states.filter { !$0.1.isOver && $0.0.isAlive }
      if succeeded >= job.completions { return }
      // With OnFailure a pod has used up the restarts itself; with Never each failed pod is one.
      let allowed = job.template.spec.restartPolicy == .onFailure ? 0 : job.backoffLimit
      if failed.count > allowed, let last = failed.last {
        try remove(active.map(\.0))
        throw KubeError.jobFailed(
          job: owner.name, why: "\(failed.count) of its pods failed (backoffLimit \(job.backoffLimit)); the last: "
            + "pod \(last.0.name): \(Self.explanation(last.0, last.1))")
      }
      if let end, clock.now >= end {
        try remove(active.map(\.0))
        throw KubeError.jobFailed(job: owner.name, why: "it was active longer than \(job.activeDeadline ?? 0) seconds")
      }
      let room = min(job.parallelism, job.completions - succeeded) - active.count
      if room > 0 { try await startMore(room, rollout, job, known: Set(pods.map(\.name))) }
      try await Task.sleep(for: .milliseconds(100))
    }
    throw KubeError.jobFailed(job: owner.name, why: "it was taken down or replaced while it ran")
  }

  private func startMore(_ count: Int, _ rollout: Rollout, _ job: Job, known: Set<String>) async throws {
    let lock = try PlayLock(root)
    defer { withExtendedLifetime(lock) {} }
    guard try records.all().contains(where: { $0.key == rollout.plan.owner }) else { return }
    let plans = (0...).lazy.map { WorkloadPlan.pod($0, of: job, rollout.object, rollout.context.surroundings) }
      .filter { !known.contains($0.name) }.prefix(count)
    for plan in Array(plans) {
      do {
        try await start(plan, rollout.context)
      } catch let error as KubeError {
        guard case .initContainer = error else { throw error }
        throw KubeError.jobFailed(job: rollout.plan.owner.name, why: "\(error)")
      }
    }
  }
}
