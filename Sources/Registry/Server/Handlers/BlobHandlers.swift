import Content
import DistributionSpec
import HTTPTypes
public import ImageSpec

extension RegistryServer {
  func getBlob(
    _ admitted: Admitted, _ name: String, _ digest: Digest, _ request: RegistryRequest
  ) async throws -> RegistryResponse {
    try await getBlob(admitted.registry, name, digest, request)
  }

  /// Sends a blob, whole or a range of it. Whether the client may read it has been asked before.
  public func getBlob(
    _ registry: Registry, _ name: String, _ digest: Digest, _ request: RegistryRequest
  ) async throws -> RegistryResponse {
    let isHead = request.method == .head
    let (size, file, arriving) = try await blocking { [cache] () -> (Int64, BlobFile?, ArrivingBlob?) in
      guard let blob = try registry.blob(digest, in: name) else {
        if let cache, let known = try cache.known(digest, in: name, of: registry) {
          if isHead { return (known.size, nil, nil) }
          guard try registry.storageClass(ofBlob: digest, in: name) != .archive else {
            throw RegistryError.blobArchived(digest, repository: name)
          }
          return (known.size, nil, try cache.fetch(known, in: name, of: registry))
        }
        throw try registry.repositoryExists(name)
          ? RegistryError.blobUnknown(digest, repository: name) : RegistryError.repositoryUnknown(name)
      }
      if isHead {
        // A push asks like this, and then leaves out what is here, be it in the archive.
        if blob.isOld { try registry.touchBlob(digest, in: name) }
        return (blob.size, nil, nil)
      }
      guard !blob.isArchived else { throw RegistryError.blobArchived(digest, repository: name) }
      return (blob.size, try registry.storage.open(digest), nil)
    }
    let tag = "\"\(digest)\""
    var headers: HTTPFields = [
      .contentType: "application/octet-stream", .dockerContentDigest: digest.description, .eTag: tag,
      .acceptRanges: "bytes", .cacheControl: "max-age=31536000, immutable",
    ]
    if Self.matches(request.headers[.ifNoneMatch], tag) { return RegistryResponse(.notModified, headers) }
    headers[.contentLength] = String(size)
    // A range of what is not here yet is answered with the whole.
    if let arriving { return RegistryResponse(.ok, headers, body: .arriving(arriving)) }
    // HEAD has no ranges. (RFC 9110, section 14.2)
    guard let file else { return RegistryResponse(.ok, headers) }
    if let link = file.remote?.link {
      // It is good for a while only, and not to be kept.
      return RegistryResponse(
        .temporaryRedirect, [.location: link, .dockerContentDigest: digest.description, .cacheControl: "no-store"])
    }
    // A range of another state is answered with the whole. (RFC 9110, section 13.1.5)
    let ifRange = request.headers[.ifRange]
    if let header = request.headers[.range], ifRange == nil || ifRange == tag, let wishes = ByteRange.parse(header),
      let ranges = ByteRange.resolve(wishes, size: size)
    {
      return Self.partial(ranges, of: file, size: size, headers)
    }
    return RegistryResponse(.ok, headers, body: .file(file, 0..<size))
  }

  private static func partial(
    _ ranges: [Range<Int64>], of file: BlobFile, size: Int64, _ headers: HTTPFields
  ) -> RegistryResponse {
    var headers = headers
    guard let first = ranges.first else {
      var response = RegistryResponse.failure(
        .rangeInvalid, "the content has \(size) bytes, none of which the Range header means")
      response.headers[.contentRange] = ContentRange.unsatisfied(size: size).description
      response.headers[.dockerContentDigest] = headers[.dockerContentDigest]
      return response
    }
    guard ranges.count > 1 else {
      headers[.contentRange] = ContentRange.bytes(first, size: size).description
      headers[.contentLength] = String(first.count)
      return RegistryResponse(.partialContent, headers, body: .file(file, first))
    }
    let boundary = "\(UInt64.random(in: 0 ... .max))\(UInt64.random(in: 0 ... .max))"
    let parts = MultipartRanges(ranges, size: size, type: headers[.contentType] ?? "", boundary: boundary)
    headers[.contentType] = parts.contentType
    headers[.contentLength] = String(parts.count)
    return RegistryResponse(.partialContent, headers, body: .parts(file, parts))
  }

  func deleteBlob(_ admitted: Admitted, _ name: String, _ digest: Digest) async throws -> RegistryResponse {
    try await blocking {
      try admitted.registry.deleteBlob(digest, in: name)
      try admitted.registry.storage.makeDurable()
    }
    return RegistryResponse(.accepted, [.dockerContentDigest: digest.description])
  }
}
