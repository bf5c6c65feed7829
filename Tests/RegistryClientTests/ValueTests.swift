import Testing

@testable import RegistryClient

@Suite("values of the client")
struct ValueTests {
  @Test(arguments: [
    ("120", Duration.seconds(120)), ("Sun, 06 Nov 1994 08:49:37 GMT", .seconds(37)), ("Sat, 05 Nov 1994 08:49:37 GMT", .seconds(0)),
  ])
  func readsRetryAfter(_ header: String, _ wait: Duration) {
    #expect(RetryAfter.parse(header, now: 784_111_740) == wait)
  }

  @Test(arguments: [
    "-1", "soon", "", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 9223372036854775807:49:37 GMT",
    "Sun, -9223372036854775808 Nov 1994 08:49:37 GMT",
  ])
  func ignoresARetryAfterThatItCannotRead(_ header: String) { #expect(RetryAfter.parse(header, now: 0) == nil) }

  @Test(arguments: [
    ("https://other/x?y=1", "https://other/x?y=1"), ("/a/b", "https://h:5000/a/b"), ("c?d", "https://h:5000/v2/c?d"),
    ("?e=f", "https://h:5000/v2/up?e=f"), ("//cdn/x", "https://cdn/x"), ("https://Other", "https://other/"),
  ])
  func resolvesLocations(_ location: String, _ expected: String) throws {
    let base = try #require(Address("https://h:5000/v2/up?old=1"))
    #expect(base.resolving(location)?.description == expected)
  }

  @Test(arguments: ["ftp://h/", "https://", "https://user@h/", "https://h/a b"])
  func refusesOtherURLs(_ url: String) { #expect(Address(url) == nil) }

  @Test func addsToAQuery() throws {
    #expect(try #require(Address("http://h/a?b=c")).adding("digest", "x").description == "http://h/a?b=c&digest=x")
    #expect(try #require(Address("http://h/a")).adding("digest", "x").description == "http://h/a?digest=x")
  }

  @Test(arguments: ["localhost", "127.0.0.1", "127.9.9.9", "::1", "x.localhost"])
  func knowsLoopback(_ host: String) { #expect(Host.isLoopback(host)) }

  @Test(arguments: ["127.0.0.1.example.com", "example.com", "128.0.0.1", "localhost.example.com"])
  func knowsWhatIsNotLoopback(_ host: String) { #expect(!Host.isLoopback(host)) }

  @Test func joinsScopesOfOneRepository() {
    let scopes = Authorizer.scopes([.push("a/b")], "repository:a/b:pull repository:c:pull aws")
    #expect(scopes == ["aws", "repository:a/b:pull,push", "repository:c:pull"])
  }

  @Test func reachesHostsThroughAProxyButThoseExcepted() {
    let rules = ProxyRules(environment: ["HTTPS_PROXY": "http://me:pw@proxy.example:8080", "NO_PROXY": "internal,.corp.example"])
    #expect(rules.host == "proxy.example" && rules.port == 8080 && rules.authorization == "bWU6cHc=")
    #expect(rules.covers("registry-1.docker.io"))
    #expect(!rules.covers("internal") && !rules.covers("r.corp.example") && !rules.covers("127.0.0.1"))
  }

  @Test func delaysDoubleUpToTheLongest() {
    var policy = RetryPolicy()
    policy.jitter = { 1 }
    #expect((1...7).map { policy.delay(after: $0) } == [
      .milliseconds(400), .milliseconds(800), .milliseconds(1600), .milliseconds(3200), .milliseconds(6400), .milliseconds(12800),
      .seconds(15),
    ])
  }
}
