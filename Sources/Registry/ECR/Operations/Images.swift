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
  fileprivate func images(
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
      case .unavailable: .upstreamUnavailable
      }
    self.init(image, code)
  }
}

/// Which images a listing shows.
struct ImageFilter: Decodable {
  var tagStatus: String?
  var imageStatus: String?

  /// true: those with tags, false: those without, nil: all.
  func tagged() -> Bool? {
    switch tagStatus {
    case nil, "ANY": nil
    case "TAGGED": true
    default: false
    }
  }

  /// The classes of images with a status. Here an image is in service as soon as it is restored, and none is ACTIVATING.
  static func classes(_ status: String?) -> [StorageClass] {
    switch status {
    case nil, "ACTIVE": [.standard]
    case "ARCHIVED": [.archive]
    case "ANY": StorageClass.allCases
    default: []
    }
  }
}

struct ListImages: OperationInput {
  var registryId: String?
  var repositoryName: String
  var nextToken: String?
  var maxResults: Int?
  var filter: ImageFilter?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, nextToken, maxResults, filter }

  struct Output: Encodable {
    var imageIds: [ImageIdentifier] = []
    var nextToken: String?
  }

  /// One entry a tag, in push order; an image without tags has one with its digest alone.
  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let page = Page(maxResults)
    let tagged = filter?.tagged()
    // A page may end amid the tags of an image: "<ID of the manifest>/<last tag shown>".
    let position = try Page.position(nextToken)?.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let last = try position.map { parts in
      guard parts.count == 2, let id = Int64(parts[0]) else {
        throw Page.invalidToken
      }
      return (id: id, tag: String(parts[1]))
    }
    var output = Output()
    let found = try call.images(
      in: repositoryName, after: (last?.id ?? 1) - 1, tagged: tagged, status: filter?.imageStatus, limit: page.limit + 2
    )
    var end = ""
    for manifest in found {
      var tags = manifest.tags
      if let last, manifest.id == last.id {
        if last.tag.isEmpty { continue }
        tags = tags.filter { $0 > last.tag }
        if tags.isEmpty { continue }
      }
      for tag in tags.isEmpty ? [nil] : tags.map(Optional.some) {
        guard output.imageIds.count < page.limit else {
          output.nextToken = Page.token(end)
          return output
        }
        output.imageIds.append(ImageIdentifier(digest: manifest.digest, tag: tag))
        end = "\(manifest.id)/\(tag ?? "")"
      }
    }
    return output
  }
}

struct DescribeImages: OperationInput {
  var registryId: String?
  var repositoryName: String
  var imageIds: [ImageIdentifier]?
  var nextToken: String?
  var maxResults: Int?
  var filter: ImageFilter?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registryId, repositoryName, imageIds, nextToken, maxResults, filter
  }

  struct Detail: Encodable {
    let registryId: String
    let repositoryName: String
    let imageDigest: String
    let imageTags: [String]?
    let imageSizeInBytes: Int64
    let imagePushedAt: Double
    let imageManifestMediaType: String
    let artifactMediaType: String?
    let lastRecordedPullTime: Double?
    let subjectManifestDigest: String?
    let imageStatus: String
    let lastArchivedAt: Double?
    let lastActivatedAt: Double?
    let imageScanStatus: ImageScanStatus?
    let imageScanFindingsSummary: ScanSummary?

    static func list(_ manifests: some Collection<StoredManifest>, _ repository: String, _ call: Call) throws -> [Detail] {
      let scans = try call.registry.scanReports(of: manifests.map(\.id))
      let isContinuous = try !scans.isEmpty && call.scansContinuously(repository)
      return manifests.map { Detail($0, scans[$0.id], isContinuous, repository, call) }
    }

    init(_ manifest: StoredManifest, _ scan: ScanReport?, _ isContinuous: Bool, _ repository: String, _ call: Call) {
      imageScanStatus = scan.map { ImageScanStatus($0, isContinuous: isContinuous) }
      imageScanFindingsSummary = scan.flatMap(ScanSummary.init)
      registryId = call.registryID
      repositoryName = repository
      imageDigest = manifest.digest.description
      imageTags = manifest.tags.isEmpty ? nil : manifest.tags
      imageSizeInBytes = manifest.contentSize
      imagePushedAt = seconds(manifest.pushed)
      imageManifestMediaType = manifest.mediaType.rawValue
      artifactMediaType = manifest.artifactType
      lastRecordedPullTime = manifest.pulled.map(seconds)
      subjectManifestDigest = manifest.subject?.description
      imageStatus = manifest.storageClass.imageStatus
      lastArchivedAt = manifest.archived.map(seconds)
      lastActivatedAt = manifest.activated.map(seconds)
    }
  }

  struct Output: Encodable {
    let imageDetails: [Detail]
    let nextToken: String?
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    // What was pulled a moment ago is in the answer too.
    try call.registry.recordPulls()
    if let imageIds { return try describe(imageIds, call) }
    let page = Page(maxResults)
    let tagged = filter?.tagged()
    let last = try Page.position(nextToken).map { text in
      guard let id = Int64(text) else {
        throw Page.invalidToken
      }
      return id
    }
    let found = try call.images(
      in: repositoryName, after: last ?? 0, tagged: tagged, status: filter?.imageStatus, limit: page.limit + 1)
    let shown = found.prefix(page.limit)
    return Output(
      imageDetails: try Detail.list(shown, repositoryName, call),
      nextToken: found.count > page.limit ? shown.last.map { Page.token(String($0.id)) } : nil)
  }

  private func describe(_ images: [ImageIdentifier], _ call: Call) throws -> Output {
    guard nextToken == nil, maxResults == nil else {
      throw ECRError.invalidParameter(
        "Invalid parameter at 'imageIds' failed to satisfy constraint: 'without nextToken and maxResults'")
    }
    var described: [StoredManifest] = []
    var seen = Set<Digest>()
    // What is asked for by name is shown whatever its status.
    let (tagged, classes) = (filter?.tagged(), ImageFilter.classes(filter?.imageStatus ?? "ANY"))
    for image in images {
      let manifest = try call.naming(repositoryName) { try call.image(image, in: repositoryName) }
      guard classes.contains(manifest.storageClass), tagged == nil || tagged == !manifest.tags.isEmpty else { continue }
      if seen.insert(manifest.digest).inserted { described.append(manifest) }
    }
    return Output(imageDetails: try Detail.list(described, repositoryName, call), nextToken: nil)
  }
}

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
    guard let cache = call.server.cache else { return [:] }
    var failures: [ImageIdentifier: ImageFailure] = [:]
    for image in imageIds {
      let digest = image.imageDigest.flatMap { try? Digest(parsing: $0) }
      let tag = image.imageTag.flatMap { Reference.isTag($0) ? $0 : nil }
      guard let reference = digest.map(ManifestReference.digest) ?? tag.map(ManifestReference.tag) else { continue }
      do { try await cache.prepare(reference, in: repositoryName, of: call.registry) } catch let error as UpstreamError
      {
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

extension Operation {
  static let images = [
    Operation(ListImages.self), Operation(DescribeImages.self), Operation(BatchGetImage.self),
    Operation(BatchDeleteImage.self),
  ]
}
