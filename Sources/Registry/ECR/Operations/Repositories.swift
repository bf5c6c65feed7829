internal import ImageSpec
internal import RegistryServer

/// A repository as ECR describes it.
struct RepositoryDescription: Encodable {
  struct Encryption: Encodable { let encryptionType = "AES256" }

  let repositoryArn: String
  let registryId: String
  let repositoryName: String
  let repositoryUri: String
  let createdAt: Double
  let imageTagMutability: String
  let imageTagMutabilityExclusionFilters: [MutabilityFilter]?
  let imageScanningConfiguration: ImageScanningConfiguration
  let encryptionConfiguration = Encryption()

  static func list(_ repositories: some Collection<Repository>, _ call: Call) throws -> [RepositoryDescription] {
    let scanned = try call.registry.scanningOnPush(Array(repositories))
    return repositories.map { RepositoryDescription($0, scansOnPush: scanned.contains($0.id), call) }
  }

  init(_ repository: Repository, scansOnPush: Bool, _ call: Call) {
    imageScanningConfiguration = .init(scanOnPush: scansOnPush)
    repositoryArn = call.arn(repository.name)
    registryId = call.registryID
    repositoryName = repository.name
    repositoryUri = "\(call.imagePrefix)/\(repository.name)"
    createdAt = seconds(repository.created)
    imageTagMutability = repository.mutability.rule.rawValue
    imageTagMutabilityExclusionFilters = MutabilityFilter.list(repository.mutability)
  }
}

struct RepositoryOutput: Encodable { let repository: RepositoryDescription }

extension Call {
  /// Whether a call means this registry, and for ECR Public a public repository of it; the name has the model's form by
  /// now. Throws `ECRError`.
  func checkName(_ name: String, registry id: String?) throws {
    if isPublic {
      try checkPublicRegistry(id)
      guard try registry.publicRepository(name) != nil else {
        throw ECRError.repositoryNotFound(name, registry: registryID)
      }
      return
    }
    guard id == nil || id == registryID else { throw ECRError.repositoryNotFound(name, registry: id ?? "") }
  }
}

/// How a repository is to be encrypted: content here lies as the disk keeps it, and there are no keys to choose from.
struct RequestedEncryption: Codable, Sendable {
  let encryptionType: String
  let kmsKey: String?

  /// Throws `ECRError` for anything but the default: KmsException, unless the operation does not declare it.
  func check(declaresKMS: Bool = true) throws {
    guard encryptionType == "AES256" else {
      let why = "This registry has no key management service: use the encryption type AES256"
      throw declaresKMS
        ? ECRError.kms(why)
        : ECRError.invalidParameter("Invalid parameter at 'encryptionConfiguration.encryptionType': \(why)")
    }
    // AWS takes no key with AES256 either.
    guard kmsKey == nil || kmsKey == "" else {
      throw ECRError.invalidParameter("encryptionConfiguration.kmsKey", "must not be given with AES256")
    }
  }
}

struct CreateRepository: OperationInput {
  var registryId: String?
  var repositoryName: String
  var tags: [ResourceTag]?
  var imageTagMutability: String?
  var imageTagMutabilityExclusionFilters: [MutabilityFilter]?
  var imageScanningConfiguration: ImageScanningConfiguration?
  var encryptionConfiguration: RequestedEncryption?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registryId, repositoryName, tags, imageTagMutability, imageTagMutabilityExclusionFilters
    case imageScanningConfiguration, encryptionConfiguration
  }

  func run(_ call: Call) throws -> RepositoryOutput {
    try call.checkName(repositoryName, registry: registryId)
    try encryptionConfiguration?.check()
    let labels = try ResourceTag.labels(tags ?? [])
    let mutability = try TagMutability(imageTagMutability ?? "MUTABLE", exclusions: imageTagMutabilityExclusionFilters)
    do {
      let scansOnPush = imageScanningConfiguration?.scanOnPush ?? false
      let created = try call.registry.createRepository(repositoryName, mutability: mutability, labels: labels) {
        session, repository in
        if scansOnPush { try call.registry.setScansOnPush(session, true, repository.id) }
      }
      return RepositoryOutput(repository: .init(created, scansOnPush: scansOnPush, call))
    } catch RegistryError.repositoryExists(let name) {
      throw ECRError.repositoryAlreadyExists(name, registry: call.registryID)
    }
  }
}

struct DescribeRepositories: OperationInput {
  var registryId: String?
  var repositoryNames: [String]?
  var nextToken: String?
  var maxResults: Int?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryNames, nextToken, maxResults }

  struct Output: Encodable {
    let repositories: [RepositoryDescription]
    let nextToken: String?
  }

  func run(_ call: Call) throws -> Output {
    if let repositoryNames {
      try Page.checkNone(besides: "repositoryNames", nextToken, maxResults)
      let found = try repositoryNames.map { name in
        try call.checkName(name, registry: registryId)
        return try call.naming(name) { try call.registry.repository(name) }
      }
      return Output(repositories: try RepositoryDescription.list(found, call), nextToken: nil)
    }
    if let registryId, registryId != call.registryID {
      throw ECRError.invalidParameter(
        "Invalid parameter at 'registryId': the registry here has the id '\(call.registryID)'")
    }
    let page = Page(maxResults)
    let found = try call.registry.repositories(after: try Page.position(nextToken), limit: page.limit + 1)
    let (shown, next) = page.cut(found, at: \.name)
    return Output(
      repositories: try RepositoryDescription.list(shown, call),
      nextToken: next)
  }
}

struct DeleteRepository: OperationInput {
  var registryId: String?
  var repositoryName: String
  var force: Bool?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, force }

  func run(_ call: Call) throws -> RepositoryOutput {
    try call.checkName(repositoryName, registry: registryId)
    return try call.naming(repositoryName) {
      let scansOnPush = try !call.registry.scanningOnPush([call.registry.repository(repositoryName)]).isEmpty
      return RepositoryOutput(
        repository: .init(
          try call.registry.deleteRepository(repositoryName, force: force ?? false), scansOnPush: scansOnPush, call))
    }
  }
}

extension Call {
  /// Turns what the registry says of a repository into ECR's words.
  func naming<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch RegistryError.repositoryUnknown {
      throw ECRError.repositoryNotFound(name, registry: registryID)
    } catch RegistryError.repositoryNotEmpty {
      throw ECRError.repositoryNotEmpty(name, registry: registryID)
    }
  }
}

extension Operation {
  static let repositories = [
    Operation(CreateRepository.self), Operation(DescribeRepositories.self), Operation(DeleteRepository.self),
  ]
}
