import DistributionSpec
import HTTPTypes
import ImageSpec
import NIOCore

extension RegistryServer {
  func getManifest(
    _ admitted: Admitted, _ name: String, _ reference: ManifestReference, _ request: RegistryRequest
  ) async throws -> RegistryResponse {
    try await filling(name, of: admitted.registry, for: admitted.caller)?.prepare(
      reference, in: name, of: admitted.registry)
    let content: ManifestContent
    let warnings: [String]
    let (registry, user) = (admitted.registry, admitted.caller.principal.user)
    // With a database that has no watch nothing is kept in memory, and looking at it here would hold the event loop.
    if registry.keepsManifests, try !registry.hasSignaturePolicies(for: name),
      let hot = try registry.hotManifest(reference, in: name, by: user)
    {
      (content, warnings) = (hot, [])
    } else {
      (content, warnings) = try await blocking {
        let content = try registry.manifest(reference, in: name, by: user)
        let shortfalls = try registry.enforceSignatures(content.digest, content.bytes, in: name, at: .pull)
        return (content, shortfalls.map(\.description))
      }
    }
    guard Self.accepts(request.headers[values: .accept], content.mediaType) else {
      throw EndpointError.notAcceptable(content.mediaType.rawValue)
    }
    let tag = "\"\(content.digest)\""
    var headers: HTTPFields = [
      .contentType: content.mediaType.rawValue, .dockerContentDigest: content.digest.description, .eTag: tag,
      .vary: "Accept",
    ]
    Self.warn(warnings, in: &headers)
    if Self.matches(request.headers[.ifNoneMatch], tag) { return RegistryResponse(.notModified, headers) }
    // A digest names the same bytes for ever; a tag has to be asked for again.
    headers[.cacheControl] = reference.digest == nil ? "no-cache" : "max-age=31536000, immutable"
    if request.method == .get, admitted.registry.events.wants(.pull) {
      admitted.registry.events.publish(
        RegistryEvent(
          .pull, in: admitted.registry, repository: name, digest: content.digest.description, tag: reference.tag,
          mediaType: content.mediaType.rawValue, size: Int64(content.bytes.count), by: admitted.origin))
    }
    return RegistryResponse(.ok, headers, body: .bytes(ByteBuffer(bytes: content.bytes)))
  }

  /// What has images of a repository fetched from an upstream; nil where no rule covers it, or the caller may not have that
  /// done: he gets those that are here. For a repository that is not there yet he must be allowed to make it too.
  /// (Amazon ECR, IAM permissions required to sync an upstream registry)
  public func filling(
    _ name: String, of registry: Registry, for caller: Caller
  ) async throws -> PullThroughCache? {
    guard let cache else { return nil }
    // With a database that has no watch, looking for a rule waits for it.
    let isCovered =
      registry.keepsManifests
      ? try cache.covers(name, of: registry) : try await blocking { try cache.covers(name, of: registry) }
    guard isCovered else { return nil }
    let mayImport = try await blocking {
      let answer = try self.decide(caller, "ecr:BatchImportUpstreamImage", on: name, of: registry)
      guard answer.isAllowed, !answer.repositoryExists else { return answer.isAllowed }
      let creation = try self.decide(caller, "ecr:CreateRepository", on: name, of: registry).decision
      if creation.isAllowed { return true }
      // A server that is open for pulling is so for caches that nobody has pulled from yet.
      return creation.outcome == .notAllowed && answer.decision.matches.contains { $0.source == .server }
    }
    return mayImport ? cache : nil
  }

  /// Where a request lists kinds of manifests, the answer must be one of them: a client that knows no indexes cannot use
  /// one. One that lists none, or a wildcard, takes what there is.
  static func accepts(_ headers: [String], _ type: MediaType) -> Bool {
    let types = headers.flatMap { $0.split(separator: ",") }.map { piece in
      String(piece.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" })
    }
    let manifests = Set(MediaType.manifests.map(\.rawValue))
    guard types.contains(where: manifests.contains) else { return true }
    return types.contains(type.rawValue) || types.contains("*/*") || types.contains("application/*")
  }

  static func matches(_ header: String?, _ tag: String) -> Bool {
    guard let header else { return false }
    return header == "*"
      || header.split(separator: ",").contains { piece in
        let bare = piece.drop { $0 == " " }
        return (bare.hasPrefix("W/") ? bare.dropFirst(2) : bare) == tag
      }
  }

  func putManifest(
    _ admitted: Admitted, _ name: String, _ reference: ManifestReference, _ request: RegistryRequest
  ) async throws -> RegistryResponse {
    guard let bytes = try await request.collectBody(limit: ManifestDocument.sizeLimit) else {
      throw RegistryError.manifestTooLarge(limit: ManifestDocument.sizeLimit)
    }
    let contentType = request.headers[.contentType].map { header in
      MediaType(String(header.prefix { $0 != ";" }.filter { $0 != " " }))
    }
    let more = try Self.tagParameters(request.query)
    let tags = (reference.tag.map { [$0] } ?? []) + more
    let condition = Self.condition(request, reference)
    let result = try await blocking {
      let result = try admitted.registry.putManifest(
        bytes, contentType: contentType, in: name, tags: tags, expected: reference.digest, by: admitted.origin,
        onlyIf: condition)
      // With its blobs: none of them counts before an image names it.
      try admitted.registry.storage.makeDurable()
      return result
    }
    var headers: HTTPFields = [
      .location: Route.manifest(name: name, reference: .digest(result.digest)).path,
      .dockerContentDigest: result.digest.description,
    ]
    if let subject = result.subject { headers[.ociSubject] = subject.description }
    for tag in more { headers.append(HTTPField(name: .ociTag, value: tag)) }
    Self.warn(result.warnings, in: &headers)
    return RegistryResponse(.created, headers)
  }

  private static func condition(_ request: RegistryRequest, _ reference: ManifestReference) -> ManifestCondition {
    ManifestCondition(
      reference: reference, ifMatch: request.headers[.ifMatch], ifNoneMatch: request.headers[.ifNoneMatch])
  }

  /// `Warning: 299 - "…"`, which clients show. (distribution-spec, Warnings)
  private static func warn(_ warnings: [String], in headers: inout HTTPFields) {
    for warning in warnings {
      let text = warning.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
      headers.append(HTTPField(name: .warning, value: "299 - \"\(text)\""))
    }
  }

  /// `?tag=` beside a digest gives several tags at once. (distribution-spec 1.2, Pushing Manifests)
  private static func tagParameters(_ query: Query) throws -> [String] {
    var tags: [String] = []
    for item in query.items where item.name == "tag" {
      guard Reference.isTag(item.value) else { throw RouteError.invalidTag(item.value) }
      guard tags.count < tagLimit else { throw EndpointError.tooManyTags(limit: tagLimit) }
      if !tags.contains(item.value) { tags.append(item.value) }
    }
    return tags
  }

  /// The specification demands ten at least, and 414 for more than the registry takes.
  private static let tagLimit = 100

  func deleteManifest(
    _ admitted: Admitted, _ name: String, _ reference: ManifestReference, _ request: RegistryRequest
  ) async throws -> RegistryResponse {
    let condition = Self.condition(request, reference)
    try await blocking {
      switch reference {
      case .tag(let tag): try admitted.registry.deleteTag(tag, in: name, by: admitted.origin, onlyIf: condition)
      case .digest(let digest):
        try admitted.registry.deleteManifest(digest, in: name, by: admitted.origin, onlyIf: condition)
      }
      try admitted.registry.storage.makeDurable()
    }
    return RegistryResponse(.accepted, reference.digest.map { [.dockerContentDigest: $0.description] } ?? [:])
  }

  func getReferrers(
    _ admitted: Admitted, _ name: String, _ digest: Digest, _ request: RegistryRequest
  ) async throws -> RegistryResponse {
    let artifactType = request.query["artifactType"].flatMap { $0.isEmpty ? nil : $0 }
    let last = request.query["last"].flatMap { Int64($0) } ?? 0
    let limit = min(try Self.pageSize(request.query) ?? Self.referrersPage, Self.referrersPage)
    try await filling(name, of: admitted.registry, for: admitted.caller)?.prepareReferrers(
      of: digest, in: name, of: admitted.registry)
    let (page, hasMore) = try await blocking {
      try self.referrers(admitted, of: digest, artifactType, in: name, after: last, limit: limit)
    }
    var index = Index(
      manifests: page.map {
        Descriptor(
          mediaType: $0.mediaType, digest: $0.digest, size: $0.size, annotations: $0.annotations,
          artifactType: $0.artifactType)
      })
    index.annotations = nil
    var response = RegistryResponse.json(.ok, index, contentType: MediaType.index.rawValue)
    if artifactType != nil { response.headers[.ociFiltersApplied] = "artifactType" }
    if hasMore, let end = page.last {
      var query = Query([("last", String(end.id)), ("n", String(limit))])
      if let artifactType { query.items.append(("artifactType", artifactType)) }
      response.headers[.link] = LinkHeader(target: "\(request.path)?\(query)").description
    }
    return response
  }

  /// A page of at most `limit` referrers, and whether there are more. A repository that is not there has none: clients
  /// take a 404 for a registry that knows no referrers. (distribution-spec, Listing Referrers)
  private func referrers(
    _ admitted: Admitted, of digest: Digest, _ artifactType: String?, in name: String, after last: Int64, limit: Int
  ) throws -> (page: [StoredManifest], hasMore: Bool) {
    var page: [StoredManifest] = []
    var bytes = 0
    var last = last
    while true {
      let found: [StoredManifest]
      do {
        found = try admitted.registry.referrers(
          of: digest, artifactType: artifactType, in: name, after: last, limit: Self.referrersBatch)
      } catch RegistryError.repositoryUnknown {
        return ([], false)
      }
      for manifest in found {
        // A manifest's annotations may have megabytes, and each is in its descriptor.
        let size = (manifest.annotations ?? [:]).reduce(256) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard page.count < limit, page.isEmpty || bytes + size <= Self.referrersBytes else { return (page, true) }
        page.append(manifest)
        bytes += size
      }
      guard found.count == Self.referrersBatch, let end = found.last else { return (page, false) }
      last = end.id
    }
  }

  private static let referrersPage = 500
  private static let referrersBatch = 50
  /// An answer stays below the 4 MiB that clients read of an index.
  private static let referrersBytes = 3 << 20
}
