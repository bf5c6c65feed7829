internal import AsyncHTTPClient
public import Content
internal import NIOCore
internal import NIOHTTP1

/// What a plain download brought, beside its bytes.
public struct DownloadedFile: Sendable, Hashable {
  /// Bytes.
  public let size: Int64
  /// The URL that was left after redirects.
  public let url: String
  /// As sent; nil where there is no such header.
  public let lastModified: String?
  public let entityTag: String?
  public let contentDisposition: String?
}

extension RegistryClient {
  /// Fetches any http or https URL into an ingest, which the caller commits or discards.
  ///
  /// Follows redirects, repeats what may pass, and goes on in the middle where the server does ranges.
  ///
  /// - Parameters:
  ///   - limit: bytes; more is an error.
  ///   - progress: bytes so far, and in all where the server says it.
  @discardableResult
  public func download(
    url: String, to ingest: Ingest, limit: Int64 = 64 << 30, progress: (@Sendable (Int64, Int64?) -> Void)? = nil
  ) async throws -> DownloadedFile {
    guard let address = Address(url) else { throw RegistryClientError.invalidURL(url) }
    let what = address.shown
    // Of what stands at a URL nothing is known: bytes of an earlier attempt go on only under the same entity tag.
    var entityTag: String?
    return try await transport.retrying(host: address.authority, what: what) {
      var request = HTTPRequest(.GET, address, what: what)
      if ingest.offset > 0 {
        if let tag = entityTag {
          request.headers.add(name: "range", value: "bytes=\(ingest.offset)-")
          request.headers.add(name: "if-range", value: tag)
        } else {
          try ingest.restart()
        }
      }
      let answer = try await self.transport.exchange(request)
      if let failure = await Transport.transient(answer) { throw failure }
      if answer.status == 200, ingest.offset > 0 { try ingest.restart() }
      guard answer.status == 200 || (answer.status == 206 && ingest.offset > 0) else {
        throw await self.transport.failure(answer, host: Host(address.authority), what: what)
      }
      entityTag = answer.headers.first(name: "etag").flatMap { $0.hasPrefix("W/") ? nil : $0 }
      try await Self.take(answer, into: ingest, limit: limit, what: what, progress)
      return DownloadedFile(
        size: ingest.offset, url: answer.address.description, lastModified: answer.headers.first(name: "last-modified"),
        entityTag: answer.headers.first(name: "etag"),
        contentDisposition: answer.headers.first(name: "content-disposition"))
    }
  }

  private static func take(
    _ answer: HTTPAnswer, into ingest: Ingest, limit: Int64, what: String,
    _ progress: (@Sendable (Int64, Int64?) -> Void)?
  ) async throws {
    let length = answer.headers.first(name: "content-length").flatMap { Int64($0) }
    let total = length.map { $0 + ingest.offset }
    var reported = ingest.offset
    for try await buffer in answer.body {
      guard ingest.offset + Int64(buffer.readableBytes) <= limit else {
        throw RegistryClientError.tooLarge(host: answer.address.authority, what: what, limit: limit)
      }
      try buffer.withUnsafeReadableBytes { try ingest.append($0) }
      if ingest.offset - reported >= progressStep {
        reported = ingest.offset
        progress?(reported, total)
      }
    }
    progress?(ingest.offset, total)
  }
}
