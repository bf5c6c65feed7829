import DistributionSpec
import HTTPTypes
import ImageSpec
import Lifecycle
import Logging
import Testing

@testable import RegistryServer

/// A server with a main realm (account of zeros) and two others.
private struct Realms {
  let test: TestRegistry
  let near: Realm
  let far: Realm

  init() throws {
    near = try #require(Realm(account: "111111111111", region: "eu-west-1"))
    far = try #require(Realm(account: "111111111111", region: "us-east-1"))
    test = try TestRegistry(
      realms: try #require(RealmTable(account: RealmTable.defaultAccount, declared: [near, far])))
    for realm in [near, far] { try test.registry.at(realm).setSetting(.registryPolicy, "", Self.welcome) }
  }

  /// The main realm's account may replicate into the other one's registries, but not `closed`, nor make what begins with
  /// `old/`.
  private static let welcome = """
    {"Version":"2012-10-17","Statement":[
      {"Sid":"in","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::\(RealmTable.defaultAccount):root"},
       "Action":["ecr:ReplicateImage","ecr:CreateRepository"],"Resource":"arn:aws:ecr:*:111111111111:repository/*"},
      {"Sid":"old","Effect":"Deny","Principal":"*","Action":"ecr:CreateRepository",
       "Resource":"arn:aws:ecr:*:111111111111:repository/old/*"},
      {"Sid":"not","Effect":"Deny","Principal":"*","Action":"ecr:ReplicateImage",
       "Resource":"arn:aws:ecr:*:111111111111:repository/closed"}]}
    """

  var replication: Replication { test.server.replication }

  func drain() async throws { try await test.registry.jobs.drain(logger: test.server.logger) }

  func tags(_ name: String, in realm: Realm) throws -> [String] {
    try test.registry.at(realm).tags(name, limit: 100)
  }
}

@Suite struct ReplicationTests {
  @Test func copiesWhatIsPushedToOtherRealms() async throws {
    let realms = try Realms()
    let registry = realms.test.registry
    try await realms.test.push(image: "before", to: "team/app", tag: "0")
    try registry.setReplicationRules(
      ReplicationRules(rules: [.init(destinations: [realms.near, realms.far], prefixes: ["team/"])]))
    let pushed = try await realms.test.push(image: "one", to: "team/app", tag: "1").digest
    try await realms.test.push(image: "two", to: "other", tag: "1")
    #expect(
      try realms.replication.statuses(of: pushed, in: "team/app", of: registry).map(\.state) == [
        .inProgress, .inProgress,
      ])
    #expect(try realms.replication.lag().copies == 2)
    try await realms.drain()
    #expect(try realms.replication.lag() == (0, 0))
    #expect(
      try realms.replication.statuses(of: pushed, in: "team/app", of: registry).map(\.state) == [.complete, .complete])
    for realm in [realms.near, realms.far] {
      // Neither what came before the rule, nor what no prefix covers.
      #expect(try realms.tags("team/app", in: realm) == ["1"])
      #expect(try registry.at(realm).repositories(limit: 10).map(\.name) == ["team/app"])
    }
    let path = "/v2/111111111111/eu-west-1/team/app"
    #expect(try await realms.test.send(.get, "\(path)/manifests/1")["docker-content-digest"] == pushed.description)
    let layer = TestRegistry.digest(Array("layer of one".utf8))
    #expect(try await realms.test.send(.get, "\(path)/blobs/\(layer)").text == "layer of one")
    // What is deleted stays there.
    try registry.deleteManifest(pushed, in: "team/app")
    try await realms.drain()
    #expect(try realms.tags("team/app", in: realms.near) == ["1"])
    #expect(try realms.replication.statuses(of: pushed, in: "team/app", of: registry).isEmpty)
  }

  @Test func copiesAnIndexWithItsMembers() async throws {
    let realms = try Realms()
    let registry = realms.test.registry
    try registry.setReplicationRules(ReplicationRules(rules: [.init(destinations: [realms.near], prefixes: [])]))
    let image = try await realms.test.push(image: "one", to: "app")
    let index = TestRegistry.json(Index(manifests: [TestRegistry.descriptor(image.bytes)]))
    let answer = try await realms.test.send(
      .put, "/v2/app/manifests/all", ["content-type": MediaType.index.rawValue], body: index)
    #expect(answer.status == 201)
    try await realms.drain()
    #expect(try registry.at(realms.near).manifests(in: "app", limit: 10).map(\.tags) == [[], ["all"]])
  }

  @Test func goesOneHopAlone() async throws {
    let realms = try Realms()
    let (near, far) = (realms.test.registry.at(realms.near), realms.test.registry.at(realms.far))
    try realms.test.registry.setReplicationRules(
      ReplicationRules(rules: [.init(destinations: [realms.near], prefixes: [])]))
    try near.setReplicationRules(ReplicationRules(rules: [.init(destinations: [realms.far], prefixes: [])]))
    try await realms.test.push(image: "one", to: "app", tag: "1")
    try await realms.drain()
    #expect(try realms.tags("app", in: realms.near) == ["1"])
    #expect(try far.repositories(limit: 10).isEmpty)
    // A push from another server's replication says so itself.
    let bytes = TestRegistry.json(Index(manifests: []))
    for (user, arrives) in [("clipper-replication/1", false), ("docker/27", true)] {
      let answer = try await realms.test.send(
        .put, "/v2/111111111111/eu-west-1/hop/manifests/\(arrives)",
        ["content-type": MediaType.index.rawValue, "user-agent": user], body: bytes, as: "ada:secret")
      #expect(answer.status == 201)
      try await realms.drain()
      #expect(try far.repositoryExists("hop") == arrives)
    }
  }

  @Test func aTagThatMovedOnIsLeftToItsOwnPush() async throws {
    let realms = try Realms()
    try realms.test.registry.setReplicationRules(
      ReplicationRules(rules: [.init(destinations: [realms.near], prefixes: [])]))
    try await realms.test.push(image: "one", to: "app", tag: "1")
    let second = try await realms.test.push(image: "two", to: "app", tag: "1").digest
    try await realms.drain()
    let near = realms.test.registry.at(realms.near)
    #expect(try near.manifests([.tag("1")], in: "app")[0]?.digest == second)
    #expect(try near.manifests(in: "app", limit: 10).count == 2)
  }

  @Test func saysWhyACopyFailed() async throws {
    let realms = try Realms()
    let registry = realms.test.registry
    let near = registry.at(realms.near)
    _ = try near.createRepository("app", mutability: TagMutability(.immutable))
    try registry.setReplicationRules(ReplicationRules(rules: [.init(destinations: [realms.near], prefixes: [])]))
    try await realms.test.push(image: "one", to: "app", tag: "1")
    try await realms.drain()
    let second = try await realms.test.push(image: "two", to: "app", tag: "1").digest
    try await realms.drain()
    let status = try #require(try realms.replication.statuses(of: second, in: "app", of: registry).first)
    #expect(status.state == .failed && status.failure?.contains("immutable") == true)
  }

  @Test func anotherAccountsRegistryIsOpenByItsOwnPolicyAlone() async throws {
    let realms = try Realms()
    let registry = realms.test.registry
    try registry.setReplicationRules(ReplicationRules(rules: [.init(destinations: [realms.near], prefixes: [])]))
    let closed = try await realms.test.push(image: "one", to: "closed", tag: "1").digest
    try registry.at(realms.far).setReplicationRules(
      ReplicationRules(rules: [.init(destinations: [realms.near], prefixes: [])]))
    _ = try registry.at(realms.far).putManifest(
      TestRegistry.json(Index(manifests: [])), contentType: .index, in: "closed", tags: ["own"])
    try await realms.drain()
    let status = try #require(try realms.replication.statuses(of: closed, in: "closed", of: registry).first)
    #expect(status.state == .failed && status.failure?.contains("ecr:ReplicateImage") == true)
    // Within an account it needs no policy.
    #expect(try realms.tags("closed", in: realms.near) == ["own"])
    try registry.at(realms.near).removeSetting(.registryPolicy)
    let other = try await realms.test.push(image: "two", to: "app", tag: "1").digest
    try await realms.drain()
    #expect(try realms.replication.statuses(of: other, in: "app", of: registry).first?.state == .failed)
  }

  @Test func aRepositoryIsMadeThereOnlyWhereTheRegistrysPolicyAllowsIt() async throws {
    let realms = try Realms()
    let registry = realms.test.registry
    let near = registry.at(realms.near)
    try registry.setReplicationRules(ReplicationRules(rules: [.init(destinations: [realms.near], prefixes: [])]))
    let first = try await realms.test.push(image: "one", to: "old/app", tag: "1").digest
    try await realms.drain()
    let status = try #require(try realms.replication.statuses(of: first, in: "old/app", of: registry).first)
    #expect(status.state == .failed && status.failure?.contains("ecr:CreateRepository") == true)
    #expect(try near.repositories(limit: 10).isEmpty)
    // Made by hand, it is replicated into.
    _ = try near.createRepository("old/app")
    try await realms.test.push(image: "two", to: "old/app", tag: "2")
    try await realms.drain()
    #expect(try realms.tags("old/app", in: realms.near).contains("2"))
  }

  @Test func aRepositorysOwnPolicyLetsNoReplicationIn() async throws {
    let realms = try Realms()
    let registry = realms.test.registry
    let near = registry.at(realms.near)
    try near.removeSetting(.registryPolicy)
    _ = try near.createRepository("app")
    try near.setRepositorySetting(
      .repositoryPolicy, of: "app",
      #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:*"}]}"#)
    try registry.setReplicationRules(ReplicationRules(rules: [.init(destinations: [realms.near], prefixes: [])]))
    let digest = try await realms.test.push(image: "one", to: "app", tag: "1").digest
    try await realms.drain()
    #expect(try realms.replication.statuses(of: digest, in: "app", of: registry).first?.state == .failed)
    #expect(try realms.tags("app", in: realms.near).isEmpty)
  }

  @Test func refusesDestinationsThatNobodyKnows() throws {
    let realms = try Realms()
    let elsewhere = try #require(Realm(account: "222222222222", region: "eu-west-1"))
    #expect(try realms.replication.refusal(of: realms.near, from: .main) == nil)
    #expect(try realms.replication.refusal(of: realms.near, from: realms.near) != nil)
    #expect(
      try realms.replication.refusal(of: elsewhere, from: .main)?.contains("clipper registry replication set") == true)
  }
}

@Suite struct CreationTemplateTests {
  private func template(_ prefix: String, _ purposes: Set<CreationTemplate.Purpose>, _ rule: TagMutability.Rule)
    -> CreationTemplate
  {
    var template = CreationTemplate(prefix: prefix, purposes: purposes, at: 0)
    template.mutability = TagMutability(rule)
    template.labels = ["from": prefix]
    return template
  }

  @Test func aPushMakesARepositoryByTheNearestTemplate() async throws {
    let test = try TestRegistry(createsOnPush: false)
    #expect(try await test.send(.post, "/v2/a/b/uploads/blobs/uploads/").status == 404)
    try test.registry.setCreationTemplate(template("a", [.createOnPush], .immutable))
    try test.registry.setCreationTemplate(template("a/closed", [.replication], .mutable))
    try await test.push(image: "one", to: "a/b", tag: "1")
    let made = try test.registry.repository("a/b")
    #expect(made.mutability.rule == .immutable && made.labels == ["from": "a"])
    for name in ["a", "b/a", "a/closed/c", "ab/c"] {
      #expect(try await test.send(.post, "/v2/\(name)/blobs/uploads/").status == 404, "\(name)")
    }
    try test.registry.setCreationTemplate(template("ROOT", [.createOnPush], .mutable))
    #expect(try await test.send(.post, "/v2/b/a/blobs/uploads/").status == 202)
    #expect(try await test.send(.post, "/v2/a/closed/c/blobs/uploads/").status == 404)
  }

  @Test func documentsGoToTheNewRepository() throws {
    let test = try TestRegistry()
    let kind = SettingKind("test-policy")
    test.registry.templateDocuments.register(.repositoryPolicy) { text in
      if text == "bad" { throw RegistryError.nameInvalid(text) }
    } apply: { text, registry, session, repository in
      try registry.setRepositorySetting(session, kind, of: repository.id, text)
    }
    #expect(try test.registry.templateDocuments.check(.repositoryPolicy, "good"))
    #expect(throws: PolicyError.self) { try test.registry.templateDocuments.check(.lifecyclePolicy, "bad") }
    #expect(throws: RegistryError.self) { try test.registry.templateDocuments.check(.repositoryPolicy, "bad") }
    var one = template("a", [.pullThroughCache], .mutable)
    one.repositoryPolicy = "good"
    try test.registry.setCreationTemplate(one)
    _ = try test.registry.makeRepository("a/b", for: .pullThroughCache)
    #expect(try test.registry.repositorySetting(kind, of: "a/b", as: String.self) == "good")
  }

  @Test func mountingCanBeTurnedOff() async throws {
    let test = try TestRegistry()
    let digest = try await test.push(blob: Array("shared".utf8), to: "a")
    func mount(_ name: String) async throws -> Int {
      try await test.send(.post, "/v2/\(name)/blobs/uploads/?mount=\(digest)&from=a").status
    }
    #expect(try await mount("b") == 201)
    try test.registry.setAccountSetting(.blobMounting, "DISABLED")
    #expect(try await mount("c") == 202)
  }
}
