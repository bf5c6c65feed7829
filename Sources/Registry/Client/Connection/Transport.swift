internal import AsyncHTTPClient
internal import DistributionSpec
internal import FoundationEssentials
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// One request, as often as it takes: a body is made anew for each attempt.
struct HTTPRequest: Sendable {
  var method: HTTPMethod = .GET
  var address: Address
  var headers = HTTPHeaders()
  var body: (@Sendable () throws -> HTTPClientRequest.Body)?
  /// What a token for it must allow; nil sends no authorization at all.
  var access: Access?
  /// For messages: `manifest team/app:1`.
  var what: String
  /// A Unix socket that the request goes to in place of the address' host.
  var socket: String?

  init(_ method: HTTPMethod = .GET, _ address: Address, what: String, access: Access? = nil) {
    self.method = method
    self.address = address
    self.what = what
    self.access = access
  }
}

/// Whose sign-in a request uses, and for what.
struct Access: Hashable, Sendable {
  let host: Host
  let scopes: [AccessScope]

  init(_ host: Host, _ scopes: [AccessScope] = []) {
    self.host = host
    self.scopes = scopes.sorted()
  }
}

/// An answer whose body has not been read.
struct HTTPAnswer: Sendable {
  let status: Int
  let headers: HTTPHeaders
  let body: HTTPClientResponse.Body
  /// Where it came from in the end.
  let address: Address

  /// The whole body; nil where it is longer than `limit` bytes.
  func collect(limit: Int) async throws -> [UInt8]? {
    if let length = headers.first(name: "content-length").flatMap({ Int64($0) }), length > Int64(limit) { return nil }
    var bytes: [UInt8] = []
    for try await buffer in body {
      guard bytes.count + buffer.readableBytes <= limit else { return nil }
      bytes.append(contentsOf: buffer.readableBytesView)
    }
    return bytes
  }

  /// Reads what is left, so that the connection can be used again; a long rest is cut off with the connection.
  func drain() async {
    _ = try? await collect(limit: 64 << 10)
  }
}

/// Connections, TLS, sign-in, redirects and retries: everything below the registry's own protocol.
final class Transport: Sendable {
  let configuration: RegistryConfiguration
  let authorizer: Authorizer
  let trust: Trust
  let warnings: Warnings
  private let connections: Connections
  /// Hosts that have answered before, by either of their names: where they go away in the middle, they are waited for.
  private let reached = Mutex<Set<String>>([])
  private static let redirects = 10
  private static let quiet = Logger(label: "registry-client", factory: { _ in SwiftLogNoOpLogHandler() })

  init(configuration: RegistryConfiguration, connections: Connections, trust: Trust, warnings: Warnings) {
    self.configuration = configuration
    self.warnings = warnings
    self.connections = connections
    self.trust = trust
    authorizer = Authorizer(configuration.credentials)
  }

  // MARK: Attempts

  /// Sends until an answer comes that is worth handing on: any but 408, 429 and 5xx.
  func send(_ request: HTTPRequest, onRetry: RetryNotice? = nil) async throws -> HTTPAnswer {
    try await retrying(host: request.address.authority, what: request.what, onRetry: onRetry) {
      let answer = try await self.exchange(request)
      if let failure = await Self.transient(answer) { throw failure }
      return answer
    }
  }

  /// Repeats `work` for as long as it fails for reasons that may pass, with growing delays.
  func retrying<Result: Sendable>(
    host: String, what: String, onRetry: RetryNotice? = nil, _ work: () async throws -> Result
  ) async throws -> Result {
    let policy = configuration.retry
    let start = ContinuousClock.now
    var attempt = 1
    while true {
      do {
        return try await work()
      } catch {
        try Task.checkCancellation()
        guard let failure = TransientFailure(error) else { throw error }
        let isUnknown = failure.neverConnected && !reached.withLock { $0.contains(host) }
        let most = isUnknown ? policy.connectAttempts : policy.attempts
        let wish = failure.wait ?? .zero
        guard attempt < most, wish <= policy.longestWish else {
          if failure.neverConnected {
            throw RegistryClientError.unreachable(host: host, tried: [failure.reason], attempts: attempt)
          }
          let asked = wish > policy.longestWish ? "; it asks to wait \(wish.components.seconds) s" : ""
          throw RegistryClientError.exhausted(
            host: host, what: what, attempts: attempt, seconds: Int((ContinuousClock.now - start).components.seconds),
            reason: failure.reason + asked)
        }
        let delay = max(wish, policy.delay(after: attempt))
        onRetry?(what, failure.reason, attempt, delay)
        try await policy.sleep(delay)
        attempt += 1
      }
    }
  }

  /// The failure that an answer stands for where another attempt may help.
  static func transient(_ answer: HTTPAnswer) async -> TransientFailure? {
    guard answer.status == 408 || answer.status == 429 || (500...599).contains(answer.status), answer.status != 501 else {
      return nil
    }
    let wish = answer.headers.first(name: "retry-after").flatMap {
      RetryAfter.parse($0, now: Int64(Date().timeIntervalSince1970))
    }
    let reason = await reason(of: answer)
    return TransientFailure(reason: "status \(answer.status): \(reason)", wait: wish)
  }

  // MARK: One attempt

  /// One round: signs in where that is asked for, and follows redirects; nothing is repeated after a failure.
  func exchange(_ request: HTTPRequest) async throws -> HTTPAnswer {
    var request = request
    for _ in 0..<Self.redirects {
      let answer = try await signedIn(request)
      guard [301, 302, 303, 307, 308].contains(answer.status), let location = answer.headers.first(name: "location") else {
        return answer
      }
      guard let next = request.address.resolving(location) else {
        throw RegistryClientError.malformed(
          host: request.address.authority, what: "a redirect of \(request.what)", reason: "its target is not an http or https URL")
      }
      await answer.drain()
      if request.address.scheme == "https", next.scheme == "http", !trust.isInsecure(next.authority) {
        throw RegistryClientError.malformed(
          host: request.address.authority, what: "a redirect of \(request.what)", reason: "it leaves TLS for \(next.shown)")
      }
      // Another host never gets this one's sign-in; a token for it would be asked for by its own challenge.
      if next.authority != request.address.authority {
        request.access = request.access == nil ? nil : Access(Host(next.authority))
      }
      if answer.status == 303 {
        request.method = .GET
        request.body = nil
      }
      request.address = next
    }
    throw RegistryClientError.redirectedTooOften(host: request.address.authority, what: request.what)
  }

  private func signedIn(_ request: HTTPRequest) async throws -> HTTPAnswer {
    guard let access = request.access else { return try await bare(request, authorization: nil) }
    var authorization = await authorizer.known(access)
    // A token may be too old or too narrow: once more for each.
    for _ in 0..<2 {
      let answer = try await bare(request, authorization: authorization)
      guard answer.status == 401 else { return answer }
      let challenges = Challenge.parse(answer.headers["www-authenticate"])
      let reason = await Self.reason(of: answer)
      let renewed = try await authorizer.renew(
        access, challenges: challenges, refused: authorization, reason: reason, registry: request.address, transport: self)
      guard renewed != authorization else {
        throw RegistryClientError.unauthorized(host: access.host.name, reason: "\(request.what): \(reason)")
      }
      authorization = renewed
    }
    return try await bare(request, authorization: authorization)
  }

  /// One HTTP request and its answer's head.
  func bare(_ request: HTTPRequest, authorization: String?) async throws -> HTTPAnswer {
    var message = HTTPClientRequest(url: request.address.description)
    if let socket = request.socket {
      message.url = "http+unix://\(PercentEncoding.encode(socket))\(request.address.target)"
      message.headers.replaceOrAdd(name: "host", value: request.address.authority)
    }
    message.method = request.method
    message.headers.add(contentsOf: request.headers)
    message.headers.replaceOrAdd(name: "user-agent", value: configuration.userAgent)
    if let authorization { message.headers.replaceOrAdd(name: "authorization", value: authorization) }
    message.body = try request.body?()
    if request.socket == nil, request.address.scheme == "https" { message.tlsConfiguration = try trust.tls(for: request.address.authority) }
    do {
      // The head may wait for a long body to be sent: silence, not length, is what ends it.
      let response = try await connections.client(for: request.address).execute(
        message, deadline: .distantFuture, logger: Self.quiet)
      reached.withLock { reached in
        reached.insert(request.address.authority)
        if let host = request.access?.host.name { reached.insert(host) }
      }
      // A server of tokens is not the registry.
      if request.access != nil { warnings.note(response.headers["warning"], from: request.address.authority) }
      return HTTPAnswer(
        status: Int(response.status.code), headers: response.headers, body: response.body, address: request.address)
    } catch where Trust.isDistrust(error) {
      throw RegistryClientError.certificate(host: request.address.authority, reason: Trust.distrustReason(error))
    }
  }

  // MARK: Errors

  /// What a registry says in the body of a refusal, else the status' name.
  static func reason(of answer: HTTPAnswer) async -> String {
    let fallback = HTTPResponseStatus(statusCode: answer.status).reasonPhrase
    guard let bytes = try? await answer.collect(limit: 64 << 10), !bytes.isEmpty else {
      return fallback
    }
    if let body = try? JSONDecoder().decode(ErrorBody.self, from: Data(bytes)), !body.errors.isEmpty {
      return body.errors.prefix(3).map { entry in
        let message = entry.message ?? ""
        return message.isEmpty ? entry.code.lowercased() : message
      }.joined(separator: "; ")
    }
    let text = String(decoding: bytes.prefix(200), as: UTF8.self).split { $0.isNewline }.first ?? ""
    // A page for people (a proxy's, a login form's) says less than its status.
    return text.isEmpty || text.hasPrefix("<") || text.hasPrefix("{") ? fallback : String(text)
  }

  /// The error that a final answer stands for.
  func failure(_ answer: HTTPAnswer, host: Host, what: String) async -> RegistryClientError {
    let reason = await Self.reason(of: answer)
    return switch answer.status {
    case 401: .unauthorized(host: host.name, reason: reason)
    case 403: .denied(host: host.name, what: what, reason: reason)
    case 404: .notFound(host: host.name, what: what)
    default: .refused(host: host.name, what: what, status: answer.status, reason: reason)
    }
  }
}

/// (what, why, attempt that failed, wait)
typealias RetryNotice = @Sendable (String, String, Int, Duration) -> Void
