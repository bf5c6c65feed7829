import FoundationEssentials
import Lifecycle
import Metadata

extension Registry {
  static let lifecycleJob = "lifecycle"

  struct LifecyclePayload: Codable, Sendable { let repository: Int64 }

  /// The registry of a repository's realm, and the repository's name; nil where it is gone.
  func place(of repository: Int64) throws -> (registry: Registry, name: String)? {
    try metadata.read { session in
      try session.row("SELECT account, region, name FROM registry_repository WHERE id = ?1", [repository]).map { row in
        let realm = try Realm(row)
        return (at(realm), try row["name"])
      }
    }
  }

  /// Owes a run for each policy, in all realms, whose last one was `interval` milliseconds ago. Of several servers on one
  /// database, one takes each.
  func enqueueDueLifecycles(every interval: Int64) throws {
    let now = Self.now
    let due = "SELECT repository FROM registry_lifecycle WHERE since <= ?1 ORDER BY since LIMIT 1000"
    guard try metadata.read({ try $0.row(due, [now - interval]) }) != nil else { return }
    try metadata.write { session in
      let repositories = try session.values(
        Int64.self,
        "UPDATE registry_lifecycle SET since = ?2 WHERE since <= ?1 AND repository IN (\(due)) RETURNING repository",
        [now - interval, now])
      for repository in repositories {
        try jobs.enqueue(Self.lifecycleJob, LifecyclePayload(repository: repository), in: session)
      }
    }
  }

  /// Repositories of all realms that have a policy, in order of their IDs, those after `last`.
  public func repositoriesWithLifecycle(
    after last: Int64 = 0, limit: Int
  ) throws -> [(id: Int64, realm: Realm, name: String)] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT r.id AS id, r.account AS account, r.region AS region, r.name AS name
        FROM registry_lifecycle l JOIN registry_repository r ON r.id = l.repository
        WHERE l.repository > ?1 ORDER BY l.repository LIMIT ?2
        """, [last, limit]
      ).map { (try $0["id"], try Realm($0), try $0["name"]) }
    }
  }
}

/// Lifecycle policies are run and previewed by jobs, in transactions of a few images each.
extension RegistryServer {
  /// Time between two runs of a repository's policy, a day at first; nil runs none. Changed while the server runs.
  public var lifecycleInterval: Duration? {
    get { state.lifecycleInterval }
    set { state.runsLifecycles(every: newValue) }
  }

  /// Owes what is due. A registry that is read-only keeps its images.
  func scheduleLifecycles() async throws {
    guard let interval = lifecycleInterval else { return }
    do { try await checkWritable() } catch is ReadOnlyRefusal { return }
    try await blocking { try self.registry.enqueueDueLifecycles(every: interval.milliseconds) }
  }

  func registerLifecycleJobs() {
    registry.jobs.register(Registry.lifecycleJob) { [weak self] text in
      guard let self else { throw CancellationError() }
      try await runLifecycle(JSONDecoder().decode(Registry.LifecyclePayload.self, from: Data(text.utf8)))
    }
    registry.jobs.register(Registry.previewJob) { [weak self] text in
      guard let self else { throw CancellationError() }
      try await makePreview(JSONDecoder().decode(Registry.PreviewPayload.self, from: Data(text.utf8)))
    }
  }

  private func runLifecycle(_ payload: Registry.LifecyclePayload) async throws {
    let work = try await blocking { () -> (Registry, StoredLifecyclePolicy, LifecyclePlan)? in
      guard let (registry, name) = try self.registry.place(of: payload.repository),
        let stored = try registry.lifecyclePolicy(of: name)
      else { return nil }
      return (registry, stored, try registry.planLifecycle(LifecyclePolicy(parsing: stored.text), of: name))
    }
    guard let (registry, stored, plan) = work else { return }
    var outcome = LifecycleOutcome()
    for batch in plan.batches {
      try Task.checkCancellation()
      // What is left is done once the registry takes changes again.
      try await checkWritable()
      let start = ContinuousClock.now
      outcome += LifecycleOutcome(
        try await blocking { try registry.carryOut(batch, of: plan, stored: stored) })
      // As much time for others, whose pushes wait for the same locks.
      try await Task.sleep(for: ContinuousClock.now - start)
    }
    try await blocking { try registry.recordLifecycleRun(plan, stored: stored) }
    logger.info(
      "lifecycle policy run",
      metadata: [
        "repository": "\(plan.repository)", "realm": "\(registry.realm)", "expired": "\(outcome.expired)",
        "archived": "\(outcome.archived)",
      ])
  }

  /// Images of one transaction of a preview, which nothing but other writers waits for.
  private static let previewBatch = 1000

  private func makePreview(_ payload: Registry.PreviewPayload) async throws {
    do {
      let plan = try await blocking { () -> LifecyclePlan? in
        guard let (registry, name) = try self.registry.place(of: payload.repository),
          let preview = try registry.beginPreview(payload)
        else { return nil }
        return try registry.planLifecycle(LifecyclePolicy(parsing: preview.policy), of: name)
      }
      guard let plan else { return }
      for batch in plan.pieces(of: Self.previewBatch) {
        try Task.checkCancellation()
        try await blocking { try self.registry.storePreview(batch, payload) }
      }
      try await blocking { try self.registry.finishPreview(payload, .complete, plan.outcome) }
    } catch let error where !(error is CancellationError) {
      try await blocking { try self.registry.finishPreview(payload, .failed, LifecycleOutcome()) }
      throw PreviewFailure(reason: "\(error)")
    }
  }

  /// The preview itself says that it failed; whoever asked asks again.
  private struct PreviewFailure: PermanentJobFailure, CustomStringConvertible {
    let reason: String
    var description: String { reason }
  }
}
