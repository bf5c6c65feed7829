internal import ImageSpec
internal import Lifecycle
internal import RegistryServer

/// What refers to an image: signatures, bills of materials and the like.
///
/// In a repository that a pull-through cache rule covers, the upstream's list is looked at first, as a pull looks for a tag
/// there, and what it lists is kept here; so it is for `/v2/<name>/referrers/`. ECR finds an upstream's referrers when they
/// are asked for too, and has an exception for an upstream that gives no list. (Amazon ECR, ListImageReferrers,
/// UnableToListUpstreamImageReferrersException)
struct ListImageReferrers: AsyncOperationInput {
  struct Subject: Decodable { let imageDigest: String }

  struct Filter: Decodable {
    let artifactTypes: [String]?
    let artifactStatus: String?
  }

  var registryId: String?
  var repositoryName: String
  var subjectId: Subject
  var filter: Filter?
  var nextToken: String?
  var maxResults: Int?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registryId, repositoryName, subjectId, filter, nextToken, maxResults
  }

  struct Referrer: Encodable {
    let digest: String
    let mediaType: String
    let artifactType: String?
    let size: Int64
    let annotations: [String: String]?
    let artifactStatus: String
  }

  struct Output: Encodable {
    var referrers: [Referrer] = []
    var nextToken: String?
  }

  func run(_ call: Call) async throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    guard let subject = try? Digest(parsing: subjectId.imageDigest) else {
      throw ECRError.invalidParameter("subjectId.imageDigest", "must be a sha256 or sha512 digest")
    }
    do {
      try await call.server.filling(repositoryName, of: call.registry, for: call.asker)?.prepareReferrers(
        of: subject, in: repositoryName, of: call.registry)
    } catch let error as UpstreamError {
      throw ECRError("UnableToListUpstreamImageReferrersException", error.description)
    }
    return try await call.server.blocking { try list(subject, call) }
  }

  private func list(_ subject: Digest, _ call: Call) throws -> Output {
    let page = Page(maxResults, standard: 20)
    var last = try Page.row(nextToken)
    // One type is for the database; of several, those wanted are taken out of what it has, a page at a time.
    let types = filter?.artifactTypes.map { Set($0) }
    let classes = ImageFilter.classes(filter?.artifactStatus)
    let only = types.flatMap { $0.count == 1 ? $0.first : nil }
    var found: [StoredManifest] = []
    try call.naming(repositoryName) {
      var isMore = !classes.isEmpty
      while isMore, found.count <= page.limit {
        let some = try call.registry.referrers(
          of: subject, artifactType: only, in: repositoryName,
          storageClass: classes.count == 1 ? classes[0] : nil, after: last ?? 0, limit: 200)
        found += some.filter { types?.contains($0.artifactType ?? "") ?? true }
        last = some.last?.id
        isMore = some.count == 200
      }
    }
    let (shown, next) = page.cut(found) { String($0.id) }
    return Output(
      referrers: shown.map {
        Referrer(
          digest: $0.digest.description, mediaType: $0.mediaType.rawValue, artifactType: $0.artifactType, size: $0.size,
          annotations: $0.annotations, artifactStatus: $0.storageClass.imageStatus)
      }, nextToken: next)
  }
}

extension Operation {
  static let referrers = [Operation(ListImageReferrers.self)]
}
