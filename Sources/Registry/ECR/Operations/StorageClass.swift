internal import Lifecycle
internal import RegistryServer

struct UpdateImageStorageClass: OperationInput {
  var registryId: String?
  var repositoryName: String
  var imageId: ImageIdentifier
  var targetStorageClass: String

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, imageId, targetStorageClass }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let imageId: ImageIdentifier
    let imageStatus: String
  }

  /// An image that has the class already keeps it. One that is restored is in service at once: nothing has to be fetched.
  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let target: StorageClass = targetStorageClass == "ARCHIVE" ? .archive : .standard
    do {
      let image = try call.naming(repositoryName) { try call.image(imageId, in: repositoryName) }
      if image.storageClass != target {
        switch target {
        case .archive: try call.registry.archive(image.digest, in: repositoryName)
        case .standard: try call.registry.restore(image.digest, in: repositoryName)
        }
      }
      return Output(
        registryId: call.registryID, repositoryName: repositoryName,
        imageId: ImageIdentifier(digest: image.digest, tag: imageId.imageTag), imageStatus: target.imageStatus)
    } catch RegistryError.manifestUnknown {
      throw ECRError.imageNotFound(imageId, repository: repositoryName, registry: call.registryID)
    } catch RegistryError.manifestReferenced(let digest, let index, _) {
      throw ECRError(
        "ImageStorageClassUpdateNotSupportedException",
        "The image '\(digest)' is part of the manifest list '\(index)', which is not archived; archive that first")
    }
  }
}

struct RegisterPullTimeUpdateExclusion: OperationInput {
  var principalArn: String

  enum CodingKeys: String, CodingKey, CaseIterable { case principalArn }

  struct Output: Encodable {
    let principalArn: String
    let createdAt: Double
  }

  func run(_ call: Call) throws -> Output {
    do {
      guard let exclusion = try call.registry.addPullTimeExclusion(principalArn) else {
        throw ECRError(
          "ExclusionAlreadyExistsException", "The pull time update exclusion for '\(principalArn)' already exists")
      }
      return Output(principalArn: principalArn, createdAt: seconds(exclusion.created))
    } catch RegistryError.tooManyExclusions(let limit) {
      throw ECRError.limitExceeded("A registry has at most \(limit) pull time update exclusions.")
    }
  }
}

struct DeregisterPullTimeUpdateExclusion: OperationInput {
  var principalArn: String

  enum CodingKeys: String, CodingKey, CaseIterable { case principalArn }

  struct Output: Encodable { let principalArn: String }

  func run(_ call: Call) throws -> Output {
    guard try call.registry.removePullTimeExclusion(principalArn) else {
      throw ECRError("ExclusionNotFoundException", "There is no pull time update exclusion for '\(principalArn)'")
    }
    return Output(principalArn: principalArn)
  }
}

struct ListPullTimeUpdateExclusions: OperationInput {
  var maxResults: Int?
  var nextToken: String?

  enum CodingKeys: String, CodingKey, CaseIterable { case maxResults, nextToken }

  struct Output: Encodable {
    let pullTimeUpdateExclusions: [String]
    let nextToken: String?
  }

  func run(_ call: Call) throws -> Output {
    let page = Page(maxResults)
    let found = try call.registry.pullTimeExclusions(after: Page.position(nextToken), limit: page.limit + 1)
    let (shown, next) = page.cut(found, at: \.self)
    return Output(
      pullTimeUpdateExclusions: Array(shown),
      nextToken: next)
  }
}
