import Content
import DistributionSpec
import HTTPTypes
import ImageSpec
import Testing

@testable import RegistryServer

@Suite struct ManifestTests {
  private static let type = ["content-type": MediaType.manifest.rawValue]
  private static let indexType = ["content-type": MediaType.index.rawValue]

  @Test func refusesAManifestWhoseContentIsNotThere() async throws {
    let registry = try TestRegistry()
    let config = Array("{}".utf8)
    try await registry.push(blob: config, to: "app")
    let manifest = TestRegistry.manifest(config: config, layers: [[1, 2, 3]])
    let answer = try await registry.send(.put, "/v2/app/manifests/1", Self.type, body: manifest)
    #expect(answer.status == 400 && answer.codes == ["MANIFEST_BLOB_UNKNOWN"])
    #expect(answer.text.contains(TestRegistry.digest([1, 2, 3]).description))
    // Not even where another repository has it: a push must not read by digest.
    try await registry.push(blob: [1, 2, 3], to: "other")
    #expect(try await registry.send(.put, "/v2/app/manifests/1", Self.type, body: manifest).status == 400)
    #expect(try await registry.send(.get, "/v2/app/manifests/1").status == 404)
  }

  @Test func refusesAManifestThatStatesAnotherSize() async throws {
    let registry = try TestRegistry()
    let config = Array("{}".utf8)
    try await registry.push(blob: config, to: "app")
    let manifest = TestRegistry.json(
      Manifest(config: Descriptor(mediaType: .config, digest: TestRegistry.digest(config), size: 3), layers: []))
    let answer = try await registry.send(.put, "/v2/app/manifests/1", Self.type, body: manifest)
    #expect(answer.status == 400 && answer.codes == ["MANIFEST_INVALID"])
  }

  @Test(arguments: [
    ("not JSON", MediaType.manifest.rawValue), ("[]", MediaType.manifest.rawValue),
    (#"{"schemaVersion":1,"name":"x"}"#, "application/vnd.docker.distribution.manifest.v1+json"),
    (
      #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
      MediaType.manifest.rawValue
    ),
    (#"{"schemaVersion":2,"manifests":[]}"#, MediaType.manifest.rawValue),
    (#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, MediaType.index.rawValue),
    (#"{"schemaVersion":2,"layers":[]}"#, MediaType.manifest.rawValue),
    (#"{"schemaVersion":2,"manifests":[]}"#, "application/vnd.example.thing"),
    (
      #"{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:12","size":1}]}"#, MediaType.index.rawValue
    ),
    (String(repeating: "[", count: 100_000), MediaType.manifest.rawValue),
  ])
  func refusesWhatIsNoManifest(_ text: String, _ type: String) async throws {
    let answer = try await TestRegistry().send(
      .put, "/v2/app/manifests/1", ["content-type": type], body: Array(text.utf8))
    #expect(answer.status == 400 && answer.codes == ["MANIFEST_INVALID"], "\(answer.text)")
  }

  @Test func refusesAManifestThatIsTooLarge() async throws {
    let answer = try await TestRegistry().send(
      .put, "/v2/app/manifests/1", Self.type, body: [UInt8](repeating: 0x20, count: ManifestDocument.sizeLimit + 1))
    #expect(answer.status == 413 && answer.codes == ["SIZE_INVALID"])
  }

  @Test func refusesAnotherDigestThanTheRequestNames() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app")
    let other = TestRegistry.digest([1])
    let answer = try await registry.send(.put, "/v2/app/manifests/\(other)", Self.type, body: image.bytes)
    #expect(answer.status == 400 && answer.codes == ["DIGEST_INVALID"])
  }

  @Test func takesTheDigestsAlgorithmFromTheRequest() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app")
    let digest = ContentStore.digest(of: image.bytes, .sha512)
    let answer = try await registry.send(.put, "/v2/app/manifests/\(digest)", Self.type, body: image.bytes)
    #expect(answer.status == 201 && answer["docker-content-digest"] == digest.description)
    #expect(try await registry.send(.get, "/v2/app/manifests/\(digest)").body == image.bytes)
  }

  @Test func takesAnIndexOnceItsManifestsAreThere() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app")
    let missing = TestRegistry.manifest(config: [1], layers: [])
    let incomplete = TestRegistry.json(Index(manifests: [image.bytes, missing].map { TestRegistry.descriptor($0) }))
    let refused = try await registry.send(.put, "/v2/app/manifests/all", Self.indexType, body: incomplete)
    #expect(refused.status == 400 && refused.codes == ["MANIFEST_BLOB_UNKNOWN"])
    let index = TestRegistry.json(Index(manifests: [TestRegistry.descriptor(image.bytes)]))
    #expect(try await registry.send(.put, "/v2/app/manifests/all", Self.indexType, body: index).status == 201)
    // A collection follows the index to its members.
    _ = try registry.store.collect()
    #expect(try await registry.send(.get, "/v2/app/manifests/all").body == index)
  }

  @Test func movesATag() async throws {
    let registry = try TestRegistry()
    let first = try await registry.push(image: "one", to: "app", tag: "latest")
    let second = try await registry.push(image: "two", to: "app", tag: "latest")
    #expect(try await registry.send(.get, "/v2/app/manifests/latest").body == second.bytes)
    #expect(try await registry.send(.get, "/v2/app/manifests/\(first.digest)").status == 200)
  }

  @Test func givesSeveralTagsAtOnce() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app")
    let answer = try await registry.send(
      .put, "/v2/app/manifests/\(image.digest)?tag=a&tag=b", Self.type, body: image.bytes)
    #expect(answer.status == 201 && answer["oci-tag"] == "a, b")
    #expect(try await registry.send(.get, "/v2/app/tags/list").decoded(TagList.self).tags == ["a", "b"])
    let malformed = try await registry.send(
      .put, "/v2/app/manifests/\(image.digest)?tag=-", Self.type, body: image.bytes)
    #expect(malformed.codes == ["TAG_INVALID"])
  }

  @Test func keepsAnImmutableTag() async throws {
    let registry = try TestRegistry()
    _ = try registry.registry.createRepository(
      "app", mutability: TagMutability(.immutableExcept, exclusions: ["latest*"]))
    let first = try await registry.push(image: "one", to: "app", tag: "1")
    try await registry.push(image: "one", to: "app", tag: "latest")
    let second = try await registry.push(image: "two", to: "app", tag: "latest")
    let refused = try await registry.send(.put, "/v2/app/manifests/1", Self.type, body: second.bytes)
    #expect(refused.status == 400 && refused.codes == ["TAG_INVALID"] && refused.text.contains("immutable"))
    // A push that is repeated after a lost answer succeeds.
    #expect(try await registry.send(.put, "/v2/app/manifests/1", Self.type, body: first.bytes).status == 201)
  }

  @Test func deletesATagAndAManifest() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app", tag: "1")
    try await registry.push(image: "one", to: "app", tag: "2")
    #expect(try await registry.send(.delete, "/v2/app/manifests/1", as: "ada:secret").status == 202)
    #expect(try await registry.send(.get, "/v2/app/manifests/1").status == 404)
    #expect(try await registry.send(.get, "/v2/app/manifests/2").status == 200)
    #expect(try await registry.send(.delete, "/v2/app/manifests/\(image.digest)", as: "ada:secret").status == 202)
    #expect(try await registry.send(.get, "/v2/app/manifests/2").status == 404)
    #expect(try await registry.send(.get, "/v2/app/tags/list").decoded(TagList.self).tags == [])
    #expect(try await registry.send(.delete, "/v2/app/manifests/\(image.digest)", as: "ada:secret").status == 404)
  }

  @Test func listsReferrers() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app", tag: "1")
    let empty = Array("{}".utf8)
    try await registry.push(blob: empty, to: "app")
    var digests: [Digest] = []
    for type in ["application/sbom", "application/signature"] {
      let manifest = TestRegistry.manifest(
        config: empty, layers: [], subject: TestRegistry.descriptor(image.bytes), artifactType: type)
      let answer = try await registry.send(
        .put, "/v2/app/manifests/\(TestRegistry.digest(manifest))", Self.type, body: manifest)
      #expect(answer.status == 201 && answer["oci-subject"] == image.digest.description)
      digests.append(TestRegistry.digest(manifest))
    }
    let all = try await registry.send(.get, "/v2/app/referrers/\(image.digest)")
    #expect(all.status == 200 && all["content-type"] == MediaType.index.rawValue && all["oci-filters-applied"] == nil)
    #expect(try all.decoded(Index.self).manifests.map(\.digest) == digests)
    let filtered = try await registry.send(.get, "/v2/app/referrers/\(image.digest)?artifactType=application/signature")
    #expect(filtered["oci-filters-applied"] == "artifactType")
    #expect(try filtered.decoded(Index.self).manifests.map(\.artifactType) == ["application/signature"])
    let none = try await registry.send(.get, "/v2/app/referrers/\(digests[0])")
    #expect(try none.status == 200 && none.decoded(Index.self).manifests.isEmpty)
    let paged = try await registry.send(.get, "/v2/app/referrers/\(image.digest)?n=1")
    #expect(try paged.decoded(Index.self).manifests.count == 1 && paged["link"] != nil)
  }
}

@Suite struct TagMutabilityTests {
  @Test(arguments: [
    ("v1.2", "v*", true), ("v1.2", "*.2", true), ("v1.2", "v*2", true), ("v1.2", "v1.2", true), ("v1.2", "v", false),
    ("", "*", true), ("aaab", "*a*b", true), ("x", "", false),
  ])
  func matchesPatterns(_ tag: String, _ pattern: String, _ matches: Bool) {
    #expect(TagMutability.matches(Array(tag.utf8), pattern: Array(pattern.utf8)) == matches)
  }
}
