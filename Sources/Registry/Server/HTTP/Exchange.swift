import DistributionSpec
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore

/// One request of a connection and its answer, as bytes on the wire.
struct Exchange {
  let server: RegistryServer
  let facts: ConnectionFacts
  let channel: any Channel
  /// Whether this address speaks TLS as well.
  let takesTLS: Bool
  let options: ServeOptions
  /// What answers in the registry's place.
  let answer: (@Sendable (RegistryRequest) async -> RegistryResponse)?

  /// Ends the connection after what was written.
  private struct Finished: Error {}

  func answer(_ request: Request, _ writer: consuming ResponseWriter) async throws {
    let start = ContinuousClock.now
    let time = Registry.now
    let received = facts.received.value
    let metrics = server.metrics
    metrics.requestsUnderWay.add()
    defer { metrics.requestsUnderWay.add(-1) }
    let registryRequest = registryRequest(request)
    facts.watch.begin()
    defer { facts.watch.end() }
    let waits = request.headers[.expect]?.lowercased() == "100-continue"
    var wasAdmitted = false
    var response: RegistryResponse
    let principal: Principal
    if let refusal = refusal(registryRequest) {
      (response, principal) = (refusal, .anonymous)
    } else if let answer {
      (response, principal) = (await answer(registryRequest), .anonymous)
    } else {
      (response, principal) = await server.respond(to: registryRequest) {
        wasAdmitted = true
        if waits { try await writer.writeInformationalHead(HTTPResponse(status: .continue)) }
      }
    }
    response.headers[.requestID] = registryRequest.identity.id
    // A refused client that waited sends no body now, or does so all the same: the next request cannot be told from it.
    // One that does not wait may be about to send a hundred gigabytes. One that comes while the server stops has another
    // to talk to.
    let isRefused = response.status.kind == .clientError || response.status.kind == .serverError
    let closes =
      waits && !wasAdmitted || isRefused && registryRequest.hasLargeBody || server.state.isDraining
    let entry = AccessLogEntry(
      time: time, remote: registryRequest.remote, user: "\(principal)", method: request.method.rawValue,
      path: registryRequest.path, status: response.status.code, bytes: response.body.count, received: 0,
      milliseconds: 0, identity: registryRequest.identity,
      realm: server.realms.declared.isEmpty ? nil : server.realms.place(registryRequest)?.realm.description,
      agent: request.headers[.userAgent])
    do {
      try await write(response, to: writer, isHead: request.method == .head, closes: closes)
    } catch {
      // Whoever went away in the middle is in the log all the same, by nginx' status for it.
      tell(entry, start, received, status: 499)
      throw error
    }
    tell(entry, start, received, status: response.status.code)
    if closes {
      // A server that stops has no time for whoever goes on sending.
      if server.state.isDraining { try await flush() } else { await facts.watch.linger(channel) }
      throw Finished()
    }
  }

  private func registryRequest(_ request: Request) -> RegistryRequest {
    let origin = options.proxies.origin(
      request.headers,
      direct: .init(remote: facts.remote, isSecure: facts.isSecure, authority: request.head.authority ?? ""))
    return RegistryRequest(
      method: request.method, target: request.head.path ?? "/", headers: request.headers, authority: origin.authority,
      isSecure: origin.isSecure, remote: origin.remote, localPort: facts.localPort, isFromOwner: facts.isOwner,
      certificateUser: certificateUser, body: facts.watch.watched(request.body))
  }

  private var certificateUser: String? {
    guard let clients = takesTLS ? server.state.clientCertificates : nil else { return nil }
    return facts.certificate?.names[clients]
  }

  /// What is turned away before anybody looks at it.
  private func refusal(_ request: RegistryRequest) -> RegistryResponse? {
    if takesTLS, !facts.isSecure, !facts.isLocal {
      // A password must not cross the network in the clear, not even by mistake.
      return .failure(
        .unsupported, "this address speaks TLS: use https://\(request.authority)", status: .badRequest)
    }
    if answer == nil, request.path != "/healthz", request.path != "/readyz",
      let wait = server.rateLimits.wait(address: request.remote)
    {
      server.metrics.count(.rateLimited, ["address"])
      return .tooMany(RateExceeded(wait), isAWS: request.headers[.amazonTarget] != nil)
    }
    return nil
  }

  private func tell(_ entry: AccessLogEntry, _ start: ContinuousClock.Instant, _ received: Int64, status: Int) {
    var entry = entry
    let took = ContinuousClock.now - start
    entry.status = status
    entry.milliseconds = took / .milliseconds(1)
    entry.received = facts.received.value - received
    server.metrics.countRequest(
      RouteLabel(path: entry.path, method: entry.method), method: entry.method, status: status, took: took)
    if let accessLog = options.accessLog {
      accessLog.write(entry)
      return
    }
    server.logger.info(
      "request",
      metadata: [
        "remote": "\(entry.remote)", "user": "\(entry.user)", "method": "\(entry.method)", "path": "\(entry.path)",
        "status": "\(status)", "bytes": "\(entry.bytes)", "ms": "\(entry.milliseconds)", "id": "\(entry.identity.id)",
      ])
  }

  private func write(
    _ response: RegistryResponse, to writer: consuming ResponseWriter, isHead: Bool, closes: Bool
  ) async throws {
    var head = HTTPResponse(status: response.status, headerFields: response.headers)
    // Neither has a body, and 304's length would be that of the content. (RFC 9110, section 8.6)
    if head.headerFields[.contentLength] == nil, response.status != .noContent, response.status != .notModified {
      head.headerFields[.contentLength] = String(response.body.count)
    }
    if closes { head.headerFields[.connection] = "close" }
    if isHead {
      try await writer.writeResponse(head)
      return
    }
    switch response.body {
    case .none:
      try await writer.writeResponse(head)
    case .bytes(let buffer) where server.state.isDraining:
      // The end of the response closes such a connection, whether its bytes have left or not.
      var body = try await writer.writeHead(head)
      try await body.write(buffer)
      try await flush()
      try await body.finish(nil)
    case .bytes(let buffer):
      try await writer.write(response: head, body: ResponseBody(byteBuffer: buffer))
    case .file(let file, let range):
      var body = try await writer.writeHead(head)
      if facts.isSecure || file.remote != nil {
        try await copy(file, range, to: &body)
      } else {
        try await send(file, range)
      }
      try await body.finish(nil)
    case .arriving(let blob):
      var body = try await writer.writeHead(head)
      var offset: Int64 = 0
      while offset < blob.blob.size {
        let buffer = try await blob.read(at: offset, count: 256 << 10, server)
        offset += Int64(buffer.readableBytes)
        try await body.write(buffer)
      }
      try await body.finish(nil)
    case .parts(let file, let parts):
      var body = try await writer.writeHead(head)
      for part in parts.parts {
        try await body.write(ByteBuffer(string: part.head))
        try await copy(file, part.range, to: &body)
      }
      try await body.write(ByteBuffer(string: parts.end))
      try await body.finish(nil)
    }
  }

  /// Waits until what was written is with the kernel.
  private func flush() async throws {
    let promise = channel.eventLoop.makePromise(of: Void.self)
    channel.eventLoop.execute { facts.traffic.value.flush(promise: promise) }
    try await promise.futureResult.get()
  }

  /// Through this process, which encrypts it.
  private func copy(_ file: BlobFile, _ range: Range<Int64>, to body: inout some ResponseBodyWriter) async throws {
    if let remote = file.remote {
      var rest = Int64(range.count)
      try await remote.send(range) { buffer in
        rest -= Int64(buffer.readableBytes)
        guard rest >= 0 else { throw RequestBroken() }
        try await body.write(buffer)
      }
      // The length is on its way already: only the connection's end can say that it was wrong.
      guard rest == 0 else { throw RequestBroken() }
      return
    }
    let piece: Int64 = 256 << 10
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Int64.Stride(piece)) {
      let count = Int(min(piece, range.upperBound - start))
      let buffer = try await server.blocking { try file.read(at: start, count: count) }
      try await body.write(buffer)
    }
  }

  /// By sendfile, without passing through this process.
  private func send(_ file: BlobFile, _ range: Range<Int64>) async throws {
    guard !range.isEmpty else { return }
    let handle = try file.handle()
    defer { try? handle.close() }
    let promise = channel.eventLoop.makePromise(of: Void.self)
    // The head went to the same loop before this, and is in the pipeline by now.
    channel.eventLoop.execute { facts.watch.handler.value.send(handle, range, promise: promise) }
    try await promise.futureResult.get()
  }
}

extension HTTPField.Name {
  fileprivate static let amazonTarget = known("x-amz-target")
}
