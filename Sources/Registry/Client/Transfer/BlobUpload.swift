internal import AsyncHTTPClient
internal import Content
internal import DistributionSpec
internal import ImageSpec
internal import NIOCore
internal import NIOHTTP1

/// How a blob got to the registry.
enum UploadOutcome: Sendable, Hashable {
  case sent
  case existed
  case mounted(from: String)
}

extension RegistryClient {
  /// A blob into a repository: nothing where it is there, from another repository of the registry where that has it,
  /// else its bytes. (distribution-spec, Push)
  ///
  /// An upload that breaks is taken up where the registry says it stands.
  func pushBlob(
    _ blob: Descriptor, to target: Reference, what: String, notices: DownloadNotices
  ) async throws -> UploadOutcome {
    let host = Host(target)
    let source = try records.source(of: blob.digest, on: host, besides: target.path)
    var upload = BlobUpload(
      client: self, blob: blob, target: target, host: host, what: what, notices: notices, mountFrom: source,
      localSocket: LocalRegistry(root: store.root).socket(for: host))
    let outcome = try await transport.retrying(host: host.name, what: what, onRetry: notices.onRetry) {
      try await upload.attempt()
    }
    if let source, outcome == .sent { try records.forget(blob.digest, on: host, repository: source) }
    return outcome
  }
}

/// The upload of one blob, over as many attempts as it takes.
private struct BlobUpload {
  let client: RegistryClient
  let blob: Descriptor
  let target: Reference
  let host: Host
  let what: String
  let notices: DownloadNotices
  /// A repository that is believed to have the blob; asked once.
  var mountFrom: String?
  /// Where the registry is served from this very store: asked once.
  var localSocket: String?
  /// The registry's URL for this upload, once it has given one.
  var session: Address?

  private var access: Access { Access(host, [.push(target.path)]) }

  mutating func attempt() async throws -> UploadOutcome {
    if let socket = localSocket {
      localSocket = nil
      if try await mountFromStore(by: socket) { return .mounted(from: "this store") }
    }
    // Asked before each attempt: the answer to the last one may have been all that was lost.
    if try await exists() { return .existed }
    if let broken = session, let (address, received) = try await standing(of: broken) {
      session = address
      if received > 0, received < blob.size {
        try await patch(from: received)
        try await finish(body: nil)
        return .sent
      }
      if received == 0 {
        try await finish(body: 0..<blob.size)
        return .sent
      }
    }
    if let from = try await begin() { return .mounted(from: from) }
    try await finish(body: 0..<blob.size)
    return .sent
  }

  // MARK: Requests

  private func exists() async throws -> Bool {
    var request = try await client.request(
      host, .blob(name: target.path, digest: blob.digest), scopes: access.scopes, what: what)
    request.method = .HEAD
    let answer = try await exchange(request)
    await answer.drain()
    switch answer.status {
    case 200: return true
    case 401, 403: throw await client.transport.failure(answer, host: host, what: "pushing to \(target.repository)")
    // Not there; and registries that keep this question for themselves take the upload nevertheless.
    default: return false
    }
  }

  /// False where the registry does not do that, for whatever reason: then the bytes travel.
  private func mountFromStore(by socket: String) async throws -> Bool {
    let query = Query([("mount", blob.digest.description), ("store", "local")])
    var request = try await client.request(
      host, .uploads(name: target.path), query: query, scopes: access.scopes, what: what)
    request.method = .POST
    request.headers.add(name: "content-length", value: "0")
    request.socket = socket
    do {
      let answer = try await client.transport.exchange(request)
      await answer.drain()
      return answer.status == 201
    } catch  where TransientFailure(error) != nil {
      // Its server has gone since.
      return false
    }
  }

  /// Opens an upload; the repository that the blob was mounted from where there is no need for one.
  private mutating func begin() async throws -> String? {
    let from = mountFrom
    mountFrom = nil
    var query = Query()
    var scopes = access.scopes
    if let from {
      query.items = [("mount", blob.digest.description), ("from", from)]
      scopes.append(.pull(from))
    }
    var request = try await client.request(
      host, .uploads(name: target.path), query: query, scopes: scopes, what: what)
    request.method = .POST
    request.headers.add(name: "content-length", value: "0")
    let answer = try await exchange(request)
    if let from, [401, 403, 404].contains(answer.status) {
      // Not for us, or gone: then without.
      await answer.drain()
      _ = from
      return try await begin()
    }
    switch answer.status {
    case 201:
      await answer.drain()
      guard let from else {
        throw RegistryClientError.malformed(
          host: host.name, what: "the answer to an upload", reason: "nothing was sent yet")
      }
      return from
    case 202:
      session = try location(of: answer, after: request.address)
      await answer.drain()
      return nil
    default: throw await client.transport.failure(answer, host: host, what: what)
    }
  }

  /// How much of a broken upload the registry has; nil where it has forgotten it.
  private func standing(of session: Address) async throws -> (Address, Int64)? {
    let request = HTTPRequest(.GET, session, what: what, access: accessTo(session))
    let answer = try await exchange(request)
    await answer.drain()
    guard answer.status == 204 || answer.status == 202 || answer.status == 200,
      let range = answer.headers.first(name: "range").flatMap({ UploadRange(parsing: $0) })
    else { return nil }
    let next = try? location(of: answer, after: session)
    return (next ?? session, range.received)
  }

  /// The rest of the bytes as one chunk.
  private mutating func patch(from offset: Int64) async throws {
    guard let address = session else { return }
    var request = HTTPRequest(.PATCH, address, what: what, access: accessTo(address))
    request.headers.add(name: "content-type", value: "application/octet-stream")
    request.headers.add(
      name: "content-range", value: UploadRange(first: offset, count: blob.size - offset).description)
    request.body = try body(offset..<blob.size)
    let answer = try await exchange(request)
    guard answer.status == 202 || answer.status == 204 || answer.status == 201 else {
      throw await startingOver(answer)
    }
    session = try location(of: answer, after: address)
    await answer.drain()
  }

  /// Ends the upload with its digest; `range` are the bytes that go with it.
  private mutating func finish(body range: Range<Int64>?) async throws {
    guard let address = session else { return }
    var request = HTTPRequest(
      .PUT, address.adding("digest", PercentEncoding.encode(blob.digest.description)), what: what,
      access: accessTo(address))
    request.headers.add(name: "content-type", value: "application/octet-stream")
    if let range { request.body = try body(range) } else { request.headers.add(name: "content-length", value: "0") }
    let answer = try await exchange(request)
    guard (200...204).contains(answer.status) else {
      if range == nil { throw await startingOver(answer) }
      session = nil
      throw await client.transport.failure(answer, host: host, what: what)
    }
    await answer.drain()
    notices.advanced(blob.size, of: blob.size)
  }

  // MARK: Pieces

  /// A registry that took up a broken upload wrongly gets all of it once more.
  private mutating func startingOver(_ answer: HTTPAnswer) async -> any Error {
    session = nil
    let failure = await client.transport.failure(answer, host: host, what: what)
    switch failure {
    case .unauthorized, .denied: return failure
    default: return TransientFailure(reason: "\(failure)")
    }
  }

  private func exchange(_ request: HTTPRequest) async throws -> HTTPAnswer {
    let answer = try await client.transport.exchange(request)
    if let failure = await Transport.transient(answer) { throw failure }
    return answer
  }

  private func body(_ range: Range<Int64>) throws -> @Sendable () throws -> HTTPClientRequest.Body {
    let file = SharedFile(try client.store.open(blob.digest))
    let notices = notices
    let size = blob.size
    return {
      .stream(
        FileBody(file, range) { notices.advanced($0, of: size) }, length: .known(range.upperBound - range.lowerBound))
    }
  }

  /// An upload's URL may be on another host: that one does not get this registry's sign-in.
  private func accessTo(_ session: Address) -> Access? { session.authority == host.address.lowercased() ? access : nil }

  private func location(of answer: HTTPAnswer, after address: Address) throws -> Address {
    guard let header = answer.headers.first(name: "location"), var next = address.resolving(header) else {
      throw RegistryClientError.malformed(
        host: host.name, what: "the answer to an upload", reason: "it does not say where the upload goes on")
    }
    // A registry behind a proxy that ends TLS may not know that it does.
    if next.authority == address.authority { next.scheme = address.scheme }
    return next
  }
}
