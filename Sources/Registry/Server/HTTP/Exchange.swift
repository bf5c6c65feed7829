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

  /// Ends the connection after what was written.
  private struct Finished: Error {}

  func answer(_ request: Request, _ writer: consuming ResponseWriter) async throws {
    let start = ContinuousClock.now
    let isSecure = facts.isSecure
    let registryRequest = RegistryRequest(
      method: request.method, target: request.head.path ?? "/", headers: request.headers,
      authority: request.head.authority ?? "", isSecure: isSecure, remote: facts.remote,
      localPort: facts.localPort, isFromOwner: facts.isOwner, body: facts.watch.watched(request.body))
    facts.watch.begin()
    defer { facts.watch.end() }
    let waits = request.headers[.expect]?.lowercased() == "100-continue"
    var wasAdmitted = false
    let response: RegistryResponse
    let principal: Principal
    if takesTLS, !isSecure, !facts.isLocal {
      // A password must not cross the network in the clear, not even by mistake.
      principal = .anonymous
      response = .failure(
        .unsupported, "this address speaks TLS: use https://\(registryRequest.authority)", status: .badRequest)
    } else {
      (response, principal) = await server.respond(to: registryRequest) {
        wasAdmitted = true
        if waits { try await writer.writeInformationalHead(HTTPResponse(status: .continue)) }
      }
    }
    // A refused client that waited sends no body now, or does so all the same: the next request cannot be told from it.
    // One that does not wait may be about to send a hundred gigabytes.
    let isRefused = response.status.kind == .clientError || response.status.kind == .serverError
    let closes = waits && !wasAdmitted || isRefused && registryRequest.hasLargeBody
    try await write(response, to: writer, isHead: request.method == .head, closes: closes)
    server.logger.info(
      "request",
      metadata: [
        "remote": "\(facts.remote)", "user": "\(principal)", "method": "\(request.method)",
        "path": "\(registryRequest.path)", "status": "\(response.status.code)", "bytes": "\(response.body.count)",
        "ms": "\((ContinuousClock.now - start) / .milliseconds(1))",
      ])
    if closes {
      await facts.watch.linger(channel)
      throw Finished()
    }
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

  /// By sendfile, a piece at a time: each piece that is taken shows that the other end still reads.
  private func send(_ file: BlobFile, _ range: Range<Int64>) async throws {
    let handle = try file.handle()
    defer { try? handle.close() }
    let piece: Int64 = 4 << 20
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Int64.Stride(piece)) {
      let end = min(start + piece, range.upperBound)
      let region = FileRegion(fileHandle: handle, readerIndex: Int(start), endIndex: Int(end))
      let promise = channel.eventLoop.makePromise(of: Void.self)
      // The head went to the same loop before this, and is in the pipeline by now.
      channel.eventLoop.execute { facts.watch.handler.value.send(region, promise: promise) }
      try await promise.futureResult.get()
    }
  }
}
