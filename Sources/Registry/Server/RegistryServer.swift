import DistributionSpec
import HTTPTypes
import Kernel
public import Logging
import NIOCore
import NIOPosix
import Synchronization

/// A registry's HTTP interface: who asks, may they, and which handler answers.
///
/// `Serve.swift` puts it behind sockets; `respond` alone is all of it but the bytes on the wire.
public final class RegistryServer: Sendable {
  public let registry: Registry
  public let authenticator: Authenticator
  public let policy: AccessPolicy
  public let uploads: Uploads
  public let scans: ImageScans
  public let logger: Logger
  public let metrics = ServerMetrics()
  public let rateLimits = RateLimits()
  public let readiness = Readiness()
  let state = ServerState()
  let stockTaking = StockTaking()
  /// Address that clients use, `https://registry.example`, where it is not the one in their `Host` header.
  public let externalURL: String?
  public let realms: RealmTable
  public let replication: Replication
  public let signing: ManagedSigning
  private let connectedCache = Mutex<PullThroughCache?>(nil)
  let threads: NIOThreadPool
  private let endpoints: [Endpoint]

  /// Answers requests outside `/v2/`; nil where a request is not its own.
  public typealias Endpoint = @Sendable (RegistryRequest, RegistryServer) async -> RegistryResponse?

  public init(
    _ registry: Registry, authenticator: Authenticator, policy: AccessPolicy, externalURL: String? = nil,
    realms: RealmTable = .onlyMain, endpoints: [Endpoint] = [], logger: Logger
  ) {
    self.registry = registry
    self.authenticator = authenticator
    self.policy = policy
    self.externalURL = externalURL
    self.realms = realms
    self.endpoints = endpoints
    self.logger = logger
    uploads = Uploads(registry)
    signing = ManagedSigning(registry)
    limitHeaps()
    // Waiting for a disk and for locks takes no processor: more threads than those, but no crowd.
    threads = NIOThreadPool(numberOfThreads: 16)
    threads.start()
    replication = Replication(registry, realms, threads)
    scans = ImageScans(registry, threads: threads)
    scans.begin()
    registerLifecycleJobs()
    addOwnChecks()
    countEvents()
    registry.jobs.hold { [weak self] in try self?.readOnlyRefusal() != nil }
    replication.permit { [weak self] source, repository, destination in
      try self?.replicationRights(from: source, repository, to: destination) ?? .none
    }
  }

  deinit { threads.shutdownGracefully { _ in } }

  /// What fills repositories from other registries; nil where the server does not.
  public var cache: PullThroughCache? { connectedCache.withLock { $0 } }

  /// Called before the server begins.
  public func connect(_ cache: PullThroughCache) {
    cache.hold { [weak self] in try self?.readOnlyRefusal() }
    connectedCache.withLock { $0 = cache }
  }

  /// Runs what may wait for a disk or a lock away from the event loops; also for a task that was cancelled, which has to put
  /// away what it holds.
  public func blocking<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      threads.submit { state in
        switch state {
        case .active: continuation.resume(with: Swift.Result { try work() })
        case .cancelled: continuation.resume(throwing: CancellationError())
        }
      }
    }
  }

  /// Where clients reach this registry: `https://host:port`.
  public func baseURL(_ request: RegistryRequest) -> String {
    externalURL
      ?? "\(request.isSecure ? "https" : "http")://\(request.authority.isEmpty ? "localhost" : request.authority)"
  }

  /// `host:port` of the same.
  public func host(_ request: RegistryRequest) -> String {
    String(baseURL(request).drop { $0 != "/" }.drop { $0 == "/" }.prefix { $0 != "/" })
  }

  /// A request that passed the door: all about it that can be told before its body is read.
  public struct Admitted: Sendable {
    let route: Route
    public let caller: Caller
    /// The registry of the realm that the request names.
    public let registry: Registry
    public let origin: Origin
  }

  /// The door of `/v2/`. Throws what `RegistryResponse.failure` knows.
  func admit(_ request: RegistryRequest, _ realm: Realm) async throws -> Admitted {
    let signIn = try await signIn(request)
    if let wait = rateLimits.wait(principal: signIn.principal) {
      metrics.count(.rateLimited, ["principal"])
      throw RateExceeded(wait)
    }
    let route: Route
    do throws(RouteError) { route = try Route(parsing: request.path) } catch {
      // Whoever shows no credentials is asked for them before anything else is told.
      if signIn.principal == .anonymous, policy.anonymous == .none { throw EndpointError.denied("sign in first") }
      throw error
    }
    guard let needs = RouteNeeds.of(route, request.method, request.query) else {
      if signIn.principal == .anonymous, policy.anonymous == .none { throw EndpointError.denied("sign in first") }
      throw EndpointError.methodNotAllowed(request.method.rawValue, allowed: Self.methods(route))
    }
    let registry = registry.at(realm)
    try await checkEnd(of: signIn, needs, route, registry)
    let caller = Caller(signIn.principal, request)
    if let name = route.name {
      try await authorize(caller, needs, on: name, of: registry)
      if needs.isPush, let token = signIn.token { registry.pushes.note(token.keyID, name, of: realm) }
    } else if route == .base ? !policy.opensBase(to: caller.principal) : !policy.opensCatalog(to: caller.principal) {
      throw EndpointError.denied("sign in first")
    }
    if request.method != .get, request.method != .head { try await checkWritable() }
    return Admitted(
      route: route, caller: caller, registry: registry,
      origin: Origin(
        principal: "\(caller.principal)", remote: request.remote, requestID: request.identity.id,
        replica: request.headers[.userAgent] == RemoteRegistries.userAgent && caller.principal != .anonymous
          ? true : nil))
  }

  /// Who asks; a token that has ended is refused.
  func principal(of request: RegistryRequest) async throws -> Principal {
    let signIn = try await signIn(request)
    if signIn.token?.hasExpired() == true { throw AuthenticationFailure.tokenExpired }
    return signIn.principal
  }

  /// Who asks: by credentials, else by the client's certificate.
  private func signIn(_ request: RegistryRequest) async throws -> Authenticator.SignIn {
    let signIn = try await authenticator.signIn(authorization: request.headers[.authorization])
    guard signIn.principal == .anonymous, let user = request.certificateUser else { return signIn }
    guard PasswordFile.isUserName(user) else { throw AuthenticationFailure.wrongCredentials }
    return Authenticator.SignIn(principal: .user(user))
  }

  /// A token that has ended serves the push alone that it began.
  private func checkEnd(
    of signIn: Authenticator.SignIn, _ needs: RouteNeeds, _ route: Route, _ registry: Registry
  ) async throws {
    guard let token = signIn.token, token.hasExpired() else { return }
    guard needs.isPush, let name = route.name,
      try await blocking({ try registry.pushes.goesOn(token, name, of: registry.realm) })
    else { throw AuthenticationFailure.tokenExpired }
  }

  /// What `Allow` names. (RFC 9110, section 10.2.1)
  static func methods(_ route: Route) -> [HTTPRequest.Method] {
    [.get, .head, .post, .put, .patch, .delete].filter { RouteNeeds.of(route, $0, Query([])) != nil }
  }

  /// Answers a request. `onAdmission` is called once the body is about to be read: where the client waits for
  /// `100 Continue`, this is the time.
  public func respond(
    to request: RegistryRequest, onAdmission: () async throws -> Void = {}
  ) async -> (response: RegistryResponse, principal: Principal) {
    guard request.path == "/v2" || request.path.hasPrefix("/v2/") else {
      try? await onAdmission()
      return (await respondOutside(request), .anonymous)
    }
    guard let place = realms.place(request) else {
      return (.failure(.nameUnknown, "no registry here has the name \(request.authority.prefix(160))"), .anonymous)
    }
    var request = request
    request.path = place.path
    var principal = Principal.anonymous
    var response: RegistryResponse
    do {
      let admitted = try await admit(request, place.realm)
      principal = admitted.caller.principal
      try await onAdmission()
      response = try await handle(admitted, request)
    } catch {
      response = refusal(error, request, principal)
    }
    response.headers[.dockerAPIVersion] = Header.dockerAPIVersionValue
    if !place.prefix.isEmpty { Self.restore(place.prefix, in: &response) }
    return (response, principal)
  }

  /// Puts the part of the path that named the realm back into the answer's links.
  private static func restore(_ prefix: String, in response: inout RegistryResponse) {
    for field in [HTTPField.Name.location, .link] {
      guard let value = response.headers[field], let start = value.range(of: "/v2/") else { continue }
      response.headers[field] = value.replacingCharacters(in: start, with: "/v2/\(prefix)")
    }
  }

  private func handle(_ admitted: Admitted, _ request: RegistryRequest) async throws -> RegistryResponse {
    switch admitted.route {
    case .base: return RegistryResponse(.ok, contentType: "application/json", bytes: Array("{}".utf8))
    case .catalog: return try await getCatalog(admitted, request)
    case .tags(let name): return try await getTags(admitted, name, request)
    case .referrers(let name, let digest): return try await getReferrers(admitted, name, digest, request)
    case .manifest(let name, let reference):
      switch request.method {
      case .put: return try await putManifest(admitted, name, reference, request)
      case .delete: return try await deleteManifest(admitted, name, reference, request)
      default: return try await getManifest(admitted, name, reference, request)
      }
    case .blob(let name, let digest):
      return request.method == .delete
        ? try await deleteBlob(admitted, name, digest) : try await getBlob(admitted, name, digest, request)
    case .uploads(let name): return try await postUpload(admitted, name, request)
    case .upload(let name, let id):
      switch request.method {
      case .patch: return try await patchUpload(admitted, name, id, request)
      case .put: return try await putUpload(admitted, name, id, request)
      case .delete: return try await deleteUpload(admitted, name, id)
      default: return try await getUpload(admitted, name, id)
      }
    }
  }

  func refusal(_ error: any Error, _ request: RegistryRequest, _ principal: Principal) -> RegistryResponse {
    var error = error
    if principal == .anonymous, case EndpointError.denied = error {
      // Whoever shows no credentials is asked for them, whatever is behind the door.
      if request.headers[.authorization].map({ $0.isEmpty || $0 == "Basic Og==" }) ?? true {
        var response = RegistryResponse.failure(.unauthorized, ErrorCode.unauthorized.message)
        response.headers[.wwwAuthenticate] = challenge(request)
        return response
      }
    }
    if let failure = error as? AuthenticationFailure, failure != .tokenExpired {
      metrics.count(.signInsRefused)
      logger.notice("sign-in refused", metadata: ["remote": "\(request.remote)", "reason": "\(failure)"])
      error = failure
    }
    var response = RegistryResponse.failure(error)
    if response.status == .unauthorized { response.headers[.wwwAuthenticate] = challenge(request) }
    if response.status.kind == .serverError {
      logger.error(
        "request failed", metadata: ["method": "\(request.method)", "path": "\(request.path)", "error": "\(error)"])
    }
    return response
  }

  private func challenge(_ request: RegistryRequest) -> String {
    // The service's name is ECR's own: its tools look for it.
    Challenge.basic(realm: baseURL(request) + "/", service: "ecr.amazonaws.com").description
  }

  private func respondOutside(_ request: RegistryRequest) async -> RegistryResponse {
    if let response = await respondToOperator(request, ownAddress: false) { return response }
    for endpoint in endpoints {
      if let response = await endpoint(request, self) { return response }
    }
    return .failure(
      .unknownEndpoint, "no endpoint has the path \"\(request.path.prefix(160))\"; the registry is at /v2/")
  }
}
