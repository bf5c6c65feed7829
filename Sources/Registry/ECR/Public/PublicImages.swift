internal import FoundationEssentials
internal import ImageSpec
internal import RegistryServer

extension PublicRegistry {
  struct ImageDetail: Encodable, Sendable {
    let registryId: String
    let repositoryName: String
    let imageDigest: String
    let imageTags: [String]?
    let imageSizeInBytes: Int64
    let imagePushedAt: Double
    let imageManifestMediaType: String
    let artifactMediaType: String?

    init(_ manifest: StoredManifest, _ repository: String, _ call: Call) {
      registryId = call.registryID
      repositoryName = repository
      imageDigest = manifest.digest.description
      imageTags = manifest.tags.isEmpty ? nil : manifest.tags
      imageSizeInBytes = manifest.contentSize
      imagePushedAt = seconds(manifest.pushed)
      imageManifestMediaType = manifest.mediaType.rawValue
      artifactMediaType = manifest.artifactType
    }
  }

  struct DescribeImages: OperationInput {
    var registryId: String?
    var repositoryName: String
    var imageIds: [ImageIdentifier]?
    var nextToken: String?
    var maxResults: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case registryId, repositoryName, imageIds, nextToken, maxResults
    }

    struct Output: Encodable {
      let imageDetails: [ImageDetail]
      let nextToken: String?
    }

    func run(_ call: Call) throws -> Output {
      try call.checkName(repositoryName, registry: registryId)
      return try call.naming(repositoryName) {
        if let imageIds {
          try Page.checkNone(besides: "imageIds", nextToken, maxResults)
          let found = try imageIds.map { try call.image($0, in: repositoryName) }
          return Output(imageDetails: found.map { ImageDetail($0, repositoryName, call) }, nextToken: nil)
        }
        let page = Page(maxResults)
        let last = try Page.row(nextToken)
        let found = try call.registry.manifests(in: repositoryName, after: last ?? 0, limit: page.limit + 1)
        let (shown, next) = page.cut(found) { String($0.id) }
        return Output(
          imageDetails: shown.map { ImageDetail($0, repositoryName, call) },
          nextToken: next)
      }
    }
  }

  struct DescribeImageTags: OperationInput {
    var registryId: String?
    var repositoryName: String
    var nextToken: String?
    var maxResults: Int?

    enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, nextToken, maxResults }

    struct Referenced: Encodable {
      let imageDigest: String
      let imageSizeInBytes: Int64
      let imagePushedAt: Double
      let imageManifestMediaType: String
      let artifactMediaType: String?
    }

    struct Detail: Encodable {
      let imageTag: String
      let createdAt: Double
      let imageDetail: Referenced
    }

    struct Output: Encodable {
      let imageTagDetails: [Detail]
      let nextToken: String?
    }

    func run(_ call: Call) throws -> Output {
      try call.checkName(repositoryName, registry: registryId)
      let page = Page(maxResults)
      let found = try call.naming(repositoryName) {
        try call.registry.tagDetails(repositoryName, after: Page.position(nextToken), limit: page.limit + 1)
      }
      let (shown, next) = page.cut(found, at: \.tag)
      return Output(
        imageTagDetails: shown.map { entry in
          Detail(
            imageTag: entry.tag, createdAt: seconds(entry.updated),
            imageDetail: Referenced(
              imageDigest: entry.manifest.digest.description, imageSizeInBytes: entry.manifest.contentSize,
              imagePushedAt: seconds(entry.manifest.pushed), imageManifestMediaType: entry.manifest.mediaType.rawValue,
              artifactMediaType: entry.manifest.artifactType))
        }, nextToken: next)
    }
  }

  struct GetAuthorizationToken: OperationInput {
    typealias CodingKeys = NoMembers

    struct Output: Encodable {
      struct Authorization: Encodable {
        let authorizationToken: String
        let expiresAt: Double
      }
      let authorizationData: Authorization
    }

    /// One object here, where Amazon ECR has a list.
    func run(_ call: Call) throws -> Output {
      let token = call.authenticator.issueToken(for: call.caller)
      return Output(
        authorizationData: .init(
          authorizationToken: Data("AWS:\(token.password)".utf8).base64EncodedString(), expiresAt: Double(token.expires)
        ))
    }
  }
}
