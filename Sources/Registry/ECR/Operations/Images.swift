internal import ImageSpec
internal import Lifecycle
internal import RegistryServer

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

    static func list(_ manifests: some Collection<StoredManifest>, _ repository: String, _ call: Call) throws
      -> [Detail]
    {
      let scans = try call.registry.scanReports(of: manifests.map(\.id))
      let isContinuous = try !scans.isEmpty && call.scansContinuously(repository)
      return manifests.map { Detail($0, scans[$0.id], isContinuous, repository, call) }
    }

    init(_ manifest: StoredManifest, _ scan: ScanReport?, _ isContinuous: Bool, _ repository: String, _ call: Call) {
      imageScanStatus = scan.map { ImageScanStatus($0, of: manifest.storageClass, isContinuous: isContinuous) }
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
    let last = try Page.row(nextToken)
    let found = try call.images(
      in: repositoryName, after: last ?? 0, tagged: tagged, status: filter?.imageStatus, limit: page.limit + 1)
    let (shown, next) = page.cut(found) { String($0.id) }
    return Output(
      imageDetails: try Detail.list(shown, repositoryName, call),
      nextToken: next)
  }

  private func describe(_ images: [ImageIdentifier], _ call: Call) throws -> Output {
    try Page.checkNone(besides: "imageIds", nextToken, maxResults)
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

extension Operation {
  static let images = [
    Operation(ListImages.self), Operation(DescribeImages.self), Operation(BatchGetImage.self),
    Operation(BatchDeleteImage.self),
  ]
}
