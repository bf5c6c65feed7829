import Content
import DistributionSpec
import Glibc
import HTTPTypes
import ImageSpec
import RegistryClient
import Synchronization
import Testing

@testable import RegistryServer

/// A registry that fills itself from another one on loopback.
private final class Caching: Sendable {
  let test: TestRegistry
  let cache: PullThroughCache
  private let client: RegistryClient

  init(
    _ upstream: String, freshness: Int64 = PullThroughCache.defaultFreshness, credential: String? = nil,
    anonymous: AnonymousAccess = .push, realms: RealmTable = .onlyMain
  ) throws {
    test = try TestRegistry(anonymous: anonymous, realms: realms)
    var configuration = RegistryConfiguration(credentials: CredentialStore(path: nil))
    configuration.retry.attempts = 1
    configuration.retry.connectAttempts = 1
    client = RegistryClient(store: test.store, configuration: configuration)
    cache = PullThroughCache(
      client, hosts: try #require(UpstreamHosts(["up.test=\(upstream)"])), secrets: test.files.secrets,
      freshness: freshness, logger: test.server.logger)
    test.server.connect(cache)
    try test.registry.setCacheRule(
      CacheRule(prefix: "hub", upstream: "up.test", kind: nil, upstreamPrefix: nil, credential: credential, at: 0))
  }

  /// While `body` runs, the cache downloads.
  func running(_ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await self.cache.run() }
      group.addTask { try await body() }
      // The body ends first; the cache runs until it is told to stop.
      try await group.next()
      group.cancelAll()
    }
    try await client.shutdown()
  }

  func get(_ path: String) async throws -> TestRegistry.Answer { try await test.send(.get, "/v2/hub/\(path)") }
}

@Suite struct CacheTests {
  private let layer = TestRegistry.digest(Array("layer of one".utf8))

  @Test func pullsFromTheUpstreamAndKeepsWhatCame() async throws {
    let upstream = try TestRegistry(anonymous: .push)
    let image = try await upstream.push(image: "one", to: "team/app", tag: "1")
    let layer = layer
    let address = Box<Caching>()
    try await Loopback.serving(upstream) { port in
      let caching = try Caching("127.0.0.1:\(port)")
      address.value = caching
      try await caching.running {
        #expect(
          try await caching.test.send(.head, "/v2/hub/team/app/manifests/1")["docker-content-digest"]
            == image.digest.description)
        let answer = try await caching.get("team/app/manifests/1")
        #expect(answer.status == 200 && answer.body == image.bytes)
        // Known by the manifest before it is here.
        #expect(try await caching.test.send(.head, "/v2/hub/team/app/blobs/\(layer)")["content-length"] == "12")
        #expect(try caching.test.registry.blob(layer, in: "hub/team/app") == nil)
        let bodies = try await withThrowingTaskGroup(of: String.self) { group in
          for _ in 0..<8 { group.addTask { try await caching.get("team/app/blobs/\(layer)").text } }
          return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(bodies == ["layer of one"])
        #expect(try caching.test.registry.blob(layer, in: "hub/team/app")?.size == 12)
        // A blob that no manifest names is not fetched for anybody.
        let other = try await upstream.push(blob: Array("other".utf8), to: "team/app")
        #expect(try await caching.get("team/app/blobs/\(other)").status == 404)
        #expect(try await caching.get("team/app/manifests/none").status == 404)
        #expect(try await caching.get("team/none/manifests/1").codes == ["MANIFEST_UNKNOWN"])
        #expect(try !caching.test.registry.repositoryExists("hub/team/none"))
        // By digest, and without a rule.
        #expect(try await caching.get("team/app/manifests/\(image.digest)").status == 200)
        #expect(try await caching.test.send(.get, "/v2/team/app/manifests/1").codes == ["NAME_UNKNOWN"])
      }
    }
    // Nobody answers there now.
    let caching = try #require(address.value)
    #expect(try await caching.get("team/app/manifests/1").status == 200)
    #expect(try await caching.get("team/app/blobs/\(layer)").text == "layer of one")
  }

  @Test func aTagIsLookedForAgainWhenItIsNotFresh() async throws {
    let upstream = try TestRegistry(anonymous: .push)
    let first = try await upstream.push(image: "one", to: "app", tag: "1").digest
    try await Loopback.serving(upstream) { port in
      let lasting = try Caching("127.0.0.1:\(port)")
      let eager = try Caching("127.0.0.1:\(port)", freshness: 0)
      try await lasting.running {
        #expect(try await lasting.get("app/manifests/1")["docker-content-digest"] == first.description)
        let second = try await upstream.push(image: "two", to: "app", tag: "1").digest
        #expect(try await lasting.get("app/manifests/1")["docker-content-digest"] == first.description)
        try await eager.running {
          #expect(try await eager.get("app/manifests/1")["docker-content-digest"] == second.description)
          #expect(try await eager.get("app/manifests/1")["docker-content-digest"] == second.description)
          let third = try await upstream.push(image: "three", to: "app", tag: "1").digest
          #expect(try await eager.get("app/manifests/1")["docker-content-digest"] == third.description)
          // What the upstream has no more is still here.
          try upstream.registry.deleteTag("1", in: "app")
          #expect(try await eager.get("app/manifests/1")["docker-content-digest"] == third.description)
        }
      }
    }
  }

  @Test func saysWhatTheUpstreamSaid() async throws {
    let closed = try TestRegistry(anonymous: .none)
    try await Loopback.serving(closed) { port in
      let address = "127.0.0.1:\(port)"
      let nameless = try Caching(address)
      try await nameless.running {
        #expect(try await nameless.get("app/manifests/1").codes == ["DENIED"])
        let rule = try #require(try nameless.test.registry.cacheRule("hub"))
        #expect(await nameless.cache.failure(of: rule) == nil)
      }
      let wrong = try Caching(address, credential: "ecr-pullthroughcache/up")
      try await wrong.running {
        let rule = try #require(try wrong.test.registry.cacheRule("hub"))
        #expect(await wrong.cache.failure(of: rule)?.contains("registry secret set") == true)
        try wrong.test.files.secrets.set("ecr-pullthroughcache/up", UpstreamSecret(username: "ada", password: "bad"))
        #expect(await wrong.cache.failure(of: rule) != nil)
        try wrong.test.files.secrets.set("ecr-pullthroughcache/up", UpstreamSecret(username: "ada", password: "secret"))
        #expect(await wrong.cache.failure(of: rule) == nil)
        // Signed in, and there is no such image.
        #expect(try await wrong.get("app/manifests/1").codes == ["MANIFEST_UNKNOWN"])
      }
    }
    let absent = try Caching("127.0.0.1:1")
    try await absent.running {
      #expect(try await absent.get("app/manifests/1").status == 503)
      let rule = try #require(try absent.test.registry.cacheRule("hub"))
      #expect(await absent.cache.failure(of: rule) != nil)
    }
  }

  @Test func whatRefersToAnImageComesFromItsUpstreamToo() async throws {
    let upstream = try TestRegistry(anonymous: .push)
    let image = try await upstream.push(image: "one", to: "app", tag: "1")
    let bare = try await upstream.push(image: "two", to: "app", tag: "2")
    var signatures: [Digest] = []
    for number in 0..<3 {
      signatures.append(try await upstream.push(artifact: "\(number)", about: image.bytes, to: "app").digest)
    }
    let all = signatures
    try await Loopback.serving(upstream) { port in
      let caching = try Caching("127.0.0.1:\(port)")
      let eager = try Caching("127.0.0.1:\(port)", freshness: 0)
      @Sendable func listed(_ caching: Caching, _ subject: Digest) async throws -> [Digest] {
        try await caching.get("app/referrers/\(subject)").decoded(Index.self).manifests.map(\.digest)
      }
      try await caching.running {
        // Also of an image that nobody has pulled.
        #expect(try await listed(caching, image.digest) == all)
        #expect(try await caching.get("app/manifests/\(all[0])").status == 200)
        let config = TestRegistry.digest(Array("{\"about\":\"0\"}".utf8))
        #expect(try await caching.get("app/blobs/\(config)").status == 200)
        // Nothing is asked again for a day, but for what there was none of yet.
        let more = try await upstream.push(artifact: "more", about: image.bytes, to: "app").digest
        #expect(try await listed(caching, image.digest) == all)
        #expect(try await listed(caching, bare.digest) == [])
        let checked = try #require(try caching.test.registry.cachedReferrersChecked(bare.digest, in: "hub/app"))
        #expect(checked + PullThroughCache.defaultFreshness <= Registry.now + PullThroughCache.pause)
        try await eager.running {
          #expect(try await listed(eager, image.digest) == all + [more])
          let last = try await upstream.push(artifact: "last", about: image.bytes, to: "app").digest
          #expect(try await listed(eager, image.digest) == all + [more, last])
        }
      }
    }
  }

  @Test func whatWasListedOnceIsListedWhereTheUpstreamDoesNotAnswer() async throws {
    let absent = try Caching("127.0.0.1:1")
    let image = try await absent.test.push(image: "one", to: "hub/app", tag: "1")
    let signature = try await absent.test.push(artifact: "0", about: image.bytes, to: "hub/app").digest
    try absent.test.registry.noteCachedReferrers(image.digest, in: "hub/app", at: 0)
    try await absent.running {
      let known = try await absent.get("app/referrers/\(image.digest)").decoded(Index.self)
      #expect(known.manifests.map(\.digest) == [signature])
      // What nobody has looked for is not called nothing.
      let unknown = try await absent.get("app/referrers/\(TestRegistry.digest([2]))")
      #expect(unknown.status == 503)
    }
  }

  @Test func servesWhatIsHereAndFetchesNothingWhileReadOnly() async throws {
    let upstream = try TestRegistry(anonymous: .push)
    let image = try await upstream.push(image: "one", to: "app", tag: "1")
    let other = try await upstream.push(image: "two", to: "app", tag: "2")
    let layer = layer
    try await Loopback.serving(upstream) { port in
      let caching = try Caching("127.0.0.1:\(port)", freshness: 0)
      try await caching.running {
        #expect(try await caching.get("app/manifests/1").status == 200)
        #expect(try await caching.get("app/referrers/\(image.digest)").status == 200)
        try await upstream.push(image: "moved", to: "app", tag: "1")
        let before = try caching.test.registry.changeNumber()
        try caching.test.registry.setMode(RegistryMode(isReadOnly: true, reason: "moving house"))
        // However old it is.
        #expect(try await caching.get("app/manifests/1")["docker-content-digest"] == image.digest.description)
        #expect(try await caching.get("app/referrers/\(image.digest)").status == 200)
        for path in [
          "app/manifests/2", "app/manifests/\(other.digest)", "new/manifests/1", "app/blobs/\(layer)",
          "app/referrers/\(other.digest)",
        ] {
          let answer = try await caching.get(path)
          #expect(answer.status == 403 && answer.codes == ["DENIED"] && answer.text.contains("moving house"), "\(path)")
        }
        #expect(try caching.test.registry.blob(layer, in: "hub/app") == nil)
        #expect(try !caching.test.registry.repositoryExists("hub/new"))
        #expect(try caching.test.registry.changeNumber() == before + 1, "the mode's own change")
        try caching.test.registry.setMode(RegistryMode(isReadOnly: false))
        #expect(try await caching.get("app/manifests/2").status == 200)
        #expect(try await caching.get("app/blobs/\(layer)").status == 200)
      }
    }
  }

  @Test func anotherAccountFillsACacheByTheRegistrysPolicyAlone() async throws {
    let upstream = try TestRegistry(anonymous: .push)
    try await upstream.push(image: "one", to: "app", tag: "1")
    let near = try #require(Realm(account: "111111111111", region: "eu-west-1"))
    let table = try #require(RealmTable(account: RealmTable.defaultAccount, declared: [near]))
    try await Loopback.serving(upstream) { port in
      let caching = try Caching("127.0.0.1:\(port)", anonymous: .none, realms: table)
      let registry = caching.test.registry.at(near)
      try registry.setCacheRule(
        CacheRule(prefix: "hub", upstream: "up.test", kind: nil, upstreamPrefix: nil, credential: nil, at: 0))
      @Sendable func get() async throws -> TestRegistry.Answer {
        try await caching.test.send(.get, "/v2/111111111111/eu-west-1/hub/app/manifests/1", as: "ada:secret")
      }
      @Sendable func allow(_ actions: String...) throws {
        let list = (["BatchGetImage", "GetDownloadUrlForLayer"] + actions).map { "\"ecr:\($0)\"" }.joined(separator: ",")
        try registry.setSetting(
          .registryPolicy, "",
          #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"\#(RealmTable.defaultAccount)"},"#
            + #""Action":[\#(list)],"Resource":"*"}]}"#)
      }
      try await caching.running {
        #expect(try await get().status == 403)
        try allow()
        #expect(try await get().codes == ["NAME_UNKNOWN"])
        try allow("BatchImportUpstreamImage")
        #expect(try await get().codes == ["NAME_UNKNOWN"], "it would have to be made")
        #expect(try !registry.repositoryExists("hub/app"))
        try allow("CreateRepository")
        #expect(try await get().codes == ["NAME_UNKNOWN"])
        try allow("BatchImportUpstreamImage", "CreateRepository")
        #expect(try await get().status == 200)
        // What is there is filled without the right to make it.
        try await upstream.push(image: "two", to: "app", tag: "2")
        try allow("BatchImportUpstreamImage")
        let second = try await caching.test.send(
          .get, "/v2/111111111111/eu-west-1/hub/app/manifests/2", as: "ada:secret")
        #expect(second.status == 200)
      }
    }
  }

  @Test func aRepositoryIsMadeByItsTemplate() async throws {
    let upstream = try TestRegistry(anonymous: .push)
    try await upstream.push(image: "one", to: "app", tag: "1")
    try await Loopback.serving(upstream) { port in
      let caching = try Caching("127.0.0.1:\(port)")
      var template = CreationTemplate(prefix: "hub", purposes: [.pullThroughCache], at: 0)
      template.labels = ["cached": "yes"]
      try caching.test.registry.setCreationTemplate(template)
      try await caching.running {
        let answer = try await caching.get("app/manifests/1")
        let made = try caching.test.registry.repository("hub/app")
        #expect(answer.status == 200 && made.labels == ["cached": "yes"])
      }
    }
  }

  @Test(arguments: [
    ("hub", nil, nil, "hub/team/app", "team/app"), ("hub", nil, nil, "hubs/app", nil), ("hub", nil, nil, "hub", nil),
    ("ROOT", nil, nil, "team/app", "team/app"), ("hub", nil, "docker-hub", "hub/alpine", "library/alpine"),
    ("hub", nil, "docker-hub", "hub/team/app", "team/app"), ("hub", "mirror/x", nil, "hub/app", "mirror/x/app"),
    ("hub", "ROOT", nil, "hub/app", "app"),
  ])
  func namesRepositoriesAtTheUpstream(
    _ prefix: String, _ upstreamPrefix: String?, _ kind: String?, _ name: String, _ expected: String?
  ) {
    let rule = CacheRule(
      prefix: prefix, upstream: "up.test", kind: kind, upstreamPrefix: upstreamPrefix, credential: nil, at: 0)
    #expect(rule.upstreamName(name) == expected)
  }

  @Test func rulesNameNoHostThatTheOperatorDoesNotAllow() throws {
    let hosts = try #require(UpstreamHosts(["registry.corp:5000", "quay.io=127.0.0.1:5001"]))
    #expect(hosts.address("registry.corp:5000") == "registry.corp:5000" && hosts.address("quay.io") == "127.0.0.1:5001")
    #expect(hosts.address("ghcr.io") == "ghcr.io" && hosts.address("team.azurecr.io") == "team.azurecr.io")
    for host in ["127.0.0.1:80", "169.254.169.254", "localhost", "quay.io.evil.test", ".azurecr.io", "metadata"] {
      #expect(hosts.address(host) == nil, "\(host)")
    }
    #expect(UpstreamHosts(["a=b=c:x"]) == nil && UpstreamHosts([""]) == nil)
    #expect(UpstreamHosts.kind("123456789012.dkr.ecr.eu-west-1.amazonaws.com") == "ecr")
    #expect(UpstreamHosts.kind("registry-1.docker.io") == "docker-hub")
  }

  @Test func secretsAreFoundByNameAndByARN() throws {
    let secrets = try TestRegistry().files.secrets
    let secret = UpstreamSecret(username: "ada", password: "p")
    try secrets.set("ecr-pullthroughcache/hub", secret)
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/hub"
    #expect(try secrets.find("ecr-pullthroughcache/hub") == secret)
    for name in [arn, arn + "-a1B2c3"] { #expect(try secrets.find(name) == secret) }
    for name in [arn + "-a1B2c", arn + "x", "hub"] { #expect(try secrets.find(name) == nil) }
    #expect(try secrets.remove("ecr-pullthroughcache/hub"))
    #expect(try !secrets.remove("ecr-pullthroughcache/hub"))
  }
}

/// A value that a task hands out.
private final class Box<Value: Sendable>: Sendable {
  private let held = Mutex<Value?>(nil)
  var value: Value? {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }
}
