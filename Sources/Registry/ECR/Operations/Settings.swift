internal import ImageSpec
internal import RegistryServer

/// A resource tag: a word about a repository and its value, for people and their tools.
struct ResourceTag: Codable {
  let key: String
  let value: String?

  enum CodingKeys: String, CodingKey {
    case key = "Key"
    case value = "Value"
  }

  /// As a repository keeps them. Throws `ECRError` for what AWS does not take.
  static func labels(_ tags: [ResourceTag]) throws -> [String: String] {
    var labels: [String: String] = [:]
    for tag in tags {
      let value = tag.value ?? ""
      guard (1...128).contains(tag.key.count), value.count <= 256, !tag.key.lowercased().hasPrefix("aws:") else {
        throw ECRError.invalidTagParameter(
          "Invalid tag '\(tag.key.prefix(128))': keys have 1 to 128 characters and do not begin with aws:, values at most 256"
        )
      }
      guard labels.updateValue(value, forKey: tag.key) == nil else {
        throw ECRError.invalidTagParameter("Duplicate tag key '\(tag.key)'")
      }
    }
    guard labels.count <= limit else { throw ECRError.tooManyTags }
    return labels
  }

  /// Most tags of one repository.
  static let limit = 50
}

/// A pattern of tags that a repository's rule on mutability leaves out.
struct MutabilityFilter: Codable {
  let filterType: String
  let filter: String

  /// nil where there is none, which answers leave out.
  static func list(_ mutability: TagMutability) -> [MutabilityFilter]? {
    mutability.exclusions.isEmpty
      ? nil : mutability.exclusions.map { MutabilityFilter(filterType: "WILDCARD", filter: $0) }
  }
}

extension TagMutability {
  /// From a call's members. Throws `ECRError`.
  init(_ text: String, exclusions: [MutabilityFilter]?) throws {
    guard let rule = Rule(rawValue: text) else {
      throw ECRError.invalidParameter(
        "Invalid parameter at 'imageTagMutability' failed to satisfy constraint: 'one of "
          + Rule.allCases.map(\.rawValue).joined(separator: ", ") + "'")
    }
    let filters = exclusions ?? []
    guard rule.hasExclusions ? (1...5).contains(filters.count) : filters.isEmpty else {
      throw ECRError.invalidParameter(
        "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: '1 to 5 filters with, "
          + "and only with, MUTABLE_WITH_EXCLUSION and IMMUTABLE_WITH_EXCLUSION'")
    }
    for filter in filters {
      // What a tag may have, and the asterisk.
      let isPattern =
        (1...128).contains(filter.filter.utf8.count)
        && filter.filter.utf8.allSatisfy { $0 == UInt8(ascii: "*") || Reference.isTag("_\(Unicode.Scalar($0))") }
      guard filter.filterType == "WILDCARD", isPattern else {
        throw ECRError.invalidParameter(
          "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: 'type WILDCARD and "
            + "[0-9a-zA-Z._*-]{1,128}'")
      }
    }
    self.init(rule, exclusions: filters.map(\.filter))
  }
}

struct PutImageTagMutability: OperationInput {
  var registryId: String?
  var repositoryName: String
  var imageTagMutability: String
  var imageTagMutabilityExclusionFilters: [MutabilityFilter]?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registryId, repositoryName, imageTagMutability, imageTagMutabilityExclusionFilters
  }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let imageTagMutability: String
    let imageTagMutabilityExclusionFilters: [MutabilityFilter]?
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let mutability = try TagMutability(imageTagMutability, exclusions: imageTagMutabilityExclusionFilters)
    return try call.naming(repositoryName) {
      let repository = try call.registry.updateRepository(repositoryName) { $0.mutability = mutability }
      return Output(
        registryId: call.registryID, repositoryName: repository.name,
        imageTagMutability: repository.mutability.rule.rawValue,
        imageTagMutabilityExclusionFilters: MutabilityFilter.list(repository.mutability))
    }
  }
}

extension Call {
  /// The repository that an ARN names: `arn:aws:ecr:<region>:<account>:repository/<name>`, in ECR Public
  /// `arn:aws:ecr-public::<account>:repository/<name>`. Throws `ECRError`.
  fileprivate func repository(arn: String) throws -> String {
    let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0] == "arn", parts[2] == service.signingName, parts[5].hasPrefix("repository/") else {
      throw ECRError.invalidParameter(
        "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
    }
    let name = String(parts[5].dropFirst("repository/".count))
    try checkName(name, registry: String(parts[4]))
    return name
  }
}

/// The answer `{}`.
struct EmptyOutput: Encodable {}

struct TagResource: OperationInput {
  var resourceArn: String
  var tags: [ResourceTag]

  enum CodingKeys: String, CodingKey, CaseIterable { case resourceArn, tags }

  func run(_ call: Call) throws -> EmptyOutput {
    let name = try call.repository(arn: resourceArn)
    let labels = try ResourceTag.labels(tags)
    _ = try call.naming(name) {
      try call.registry.updateRepository(name) { repository in
        repository.labels.merge(labels) { _, new in new }
        guard repository.labels.count <= ResourceTag.limit else { throw ECRError.tooManyTags }
      }
    }
    return EmptyOutput()
  }
}

struct UntagResource: OperationInput {
  var resourceArn: String
  var tagKeys: [String]

  enum CodingKeys: String, CodingKey, CaseIterable { case resourceArn, tagKeys }

  func run(_ call: Call) throws -> EmptyOutput {
    let name = try call.repository(arn: resourceArn)
    let keys = tagKeys
    _ = try call.naming(name) {
      try call.registry.updateRepository(name) { repository in
        for key in keys { repository.labels[key] = nil }
      }
    }
    return EmptyOutput()
  }
}

struct ListTagsForResource: OperationInput {
  var resourceArn: String

  enum CodingKeys: String, CodingKey, CaseIterable { case resourceArn }

  struct Output: Encodable { let tags: [ResourceTag] }

  func run(_ call: Call) throws -> Output {
    let name = try call.repository(arn: resourceArn)
    let labels = try call.naming(name) { try call.registry.repository(name).labels }
    return Output(tags: labels.sorted { $0.key < $1.key }.map { ResourceTag(key: $0.key, value: $0.value) })
  }
}

extension Operation {
  static let settings = [
    Operation(PutImageTagMutability.self), Operation(TagResource.self), Operation(UntagResource.self),
    Operation(ListTagsForResource.self),
  ]
}
