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
private struct TemplateChange {
  var description: String?
  var encryption: RequestedEncryption?
  var tags: [ResourceTag]?
  var mutability: String?
  var exclusions: [MutabilityFilter]?
  var repositoryPolicy: String?
  var lifecyclePolicy: String?
  var appliedFor: [String]?
  var customRole: String?

  func apply(to template: inout CreationTemplate, _ call: Call) throws {
    try encryption?.check()
    if let description { template.description = description }
    if let tags { template.labels = try ResourceTag.templateLabels(tags) }
    if mutability != nil || exclusions != nil {
      template.mutability = try TagMutability(mutability ?? template.mutability.rule.rawValue, exclusions: exclusions)
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
    if let customRole { template.customRole = customRole.isEmpty ? nil : customRole }
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

/// A slash at the end says the same as none.
private func normalised(_ prefix: String) -> String { prefix.hasSuffix("/") ? String(prefix.dropLast()) : prefix }

struct TemplateOutput: Encodable {
  let registryId: String
  let repositoryCreationTemplate: TemplateDescription
}

struct CreateRepositoryCreationTemplate: OperationInput {
  var prefix: String
  var description: String?
  var encryptionConfiguration: RequestedEncryption?
  var resourceTags: [ResourceTag]?
  var imageTagMutability: String?
  var imageTagMutabilityExclusionFilters: [MutabilityFilter]?
  var repositoryPolicy: String?
  var lifecyclePolicy: String?
  var appliedFor: [String]
  var customRoleArn: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case prefix, description, encryptionConfiguration, resourceTags, imageTagMutability
    case imageTagMutabilityExclusionFilters, repositoryPolicy, lifecyclePolicy, appliedFor, customRoleArn
  }

  func run(_ call: Call) throws -> TemplateOutput {
    let prefix = normalised(prefix)
    guard try call.registry.creationTemplate(prefix) == nil else {
      throw ECRError(
        "TemplateAlreadyExistsException", "A repository creation template with prefix '\(prefix)' already exists")
    }
    var template = CreationTemplate(prefix: prefix, purposes: [], at: SignatureTime.now.seconds * 1000)
    try TemplateChange(
      description: description, encryption: encryptionConfiguration, tags: resourceTags, mutability: imageTagMutability,
      exclusions: imageTagMutabilityExclusionFilters, repositoryPolicy: repositoryPolicy,
      lifecyclePolicy: lifecyclePolicy, appliedFor: appliedFor, customRole: customRoleArn
    ).apply(to: &template, call)
    try call.registry.setCreationTemplate(template)
    return TemplateOutput(registryId: call.registryID, repositoryCreationTemplate: .init(template))
  }
}

struct UpdateRepositoryCreationTemplate: OperationInput {
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

  func run(_ call: Call) throws -> TemplateOutput {
    let prefix = normalised(prefix)
    guard var template = try call.registry.creationTemplate(prefix) else { throw ECRError.templateNotFound(prefix) }
    try TemplateChange(
      description: description, encryption: encryptionConfiguration, tags: resourceTags, mutability: imageTagMutability,
      exclusions: imageTagMutabilityExclusionFilters, repositoryPolicy: repositoryPolicy,
      lifecyclePolicy: lifecyclePolicy, appliedFor: appliedFor, customRole: customRoleArn
    ).apply(to: &template, call)
    template.updated = SignatureTime.now.seconds * 1000
    try call.registry.setCreationTemplate(template)
    return TemplateOutput(registryId: call.registryID, repositoryCreationTemplate: .init(template))
  }
}

struct DeleteRepositoryCreationTemplate: OperationInput {
  var prefix: String

  enum CodingKeys: String, CodingKey, CaseIterable { case prefix }

  func run(_ call: Call) throws -> TemplateOutput {
    let prefix = normalised(prefix)
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
      guard nextToken == nil, maxResults == nil else {
        throw ECRError.invalidParameter("prefixes", "without nextToken and maxResults")
      }
      let found = try prefixes.compactMap { try call.registry.creationTemplate(normalised($0)) }
      return Output(
        registryId: call.registryID, repositoryCreationTemplates: found.map { .init($0) }, nextToken: nil)
    }
    let page = Page(maxResults)
    let found = try call.registry.creationTemplates(after: Page.position(nextToken), limit: page.limit + 1)
    let shown = found.prefix(page.limit)
    return Output(
      registryId: call.registryID, repositoryCreationTemplates: shown.map { .init($0) },
      nextToken: found.count > page.limit ? shown.last.map { Page.token($0.prefix) } : nil)
  }
}

extension Operation {
  static let templates = [
    Operation(CreateRepositoryCreationTemplate.self), Operation(UpdateRepositoryCreationTemplate.self),
    Operation(DeleteRepositoryCreationTemplate.self), Operation(DescribeRepositoryCreationTemplates.self),
  ]
}
