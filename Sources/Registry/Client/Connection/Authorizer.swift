internal import AsyncHTTPClient
internal import DistributionSpec
internal import FoundationEssentials
internal import NIOCore
internal import NIOHTTP1

/// Signs requests in: Basic, or a bearer token from the server that the registry names.
/// (docker distribution, Token Authentication Specification and its OAuth2 variant)
///
/// Tokens are kept for each host and set of scopes; requests that need the same one at the same time wait for one fetch.
actor Authorizer {
  private let credentials: CredentialStore
  private var tokens: [Access: Token] = [:]
  private var basic: [Host: String] = [:]
  private var looked: [Access: Credential?] = [:]
  private var waiting: [Access: [CheckedContinuation<String, any Error>]] = [:]

  private struct Token {
    let header: String
    let expires: ContinuousClock.Instant
  }

  init(_ credentials: CredentialStore) { self.credentials = credentials }

  /// The `Authorization` that is at hand; nil where none is, or it is about to expire.
  func known(_ access: Access) -> String? {
    if let token = tokens[access], token.expires > .now { return token.header }
    return basic[access.host]
  }

  /// Answers a 401: the `Authorization` to come back with. The same as `refused` where there is no better one.
  func renew(
    _ access: Access, challenges: [Challenge], refused: String?, reason: String, registry: Address, transport: Transport
  ) async throws -> String {
    if let known = known(access), known != refused { return known }
    if waiting[access] != nil {
      return try await withCheckedThrowingContinuation { waiting[access, default: []].append($0) }
    }
    waiting[access] = []
    let result: Result<String, any Error>
    do {
      result = .success(
        try await fetch(access, challenges, refused: refused, reason: reason, registry: registry, transport))
    } catch {
      result = .failure(error)
    }
    for continuation in waiting.removeValue(forKey: access) ?? [] { continuation.resume(with: result) }
    return try result.get()
  }

  private func fetch(
    _ access: Access, _ challenges: [Challenge], refused: String?, reason: String, registry: Address,
    _ transport: Transport
  ) async throws -> String {
    tokens[access] = nil
    let credential = try credential(access)
    if case .registryToken(let token)? = credential?.secret { return "Bearer \(token)" }
    if let challenge = challenges.first(where: { $0.scheme == "bearer" && $0["realm"] != nil }) {
      let token = try await token(for: access, challenge, credential, registry: registry, transport)
      tokens[access] = token
      return token.header
    }
    guard challenges.contains(where: { $0.scheme == "basic" }) else {
      let schemes = challenges.map(\.scheme).joined(separator: ", ")
      throw RegistryClientError.unauthorized(
        host: access.host.name,
        reason: schemes.isEmpty ? reason : "it asks for a sign-in by \(schemes), which is not supported")
    }
    guard let header = credential?.basic else {
      throw RegistryClientError.unauthorized(
        host: access.host.name, reason: "it wants a user name and a password (\(reason))")
    }
    guard header != refused else {
      basic[access.host] = nil
      throw RegistryClientError.unauthorized(
        host: access.host.name, reason: "it does not take the user name and password (\(reason))")
    }
    basic[access.host] = header
    return header
  }

  /// Asked for once: a helper may show a dialog.
  private func credential(_ access: Access) throws -> Credential? {
    if let known = looked[access] { return known }
    let repository = access.scopes.first { $0.type == "repository" }?.name
    let found = try credentials.lookup(access.host.name, repository: repository)
    looked[access] = .some(found)
    return found
  }

  // MARK: Tokens

  private static let answerLimit = 1 << 20
  /// Seconds that a token lives where its server does not say, and at least. (Token Authentication Specification)
  private static let shortestLife = 60

  private func token(
    for access: Access, _ challenge: Challenge, _ credential: Credential?, registry: Address, _ transport: Transport
  ) async throws -> Token {
    guard let realm = challenge["realm"], let server = registry.resolving(realm) else {
      throw RegistryClientError.malformed(
        host: access.host.name, what: "a demand for a token", reason: "its realm is not an http or https URL")
    }
    if credential != nil, registry.scheme == "https", server.scheme == "http",
      !Host.isLoopback(Host.bare(server.authority))
    {
      throw RegistryClientError.malformed(
        host: access.host.name, what: "a demand for a token",
        reason: "it would send the password without TLS to \(server.shown)")
    }
    let scopes = Self.scopes(access.scopes, challenge["scope"])
    let response: TokenResponse
    switch credential?.secret {
    case .identityToken(let refresh)?:
      response = try await post(
        server, [("grant_type", "refresh_token"), ("refresh_token", refresh)], scopes, challenge, access, transport)
    case .password(let password)?:
      response = try await withPassword(
        server, credential?.username ?? "", password, scopes, challenge, access, transport)
    case .registryToken?, nil:
      response = try await get(server, authorization: nil, scopes, challenge, access, transport)
    }
    guard let value = response.value else {
      throw RegistryClientError.malformed(
        host: server.authority, what: "a token", reason: "there is none in the answer")
    }
    let life = max(response.expiresIn ?? Self.shortestLife, Self.shortestLife)
    return Token(header: "Bearer \(value)", expires: .now + .seconds(life - 10))
  }

  /// What we need and what the challenge names, actions of one repository joined. A scope that has no colons
  /// (public.ecr.aws says `aws`) is sent as it came.
  static func scopes(_ needed: [AccessScope], _ challenged: String?) -> [String] {
    var joined = needed
    var others: [String] = []
    for text in (challenged ?? "").split(separator: " ").map(String.init) {
      guard let scope = AccessScope(parsing: text) else {
        others.append(text)
        continue
      }
      if let index = joined.firstIndex(where: { $0.type == scope.type && $0.name == scope.name }) {
        joined[index].actions.formUnion(scope.actions)
      } else {
        joined.append(scope)
      }
    }
    return (joined.map(\.description) + others).sorted()
  }

  private func withPassword(
    _ server: Address, _ username: String, _ password: String, _ scopes: [String], _ challenge: Challenge,
    _ access: Access,
    _ transport: Transport
  ) async throws -> TokenResponse {
    do {
      return try await get(
        server, authorization: Credential(username: username, password: password).basic, scopes, challenge, access,
        transport)
    } catch RegistryClientError.refused(_, _, 404...405, _) {
      // A server that speaks OAuth2 only.
      return try await post(
        server, [("grant_type", "password"), ("username", username), ("password", password)], scopes, challenge, access,
        transport)
    }
  }

  private func get(
    _ server: Address, authorization: String?, _ scopes: [String], _ challenge: Challenge, _ access: Access,
    _ transport: Transport
  ) async throws -> TokenResponse {
    var items: [(name: String, value: String)] = []
    if let service = challenge["service"] { items.append(("service", service)) }
    items += scopes.map { ("scope", $0) }
    var address = server
    if !items.isEmpty {
      address.target += (server.target.contains("?") ? "&" : "?") + Query(items).description
    }
    return try await ask(HTTPRequest(.GET, address, what: "a token"), authorization: authorization, access, transport)
  }

  private func post(
    _ server: Address, _ grant: [(name: String, value: String)], _ scopes: [String], _ challenge: Challenge,
    _ access: Access,
    _ transport: Transport
  ) async throws -> TokenResponse {
    var items = grant + [("client_id", "clipper")]
    if let service = challenge["service"] { items.append(("service", service)) }
    if !scopes.isEmpty { items.append(("scope", scopes.joined(separator: " "))) }
    let form = Query(items).description
    var request = HTTPRequest(.POST, server, what: "a token")
    request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
    request.body = { .bytes(ByteBuffer(string: form)) }
    return try await ask(request, authorization: nil, access, transport)
  }

  private func ask(
    _ request: HTTPRequest, authorization: String?, _ access: Access, _ transport: Transport
  ) async throws -> TokenResponse {
    let answer = try await transport.retrying(host: request.address.authority, what: "asking for a token") {
      let answer = try await transport.bare(request, authorization: authorization)
      if let failure = await Transport.transient(answer) { throw failure }
      return answer
    }
    guard answer.status == 200 else {
      let reason = await Transport.reason(of: answer)
      switch answer.status {
      case 400, 401, 403:
        throw RegistryClientError.unauthorized(
          host: access.host.name,
          reason: "\(request.address.authority) gives no token (status \(answer.status)): \(reason)")
      default:
        throw RegistryClientError.refused(
          host: request.address.authority, what: "a token", status: answer.status, reason: reason)
      }
    }
    guard let bytes = try await answer.collect(limit: Self.answerLimit) else {
      throw RegistryClientError.tooLarge(
        host: request.address.authority, what: "a token", limit: Int64(Self.answerLimit))
    }
    do {
      return try JSONDecoder().decode(TokenResponse.self, from: Data(bytes))
    } catch {
      throw RegistryClientError.malformed(host: request.address.authority, what: "a token", reason: "it is not JSON")
    }
  }
}
