internal import DistributionSpec
internal import ImageSpec
internal import Lifecycle
internal import RegistryServer

/// What an operation calls an image by: its digest, a tag, or both.
struct ImageIdentifier: Hashable, Sendable, Codable, CustomStringConvertible {
  var imageDigest: String?
  var imageTag: String?

  var description: String { "{imageDigest:'\(imageDigest ?? "null")', imageTag:'\(imageTag ?? "null")'}" }

  init(digest: Digest?, tag: String? = nil) {
    imageDigest = digest?.description
    imageTag = tag
  }
}

/// Why an operation on several images left one out; the rest of it succeeds.
struct ImageFailure: Error, Encodable {
  enum Code: String, Encodable {
    case invalidDigest = "InvalidImageDigest"
    case invalidTag = "InvalidImageTag"
    case tagDoesNotMatchDigest = "ImageTagDoesNotMatchDigest"
    case notFound = "ImageNotFound"
    case missingDigestAndTag = "MissingDigestAndTag"
    case referencedByManifestList = "ImageReferencedByManifestList"
    case inaccessible = "ImageInaccessible"
    case upstreamAccessDenied = "UpstreamAccessDenied"
    case upstreamTooManyRequests = "UpstreamTooManyRequests"
    case upstreamUnavailable = "UpstreamUnavailable"
  }

  let imageId: ImageIdentifier
  let failureCode: Code
  let failureReason: String

  /// `reason` is the code's own words where it is left out.
  init(_ image: ImageIdentifier, _ code: Code, _ reason: String? = nil) {
    imageId = image
    failureCode = code
    let words =
      switch code {
      case .invalidDigest:
        "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
      case .invalidTag:
        "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'"
      case .tagDoesNotMatchDigest: "Requested image tag does not match the requested image digest"
      case .notFound: "Requested image not found"
      case .missingDigestAndTag: "Invalid request parameters: both tag and digest cannot be null"
      case .referencedByManifestList: "Requested image referenced by manifest list"
      case .inaccessible: "Requested image is not accessible"
      case .upstreamAccessDenied: "The upstream registry denied access to the requested image"
      case .upstreamTooManyRequests: "The upstream registry limits requests at the moment"
      case .upstreamUnavailable: "The upstream registry does not answer"
      }
    failureReason = reason ?? words
  }
}

extension Call {
  /// The manifest that an identifier means, with its tags. Throws `ImageFailure`.
  func find(_ image: ImageIdentifier, in repository: String) throws -> StoredManifest {
    let reference: ManifestReference
    if let text = image.imageDigest {
      guard let digest = try? Digest(parsing: text) else { throw ImageFailure(image, .invalidDigest) }
      reference = .digest(digest)
    } else if let tag = image.imageTag {
      reference = .tag(tag)
    } else {
      throw ImageFailure(image, .missingDigestAndTag)
    }
    if let tag = image.imageTag, !Reference.isTag(tag) { throw ImageFailure(image, .invalidTag) }
    guard let found = try registry.manifests([reference], in: repository)[0] else {
      throw ImageFailure(image, .notFound)
    }
    if let tag = image.imageTag, !found.tags.contains(tag) { throw ImageFailure(image, .tagDoesNotMatchDigest) }
    return found
  }
}

extension Call {
  /// The same for operations on one image. Throws `ECRError`.
  func image(_ image: ImageIdentifier, in repository: String) throws -> StoredManifest {
    do { return try find(image, in: repository) } catch let failure as ImageFailure {
      switch failure.failureCode {
      case .notFound, .tagDoesNotMatchDigest:
        throw ECRError.imageNotFound(image, repository: repository, registry: registryID)
      default: throw ECRError.invalidParameter(failure.failureReason)
      }
    }
  }
}

extension StorageClass {
  /// ECR's word for an image of the class.
  var imageStatus: String { self == .standard ? "ACTIVE" : "ARCHIVED" }
}

extension Call {
  /// Images with their tags in push order, those after the one with the ID `last`.
  func images(
    in repository: String, after last: Int64, tagged: Bool?, status: String?, limit: Int
  ) throws -> [StoredManifest] {
    let classes = ImageFilter.classes(status)
    return try naming(repository) {
      guard !classes.isEmpty else {
        _ = try registry.repository(repository)
        return []
      }
      return try registry.manifests(
        in: repository, after: last, tagged: tagged, storageClass: classes.count == 1 ? classes[0] : nil, limit: limit)
    }
  }
}

extension ImageFailure {
  init(_ image: ImageIdentifier, _ error: UpstreamError) {
    let code: Code =
      switch error {
      case .notFound: .notFound
      case .accessDenied, .notAllowed: .upstreamAccessDenied
      case .tooManyRequests: .upstreamTooManyRequests
      case .unavailable, .readOnly: .upstreamUnavailable
      }
    self.init(image, code, code == .upstreamUnavailable ? error.description : nil)
  }
}
