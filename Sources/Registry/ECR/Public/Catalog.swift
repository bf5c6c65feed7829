internal import DistributionSpec
internal import FoundationEssentials
internal import HTTPTypes
internal import RegistryServer

extension PublicRegistry {
  struct CatalogInput: Decodable, Sendable {
    var description: String?
    var architectures: [String]?
    var operatingSystems: [String]?
    var logoImageBlob: Data?
    var aboutText: String?
    var usageText: String?

    func catalog() throws -> PublicRepository.Catalog {
      var catalog = PublicRepository.Catalog()
      catalog.description = description
      catalog.architectures = architectures
      catalog.operatingSystems = operatingSystems
      catalog.about = aboutText
      catalog.usage = usageText
      if let logoImageBlob {
        guard logoImageBlob.starts(with: Self.png) else {
          throw ECRError.invalidParameter("catalogData.logoImageBlob", "must be a PNG image")
        }
        catalog.logo = logoImageBlob.base64EncodedString()
      }
      return catalog
    }

    /// What each file of that format begins with. (PNG, section 5.2)
    private static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  }

  struct CatalogOutput: Encodable, Sendable {
    let description: String?
    let architectures: [String]?
    let operatingSystems: [String]?
    let logoUrl: String?
    let aboutText: String?
    let usageText: String?
    let marketplaceCertified = false

    init(_ catalog: PublicRepository.Catalog, _ repository: String, _ call: Call) {
      description = catalog.description
      architectures = catalog.architectures
      operatingSystems = catalog.operatingSystems
      logoUrl = catalog.logo == nil ? nil : "\(call.baseURL)\(Logo.prefix)\(call.registryID)/\(repository)"
      aboutText = catalog.about
      usageText = catalog.usage
    }
  }

  struct PutRepositoryCatalogData: OperationInput {
    var registryId: String?
    var repositoryName: String
    var catalogData: CatalogInput

    enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, catalogData }

    struct Output: Encodable { let catalogData: CatalogOutput }

    func run(_ call: Call) throws -> Output {
      try call.checkName(repositoryName, registry: registryId)
      let catalog = try catalogData.catalog()
      try call.naming(repositoryName) {
        try call.registry.setRepositorySetting(
          .publicRepository, of: repositoryName, PublicRepository(catalog: catalog))
      }
      return Output(catalogData: CatalogOutput(catalog, repositoryName, call))
    }
  }

  struct GetRepositoryCatalogData: OperationInput {
    var registryId: String?
    var repositoryName: String

    enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName }

    struct Output: Encodable { let catalogData: CatalogOutput }

    func run(_ call: Call) throws -> Output {
      try call.checkName(repositoryName, registry: registryId)
      guard let catalog = try call.registry.publicRepository(repositoryName)?.catalog else {
        throw ECRError(
          "RepositoryCatalogDataNotFoundException",
          "The repository with name '\(repositoryName)' in the registry with id '\(call.registryID)' has no catalog data"
        )
      }
      return Output(catalogData: CatalogOutput(catalog, repositoryName, call))
    }
  }

  struct RegistryCatalog: Encodable, Sendable {
    struct Data: Encodable, Sendable { let displayName: String? }
    let registryCatalogData: Data

    init(_ name: String?) { registryCatalogData = Data(displayName: name) }
  }

  struct PutRegistryCatalogData: OperationInput {
    var displayName: String?

    enum CodingKeys: String, CodingKey, CaseIterable { case displayName }

    func run(_ call: Call) throws -> RegistryCatalog {
      if let displayName { try call.registry.setSetting(.publicRegistryName, "", displayName) }
      return RegistryCatalog(try call.registry.setting(.publicRegistryName, as: String.self))
    }
  }

  struct GetRegistryCatalogData: OperationInput {
    typealias CodingKeys = NoMembers

    func run(_ call: Call) throws -> RegistryCatalog {
      RegistryCatalog(try call.registry.setting(.publicRegistryName, as: String.self))
    }
  }

  /// The picture of a public repository, which everybody may see: `/ecr/logos/<account>/<repository>`.
  struct Logo: Sendable {
    static let prefix = "/ecr/logos/"
    let account: String
    let repository: String

    /// nil where a request is for something else.
    init?(_ request: RegistryRequest) {
      guard request.path.hasPrefix(Self.prefix), let path = PercentEncoding.decode(request.path) else { return nil }
      let parts = path.dropFirst(Self.prefix.count).split(separator: "/", maxSplits: 1)
      guard parts.count == 2 else { return nil }
      account = String(parts[0])
      repository = String(parts[1])
    }

    func respond(_ server: RegistryServer) async -> RegistryResponse {
      let registry = server.registry.at(PublicRegistry.realm(of: account, server))
      let found = try? await server.blocking { try registry.publicRepository(repository)?.catalog?.logo }
      guard let text = found ?? nil, let image = FoundationEssentials.Data(base64Encoded: text) else {
        return RegistryResponse(.notFound, contentType: "text/plain", bytes: Array("there is no such picture\n".utf8))
      }
      var response = RegistryResponse(.ok, contentType: "image/png", bytes: Array(image))
      response.headers[.xContentTypeOptions] = "nosniff"
      return response
    }
  }
}

extension Operation {
  static let publicRegistry = [
    Operation(PublicRegistry.CreateRepository.self), Operation(PublicRegistry.DescribeRepositories.self),
    Operation(PublicRegistry.DeleteRepository.self), Operation(PublicRegistry.DescribeRegistries.self),
    Operation(PublicRegistry.DescribeImages.self), Operation(PublicRegistry.DescribeImageTags.self),
    Operation(PublicRegistry.GetAuthorizationToken.self), Operation(PublicRegistry.PutRepositoryCatalogData.self),
    Operation(PublicRegistry.GetRepositoryCatalogData.self), Operation(PublicRegistry.PutRegistryCatalogData.self),
    Operation(PublicRegistry.GetRegistryCatalogData.self),
    // The same as in Amazon ECR, on public repositories alone.
    Operation(BatchCheckLayerAvailability.self), Operation(BatchDeleteImage.self),
    Operation(CompleteLayerUpload.self), Operation(InitiateLayerUpload.self),
    Operation(PutImage.self, bodyLimit: PutImage.bodyLimit),
    Operation(UploadLayerPart.self, bodyLimit: UploadLayerPart.bodyLimit), Operation(TagResource.self),
    Operation(UntagResource.self), Operation(ListTagsForResource.self), Operation(SetRepositoryPolicy.self),
    Operation(GetRepositoryPolicy.self), Operation(DeleteRepositoryPolicy.self),
  ]
}
