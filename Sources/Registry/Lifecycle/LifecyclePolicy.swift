/// What a repository's images are to come to: rules in the order of their priority, lowest number first.
///
/// `LifecycleEvaluation` says which images a policy acts on. (ECR, lifecycle policies)
public struct LifecyclePolicy: Hashable, Sendable {
  public let rules: [Rule]

  public struct Rule: Hashable, Sendable {
    /// Unique in a policy; a lower number goes first.
    public let priority: Int
    public let description: String?
    public let tags: Tags
    /// The rule sees images of this class alone.
    public let storageClass: StorageClass
    public let criterion: Criterion
    public let action: Action
  }

  /// Which tags an image has to have.
  public enum Tags: Hashable, Sendable {
    case any
    case untagged
    /// Every pattern has to match some tag of the image.
    case all([TagPattern])

    public func match(_ tags: [String]) -> Bool {
      switch self {
      case .any: true
      case .untagged: tags.isEmpty
      case .all(let patterns): patterns.allSatisfy { pattern in tags.contains { pattern.matches($0) } }
      }
    }
  }

  /// Which of the images with these tags a rule acts on.
  public enum Criterion: Hashable, Sendable {
    /// All but so many of the newest.
    case imageCountMoreThan(Int)
    /// Those that were pushed, or restored since, so many days ago.
    case sinceImagePushed(days: Int)
    /// Those that were last pulled so many days ago; what was not pulled since, counts from its push or restoration.
    case sinceImagePulled(days: Int)
    /// Those that were archived so many days ago.
    case sinceImageTransitioned(days: Int)
  }

  public enum Action: Hashable, Sendable {
    case expire
    case archive
  }
}

public enum StorageClass: String, Hashable, Sendable, CaseIterable {
  case standard = "STANDARD"
  case archive = "ARCHIVE"
}

/// What a policy looks at of an image (index, artifact). Times are milliseconds since 1970.
public struct LifecycleImage: Hashable, Sendable {
  /// Tells the images of a repository apart.
  public var id: Int64
  public var tags: [String]
  public var pushed: Int64
  public var pulled: Int64?
  public var storageClass: StorageClass
  /// When it was last archived; nil where it never was.
  public var archived: Int64?
  /// When it was last restored; nil where it never was.
  public var activated: Int64?
  public var isIndex: Bool
  /// The image of the repository that this one is about; nil also where the repository does not have it.
  public var subject: Int64?
  /// The indexes of the repository that list this one.
  public var indexes: [Int64]

  public init(
    id: Int64, tags: [String] = [], pushed: Int64, pulled: Int64? = nil, storageClass: StorageClass = .standard,
    archived: Int64? = nil, activated: Int64? = nil, isIndex: Bool = false, subject: Int64? = nil, indexes: [Int64] = []
  ) {
    self.id = id
    self.tags = tags
    self.pushed = pushed
    self.pulled = pulled
    self.storageClass = storageClass
    self.archived = archived
    self.activated = activated
    self.isIndex = isIndex
    self.subject = subject
    self.indexes = indexes
  }

  /// What its age counts from: a restored image is like one pushed anew.
  public var born: Int64 { activated ?? pushed }
}

extension LifecyclePolicy.Rule {
  /// Whether the rule is about this image: its tags and its class, whatever its age.
  func identifies(_ image: LifecycleImage) -> Bool { storageClass == image.storageClass && tags.match(image.tags) }

  /// Whether the image is as old as the rule demands. Of a count, which no image alone can tell, true.
  func isDue(_ image: LifecycleImage, now: Int64) -> Bool {
    let (since, days): (Int64, Int)
    switch criterion {
    case .imageCountMoreThan: return true
    case .sinceImagePushed(let limit): (since, days) = (image.born, limit)
    case .sinceImagePulled(let limit): (since, days) = (max(image.pulled ?? image.born, image.born), limit)
    case .sinceImageTransitioned(let limit): (since, days) = (image.archived ?? now, limit)
    }
    return since <= now - Int64(days) * 86_400_000
  }
}

extension LifecyclePolicy {
  /// The one rule that may act on an image: the first that its tags match shields it from all others.
  func governs(_ image: LifecycleImage) -> Int? { rules.firstIndex { $0.identifies(image) } }

  /// Whether what a decision said of an image still holds of it, after others may have changed it: asked in the
  /// transaction that acts, of the image whose tags and age decided (`LifecycleDecision.decisive`).
  public func stillHolds(_ decision: LifecycleDecision, of image: LifecycleImage, now: Int64) -> Bool {
    guard let index = governs(image) else { return false }
    let rule = rules[index]
    guard rule.priority == decision.rulePriority, rule.isDue(image, now: now) else { return false }
    // What was restored meanwhile is the newest now.
    return image.activated.map { $0 <= now } ?? true
  }
}
