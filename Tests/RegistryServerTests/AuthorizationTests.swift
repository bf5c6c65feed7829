import AccessPolicies
import DistributionSpec
import Glibc
import HTTPTypes
import Kernel
import Metadata
import SystemPackage
import Testing

@testable import RegistryServer

/// A registry in which nobody may do anything unnamed, and user `bob`, whose key `registry.key` is.
private func closedRegistry(
  bob policies: [ManagedPolicy], createsOnPush: Bool = true, realms: RealmTable = .onlyMain
) throws -> TestRegistry {
  let registry = try TestRegistry(anonymous: .none, createsOnPush: createsOnPush, realms: realms)
  try registry.files.identities.set("bob", account: nil, policies: policies.map(\.rawValue))
  return registry
}

extension TestRegistry {
  fileprivate var bob: String { "AWS:\(server.authenticator.issueToken(for: key).password)" }

  fileprivate func setPolicy(_ statement: String, of name: String) throws {
    try registry.setRepositorySetting(
      .repositoryPolicy, of: name, #"{"Version":"2012-10-17","Statement":[\#(statement)]}"#)
  }

  /// Pushes an image as `credentials`, and returns the status of the first step that is no success, or 201.
  fileprivate func tryPush(to name: String, as credentials: String?) async throws -> Int {
    let config = Array("{}".utf8)
    let digest = Self.digest(config)
    let upload = try await send(.post, "/v2/\(name)/blobs/uploads/?digest=\(digest)", body: config, as: credentials)
    guard upload.status == 201 else { return upload.status }
    return try await send(
      .put, "/v2/\(name)/manifests/v1", ["content-type": "application/vnd.oci.image.manifest.v1+json"],
      body: Self.manifest(config: config, layers: []), as: credentials
    ).status
  }
}

@Suite struct AuthorizationTests {
  private static let methods: [(HTTPRequest.Method, String, Bool, Bool, Bool)] = [
    // pull, push, full
    (.get, "manifests/v1", true, true, true), (.head, "manifests/v1", true, true, true),
    (.get, "tags/list", false, true, true), (.post, "blobs/uploads/", false, true, true),
    (.delete, "manifests/v1", false, false, true),
  ]

  @Test func whatAPolicyAllowsIsAllRoutesOfIt() async throws {
    for (index, policy) in [ManagedPolicy.pullOnly, .powerUser, .fullAccess].enumerated() {
      let registry = try closedRegistry(bob: [policy])
      #expect(try await registry.tryPush(to: "app", as: "ada:secret") == 201)
      for (method, path, pulls, pushes, all) in Self.methods {
        let status = try await registry.send(method, "/v2/app/\(path)", as: registry.bob).status
        let isAllowed = [pulls, pushes, all][index]
        #expect((status != 403) == isAllowed, "\(policy) \(method) \(path): \(status)")
      }
    }
  }

  @Test func aRefusalNamesWhatIsMissingAndNotWhetherTheRepositoryExists() async throws {
    let registry = try closedRegistry(bob: [])
    _ = try registry.registry.createRepository("real")
    var texts: [String] = []
    for name in ["real", "none"] {
      for (method, path) in [(HTTPRequest.Method.get, "manifests/v1"), (.post, "blobs/uploads/"), (.get, "tags/list")] {
        let answer = try await registry.send(method, "/v2/\(name)/\(path)", as: registry.bob)
        #expect(answer.status == 403 && answer.codes == ["DENIED"])
        texts.append(answer.text.replacing(name, with: "NAME"))
      }
    }
    #expect(Array(texts[..<3]) == Array(texts[3...]))
    #expect(
      texts[0].contains(
        "User: arn:aws:iam::000000000000:user/bob is not authorized to perform: ecr:BatchGetImage on resource: "
          + "arn:aws:ecr:local:000000000000:repository/NAME"))
  }

  @Test func aPushMakesARepositoryOnlyForWhoMayMakeOne() async throws {
    let registry = try closedRegistry(bob: [.powerUser])
    #expect(try await registry.tryPush(to: "fresh", as: registry.bob) == 404)
    #expect(try !registry.registry.repositoryExists("fresh"))
    _ = try registry.registry.createRepository("fresh")
    #expect(try await registry.tryPush(to: "fresh", as: registry.bob) == 201)
    #expect(try await registry.tryPush(to: "other", as: "ada:secret") == 201)
  }

  @Test func aRepositorysPolicyOpensItToAllWhoSignInAndToNobodyElse() async throws {
    let registry = try closedRegistry(bob: [])
    for name in ["open", "shut"] { #expect(try await registry.tryPush(to: name, as: "ada:secret") == 201) }
    #expect(try await registry.send(.get, "/v2/open/manifests/v1", as: registry.bob).status == 403)
    try registry.setPolicy(
      #"{"Effect":"Allow","Principal":"*","Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"]}"#, of: "open")
    #expect(try await registry.send(.get, "/v2/open/manifests/v1", as: registry.bob).status == 200)
    #expect(try await registry.send(.get, "/v2/open/tags/list", as: registry.bob).status == 403)
    #expect(try await registry.send(.get, "/v2/shut/manifests/v1", as: registry.bob).status == 403)
    // ECR takes no request without credentials, whatever policies say: docker is asked to sign in.
    for name in ["open", "shut", "none"] {
      let answer = try await registry.send(.get, "/v2/\(name)/manifests/v1")
      #expect(answer.status == 401 && answer["www-authenticate"]?.hasPrefix("Basic ") == true, "\(name)")
    }
    #expect(try await registry.tryPush(to: "open", as: nil) == 401)
    #expect(try registry.registry.removeRepositorySetting(.repositoryPolicy, of: "open"))
    #expect(try await registry.send(.get, "/v2/open/manifests/v1", as: registry.bob).status == 403)
  }

  @Test func aDenyInARepositorysPolicyCountsAtOnceForAll() async throws {
    let registry = try TestRegistry(anonymous: .push)
    try await registry.push(image: "one", to: "app", tag: "v1")
    #expect(try await registry.send(.get, "/v2/app/manifests/v1", as: "ada:secret").status == 200)
    try registry.setPolicy(#"{"Effect":"Deny","Principal":"*","Action":"ecr:BatchGetImage"}"#, of: "app")
    #expect(try await registry.send(.get, "/v2/app/manifests/v1", as: "ada:secret").status == 403)
    #expect(try await registry.send(.get, "/v2/app/manifests/v1").status == 401)
    #expect(try await registry.send(.get, "/v2/app/tags/list").status == 200)
  }

  @Test func conditionsSeeTagsAndTheClient() async throws {
    let registry = try closedRegistry(bob: [])
    _ = try registry.registry.createRepository("app", labels: ["team": "core"])
    try registry.files.identities.createPolicy(
      "core",
      text: #"""
        {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"arn:aws:ecr:*:*:repository/*",
        "Condition":{"StringEquals":{"ecr:ResourceTag/team":"core"},"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}]}
        """#)
    try registry.files.identities.attach("core", to: "bob")
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 200)
    _ = try registry.registry.updateRepository("app") { $0.labels["team"] = "other" }
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 403)
  }

  @Test func theCatalogShowsWhatOneMaySee() async throws {
    let registry = try closedRegistry(bob: [])
    for name in ["a", "b", "c"] { _ = try registry.registry.createRepository(name) }
    #expect(
      try await registry.send(.get, "/v2/_catalog", as: "ada:secret").decoded(Catalog.self).repositories == [
        "a", "b", "c",
      ])
    #expect(try await registry.send(.get, "/v2/_catalog", as: registry.bob).decoded(Catalog.self).repositories == [])
    try registry.setPolicy(
      #"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/bob"},"Action":"ecr:*"}"#, of: "b")
    #expect(try await registry.send(.get, "/v2/_catalog", as: registry.bob).decoded(Catalog.self).repositories == ["b"])
    #expect(try await registry.send(.get, "/v2/_catalog").status == 401)
  }

  @Test func aMountNeedsTheRightToReadTheSource() async throws {
    let registry = try closedRegistry(bob: [])
    for name in ["mine", "secret"] { _ = try registry.registry.createRepository(name) }
    let digest = try await registry.send(
      .post, "/v2/secret/blobs/uploads/?digest=\(TestRegistry.digest([1]))", body: [1], as: "ada:secret")[
        "docker-content-digest"]
    let mount = "/v2/mine/blobs/uploads/?mount=\(try #require(digest))"
    let mine = #"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/bob"},"Action":"ecr:*"}"#
    try registry.setPolicy(mine, of: "mine")
    for query in ["&from=secret", ""] {
      #expect(
        try await registry.send(.post, mount + query, as: registry.bob).status == 202, "the bytes have to be sent")
    }
    try registry.setPolicy(mine, of: "secret")
    #expect(try await registry.send(.post, mount + "&from=secret", as: registry.bob).status == 201)
  }

  @Test func acrossAccountsTheRepositoryMustAllowItToo() async throws {
    let other = try #require(Realm(account: "111122223333", region: "eu-west-1"))
    let table = try #require(RealmTable(account: "000000000000", declared: [other]))
    let registry = try closedRegistry(bob: [.fullAccess], realms: table)
    let there = registry.registry.at(other)
    _ = try there.createRepository("app")
    let path = "/v2/111122223333/eu-west-1/app/tags/list"
    #expect(try await registry.send(.get, path, as: registry.bob).status == 403)
    let trust =
      #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"ecr:ListImages"}]}"#
    try there.setRepositorySetting(.repositoryPolicy, of: "app", trust)
    #expect(try await registry.send(.get, path, as: registry.bob).status == 200)
    try registry.files.identities.set("bob", account: nil, policies: [])
    #expect(try await registry.send(.get, path, as: registry.bob).status == 403)
    // One of that account needs nobody else's word, and has none in the first account.
    try registry.files.identities.set(
      "bob", account: "111122223333", policies: ["AmazonEC2ContainerRegistryFullAccess"])
    _ = try there.removeRepositorySetting(.repositoryPolicy, of: "app")
    #expect(try await registry.send(.get, path, as: registry.bob).status == 200)
    _ = try registry.registry.createRepository("app")
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 403)
  }

  @Test func theRegistrysPolicyDeniesInItsScope() async throws {
    let registry = try closedRegistry(bob: [.fullAccess])
    _ = try registry.registry.createRepository("app")
    let policy =
      #"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::000000000000:user/bob"},"Action":"ecr:*","Resource":"*"}]}"#
    try registry.registry.setSetting(.registryPolicy, "", policy)
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 403)
    try registry.registry.setAccountSetting(.registryPolicyScope, "V1")
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 200)
    #expect(try await registry.tryPush(to: "fresh", as: registry.bob) == 404, "V1 keeps from making repositories")
  }

  @Test func anotherProcesssChangeCountsAtOnce() async throws {
    let registry = try closedRegistry(bob: [.fullAccess])
    _ = try registry.registry.createRepository("app")
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 200)
    let second = try TestRegistry(root: registry.root)
    try second.setPolicy(#"{"Effect":"Deny","Principal":"*","Action":"ecr:*"}"#, of: "app")
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 403)
  }
}

@Suite struct IdentityTests {
  @Test func detachingNeverWidens() async throws {
    let registry = try TestRegistry(anonymous: .none)
    _ = try registry.registry.createRepository("app")
    let identities = registry.files.identities
    #expect(try identities.find("bob")?.policies.count == 2, "one of whom nothing is written down may do everything")
    try identities.attach("AmazonEC2ContainerRegistryPullOnly", to: "bob")
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 200)
    for policy in Identities.standardPolicies { #expect(try identities.detach(policy.arn, from: "bob")) }
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: registry.bob).status == 403)
    #expect(try identities.detach("AmazonEC2ContainerRegistryPullOnly", from: "bob"))
    #expect(try identities.find("bob")?.policyNames == [])
    #expect(try await registry.send(.get, "/v2/app/manifests/v1", as: registry.bob).status == 403)
    #expect(try !identities.detach("AmazonEC2ContainerRegistryPullOnly", from: "bob"))
  }

  @Test func aRemovedUsersKeysAndTokensAreVoid() async throws {
    let registry = try TestRegistry(anonymous: .none)
    let identities = registry.files.identities
    try identities.set("bob", account: nil, policies: ["AdministratorAccess"])
    let token = registry.bob
    #expect(try await registry.send(.get, "/v2/", as: token).status == 200)
    #expect(try identities.remove("bob"))
    #expect(try await registry.send(.get, "/v2/", as: token).status == 401)
    #expect(try registry.files.keys.find(registry.key.id) == nil)
    #expect(throws: AccessError.self) { try registry.files.keys.create(user: "bob") }
    #expect(throws: AccessError.self) { try identities.attach("AdministratorAccess", to: "bob") }
    // Nor has one of the same name in another file of passwords what it had, or more.
    try registry.files.passwords.set("bob", password: "secret", cost: 4)
    _ = try registry.registry.createRepository("app")
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: "bob:secret").status == 403)
    try identities.set("bob", account: nil, policies: nil)
    #expect(try await registry.send(.get, "/v2/app/tags/list", as: "bob:secret").status == 200)
  }

  @Test func removesAllKeysOfAUser() throws {
    let registry = try TestRegistry()
    _ = try registry.files.keys.create(user: "bob")
    let other = try registry.files.keys.create(user: "eve")
    #expect(try registry.files.keys.removeAll(of: "bob") == 2 && registry.files.keys.list().map(\.id) == [other.id])
  }

  @Test func whatCannotBeReadLetsNobodyIn() async throws {
    let registry = try TestRegistry(anonymous: .none)
    _ = try registry.registry.createRepository("app")
    let path = registry.files.directory.appending("access.json")
    for text in [
      "", "{}", #"{"version":2,"users":{},"policies":{}}"#,
      #"{"version":1,"users":{"bob":{"policies":["gone"]}},"policies":{}}"#,
      #"{"version":1,"users":{},"policies":{"x":{"created":1,"document":"{}"}}}"#,
    ] {
      try writeFileAtomically(path, Array(text.utf8))
      #expect(try await registry.send(.get, "/v2/app/tags/list", as: "ada:secret").status == 500, "\(text)")
    }
  }

  @Test func keepsPoliciesThatAreUsed() throws {
    let identities = try TestRegistry().files.identities
    let text = #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"*"}]}"#
    try identities.createPolicy("team", text: text)
    #expect(throws: AccessError.self) { try identities.createPolicy("team", text: text) }
    #expect(throws: AccessError.self) {
      try identities.createPolicy("AdministratorAccess", text: text, replacing: true)
    }
    #expect(throws: AccessError.self) { try identities.createPolicy("a b", text: text) }
    #expect(throws: AccessError.self) { try identities.createPolicy("bad", text: "{}") }
    #expect(try identities.attach("arn:aws:iam::000000000000:policy/team", to: "bob"))
    #expect(try !identities.attach("team", to: "bob"))
    #expect(throws: AccessError.self) { try identities.deletePolicy("team") }
    #expect(try identities.policies().map(\.users) == [["bob"]])
    #expect(try identities.detach("team", from: "bob"))
    try identities.deletePolicy("team")
    #expect(throws: AccessError.self) { try identities.attach("team", to: "bob") }
    #expect(throws: AccessError.self) { try identities.policy(named: "team") }
    #expect(throws: AccessError.self) { try identities.set("bob", account: "12", policies: nil) }
  }

  @Test func aKeyThatEndsTakesItsTokensAlong() async throws {
    let registry = try TestRegistry(anonymous: .none)
    let key = try registry.files.keys.create(user: "bob", duration: 900)
    #expect(key.id.hasPrefix("ASIA") && key.sessionToken?.count == 128)
    let token = registry.server.authenticator.issueToken(for: key)
    #expect(token.expires == key.expires)
    for seconds in [0, 899, 129_601] as [Int64] {
      #expect(throws: AccessError.self) { try registry.files.keys.create(user: "bob", duration: seconds) }
    }
  }
}

@Suite struct OngoingPushTests {
  @Test func aPushEndsThatOutlastsItsToken() async throws {
    let registry = try TestRegistry(anonymous: .none)
    // As if a push to it had begun a while ago.
    registry.registry.pushes.note(registry.key.id, "slow", of: .main, at: Int64(time(nil)) - 100)
    let token = registry.server.authenticator.issueToken(for: registry.key, lifetime: -1).password
    let config = Array("{}".utf8)
    let digest = TestRegistry.digest(config)
    #expect(
      try await registry.send(.post, "/v2/slow/blobs/uploads/?digest=\(digest)", body: config, as: "AWS:\(token)")
        .status == 201)
    #expect(try await registry.send(.head, "/v2/slow/blobs/\(digest)", as: "AWS:\(token)").status == 200)
    #expect(
      try await registry.send(
        .put, "/v2/slow/manifests/v1", ["content-type": "application/vnd.oci.image.manifest.v1+json"],
        body: TestRegistry.manifest(config: config, layers: []), as: "AWS:\(token)"
      ).status == 201)
    // Nothing else is open to it: not what a push does not do, and no repository where none went on.
    for (method, path) in [
      (HTTPRequest.Method.get, "/v2/"), (.get, "/v2/slow/manifests/v1"), (.get, "/v2/slow/blobs/\(digest)"),
      (.delete, "/v2/slow/manifests/v1"), (.post, "/v2/other/blobs/uploads/"),
    ] {
      let answer = try await registry.send(method, path, as: "AWS:\(token)")
      #expect(answer.status == 403 && answer.text.contains("token has expired"), "\(method) \(path)")
    }
    // A push that began after the token's end is not its own.
    registry.registry.pushes.note(registry.key.id, "later", of: .main)
    #expect(try await registry.send(.post, "/v2/later/blobs/uploads/", as: "AWS:\(token)").status == 403)
    #expect(try registry.files.keys.remove(registry.key.id))
    #expect(try await registry.send(.post, "/v2/slow/blobs/uploads/", as: "AWS:\(token)").status == 401)
  }

  @Test func theUsersPoliciesStillCount() async throws {
    let registry = try TestRegistry(anonymous: .none)
    registry.registry.pushes.note(registry.key.id, "slow", of: .main, at: Int64(time(nil)) - 100)
    let token = registry.server.authenticator.issueToken(for: registry.key, lifetime: -1).password
    try registry.files.identities.set("bob", account: nil, policies: [ManagedPolicy.pullOnly.rawValue])
    let answer = try await registry.send(.post, "/v2/slow/blobs/uploads/", as: "AWS:\(token)")
    #expect(answer.status == 403 && answer.text.contains("not authorized"))
  }

  @Test func aPauseAndTheGraceEndIt() throws {
    let registry = try TestRegistry()
    let pushes = registry.registry.pushes
    let token = SignInToken(keyID: "AKIA", expires: 1000)
    pushes.note("AKIA", "app", of: .main, at: 900)
    #expect(try pushes.goesOn(token, "app", of: .main, at: 1100))
    #expect(try pushes.goesOn(token, "app", of: .main, at: 900 + OngoingPushes.pause))
    #expect(try !pushes.goesOn(token, "app", of: .main, at: 901 + OngoingPushes.pause))
    for hour in 1...14 { pushes.note("AKIA", "app", of: .main, at: 900 + Int64(hour) * 3500) }
    #expect(try pushes.goesOn(token, "app", of: .main, at: 999 + OngoingPushes.grace))
    #expect(try !pushes.goesOn(token, "app", of: .main, at: 1000 + OngoingPushes.grace))
    #expect(try !pushes.goesOn(SignInToken(keyID: "ASIA", expires: 1000), "app", of: .main, at: 1100))
    #expect(try !pushes.goesOn(token, "app", of: try #require(Realm(account: "111122223333", region: "x")), at: 1100))
    // After a pause it is another push, which the token did not begin.
    pushes.note("AKIA", "app", of: .main, at: 900 + 60 * 3500)
    #expect(try !pushes.goesOn(SignInToken(keyID: "AKIA", expires: 60 * 3500), "app", of: .main, at: 901 + 60 * 3500))
  }

  @Test func anotherProcessKnowsOfIt() throws {
    let registry = try TestRegistry()
    registry.registry.pushes.note("AKIA", "app", of: .main, at: 900)
    try registry.registry.pushes.record(at: 950)
    let other = try OngoingPushes(registry.registry.metadata)
    #expect(try other.goesOn(SignInToken(keyID: "AKIA", expires: 1000), "app", of: .main, at: 1100))
    // An older word does not undo a newer one.
    other.note("AKIA", "app", of: .main, at: 4000)
    try other.record(at: 4000)
    registry.registry.pushes.note("AKIA", "app", of: .main, at: 2000)
    try registry.registry.pushes.record(at: 2000)
    let third = try OngoingPushes(registry.registry.metadata)
    #expect(try third.goesOn(SignInToken(keyID: "AKIA", expires: 1000), "app", of: .main, at: 7000))
    #expect(try !third.goesOn(SignInToken(keyID: "AKIA", expires: 800), "app", of: .main, at: 7000))
  }
}
