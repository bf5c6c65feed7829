internal import AsyncHTTPClient
public import Content
internal import DistributionSpec
internal import ImageSpec
internal import NIOHTTP1
internal import Synchronization
internal import SystemPackage

/// Moves images between a store and registries. (distribution-spec)
///
/// Everything that touches the network is an async method; `shutdown` closes the connections at the end.
public final class RegistryClient: Sendable {
  public let store: ContentStore
  let configuration: RegistryConfiguration
  let transport: Transport
  private let connections: Connections
  private let trust: Trust
  let records: TransferRecords
  private let ownsConnections: Bool
  private let schemes = Mutex<[String: String]>([:])

  public init(store: ContentStore, configuration: RegistryConfiguration = .default) {
    self.store = store
    self.configuration = configuration
    connections = Connections(configuration)
    trust = Trust(configuration, ownAuthority: store.root.appending("registry").appending("tls").appending("ca.crt"))
    transport = Transport(configuration: configuration, connections: connections, trust: trust, warnings: Warnings())
    records = TransferRecords(store)
    ownsConnections = true
  }

  private init(_ other: RegistryClient, configuration: RegistryConfiguration) {
    store = other.store
    self.configuration = configuration
    connections = other.connections
    trust = other.trust
    transport = Transport(
      configuration: configuration, connections: connections, trust: trust, warnings: other.transport.warnings)
    records = other.records
    ownsConnections = false
  }

  /// A client with more credentials (imagePullSecrets) over the same connections. Keys are `host` or `host/repository`.
  public func using(_ credentials: [String: Credential]) -> RegistryClient {
    var configuration = configuration
    configuration.credentials = configuration.credentials.adding(credentials)
    return RegistryClient(self, configuration: configuration)
  }

  public func shutdown() async throws {
    guard ownsConnections else { return }
    if let onWarning = configuration.onWarning { transport.warnings.take().forEach(onWarning) }
    try await connections.shutdown()
  }

  // MARK: Where a registry is

  /// The start of a registry's interface: https, or plain HTTP where that is allowed and nothing else answers.
  func base(_ host: Host) async throws -> Address {
    let address = host.address
    if let scheme = schemes.withLock({ $0[address] }) { return Address(scheme: scheme, authority: address, target: "/") }
    guard host.isLoopback || trust.isInsecure(address) else { return Address(scheme: "https", authority: address, target: "/") }
    let scheme = try await probe(host)
    schemes.withLock { $0[address] = scheme }
    return Address(scheme: scheme, authority: address, target: "/")
  }

  /// Which scheme answers. A certificate that is not trusted is an error and no reason to talk without TLS.
  private func probe(_ host: Host) async throws -> String {
    let policy = configuration.retry
    var attempt = 1
    while true {
      var tried: [String] = []
      for scheme in ["https", "http"] {
        let address = Address(scheme: scheme, authority: host.address, target: Route.base.path)
        do {
          let answer = try await transport.bare(HTTPRequest(.GET, address, what: "the registry"), authorization: nil)
          await answer.drain()
          return scheme
        } catch {
          guard let failure = TransientFailure(error) else { throw error }
          tried.append("\(address): \(failure.reason)")
        }
      }
      guard attempt < policy.connectAttempts else {
        throw RegistryClientError.unreachable(host: host.name, tried: tried, attempts: attempt)
      }
      try await policy.sleep(policy.delay(after: attempt))
      attempt += 1
    }
  }

  /// A request to one of the registry's endpoints.
  func request(
    _ host: Host, _ route: Route, query: Query = Query(), scopes: [AccessScope], what: String
  ) async throws -> HTTPRequest {
    var address = try await base(host)
    address.target = route.path + (query.items.isEmpty ? "" : "?\(query)")
    return HTTPRequest(.GET, address, what: what, access: Access(host, scopes))
  }

  // MARK: Signing in

  /// Tries a user name and a password, or a token, at a registry; stores nothing.
  public func login(host: String, credential: Credential) async throws {
    let client = using([host: credential])
    let host = Host(host)
    let request = try await client.request(host, .base, scopes: [], what: "the sign-in")
    var answer = try await client.transport.send(request)
    if answer.status == 404 || answer.status == 405 {
      // Not every registry has the base endpoint; the token it asks for elsewhere cannot be guessed.
      throw RegistryClientError.refused(host: host.name, what: "the sign-in", status: answer.status, reason: "no registry is there")
    }
    if (200...299).contains(answer.status), answer.headers.first(name: "www-authenticate") == nil {
      await answer.drain()
      guard await client.transport.authorizer.known(Access(host)) == nil else { return }
      // It lets everybody look, and may still check who shows a password.
      answer = try await client.transport.bare(request, authorization: credential.basic)
      if answer.status == 401 || answer.status == 403 {
        throw RegistryClientError.unauthorized(host: host.name, reason: await Transport.reason(of: answer))
      }
      await answer.drain()
      return
    }
    throw await client.transport.failure(answer, host: host, what: "the sign-in")
  }

  /// Whether a registry is there, whoever it lets in. Throws what is wrong.
  public func probe(host name: String) async throws {
    let host = Host(name)
    let request = try await request(host, .base, scopes: [], what: "the registry")
    let answer = try await transport.retrying(host: host.name, what: request.what) {
      let answer = try await self.transport.bare(request, authorization: nil)
      if let failure = await Transport.transient(answer) { throw failure }
      return answer
    }
    guard answer.status == 401 || (200...299).contains(answer.status) else {
      throw await transport.failure(answer, host: host, what: request.what)
    }
    await answer.drain()
  }

  public func login(host: String, username: String, password: String) async throws {
    try await login(host: host, credential: Credential(username: username, password: password))
  }
}

extension AccessScope {
  static func pull(_ name: String) -> AccessScope { AccessScope(name: name, actions: ["pull"]) }
  static func push(_ name: String) -> AccessScope { AccessScope(name: name, actions: ["pull", "push"]) }
}
