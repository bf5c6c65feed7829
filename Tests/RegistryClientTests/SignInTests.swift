import Content
import ImageSpec
import RegistryClient
import Synchronization
import Testing

@Suite("sign-in")
struct SignInTests {
  /// A registry that wants a token from its own `/token`, and counts those it gave.
  final class TokenRegistry: Sendable {
    let registry: FakeRegistry
    let tokens: Mutex<[FakeRequest]>

    init(
      answer: @escaping @Sendable (FakeRequest, Int) -> FakeAnswer = { _, number in
        FakeAnswer(200, text: #"{"token":"t\#(number)","expires_in":300}"#)
      }
    ) throws {
      let seen = Seen()
      registry = try FakeRegistry { request, number, registry in
        if request.path == "/token" {
          seen.requests.withLock { $0.append(request) }
          return answer(request, number)
        }
        if request.headers["authorization"]?.hasPrefix("Bearer t") == true { return nil }
        let scope = request.path == "/v2/" ? "" : #",scope="repository:team/app:pull""#
        return FakeAnswer(
          401, [("WWW-Authenticate", #"Bearer realm="http://\#(registry.host)/token",service="fake, inc"\#(scope)"#)],
          text: #"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#)
      }
      self.seen = seen
      tokens = Mutex([])
    }

    private final class Seen: Sendable { let requests = Mutex<[FakeRequest]>([]) }
    private let seen: Seen
    var asked: [FakeRequest] { seen.requests.withLock { $0 } }
  }

  @Test func fetchesATokenOnceForAPull() async throws {
    let machine = try Machine()
    let server = try TokenRegistry()
    try TestImage(layers: [noise(1000), noise(2000, seed: 2), noise(3000, seed: 3)]).put(
      in: server.registry, "team/app")
    _ = try await machine.with(machine.client()) { try await $0.pull(server.registry.name("team/app:1")) }
    #expect(server.asked.count == 1)
    #expect(server.asked[0].query == "service=fake%2C%20inc&scope=repository%3Ateam%2Fapp%3Apull")
    #expect(server.asked[0].headers["authorization"] == nil)
  }

  @Test func sendsThePasswordToTheTokenServerOnly() async throws {
    let machine = try Machine()
    let server = try TokenRegistry()
    try TestImage(layers: []).put(in: server.registry, "team/app")
    let client = machine.client(credentials: [server.registry.host: Credential(username: "ada", password: "s3cret")])
    _ = try await machine.with(client) { try await $0.pull(server.registry.name("team/app:1")) }
    #expect(server.asked.map { $0.headers["authorization"] } == ["Basic YWRhOnMzY3JldA=="])
    #expect(
      !server.registry.server.requests.contains {
        $0.path.hasPrefix("/v2") && $0.headers["authorization"]?.hasPrefix("Basic") == true
      })
  }

  @Test func tradesAnIdentityTokenIn() async throws {
    let machine = try Machine()
    let server = try TokenRegistry { request, number in
      guard request.method == "POST" else { return FakeAnswer(405) }
      return FakeAnswer(200, text: #"{"access_token":"t\#(number)","expires_in":300}"#)
    }
    try TestImage(layers: []).put(in: server.registry, "team/app")
    let client = machine.client(credentials: [
      server.registry.host: Credential(username: "", secret: .identityToken("refresh me"))
    ])
    _ = try await machine.with(client) { try await $0.pull(server.registry.name("team/app:1")) }
    let form = String(decoding: server.asked[0].body, as: UTF8.self)
    #expect(form.contains("grant_type=refresh_token") && form.contains("refresh_token=refresh%20me"))
    #expect(form.contains("scope=repository%3Ateam%2Fapp%3Apull"))
  }

  @Test func speaksOAuthWhereAServerKnowsNothingElse() async throws {
    let machine = try Machine()
    let server = try TokenRegistry { request, number in
      request.method == "POST" ? FakeAnswer(200, text: #"{"access_token":"t\#(number)"}"#) : FakeAnswer(405)
    }
    try TestImage(layers: []).put(in: server.registry, "team/app")
    let client = machine.client(credentials: [server.registry.host: Credential(username: "ada", password: "s3cret")])
    _ = try await machine.with(client) { try await $0.pull(server.registry.name("team/app:1")) }
    #expect(
      String(decoding: server.asked[1].body, as: UTF8.self).contains("grant_type=password&username=ada&password=s3cret")
    )
  }

  @Test func renewsATokenThatTheRegistryNoLongerTakes() async throws {
    let machine = try Machine()
    let expired = Mutex(false)
    let registry = try FakeRegistry { request, number, registry in
      if request.path == "/token" { return FakeAnswer(200, text: #"{"token":"t\#(number)"}"#) }
      let valid = expired.withLock { $0 } ? "Bearer t2" : "Bearer t1"
      if request.headers["authorization"] == valid { return nil }
      return FakeAnswer(401, [("WWW-Authenticate", #"Bearer realm="http://\#(registry.host)/token""#)])
    }
    try TestImage(layers: [noise(10)]).put(in: registry, "app")
    try await machine.with(machine.client()) { client in
      _ = try await client.pull(registry.name("app:1"))
      expired.withLock { $0 = true }
      _ = try await client.pull(registry.name("app:1"))
    }
    #expect(registry.server.requests("GET", "/token").count == 2)
  }

  @Test func saysWhereToSignInWhereTheTokenDoesNotHelp() async throws {
    let machine = try Machine()
    let server = try TokenRegistry { _, number in FakeAnswer(200, text: #"{"token":"useless\#(number)"}"#) }
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(server.registry.name("team/app:1")) }
    } throws: {
      "\($0)".contains("clipper login \(server.registry.host)") && "\($0)".contains("authentication required")
    }
    #expect(machine.waits.all.isEmpty)
  }

  @Test func signsInWithBasicWhereThatIsAsked() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, _, _ in
      request.headers["authorization"] == "Basic YWRhOnMzY3JldA=="
        ? nil
        : FakeAnswer(
          401, [("Www-Authenticate", #"Basic realm="https://HOST/",service="ecr.amazonaws.com""#)],
          text: "Not Authorized")
    }
    try TestImage(layers: []).put(in: registry, "app")
    let right = machine.client(credentials: [registry.host: Credential(username: "ada", password: "s3cret")])
    try await machine.with(right) { client in
      _ = try await client.pull(registry.name("app:1"))
    }
    let wrong = machine.client(credentials: [registry.host: Credential(username: "ada", password: "guess")])
    await #expect {
      try await machine.with(wrong) { try await $0.pull(registry.name("app:1")) }
    } throws: { "\($0)".contains("does not take the user name and password") }
  }

  @Test func loginVerifiesThePassword() async throws {
    let machine = try Machine()
    let server = try TokenRegistry { request, number in
      request.headers["authorization"] == "Basic YWRhOnMzY3JldA=="
        ? FakeAnswer(200, text: #"{"token":"t\#(number)"}"#)
        : FakeAnswer(401, text: #"{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}"#)
    }
    try await machine.with(machine.client()) { client in
      try await client.login(host: server.registry.host, username: "ada", password: "s3cret")
      await #expect {
        try await client.login(host: server.registry.host, username: "ada", password: "wrong")
      } throws: { "\($0)".contains("incorrect username or password") }
    }
  }

  @Test func oneFetchServesAllWhoWait() async throws {
    let machine = try Machine()
    let server = try TokenRegistry()
    try TestImage(layers: []).put(in: server.registry, "team/app")
    try await machine.with(machine.client()) { client in
      let name = try server.registry.name("team/app:1")
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 { group.addTask { _ = try await client.resolve(name) } }
        try await group.waitForAll()
      }
    }
    #expect(server.asked.count == 1)
  }
}
