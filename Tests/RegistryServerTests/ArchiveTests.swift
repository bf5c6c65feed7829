import DistributionSpec
import FoundationEssentials
import HTTPTypes
import ImageSpec
import Lifecycle
import Testing

@testable import RegistryServer

extension TestRegistry {
  /// Pushes an index of manifests that are there.
  @discardableResult
  func push(index manifests: [[UInt8]], to name: String, tag: String) async throws -> (bytes: [UInt8], digest: Digest) {
    let bytes = Self.json(Index(manifests: manifests.map(Self.descriptor)))
    let answer = try await send(
      .put, "/v2/\(name)/manifests/\(tag)", ["content-type": MediaType.index.rawValue], body: bytes)
    #expect(answer.status == 201, "\(answer.text)")
    return (bytes, Self.digest(bytes))
  }

  /// Pushes something about an image.
  @discardableResult
  func push(artifact text: String, about subject: [UInt8], to name: String) async throws -> (
    bytes: [UInt8], digest: Digest
  ) {
    let config = Array("{\"about\":\"\(text)\"}".utf8)
    try await push(blob: config, to: name)
    let bytes = Self.manifest(
      config: config, layers: [], subject: Self.descriptor(subject), artifactType: "application/test")
    let answer = try await send(
      .put, "/v2/\(name)/manifests/\(Self.digest(bytes))", ["content-type": MediaType.manifest.rawValue], body: bytes)
    #expect(answer.status == 201, "\(answer.text)")
    return (bytes, Self.digest(bytes))
  }

  func storageClass(_ digest: Digest, in name: String) throws -> StorageClass {
    try registry.storedManifest(.digest(digest), in: name).storageClass
  }
}

@Suite struct ArchiveTests {
  @Test func whatIsArchivedIsKeptAndNotServed() async throws {
    let test = try TestRegistry()
    let image = try await test.push(image: "one", to: "app", tag: "v1")
    let signature = try await test.push(artifact: "signature", about: image.bytes, to: "app")
    // In memory before, and out of it after.
    for target in ["v1", image.digest.description] {
      #expect(try await test.send(.get, "/v2/app/manifests/\(target)").status == 200)
    }
    try test.registry.archive(image.digest, in: "app")
    for target in ["v1", image.digest.description, signature.digest.description] {
      let answer = try await test.send(.get, "/v2/app/manifests/\(target)")
      #expect(answer.status == 404 && answer.codes == ["MANIFEST_UNKNOWN"] && answer.text.contains("archived"))
      #expect(try await test.send(.head, "/v2/app/manifests/\(target)").status == 404)
    }
    // What is about it follows it, and is not offered either.
    let referrers = try await test.send(.get, "/v2/app/referrers/\(image.digest)").decoded(Index.self)
    #expect(referrers.manifests.isEmpty)
    let stored = try test.registry.storedManifest(.tag("v1"), in: "app")
    #expect(stored.storageClass == .archive && stored.archived != nil && stored.activated == nil)
    let layer = try #require(try JSONDecoder().decode(Manifest.self, from: Data(image.bytes)).layers.first)
    #expect(try test.registry.storageClass(ofBlob: layer.digest, in: "app") == .archive)

    try test.registry.restore(image.digest, in: "app")
    #expect(try await test.send(.get, "/v2/app/manifests/v1").body == image.bytes)
    #expect(try await test.send(.get, "/v2/app/manifests/\(signature.digest)").status == 200)
    #expect(try test.registry.storedManifest(.tag("v1"), in: "app").activated != nil)
    #expect(try test.registry.storageClass(ofBlob: layer.digest, in: "app") == .standard)
  }

  @Test func whatOnlyArchivedImagesHaveIsNotServedBlobByBlobEither() async throws {
    let test = try TestRegistry()
    let shared = Array("shared".utf8)
    try await test.push(blob: shared, to: "app")
    func push(_ text: String) async throws -> (digest: Digest, config: Digest) {
      let config = Array("{\"author\":\"\(text)\"}".utf8)
      let own = try await test.push(blob: config, to: "app")
      let bytes = TestRegistry.manifest(config: config, layers: [shared])
      let answer = try await test.send(
        .put, "/v2/app/manifests/\(text)", ["content-type": MediaType.manifest.rawValue], body: bytes)
      #expect(answer.status == 201)
      return (TestRegistry.digest(bytes), own)
    }
    let (one, two) = (try await push("one"), try await push("two"))
    let loose = try await test.push(blob: Array("loose".utf8), to: "app")
    let layer = TestRegistry.digest(shared)
    func status(_ digest: Digest) async throws -> Int { try await test.send(.get, "/v2/app/blobs/\(digest)").status }
    try test.registry.archive(one.digest, in: "app")
    let refused = try await test.send(.get, "/v2/app/blobs/\(one.config)")
    #expect(refused.status == 404 && refused.codes == ["BLOB_UNKNOWN"] && refused.text.contains("archived"))
    // A range, and an address that is kept, are the same blob.
    #expect(try await test.send(.get, "/v2/app/blobs/\(one.config)", ["range": "bytes=0-1"]).status == 404)
    #expect(
      try await test.send(.get, "/v2/app/blobs/\(one.config)", ["if-none-match": "\"\(one.config)\""]).status == 404)
    for digest in [layer, two.config, loose] { #expect(try await status(digest) == 200) }
    // Nor is it brought into service by way of another repository.
    let mount = "/v2/other/blobs/uploads/?from=app&mount="
    #expect(try await test.send(.post, mount + one.config.description).status == 202)
    #expect(try await test.send(.post, mount + layer.description).status == 201)

    try test.registry.archive(two.digest, in: "app")
    for digest in [layer, two.config] { #expect(try await status(digest) == 404) }
    #expect(try await status(loose) == 200)
    // Another repository's image has the layer still.
    #expect(try await test.send(.get, "/v2/other/blobs/\(layer)").status == 200)
    try test.registry.restore(one.digest, in: "app")
    for digest in [layer, one.config] { #expect(try await status(digest) == 200) }
    #expect(try await status(two.config) == 404)
  }

  @Test func aPushRestores() async throws {
    let test = try TestRegistry()
    let image = try await test.push(image: "one", to: "app", tag: "v1")
    try test.registry.archive(image.digest, in: "app")
    // A blob that is asked for before a push is there: nothing has to be sent again.
    let layer = try #require(try JSONDecoder().decode(Manifest.self, from: Data(image.bytes)).layers.first)
    #expect(try await test.send(.head, "/v2/app/blobs/\(layer.digest)").status == 200)
    try await test.push(image: "one", to: "app", tag: "v2")
    for tag in ["v1", "v2"] { #expect(try await test.send(.get, "/v2/app/manifests/\(tag)").status == 200) }
  }

  @Test func anIndexInServiceHoldsWhatItLists() async throws {
    let test = try TestRegistry()
    let members = [
      try await test.push(image: "amd64", to: "app"), try await test.push(image: "arm64", to: "app"),
    ]
    let index = try await test.push(index: members.map(\.bytes), to: "app", tag: "v1")
    #expect(throws: RegistryError.manifestReferenced(members[0].digest, by: index.digest, repository: "app")) {
      try test.registry.archive(members[0].digest, in: "app")
    }
    try test.registry.archive(index.digest, in: "app")
    for member in members { try test.registry.archive(member.digest, in: "app") }
    try test.registry.restore(index.digest, in: "app")
    for digest in [index.digest] + members.map(\.digest) {
      #expect(try await test.send(.get, "/v2/app/manifests/\(digest)").status == 200)
    }
    // A new index brings back what it lists as well.
    try test.registry.archive(index.digest, in: "app")
    try test.registry.archive(members[1].digest, in: "app")
    try await test.push(index: [members[1].bytes], to: "app", tag: "arm")
    #expect(try test.storageClass(members[1].digest, in: "app") == .standard)
    #expect(try test.storageClass(index.digest, in: "app") == .archive)
  }

  @Test func anotherProcessServesItNoLongerEither() async throws {
    let test = try TestRegistry()
    let image = try await test.push(image: "one", to: "app", tag: "v1")
    let other = try TestRegistry(root: test.root)
    #expect(try await other.send(.get, "/v2/app/manifests/v1").status == 200)
    try test.registry.archive(image.digest, in: "app")
    #expect(try await other.send(.get, "/v2/app/manifests/v1").status == 404)
  }
}

@Suite struct PullTimeTests {
  private func pulled(_ test: TestRegistry) throws -> Int64? {
    try test.registry.recordPulls()
    return try test.registry.storedManifest(.tag("v1"), in: "app").pulled
  }

  @Test func pullsOfExcludedPrincipalsDoNotCount() async throws {
    let test = try TestRegistry(anonymous: .push)
    try await test.push(image: "one", to: "app", tag: "v1")
    let arn = "arn:aws:iam::000000000000:user/ada"
    #expect(try test.registry.addPullTimeExclusion(arn) != nil)
    #expect(try test.registry.addPullTimeExclusion(arn) == nil)
    // The first comes from the database, the second from memory.
    for _ in 0..<2 {
      #expect(try await test.send(.get, "/v2/app/manifests/v1", as: "ada:secret").status == 200)
    }
    #expect(try pulled(test) == nil)
    try await test.send(.get, "/v2/app/manifests/v1")
    #expect(try pulled(test) != nil)
    #expect(try test.registry.pullTimeExclusions(limit: 10) == [arn])

    let other = try TestRegistry(root: test.root)
    try await other.push(image: "two", to: "app", tag: "v1")
    try await other.send(.get, "/v2/app/manifests/v1", as: "ada:secret")
    #expect(try pulled(other) == nil)
    #expect(try test.registry.removePullTimeExclusion(arn))
    #expect(try !test.registry.removePullTimeExclusion(arn))
    // Which others take over within a minute.
    try other.registry.followExclusions()
    try await other.send(.get, "/v2/app/manifests/v1", as: "ada:secret")
    #expect(try pulled(other) != nil)
  }

  @Test func anExclusionIsOfItsRealm() async throws {
    let test = try TestRegistry()
    let realm = try #require(Realm(account: "111111111111", region: "eu-west-1"))
    _ = try test.registry.at(realm).addPullTimeExclusion("arn:aws:iam::111111111111:user/ada")
    try await test.push(image: "one", to: "app", tag: "v1")
    try await test.send(.get, "/v2/app/manifests/v1", as: "ada:secret")
    #expect(try pulled(test) != nil)
    #expect(try test.registry.pullTimeExclusions(limit: 10).isEmpty)
  }

  @Test func thereIsALimit() throws {
    let test = try TestRegistry()
    for number in 0..<Registry.pullTimeExclusionLimit {
      _ = try test.registry.addPullTimeExclusion("arn:aws:iam::000000000000:user/u\(number)")
    }
    #expect(throws: RegistryError.tooManyExclusions(limit: Registry.pullTimeExclusionLimit)) {
      try test.registry.addPullTimeExclusion("arn:aws:iam::000000000000:user/more")
    }
  }
}
