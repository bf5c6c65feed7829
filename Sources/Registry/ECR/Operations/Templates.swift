internal import RegistryServer

/// A template as ECR describes it, and as calls give its parts.
struct TemplateDescription: Encodable {
  let prefix: String
  let description: String?
  let encryptionConfiguration: RepositoryDescription.Encryption
  let resourceTags: [ResourceTag]?
  let imageTagMutability: String
  let imageTagMutabilityExclusionFilters: [MutabilityFilter]?
  let repositoryPolicy: String?
  let lifecyclePolicy: String?
  let appliedFor: [String]
  let customRoleArn: String?
  let createdAt: Double
  let updatedAt: Double

  init(_ template: CreationTemplate) {
    prefix = template.prefix
    description = template.description
    encryptionConfiguration = .init()
    let tags = template.labels.sorted { $0.key < $1.key }.map { ResourceTag(key: $0.key, value: $0.value) }
    resourceTags = tags.isEmpty ? nil : tags
    imageTagMutability = template.mutability.rule.rawValue
    imageTagMutabilityExclusionFilters = MutabilityFilter.list(template.mutability)
    repositoryPolicy = template.repositoryPolicy
    lifecyclePolicy = template.lifecyclePolicy
    appliedFor = template.purposes.map(\.rawValue).sorted()
    customRoleArn = template.customRole
    createdAt = seconds(template.created)
    updatedAt = seconds(template.updated)
  }
}

/// What a call says of a template. A document that is the empty string takes the one away that is there.
struct TemplateRequest: Decodable, Sendable {
  var prefix: String
  var description: String?
  var encryptionConfiguration: RequestedEncryption?
  var resourceTags: [ResourceTag]?
  var imageTagMutability: String?
  var imageTagMutabilityExclusionFilters: [MutabilityFilter]?
  var repositoryPolicy: String?
  var lifecyclePolicy: String?
  var appliedFor: [String]?
  var customRoleArn: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case prefix, description, encryptionConfiguration, resourceTags, imageTagMutability
    case imageTagMutabilityExclusionFilters, repositoryPolicy, lifecyclePolicy, appliedFor, customRoleArn
  }

  fileprivate func apply(to template: inout CreationTemplate, _ call: Call) throws {
    try encryptionConfiguration?.check(declaresKMS: false)
    if let description { template.description = description }
    if let resourceTags { template.labels = try ResourceTag.templateLabels(resourceTags) }
    if imageTagMutability != nil || imageTagMutabilityExclusionFilters != nil {
      template.mutability = try TagMutability(
        imageTagMutability ?? template.mutability.rule.rawValue, exclusions: imageTagMutabilityExclusionFilters)
    }
    if let repositoryPolicy {
      template.repositoryPolicy = try Self.document(.repositoryPolicy, "repositoryPolicy", repositoryPolicy, call)
    }
    if let lifecyclePolicy {
      template.lifecyclePolicy = try Self.document(.lifecyclePolicy, "lifecyclePolicy", lifecyclePolicy, call)
    }
    if let appliedFor {
      guard !appliedFor.isEmpty else { throw ECRError.invalidParameter("appliedFor", "must name at least one purpose") }
      template.purposes = Set(appliedFor.compactMap(CreationTemplate.Purpose.init))
    }
    if let customRoleArn { template.customRole = customRoleArn.isEmpty ? nil : customRoleArn }
  }

  private static func document(
    _ kind: TemplateDocument, _ member: String, _ text: String, _ call: Call
  ) throws -> String? {
    if text.isEmpty { return nil }
    let isKnown: Bool
    do { isKnown = try call.registry.templateDocuments.check(kind, text) } catch {
      throw ECRError.invalidParameter(member, "\(error)")
    }
    guard isKnown else { throw ECRError.invalidParameter(member, "this registry does not support it") }
    return text
  }
}

extension ResourceTag {
  /// As a template keeps them: the operations on templates have no exceptions of their own for tags.
  fileprivate static func templateLabels(_ tags: [ResourceTag]) throws -> [String: String] {
    do { return try labels(tags) } catch let error as ECRError {
      throw ECRError.invalidParameter("resourceTags", error.description)
    }
  }
}

extension ECRError {
  fileprivate static func templateNotFound(_ prefix: String) -> ECRError {
    ECRError("TemplateNotFoundException", "The repository creation template with prefix '\(prefix)' does not exist")
  }
}

struct TemplateOutput: Encodable {
  let registryId: String
  let repositoryCreationTemplate: TemplateDescription
}

struct CreateRepositoryCreationTemplate: OperationInput {
  typealias CodingKeys = TemplateRequest.CodingKeys

  private let request: TemplateRequest

  init(from decoder: any Decoder) throws { request = try TemplateRequest(from: decoder) }

  func run(_ call: Call) throws -> TemplateOutput {
    let prefix = RepositoryPrefix.normalised(request.prefix)
    guard try call.registry.creationTemplate(prefix) == nil else {
      throw ECRError(
        "TemplateAlreadyExistsException", "A repository creation template with prefix '\(prefix)' already exists")
    }
    var template = CreationTemplate(prefix: prefix, purposes: [], at: SignatureTime.now.seconds * 1000)
    try request.apply(to: &template, call)
    try call.registry.setCreationTemplate(template)
    return TemplateOutput(registryId: call.registryID, repositoryCreationTemplate: .init(template))
  }
}

struct UpdateRepositoryCreationTemplate: OperationInput {
  typealias CodingKeys = TemplateRequest.CodingKeys

  private let request: TemplateRequest

  init(from decoder: any Decoder) throws { request = try TemplateRequest(from: decoder) }

  func run(_ call: Call) throws -> TemplateOutput {
    let prefix = RepositoryPrefix.normalised(request.prefix)
    guard var template = try call.registry.creationTemplate(prefix) else { throw ECRError.templateNotFound(prefix) }
    try request.apply(to: &template, call)
    template.updated = SignatureTime.now.seconds * 1000
    try call.registry.setCreationTemplate(template)
    return TemplateOutput(registryId: call.registryID, repositoryCreationTemplate: .init(template))
  }
}

struct DeleteRepositoryCreationTemplate: OperationInput {
  var prefix: String

  enum CodingKeys: String, CodingKey, CaseIterable { case prefix }

  func run(_ call: Call) throws -> TemplateOutput {
    let prefix = RepositoryPrefix.normalised(prefix)
    guard let template = try call.registry.creationTemplate(prefix) else { throw ECRError.templateNotFound(prefix) }
    try call.registry.removeCreationTemplate(prefix)
    return TemplateOutput(registryId: call.registryID, repositoryCreationTemplate: .init(template))
  }
}

struct DescribeRepositoryCreationTemplates: OperationInput {
  var prefixes: [String]?
  var nextToken: String?
  var maxResults: Int?

  enum CodingKeys: String, CodingKey, CaseIterable { case prefixes, nextToken, maxResults }

  struct Output: Encodable {
    let registryId: String
    let repositoryCreationTemplates: [TemplateDescription]
    let nextToken: String?
  }

  func run(_ call: Call) throws -> Output {
    if let prefixes {
      try Page.checkNone(besides: "prefixes", nextToken, maxResults)
      let found = try prefixes.compactMap { try call.registry.creationTemplate(RepositoryPrefix.normalised($0)) }
      return Output(
        registryId: call.registryID, repositoryCreationTemplates: found.map { .init($0) }, nextToken: nil)
    }
    let page = Page(maxResults)
    let found = try call.registry.creationTemplates(after: Page.position(nextToken), limit: page.limit + 1)
    let (shown, next) = page.cut(found, at: \.prefix)
    return Output(
      registryId: call.registryID, repositoryCreationTemplates: shown.map { .init($0) },
      nextToken: next)
  }
}

extension Operation {
  static let templates = [
    Operation(CreateRepositoryCreationTemplate.self), Operation(UpdateRepositoryCreationTemplate.self),
    Operation(DeleteRepositoryCreationTemplate.self), Operation(DescribeRepositoryCreationTemplates.self),
  ]
}
