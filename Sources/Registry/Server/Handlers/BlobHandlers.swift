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
    let (size, file) = try await blocking { () -> (Int64, BlobFile?) in
      guard let blob = try registry.blob(digest, in: name) else {
        throw try registry.repositoryExists(name)
          ? RegistryError.blobUnknown(digest, repository: name) : RegistryError.repositoryUnknown(name)
      }
      // A push asks like this, and then leaves out what is here.
      if isHead, blob.isOld { try registry.touchBlob(digest, in: name) }
      return (blob.size, isHead ? nil : BlobFile(try registry.store.open(digest)))
    }
    let tag = "\"\(digest)\""
    var headers: HTTPFields = [
      .contentType: "application/octet-stream", .dockerContentDigest: digest.description, .eTag: tag,
      .acceptRanges: "bytes", .cacheControl: "max-age=31536000, immutable",
    ]
    if Self.matches(request.headers[.ifNoneMatch], tag) { return RegistryResponse(.notModified, headers) }
    // Several ranges at once are answered with the whole, which RFC 9110 allows; so is a range of another state.
    let ifRange = request.headers[.ifRange]
    if let header = request.headers[.range], ifRange == nil || ifRange == tag, let ranges = ByteRange.parse(header),
      ranges.count == 1
    {
      guard let range = ranges[0].resolved(size: size) else {
        headers = [.contentRange: ContentRange.unsatisfied(size: size).description]
        return RegistryResponse(.rangeNotSatisfiable, headers)
      }
      headers[.contentRange] = ContentRange.bytes(range, size: size).description
      headers[.contentLength] = String(range.count)
      return RegistryResponse(.partialContent, headers, body: file.map { .file($0, range) } ?? .none)
    }
    headers[.contentLength] = String(size)
    return RegistryResponse(.ok, headers, body: file.map { .file($0, 0..<size) } ?? .none)
  }

  func deleteBlob(_ admitted: Admitted, _ name: String, _ digest: Digest) async throws -> RegistryResponse {
    try await blocking { try admitted.registry.deleteBlob(digest, in: name) }
    return RegistryResponse(.accepted)
  }
}
