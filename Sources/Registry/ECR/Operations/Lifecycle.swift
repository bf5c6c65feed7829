internal import FoundationEssentials
internal import Lifecycle
internal import RegistryServer

extension Call {
  /// The same as `naming`, with what can be wrong with lifecycle policies.
  fileprivate func ruling<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
    do { return try naming(name, body) } catch let error as PolicyError {
      throw ECRError.invalidParameter("LifecyclePolicyText", error.description)
    } catch RegistryError.lifecyclePolicyUnknown {
      throw ECRError(
        "LifecyclePolicyNotFoundException",
        "Lifecycle policy does not exist for the repository with name '\(name)' in the registry with id '\(registryID)'"
      )
    } catch RegistryError.lifecyclePreviewInProgress {
      throw ECRError(
        "LifecyclePolicyPreviewInProgressException",
        "Lifecycle policy preview is in progress for the repository with name '\(name)' in the registry with id "
          + "'\(registryID)'")
    }
  }
}

struct PutLifecyclePolicy: OperationInput {
  var registryId: String?
  var repositoryName: String
  var lifecyclePolicyText: String

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, lifecyclePolicyText }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let lifecyclePolicyText: String
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    try call.ruling(repositoryName) { try call.registry.setLifecyclePolicy(lifecyclePolicyText, of: repositoryName) }
    return Output(
      registryId: call.registryID, repositoryName: repositoryName, lifecyclePolicyText: lifecyclePolicyText)
  }
}

/// A policy with the time of its last run.
struct LifecyclePolicyOutput: Encodable {
  let registryId: String
  let repositoryName: String
  let lifecyclePolicyText: String
  /// Left out of a policy that was not run yet.
  let lastEvaluatedAt: Double?

  init(_ policy: StoredLifecyclePolicy?, _ repository: String, _ call: Call) throws {
    guard let policy else { throw RegistryError.lifecyclePolicyUnknown(repository: repository) }
    registryId = call.registryID
    repositoryName = repository
    lifecyclePolicyText = policy.text
    lastEvaluatedAt = policy.evaluated.map(seconds)
  }
}

struct GetLifecyclePolicy: OperationInput {
  var registryId: String?
  var repositoryName: String

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName }

  func run(_ call: Call) throws -> LifecyclePolicyOutput {
    try call.checkName(repositoryName, registry: registryId)
    return try call.ruling(repositoryName) {
      try LifecyclePolicyOutput(call.registry.lifecyclePolicy(of: repositoryName), repositoryName, call)
    }
  }
}

struct DeleteLifecyclePolicy: OperationInput {
  var registryId: String?
  var repositoryName: String

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName }

  func run(_ call: Call) throws -> LifecyclePolicyOutput {
    try call.checkName(repositoryName, registry: registryId)
    return try call.ruling(repositoryName) {
      try LifecyclePolicyOutput(call.registry.removeLifecyclePolicy(of: repositoryName), repositoryName, call)
    }
  }
}

struct StartLifecyclePolicyPreview: OperationInput {
  var registryId: String?
  var repositoryName: String
  var lifecyclePolicyText: String?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, lifecyclePolicyText }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let lifecyclePolicyText: String
    let status: String
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let policy = try call.ruling(repositoryName) {
      try call.registry.startLifecyclePreview(lifecyclePolicyText, of: repositoryName)
    }
    return Output(
      registryId: call.registryID, repositoryName: repositoryName, lifecyclePolicyText: policy,
      status: LifecyclePreview.Status.inProgress.rawValue)
  }
}

struct GetLifecyclePolicyPreview: OperationInput {
  struct Filter: Decodable { let tagStatus: String? }

  var registryId: String?
  var repositoryName: String
  var imageIds: [ImageIdentifier]?
  var nextToken: String?
  var maxResults: Int?
  var filter: Filter?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registryId, repositoryName, imageIds, nextToken, maxResults, filter
  }

  struct Action: Encodable {
    let type: String
    let targetStorageClass: String?
  }

  struct Result: Encodable {
    let imageTags: [String]
    let imageDigest: String
    let imagePushedAt: Double
    let action: Action
    let appliedRulePriority: Int
    let storageClass: String

    init(_ result: LifecyclePreviewResult) {
      imageTags = result.tags
      imageDigest = result.digest
      imagePushedAt = seconds(result.pushed)
      action =
        result.action == .expire
        ? Action(type: "EXPIRE", targetStorageClass: nil) : Action(type: "TRANSITION", targetStorageClass: "ARCHIVE")
      appliedRulePriority = result.rulePriority
      storageClass = result.storageClass.rawValue
    }
  }

  struct TransitionCount: Encodable {
    let targetStorageClass: String
    let imageTotalCount: Int
  }

  struct Summary: Encodable {
    let expiringImageTotalCount: Int
    /// Left out where no image changes its class.
    let transitioningImageTotalCounts: [TransitionCount]?

    init(_ outcome: LifecycleOutcome) {
      expiringImageTotalCount = outcome.expired
      transitioningImageTotalCounts =
        outcome.archived == 0
        ? nil : [TransitionCount(targetStorageClass: "ARCHIVE", imageTotalCount: outcome.archived)]
    }
  }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let lifecyclePolicyText: String
    let status: String
    var nextToken: String?
    var previewResults: [Result] = []
    var summary: Summary?
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    if imageIds != nil { try Page.checkNone(besides: "imageIds", nextToken, maxResults) }
    let preview = try call.ruling(repositoryName) { try call.registry.lifecyclePreview(of: repositoryName) }
    guard let preview else {
      throw ECRError(
        "LifecyclePolicyPreviewNotFoundException",
        "Lifecycle policy preview does not exist for the repository with name '\(repositoryName)' in the registry with id "
          + "'\(call.registryID)'")
    }
    var output = Output(
      registryId: call.registryID, repositoryName: repositoryName, lifecyclePolicyText: preview.policy,
      status: preview.status.rawValue)
    guard preview.status == .complete else { return output }
    output.summary = Summary(preview.outcome)
    if let imageIds {
      output.previewResults = try results(of: imageIds, call).map { Result($0) }
    } else {
      let last = try Page.row(nextToken)
      let page = Page(maxResults)
      let found = try call.naming(repositoryName) {
        try call.registry.lifecyclePreviewResults(
          of: repositoryName, tagged: tagged, after: last ?? 0, limit: page.limit + 1)
      }
      let (shown, next) = page.cut(found) { String($0.id) }
      output.previewResults = shown.map { Result($0) }
      output.nextToken = next
    }
    return output
  }

  private var tagged: Bool? { ImageFilter(tagStatus: filter?.tagStatus).tagged() }

  /// Of the images that are asked for, those that the policy acts on.
  private func results(of images: [ImageIdentifier], _ call: Call) throws -> [LifecyclePreviewResult] {
    var seen = Set<Int64>()
    return try images.compactMap { image in
      do {
        let manifest = try call.naming(repositoryName) { try call.find(image, in: repositoryName) }
        let result = try call.registry.lifecyclePreviewResult(of: manifest.id, in: repositoryName)
        guard let result, tagged == nil || tagged == !result.tags.isEmpty, seen.insert(result.id).inserted else {
          return nil
        }
        return result
      } catch let failure as ImageFailure {
        switch failure.failureCode {
        case .notFound, .tagDoesNotMatchDigest: return nil
        default: throw ECRError.invalidParameter(failure.failureReason)
        }
      }
    }
  }
}

extension Operation {
  static let lifecycle = [
    Operation(PutLifecyclePolicy.self), Operation(GetLifecyclePolicy.self), Operation(DeleteLifecyclePolicy.self),
    Operation(StartLifecyclePolicyPreview.self), Operation(GetLifecyclePolicyPreview.self),
    Operation(UpdateImageStorageClass.self), Operation(RegisterPullTimeUpdateExclusion.self),
    Operation(DeregisterPullTimeUpdateExclusion.self), Operation(ListPullTimeUpdateExclusions.self),
  ]
}
