internal import ImageSpec
internal import RegistryServer

/// Operations of Amazon ECR Public that are not those of Amazon ECR under the same name. (botocore, ecr-public/2020-10-30)
///
/// The public repositories are those of the realm that carry a mark: everybody may pull from them, by the same names.
enum PublicRegistry {
  /// What stands for the registry's ID where calls name it.
  static let alias = "public"
  /// The one region that the service has.
  static let region = "us-east-1"

  /// The realm that has the public repositories of an account. Throws `ECRError` for a call to another region.
  static func realm(of account: String, _ region: String, _ server: RegistryServer) throws(ECRError) -> Realm {
    guard region == Self.region else {
      throw ECRError(
        "UnsupportedCommandException", "Amazon ECR Public is called in \(Self.region), not in '\(region.prefix(40))'.")
    }
    return realm(of: account, server)
  }

  /// The main one where the account has none by the name of that region.
  static func realm(of account: String, _ server: RegistryServer) -> Realm {
    server.realms.find(account: account, region: region) ?? .main
  }
}

extension Call {
  func publicARN(_ repository: String) -> String { "arn:aws:ecr-public::\(registryID):repository/\(repository)" }
}

/// A public repository as ECR Public describes it.
struct PublicRepositoryDescription: Encodable, Sendable {
  let repositoryArn: String
  let registryId: String
  let repositoryName: String
  let repositoryUri: String
  let createdAt: Double

  init(_ repository: Repository, _ call: Call) {
    repositoryArn = call.publicARN(repository.name)
    registryId = call.registryID
    repositoryName = repository.name
    repositoryUri = "\(call.imagePrefix)/\(repository.name)"
    createdAt = seconds(repository.created)
  }
}

extension PublicRegistry {
  struct CreateRepository: OperationInput {
    var repositoryName: String
    var catalogData: CatalogInput?
    var tags: [ResourceTag]?

    enum CodingKeys: String, CodingKey, CaseIterable { case repositoryName, catalogData, tags }

    struct Output: Encodable {
      let repository: PublicRepositoryDescription
      let catalogData: CatalogOutput?
    }

    func run(_ call: Call) throws -> Output {
      let labels = try ResourceTag.labels(tags ?? [])
      let catalog = try catalogData?.catalog()
      do {
        let made = try call.registry.createRepository(repositoryName, mutability: TagMutability(), labels: labels) {
          try call.registry.setRepositorySetting($0, .publicRepository, of: $1.id, PublicRepository(catalog: catalog))
        }
        return Output(
          repository: .init(made, call), catalogData: catalog.map { CatalogOutput($0, repositoryName, call) })
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
      let repositories: [PublicRepositoryDescription]
      let nextToken: String?
    }

    func run(_ call: Call) throws -> Output {
      if let repositoryNames {
        try Page.checkNone(besides: "repositoryNames", nextToken, maxResults)
        let found = try repositoryNames.map { name in
          try call.checkName(name, registry: registryId)
          return try call.naming(name) { try call.registry.repository(name) }
        }
        return Output(repositories: found.map { .init($0, call) }, nextToken: nil)
      }
      try call.checkPublicRegistry(registryId)
      let page = Page(maxResults)
      let found = try call.registry.publicRepositories(after: Page.position(nextToken), limit: page.limit + 1)
      let (shown, next) = page.cut(found, at: \.name)
      return Output(
        repositories: shown.map { .init($0, call) },
        nextToken: next)
    }
  }

  struct DeleteRepository: OperationInput {
    var registryId: String?
    var repositoryName: String
    var force: Bool?

    enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, force }

    struct Output: Encodable { let repository: PublicRepositoryDescription }

    func run(_ call: Call) throws -> Output {
      try call.checkName(repositoryName, registry: registryId)
      return try call.naming(repositoryName) {
        Output(
          repository: .init(try call.registry.deleteRepository(repositoryName, force: force ?? false), call))
      }
    }
  }

  struct DescribeRegistries: OperationInput {
    var nextToken: String?
    var maxResults: Int?

    enum CodingKeys: String, CodingKey, CaseIterable { case nextToken, maxResults }

    struct Alias: Encodable {
      let name = PublicRegistry.alias
      let status = "ACTIVE"
      let primaryRegistryAlias = true
      let defaultRegistryAlias = true
    }

    struct Description: Encodable {
      let registryId: String
      let registryArn: String
      let registryUri: String
      let verified = false
      let aliases = [Alias()]
    }

    struct Output: Encodable { let registries: [Description] }

    /// There is one, and so never a second page.
    func run(_ call: Call) throws -> Output {
      guard nextToken == nil else { throw Page.invalidToken }
      return Output(
        registries: [
          Description(
            registryId: call.registryID,
            registryArn: "arn:aws:ecr-public::\(call.registryID):registry/\(call.registryID)",
            registryUri: call.imagePrefix)
        ])
    }
  }
}

extension Call {
  /// Whether a call means this registry, by its ID or alias. Throws `ECRError`.
  func checkPublicRegistry(_ id: String?) throws {
    guard id == nil || id == registryID || id == PublicRegistry.alias else {
      throw ECRError.invalidParameter(
        "registryId", "must be '\(registryID)' or '\(PublicRegistry.alias)', the registry that is called")
    }
  }
}
