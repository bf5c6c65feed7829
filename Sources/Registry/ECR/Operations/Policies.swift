internal import AccessPolicies
internal import RegistryServer

extension ECRError {
  fileprivate static func repositoryPolicyNotFound(_ name: String, registry: String) -> ECRError {
    ECRError(
      "RepositoryPolicyNotFoundException",
      "Repository policy does not exist for the repository with name '\(name)' in the registry with id '\(registry)'")
  }

  fileprivate static func registryPolicyNotFound(registry: String) -> ECRError {
    ECRError("RegistryPolicyNotFoundException", "Registry policy does not exist in the registry with id '\(registry)'")
  }

  /// ECR calls the member so, in capitals.
  fileprivate static func invalidPolicy(_ kind: PolicyDocument.Kind, _ why: String) -> ECRError {
    invalidParameter("PolicyText", "Invalid \(kind == .registry ? "registry" : "repository") policy provided: \(why)")
  }
}

private func parsed(_ text: String, as kind: PolicyDocument.Kind) throws(ECRError) -> PolicyDocument {
  do throws(PolicyError) { return try PolicyDocument(parsing: text, as: kind) } catch {
    throw .invalidPolicy(kind, error.description)
  }
}

struct RepositoryPolicyOutput: Encodable, Sendable {
  let registryId: String
  let repositoryName: String
  let policyText: String
}

struct SetRepositoryPolicy: OperationInput {
  var registryId: String?
  var repositoryName: String
  var policyText: String
  /// Without it, a policy is refused under which the caller could not set another one.
  var force: Bool?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, policyText, force }

  func run(_ call: Call) throws -> RepositoryPolicyOutput {
    try call.checkName(repositoryName, registry: registryId)
    let policy = try parsed(policyText, as: .repository)
    return try call.naming(repositoryName) {
      if force != true,
        try !call.server.decide(
          call.asker, ActionName("\(call.service.signingName):SetRepositoryPolicy"), on: repositoryName, of: call.registry, replacing: policy
        ).isAllowed
      {
        throw ECRError.invalidPolicy(
          .repository, "it would prevent you from setting another policy in the future; set it with force")
      }
      try call.registry.setRepositorySetting(.repositoryPolicy, of: repositoryName, policyText)
      return RepositoryPolicyOutput(
        registryId: call.registryID, repositoryName: repositoryName, policyText: policyText)
    }
  }
}

extension Call {
  fileprivate func repositoryPolicy(_ name: String, _ registryId: String?) throws -> RepositoryPolicyOutput {
    try checkName(name, registry: registryId)
    return try naming(name) {
      guard let text = try registry.repositorySetting(.repositoryPolicy, of: name, as: String.self) else {
        throw ECRError.repositoryPolicyNotFound(name, registry: registryID)
      }
      return RepositoryPolicyOutput(registryId: registryID, repositoryName: name, policyText: text)
    }
  }

  fileprivate func registryPolicy() throws -> RegistryPolicyOutput {
    guard let text = try registry.setting(.registryPolicy, as: String.self) else {
      throw ECRError.registryPolicyNotFound(registry: registryID)
    }
    return RegistryPolicyOutput(registryId: registryID, policyText: text)
  }
}

struct GetRepositoryPolicy: OperationInput {
  var registryId: String?
  var repositoryName: String

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName }

  func run(_ call: Call) throws -> RepositoryPolicyOutput { try call.repositoryPolicy(repositoryName, registryId) }
}

struct DeleteRepositoryPolicy: OperationInput {
  var registryId: String?
  var repositoryName: String

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName }

  func run(_ call: Call) throws -> RepositoryPolicyOutput {
    let output = try call.repositoryPolicy(repositoryName, registryId)
    return try call.naming(repositoryName) {
      guard try call.registry.removeRepositorySetting(.repositoryPolicy, of: repositoryName) else {
        throw ECRError.repositoryPolicyNotFound(repositoryName, registry: call.registryID)
      }
      return output
    }
  }
}

struct RegistryPolicyOutput: Encodable, Sendable {
  let registryId: String
  let policyText: String
}

struct PutRegistryPolicy: OperationInput {
  var policyText: String

  enum CodingKeys: String, CodingKey, CaseIterable { case policyText }

  func run(_ call: Call) throws -> RegistryPolicyOutput {
    let policy = try parsed(policyText, as: .registry)
    guard try call.registry.registryPolicyScope().covers(policy) else {
      throw ECRError.invalidPolicy(
        .registry,
        "with REGISTRY_POLICY_SCOPE V1 it decides on ecr:ReplicateImage, ecr:CreateRepository and "
          + "ecr:BatchImportUpstreamImage alone")
    }
    try call.registry.setSetting(.registryPolicy, "", policyText)
    return RegistryPolicyOutput(registryId: call.registryID, policyText: policyText)
  }
}

struct GetRegistryPolicy: OperationInput {
  enum CodingKeys: CodingKey, CaseIterable {}

  init(from decoder: any Decoder) throws {}

  func run(_ call: Call) throws -> RegistryPolicyOutput { try call.registryPolicy() }
}

struct DeleteRegistryPolicy: OperationInput {
  enum CodingKeys: CodingKey, CaseIterable {}

  init(from decoder: any Decoder) throws {}

  func run(_ call: Call) throws -> RegistryPolicyOutput {
    let output = try call.registryPolicy()
    guard try call.registry.removeSetting(.registryPolicy) else {
      throw ECRError.registryPolicyNotFound(registry: call.registryID)
    }
    return output
  }
}

/// Policies of repositories and of the registry.
extension Operation {
  static let policies = [
    Operation(SetRepositoryPolicy.self), Operation(GetRepositoryPolicy.self), Operation(DeleteRepositoryPolicy.self),
    Operation(PutRegistryPolicy.self), Operation(GetRegistryPolicy.self), Operation(DeleteRegistryPolicy.self),
  ]
}
