internal import RegistryServer

/// Which images are signed with which profile, as calls and answers have it.
///
/// A signing profile is AWS Signer's; here its name is that of a key which the registry keeps (`clipper registry
/// signing-key create`), and the signature is cosign's.
struct SigningConfiguration: Codable, Sendable {
  struct Filter: Codable, Sendable {
    let filter: String
    let filterType: String
  }

  struct Rule: Codable, Sendable {
    let signingProfileArn: String
    let repositoryFilters: [Filter]?
  }

  let rules: [Rule]

  init(_ rules: SigningRules, _ call: Call) {
    self.rules = rules.rules.map { rule in
      Rule(
        signingProfileArn: Self.arn(rule.profile, call),
        repositoryFilters: rule.repositories.isEmpty
          ? nil : rule.repositories.map { Filter(filter: $0, filterType: "WILDCARD_MATCH") })
    }
  }

  static func arn(_ profile: String, _ call: Call) -> String {
    "arn:aws:signer:\(call.region):\(call.registryID):/signing-profiles/\(profile)"
  }

  /// The registry's rules. Throws `ECRError` for a profile of another account or region, or one without a key here.
  func checked(_ call: Call) throws -> SigningRules {
    SigningRules(
      rules: try rules.map { rule in
        let parts = rule.signingProfileArn.split(separator: ":", omittingEmptySubsequences: false)
        let name = rule.signingProfileArn.split(separator: "/").last.map { String($0) } ?? ""
        guard parts.count == 6, parts[3] == call.region, parts[4] == call.registryID else {
          throw ECRError.validation(
            "The signing profile \(rule.signingProfileArn) is not of this registry: its ARN here is \(Self.arn(name, call))"
          )
        }
        guard try call.registry.signingKey(name) != nil else {
          throw ECRError.validation("\(SigningError.keyUnknown(name))")
        }
        return SigningRules.Rule(profile: name, repositories: rule.repositoryFilters?.map(\.filter) ?? [])
      })
  }
}

struct PutSigningConfiguration: OperationInput {
  var signingConfiguration: SigningConfiguration

  enum CodingKeys: String, CodingKey, CaseIterable { case signingConfiguration }

  struct Output: Encodable { let signingConfiguration: SigningConfiguration }

  func run(_ call: Call) throws -> Output {
    try call.registry.setSigningRules(try signingConfiguration.checked(call))
    return Output(signingConfiguration: signingConfiguration)
  }
}

struct GetSigningConfiguration: OperationInput {
  typealias CodingKeys = NoMembers

  struct Output: Encodable {
    let registryId: String
    let signingConfiguration: SigningConfiguration
  }

  func run(_ call: Call) throws -> Output {
    guard let rules = try call.registry.signingRules() else { throw ECRError.signingConfigurationNotFound(call) }
    return Output(registryId: call.registryID, signingConfiguration: SigningConfiguration(rules, call))
  }
}

struct DeleteSigningConfiguration: OperationInput {
  typealias CodingKeys = NoMembers

  struct Output: Encodable {
    let registryId: String
    let signingConfiguration: SigningConfiguration
  }

  func run(_ call: Call) throws -> Output {
    guard let rules = try call.registry.signingRules(), try call.registry.removeSigningRules() else {
      throw ECRError.signingConfigurationNotFound(call)
    }
    return Output(registryId: call.registryID, signingConfiguration: SigningConfiguration(rules, call))
  }
}

struct DescribeImageSigningStatus: OperationInput {
  var repositoryName: String
  var imageId: ImageIdentifier
  var registryId: String?

  enum CodingKeys: String, CodingKey, CaseIterable { case repositoryName, imageId, registryId }

  struct Status: Encodable {
    let signingProfileArn: String
    let failureCode: String?
    let failureReason: String?
    let status: String
  }

  struct Output: Encodable {
    let repositoryName: String
    let imageId: ImageIdentifier
    let registryId: String
    let signingStatuses: [Status]
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let found = try call.naming(repositoryName) { try call.image(imageId, in: repositoryName) }
    let statuses = try call.registry.signingStatuses(of: found.digest, in: repositoryName)
    return Output(
      repositoryName: repositoryName, imageId: ImageIdentifier(digest: found.digest, tag: imageId.imageTag),
      registryId: call.registryID,
      signingStatuses: statuses.map {
        Status(
          signingProfileArn: SigningConfiguration.arn($0.profile, call),
          failureCode: $0.failure == nil ? nil : "SigningFailed", failureReason: $0.failure, status: $0.status)
      })
  }
}

extension ECRError {
  fileprivate static func signingConfigurationNotFound(_ call: Call) -> ECRError {
    ECRError(
      "SigningConfigurationNotFoundException",
      "The signing configuration of the registry with id '\(call.registryID)' does not exist")
  }
}

/// Signing of images.
extension Operation {
  static let signing = [
    Operation(PutSigningConfiguration.self), Operation(GetSigningConfiguration.self),
    Operation(DeleteSigningConfiguration.self), Operation(DescribeImageSigningStatus.self),
  ]
}
