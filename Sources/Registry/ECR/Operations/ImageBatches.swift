internal import DistributionSpec
internal import ImageSpec
internal import RegistryServer

/// An image with its manifest.
struct ImageOutput: Encodable, Sendable {
  let registryId: String
  let repositoryName: String
  let imageId: ImageIdentifier
  let imageManifest: String
  let imageManifestMediaType: String
}

struct BatchGetImage: AsyncOperationInput {
  var registryId: String?
  var repositoryName: String
  var imageIds: [ImageIdentifier]
  var acceptedMediaTypes: [String]?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, imageIds, acceptedMediaTypes }

  struct Output: Encodable {
    var images: [ImageOutput] = []
    var failures: [ImageFailure] = []
  }

  /// Bytes of manifests in one answer: a hundred of the largest would be 400 MiB.
  private static let answerLimit = 32 << 20

  func run(_ call: Call) async throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let failures = try await prepare(call)
    return try await call.server.blocking { try collect(failures, call) }
  }

  /// Has what a cache's rule covers fetched. Returns why some could not be.
  private func prepare(_ call: Call) async throws -> [ImageIdentifier: ImageFailure] {
    guard let cache = try await call.server.filling(repositoryName, of: call.registry, for: call.asker) else { return [:] }
    var failures: [ImageIdentifier: ImageFailure] = [:]
    for image in imageIds {
      let digest = image.imageDigest.flatMap { try? Digest(parsing: $0) }
      let tag = image.imageTag.flatMap { Reference.isTag($0) ? $0 : nil }
      guard let reference = digest.map(ManifestReference.digest) ?? tag.map(ManifestReference.tag) else { continue }
      do { try await cache.prepare(reference, in: repositoryName, of: call.registry) } catch let error as UpstreamError {
        failures[image] = ImageFailure(image, error)
      }
    }
    // A repository that nothing could be fetched for was not made: then this is all there is to say.
    if let failure = failures.values.first, try !call.registry.repositoryExists(repositoryName) {
      if failure.failureCode == .notFound {
        throw ECRError.repositoryNotFound(repositoryName, registry: call.registryID)
      }
      throw ECRError("UnableToGetUpstreamImageException", failure.failureReason)
    }
    return failures
  }

  private func collect(_ failures: [ImageIdentifier: ImageFailure], _ call: Call) throws -> Output {
    var output = Output()
    var size = 0
    for image in imageIds {
      do {
        if let failure = failures[image] { throw failure }
        let found = try call.naming(repositoryName) { try call.find(image, in: repositoryName) }
        if let acceptedMediaTypes, !acceptedMediaTypes.contains(found.mediaType.rawValue) {
          throw ImageFailure(image, .notFound)
        }
        let content = try call.registry.manifest(.digest(found.digest), in: repositoryName, by: call.caller.user)
        _ = try call.registry.enforceSignatures(content.digest, content.bytes, in: repositoryName, at: .pull)
        size += content.bytes.count
        guard size <= Self.answerLimit else {
          throw ECRError.limitExceeded(
            "These manifests have more than \(Self.answerLimit) bytes: ask for fewer images.")
        }
        output.images.append(
          ImageOutput(
            registryId: call.registryID, repositoryName: repositoryName,
            imageId: ImageIdentifier(digest: found.digest, tag: image.imageTag),
            imageManifest: String(decoding: content.bytes, as: UTF8.self),
            imageManifestMediaType: content.mediaType.rawValue))
      } catch let failure as ImageFailure {
        output.failures.append(failure)
      } catch RegistryError.manifestArchived {
        output.failures.append(ImageFailure(image, .inaccessible))
      } catch RegistryError.manifestUnknown {
        // Deleted since it was found.
        output.failures.append(ImageFailure(image, .notFound))
      } catch RegistryError.signatureRequired(let shortfall) {
        output.failures.append(ImageFailure(image, .inaccessible, shortfall.description))
      }
    }
    return output
  }
}

struct BatchDeleteImage: OperationInput {
  var registryId: String?
  var repositoryName: String
  var imageIds: [ImageIdentifier]

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, imageIds }

  struct Output: Encodable {
    var imageIds: [ImageIdentifier] = []
    var failures: [ImageFailure] = []
  }

  /// By tag, the tag goes, and the image with its last one; by digest, the image and all its tags.
  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    var output = Output()
    for image in imageIds {
      do {
        let found = try call.naming(repositoryName) { try call.find(image, in: repositoryName) }
        if let tag = image.imageTag {
          _ = try call.registry.deleteImage(tag: tag, in: repositoryName)
          output.imageIds.append(ImageIdentifier(digest: found.digest, tag: tag))
        } else {
          try call.registry.deleteManifest(found.digest, in: repositoryName, protectingIndexes: true)
          let tags = found.tags.isEmpty ? [nil] : found.tags.map(Optional.some)
          output.imageIds += tags.map { ImageIdentifier(digest: found.digest, tag: $0) }
        }
      } catch let failure as ImageFailure {
        output.failures.append(failure)
      } catch RegistryError.manifestReferenced {
        output.failures.append(ImageFailure(image, .referencedByManifestList))
      } catch RegistryError.manifestUnknown {
        output.failures.append(ImageFailure(image, .notFound))
      }
    }
    return output
  }
}
