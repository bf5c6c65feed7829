import DistributionSpec
import ImageSpec
public import Lifecycle
import Metadata

/// What a policy does to a repository at one time: the same for a preview, a dry run and a run.
public struct LifecyclePlan: Sendable {
  public let repository: String
  public let policy: LifecyclePolicy
  /// In an order in which they can be carried out.
  public let decisions: [LifecycleDecision]
  let repositoryID: Int64
  /// Milliseconds since 1970.
  let time: Int64

  /// Images of one transaction: pushes wait for no more than that.
  static let batchSize = 50

  /// The decisions in pieces, each for one transaction.
  public var batches: [ArraySlice<LifecycleDecision>] { pieces(of: Self.batchSize) }

  func pieces(of size: Int) -> [ArraySlice<LifecycleDecision>] {
    stride(from: 0, to: decisions.count, by: size).map { decisions[$0..<min($0 + size, decisions.count)] }
  }

  /// How many images it acts on.
  public var outcome: LifecycleOutcome { LifecycleOutcome(decisions) }
}

/// How many images are acted on.
public struct LifecycleOutcome: Hashable, Sendable {
  public var expired: Int
  public var archived: Int

  public init(expired: Int = 0, archived: Int = 0) {
    self.expired = expired
    self.archived = archived
  }

  init(_ decisions: some Collection<LifecycleDecision>) {
    expired = decisions.count { $0.action == .expire }
    archived = decisions.count - expired
  }

  static func += (total: inout LifecycleOutcome, part: LifecycleOutcome) {
    total.expired += part.expired
    total.archived += part.archived
  }
}

extension Registry {
  /// Who a run's deletions are told to be by.
  public static let lifecycleOrigin = Origin(principal: "lifecycle-policy")

  /// Finds out what a policy does to a repository now. Nothing is changed.
  public func planLifecycle(_ policy: LifecyclePolicy, of name: String) throws -> LifecyclePlan {
    // What was pulled a moment ago counts.
    try recordPulls()
    let repository = try metadata.read { try existingID($0, name) }
    let time = Self.now
    var evaluation = LifecycleEvaluation(policy, now: time)
    var images = LifecycleImages(metadata, repository: repository)
    while let image = try images.next() { evaluation.add(image) }
    return LifecyclePlan(
      repository: name, policy: policy, decisions: evaluation.decisions(), repositoryID: repository, time: time)
  }

  /// Carries out a part of a plan, in one transaction, and returns what was done of it. Images that have changed since and
  /// that the policy means no more are left alone.
  ///
  /// With `stored`, nothing is done once the repository has another policy than that.
  public func carryOut(
    _ decisions: ArraySlice<LifecycleDecision>, of plan: LifecyclePlan, stored: StoredLifecyclePolicy? = nil
  ) throws -> [LifecycleDecision] {
    var done: [LifecycleDecision] = []
    var keys: [ManifestCache.Key] = []
    var events: [RegistryEvent] = []
    var number: Int64?
    try releasing(in: plan.repository) { session in
      (done, keys, events, number) = ([], [], [], nil)
      var released: [Digest] = []
      guard try repositoryID(session, plan.repository) == plan.repositoryID else { return [] }
      if let stored, try Self.lifecyclePolicy(session, plan.repositoryID)?.updated != stored.updated { return [] }
      let images = try Self.images(session, Set(decisions.flatMap { [$0.image, $0.decisive] }), plan.repositoryID)
      for decision in decisions {
        guard let image = images[decision.image], let decisive = images[decision.decisive],
          plan.policy.stillHolds(decision, of: decisive.image, now: plan.time),
          try !Self.isListed(session, image.digest, decision.action, plan.repositoryID)
        else { continue }
        switch decision.action {
        case .archive:
          guard image.image.storageClass == .standard else { continue }
          keys += try archive(session, decision.image, image.digest, image.image.tags, plan.repository)
        case .expire:
          let event = deletion(image.digest, decision, plan)
          try session.execute("DELETE FROM registry_manifest WHERE id = ?1", [decision.image])
          try self.events.record(event, session)
          events.append(event)
          keys += (image.image.tags.map(ManifestReference.tag) + [.digest(image.digest)]).map {
            .init(realm: realm, repository: plan.repository, reference: $0)
          }
          if try !has(session, image.digest, plan.repository) { released.append(image.digest) }
        }
        done.append(decision)
      }
      if !keys.isEmpty { number = try Self.raiseChange(session) }
      return released
    }
    if let number { cache.remove(keys, number: number) }
    for event in events { self.events.publish(event) }
    return done
  }

  private func deletion(_ digest: Digest, _ decision: LifecycleDecision, _ plan: LifecyclePlan) -> RegistryEvent {
    RegistryEvent(
      .delete, in: self, repository: plan.repository, digest: digest.description, by: Self.lifecycleOrigin,
      details: ["rulePriority": String(decision.rulePriority)])
  }

  /// Whether an index of the repository holds an image back from that.
  private static func isListed(
    _ session: any SQLSession, _ digest: Digest, _ action: LifecyclePolicy.Action, _ repository: Int64
  ) throws -> Bool {
    let active = action == .archive ? "AND i.storage_class = 'STANDARD'" : ""
    return try session.exists(
      """
      SELECT 1 FROM registry_reference r JOIN registry_manifest i ON i.id = r.manifest
      WHERE r.digest = ?1 AND r.kind = 'manifest' AND i.repository = ?2 \(active)
      """, [digest.description, repository])
  }

  static func images(
    _ session: any SQLSession, _ ids: Set<Int64>, _ repository: Int64
  ) throws -> [Int64: (image: LifecycleImage, digest: Digest)] {
    guard !ids.isEmpty else { return [:] }
    // Databases keep the statements that they have seen: there is one for each power of two.
    var size = 1
    while size < ids.count { size *= 2 }
    let places = (0..<size).map { "?\($0 + 2)" }.joined(separator: ", ")
    let scope = "SELECT id FROM registry_manifest WHERE repository = ?1 AND id IN (\(places))"
    let arguments: [any SQLConvertible] = [repository] + Array(ids) + Array(repeating: 0, count: size - ids.count)
    var digests: [Int64: Digest] = [:]
    for row in try session.rows("SELECT id, digest FROM registry_manifest WHERE id IN (\(scope))", arguments) {
      digests[try row["id"]] = try Digest(parsing: row["digest"] as String)
    }
    var images: [Int64: (image: LifecycleImage, digest: Digest)] = [:]
    for image in try LifecycleImages.load(session, scope, arguments) {
      if let digest = digests[image.id] { images[image.id] = (image, digest) }
    }
    return images
  }

  /// Writes down that a repository's policy was run.
  public func recordLifecycleRun(_ plan: LifecyclePlan, stored: StoredLifecyclePolicy) throws {
    try metadata.write { session in
      try session.execute(
        "UPDATE registry_lifecycle SET evaluated = ?3, since = ?3 WHERE repository = ?1 AND updated = ?2",
        [plan.repositoryID, stored.updated, plan.time])
    }
  }

  /// Runs the policy of a repository, all of it; nil where it has none. Throws `repositoryUnknown`.
  public func runLifecycle(of name: String) throws -> LifecycleOutcome? {
    guard let stored = try lifecyclePolicy(of: name) else { return nil }
    let plan = try planLifecycle(LifecyclePolicy(parsing: stored.text), of: name)
    var outcome = LifecycleOutcome()
    for batch in plan.batches { outcome += LifecycleOutcome(try carryOut(batch, of: plan, stored: stored)) }
    try recordLifecycleRun(plan, stored: stored)
    return outcome
  }
}
