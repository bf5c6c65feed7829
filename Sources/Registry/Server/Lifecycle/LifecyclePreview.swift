import FoundationEssentials
import ImageSpec
public import Lifecycle
import Metadata

/// What a policy would do to a repository, as it was found out at one time.
public struct LifecyclePreview: Hashable, Sendable {
  public enum Status: String, Hashable, Sendable {
    case inProgress = "IN_PROGRESS"
    case complete = "COMPLETE"
    /// It is a day old: the images have moved on.
    case expired = "EXPIRED"
    case failed = "FAILED"
  }

  public let policy: String
  public let status: Status
  /// How many images the policy acts on.
  public let outcome: LifecycleOutcome
  let started: Int64

  /// Milliseconds that results are shown for.
  static let lifetime: Int64 = 86_400_000
  /// Milliseconds after which one that does not end stands in nobody's way.
  static let patience: Int64 = 900_000

  init(_ row: SQLRow, now: Int64) throws {
    policy = try row["policy"]
    started = try row["started"]
    let stored = Status(rawValue: try row["status"]) ?? .failed
    status = stored == .complete && started < now - Self.lifetime ? .expired : stored
    outcome = LifecycleOutcome(expired: try row["expiring"], archived: try row["archiving"])
  }
}

/// An image of a preview or plan, and what is to become of it.
public struct LifecyclePreviewResult: Hashable, Sendable {
  /// The manifest's ID; grows in push order.
  public let id: Int64
  public let digest: String
  public let tags: [String]
  /// Milliseconds since 1970.
  public let pushed: Int64
  public let storageClass: StorageClass
  public let rulePriority: Int
  public let action: LifecyclePolicy.Action

  init(_ row: SQLRow) throws {
    id = try row["manifest"]
    digest = try row["digest"]
    tags = Registry.decoded([String].self, try row["tags"]) ?? []
    pushed = try row["pushed"]
    storageClass = StorageClass(rawValue: try row["storage_class"]) ?? .standard
    rulePriority = try row["priority"]
    action = try row["action"] == "EXPIRE" ? .expire : .archive
  }

  init(_ image: LifecycleImage, _ digest: Digest, _ decision: LifecycleDecision) {
    id = image.id
    self.digest = digest.description
    tags = image.tags.sorted()
    pushed = image.pushed
    storageClass = image.storageClass
    rulePriority = decision.rulePriority
    action = decision.action
  }
}

extension Registry {
  static let previewJob = "lifecycle-preview"

  struct PreviewPayload: Codable, Sendable {
    let repository: Int64
    /// Which of a repository's previews is meant.
    let started: Int64
  }

  /// Begins a preview of `text`, or of the repository's own policy; the work is a job. Returns the policy.
  ///
  /// Throws `PolicyError`, `lifecyclePolicyUnknown`, and `previewInProgress` while an earlier one goes on.
  public func startLifecyclePreview(_ text: String?, of name: String) throws -> String {
    if let text { _ = try LifecyclePolicy(parsing: text) }
    return try metadata.write { session in
      let repository = try existingID(session, name)
      guard let policy = try text ?? Self.lifecyclePolicy(session, repository)?.text else {
        throw RegistryError.lifecyclePolicyUnknown(repository: name)
      }
      let now = Self.now
      let earlier = try Self.preview(session, repository, now)
      if let earlier, earlier.status == .inProgress, earlier.started > now - LifecyclePreview.patience {
        throw RegistryError.lifecyclePreviewInProgress(repository: name)
      }
      let started = max(now, (earlier?.started ?? 0) + 1)
      try session.execute(
        """
        INSERT INTO registry_lifecycle_preview (repository, policy, started, status) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (repository) DO UPDATE SET policy = ?2, started = ?3, status = ?4, expiring = 0, archiving = 0
        """, [repository, policy, started, LifecyclePreview.Status.inProgress.rawValue])
      try jobs.enqueue(Self.previewJob, PreviewPayload(repository: repository, started: started), in: session)
      return policy
    }
  }

  private static func preview(
    _ session: any SQLSession, _ repository: Int64, _ now: Int64
  ) throws -> LifecyclePreview? {
    try session.row("SELECT * FROM registry_lifecycle_preview WHERE repository = ?1", [repository])
      .map { try LifecyclePreview($0, now: now) }
  }

  /// nil where the repository has none. Throws `repositoryUnknown`.
  public func lifecyclePreview(of name: String) throws -> LifecyclePreview? {
    try metadata.read { try Self.preview($0, existingID($0, name), Self.now) }
  }

  /// Results in push order, those after the image `last`; of tagged or untagged images alone where `tagged` says so.
  public func lifecyclePreviewResults(
    of name: String, tagged: Bool? = nil, after last: Int64 = 0, limit: Int
  ) throws -> [LifecyclePreviewResult] {
    let filter = tagged == nil ? "" : "AND tagged = ?4"
    return try metadata.read { session in
      try session.rows(
        """
        SELECT * FROM registry_lifecycle_result WHERE repository = ?1 AND manifest > ?2 \(filter)
        ORDER BY manifest LIMIT ?3
        """, [existingID(session, name), last, limit] + (tagged.map { [$0] } ?? [])
      ).map(LifecyclePreviewResult.init)
    }
  }

  /// The result of one image; nil where the preview does not act on it.
  public func lifecyclePreviewResult(of manifest: Int64, in name: String) throws -> LifecyclePreviewResult? {
    try metadata.read { session in
      try session.row(
        "SELECT * FROM registry_lifecycle_result WHERE repository = ?1 AND manifest = ?2",
        [existingID(session, name), manifest]
      ).map(LifecyclePreviewResult.init)
    }
  }

  /// Whether a preview is still to be made; what an earlier one has left is taken away then.
  func beginPreview(_ payload: PreviewPayload) throws -> LifecyclePreview? {
    let preview = try metadata.read { try Self.preview($0, payload.repository, Self.now) }
    guard let preview, preview.started == payload.started, preview.status == .inProgress else { return nil }
    try clearPreview(payload.repository)
    return preview
  }

  /// Takes away what an earlier preview has left, some at a time.
  func clearPreview(_ repository: Int64) throws {
    var count = 1
    while count > 0 {
      count = try metadata.write { session in
        try session.execute(
          """
          DELETE FROM registry_lifecycle_result WHERE repository = ?1 AND manifest IN
            (SELECT manifest FROM registry_lifecycle_result WHERE repository = ?1 LIMIT 1000)
          """, [repository])
      }
    }
  }

  func storePreview(_ batch: ArraySlice<LifecycleDecision>, _ payload: PreviewPayload) throws {
    try metadata.write { session in
      for result in try Self.results(session, batch, payload.repository) {
        try session.execute(
          """
          INSERT INTO registry_lifecycle_result
            (repository, manifest, digest, tags, tagged, pushed, storage_class, priority, action)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING
          """,
          [
            payload.repository, result.id, result.digest, Self.json(result.tags), !result.tags.isEmpty, result.pushed,
            result.storageClass.rawValue, result.rulePriority, result.action == .expire ? "EXPIRE" : "TRANSITION",
          ])
      }
    }
  }

  /// What a part of a plan is about; images that were deleted since are left out.
  public func results(
    of decisions: ArraySlice<LifecycleDecision>, in plan: LifecyclePlan
  ) throws -> [LifecyclePreviewResult] {
    try metadata.read { try Self.results($0, decisions, plan.repositoryID) }
  }

  private static func results(
    _ session: any SQLSession, _ decisions: ArraySlice<LifecycleDecision>, _ repository: Int64
  ) throws -> [LifecyclePreviewResult] {
    let images = try images(session, Set(decisions.map(\.image)), repository)
    return decisions.compactMap { decision in
      images[decision.image].map { LifecyclePreviewResult($0.image, $0.digest, decision) }
    }
  }

  func finishPreview(
    _ payload: PreviewPayload, _ status: LifecyclePreview.Status, _ outcome: LifecycleOutcome
  ) throws {
    try metadata.write { session in
      try session.execute(
        """
        UPDATE registry_lifecycle_preview SET status = ?3, expiring = ?4, archiving = ?5
        WHERE repository = ?1 AND started = ?2
        """, [payload.repository, payload.started, status.rawValue, outcome.expired, outcome.archived])
    }
  }
  /// Takes away what previews show no more.
  func prunePreviews() throws {
    let old = try metadata.read { session in
      try session.values(
        Int64.self, "SELECT repository FROM registry_lifecycle_preview WHERE status = ?1 AND started < ?2 LIMIT 100",
        [LifecyclePreview.Status.complete.rawValue, Self.now - LifecyclePreview.lifetime])
    }
    for repository in old {
      try clearPreview(repository)
      try metadata.write { session in
        try session.execute(
          "UPDATE registry_lifecycle_preview SET status = ?2 WHERE repository = ?1 AND status = ?3",
          [repository, LifecyclePreview.Status.expired.rawValue, LifecyclePreview.Status.complete.rawValue])
      }
    }
  }
}
