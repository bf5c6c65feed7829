internal import ImageSpec
internal import RegistryServer

struct PutImage: OperationInput {
  var registryId: String?
  var repositoryName: String
  var imageManifest: String
  var imageManifestMediaType: String?
  var imageTag: String?
  var imageDigest: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registryId, repositoryName, imageManifest, imageManifestMediaType, imageTag, imageDigest
  }

  struct Output: Encodable { let image: ImageOutput }

  /// A manifest of 4 MiB whose every quote is escaped, and what stands around it.
  static let bodyLimit = 12 << 20

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    if let imageTag, !Reference.isTag(imageTag) {
      throw ECRError.invalidParameter("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'")
    }
    let expected = try imageDigest.map { text in
      guard let digest = try? Digest(parsing: text) else {
        throw ECRError.invalidParameter("imageDigest", "must be a sha256 or sha512 digest")
      }
      return digest
    }
    let bytes = Array(imageManifest.utf8)
    let result = try call.naming(repositoryName) {
      _ = try call.registry.repository(repositoryName)
      return try put(bytes, expected, call)
    }
    guard result.isNew || result.tagsChanged || result.isRestored else {
      throw ECRError(
        "ImageAlreadyExistsException",
        "Image with digest '\(result.digest)' and tag '\(imageTag ?? "null")' already exists in the repository with name "
          + "'\(repositoryName)' in registry with id '\(call.registryID)'")
    }
    return Output(
      image: ImageOutput(
        registryId: call.registryID, repositoryName: repositoryName,
        imageId: ImageIdentifier(digest: result.digest, tag: imageTag), imageManifest: imageManifest,
        imageManifestMediaType: result.mediaType.rawValue))
  }

  /// The last step of a push, with what is wrong in ECR's words.
  private func put(_ bytes: [UInt8], _ expected: Digest?, _ call: Call) throws -> PutResult {
    do {
      let stated = try ManifestDocument.statedMediaType(bytes)
      guard imageManifestMediaType != nil || stated != nil else {
        throw ECRError.invalidParameter(
          "imageManifestMediaType", "must be given where the manifest does not contain its media type")
      }
      return try call.registry.putManifest(
        bytes, contentType: imageManifestMediaType.map { MediaType($0) }, in: repositoryName,
        tags: imageTag.map { [$0] } ?? [], expected: expected)
    } catch RegistryError.digestMismatch(let expected, let actual) {
      throw ECRError(
        "ImageDigestDoesNotMatchException",
        "The specified image digest '\(expected)' does not match the computed image digest '\(actual)'")
    } catch RegistryError.tagImmutable(let tag, _) {
      throw ECRError(
        "ImageTagAlreadyExistsException",
        "The image tag '\(tag)' already exists in the '\(repositoryName)' repository and cannot be overwritten because "
          + "the tag is immutable.")
    } catch RegistryError.referencesUnknown(let digests, let manifests, _) {
      let named = digests.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
      throw ECRError(
        manifests ? "ReferencedImagesNotFoundException" : "LayersNotFoundException",
        "The following \(manifests ? "images" : "layers") with digests \(named) do not exist in the repository with name "
          + "'\(repositoryName)' in the registry with id '\(call.registryID)'")
    } catch RegistryError.signatureRequired(let shortfall) {
      throw ECRError.invalidParameter("imageTag", shortfall.description)
    } catch RegistryError.manifestInvalid(let why) {
      throw ECRError.invalidParameter("imageManifest", why)
    } catch RegistryError.manifestTooLarge(let limit) {
      throw ECRError.limitExceeded("The image manifest has more than \(limit) bytes.")
    }
  }
}

extension Operation {
  static let putImage = [Operation(PutImage.self, bodyLimit: PutImage.bodyLimit)]
}
