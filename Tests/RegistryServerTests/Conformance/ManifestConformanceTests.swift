import Content
import DistributionSpec
import FoundationEssentials
import HTTPTypes
import ImageSpec
import Testing

@testable import RegistryServer

/// distribution-spec 1.1, Pushing Manifests, and what of 1.2 is settled; every kind of content that the project's own
/// conformance suite pushes.
@Suite struct ManifestConformanceTests {
  private static func type(_ type: MediaType) -> [String: String] { ["content-type": type.rawValue] }
  private static let config = Array("{}".utf8)

  private func put(
    _ registry: TestRegistry, _ bytes: [UInt8], _ type: MediaType = .manifest, at reference: String? = nil
  )
    async throws -> TestRegistry.Answer
  {
    try await registry.send(
      .put, "/v2/app/manifests/\(reference ?? TestRegistry.digest(bytes).description)", Self.type(type), body: bytes)
  }

  private func expectKept(_ registry: TestRegistry, _ bytes: [UInt8], _ type: MediaType, _ answer: TestRegistry.Answer)
    async throws
  {
    #expect(answer.status == 201, "\(answer.text)")
    let found = try await registry.send(.get, try #require(answer["location"]))
    #expect(found.status == 200 && found.body == bytes && found["content-type"] == type.rawValue)
  }

  /// A registry whose `app` has the blob `{}`, and a descriptor of it.
  private func registry() async throws -> (TestRegistry, Descriptor) {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Self.config, to: "app")
    return (registry, Descriptor(mediaType: .empty, digest: digest, size: 2))
  }

  @Test func takesArtifactsOfEveryShape() async throws {
    let (registry, empty) = try await registry()
    let shapes = [
      Manifest(artifactType: "application/vnd.example.thing", config: empty, layers: [empty]),
      Manifest(config: empty, layers: []),
      Manifest(
        artifactType: "application/vnd.example.thing", config: empty, layers: [empty],
        annotations: ["org.example": "value"]),
    ]
    for shape in shapes {
      let bytes = TestRegistry.json(shape)
      try await expectKept(registry, bytes, .manifest, try await put(registry, bytes))
    }
  }

  @Test func takesIndexesThatAreEmptyNestedOrArtifacts() async throws {
    let (registry, empty) = try await registry()
    let image = TestRegistry.json(Manifest(config: empty, layers: []))
    #expect(try await put(registry, image).status == 201)
    var inner = Index(manifests: [TestRegistry.descriptor(image)])
    inner.artifactType = "application/vnd.example.set"
    let innerBytes = TestRegistry.json(inner)
    let outerBytes = TestRegistry.json(
      Index(manifests: [
        Descriptor(mediaType: .index, digest: TestRegistry.digest(innerBytes), size: Int64(innerBytes.count))
      ]))
    for bytes in [TestRegistry.json(Index(manifests: [])), innerBytes, outerBytes] {
      try await expectKept(registry, bytes, .index, try await put(registry, bytes, .index, at: "tag"))
    }
  }

  @Test func takesDockersTypes() async throws {
    let (registry, empty) = try await registry()
    let image = TestRegistry.json(
      Manifest(
        mediaType: .dockerManifest,
        config: Descriptor(mediaType: .dockerConfig, digest: empty.digest, size: 2),
        layers: [Descriptor(mediaType: .dockerLayerGzip, digest: empty.digest, size: 2)]))
    try await expectKept(registry, image, .dockerManifest, try await put(registry, image, .dockerManifest, at: "1"))
    let list = TestRegistry.json(
      Index(
        mediaType: .dockerManifestList,
        manifests: [
          Descriptor(mediaType: .dockerManifest, digest: TestRegistry.digest(image), size: Int64(image.count))
        ]))
    try await expectKept(
      registry, list, .dockerManifestList, try await put(registry, list, .dockerManifestList, at: "2"))
    // One that knows only OCI's is not given another. (distribution-spec, Pulling manifests, Accept)
    #expect(try await registry.send(.get, "/v2/app/manifests/1", ["accept": MediaType.manifest.rawValue]).status == 404)
  }

  @Test func keepsFieldsThatItDoesNotKnowToTheByte() async throws {
    let (registry, empty) = try await registry()
    let text = """
      { "schemaVersion": 2,\t"x-own": {"deep": [1.50, "\\u00e9", null]},
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "\(empty.digest)", "size": 2,
          "data": "e30=", "x-own": true}, "layers": [], "mediaType": "\(MediaType.manifest)" }

      """
    let bytes = Array(text.utf8)
    try await expectKept(registry, bytes, .manifest, try await put(registry, bytes, at: "own"))
  }

  /// Their bytes are elsewhere. (image-spec, layer.md, Non-Distributable Layers)
  @Test(arguments: [
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  ])
  func takesLayersThatMayNotBeDistributed(_ type: String) async throws {
    let (registry, empty) = try await registry()
    let foreign = Descriptor(
      mediaType: MediaType(type), digest: TestRegistry.digest([9]), size: 123_456, urls: ["https://store.example/x"])
    let bytes = TestRegistry.json(Manifest(config: empty, layers: [foreign, empty]))
    try await expectKept(registry, bytes, .manifest, try await put(registry, bytes))
  }

  /// "Registries SHOULD support manifests of at least 4 MiB", and 413 beyond what they take.
  @Test func takesALargeManifest() async throws {
    let (registry, empty) = try await registry()
    var annotations: [String: String] = [:]
    for index in 0..<390 { annotations["large-\(index)"] = String(repeating: "A", count: 10_000) }
    let bytes = TestRegistry.json(Manifest(config: empty, layers: [], annotations: annotations))
    #expect(bytes.count > 3_900_000)
    try await expectKept(registry, bytes, .manifest, try await put(registry, bytes, at: "large"))
  }

  @Test func takesSHA512Throughout() async throws {
    let registry = try TestRegistry()
    let blob = ContentStore.digest(of: Self.config, .sha512)
    #expect(
      try await registry.send(.post, "/v2/app/blobs/uploads/?digest=\(blob)", body: Self.config).status == 201)
    let image = TestRegistry.json(
      Manifest(config: Descriptor(mediaType: .empty, digest: blob, size: 2), layers: []))
    let digest = ContentStore.digest(of: image, .sha512)
    let answer = try await registry.send(
      .put, "/v2/app/manifests/\(digest)?tag=a&tag=b&tag=a", Self.type(.manifest), body: image)
    try await expectKept(registry, image, .manifest, answer)
    #expect(answer["docker-content-digest"] == digest.description && answer["oci-tag"] == "a, b")
    for tag in ["a", "b"] {
      #expect(try await registry.send(.head, "/v2/app/manifests/\(tag)")["docker-content-digest"] == digest.description)
    }
    let index = TestRegistry.json(
      Index(manifests: [Descriptor(mediaType: .manifest, digest: digest, size: Int64(image.count))]))
    let indexDigest = ContentStore.digest(of: index, .sha512)
    try await expectKept(
      registry, index, .index,
      try await registry.send(.put, "/v2/app/manifests/\(indexDigest)", Self.type(.index), body: index))
    _ = try registry.store.collect()
    #expect(try await registry.send(.get, "/v2/app/blobs/\(blob)").body == Self.config)
  }

  /// "A registry MUST respond 414 for more `tag` parameters than it takes", and takes at least ten.
  @Test func countsTagParameters() async throws {
    let (registry, empty) = try await registry()
    let bytes = TestRegistry.json(Manifest(config: empty, layers: []))
    let path = "/v2/app/manifests/\(TestRegistry.digest(bytes))?"
    let few = (0..<50).map { "tag=t\($0)" }.joined(separator: "&")
    #expect(try await registry.send(.put, path + few, Self.type(.manifest), body: bytes).status == 201)
    let many = (0..<101).map { "tag=u\($0)" }.joined(separator: "&")
    let answer = try await registry.send(.put, path + many, Self.type(.manifest), body: bytes)
    #expect(answer.status == 414 && answer.codes == ["TAG_INVALID"])
    #expect(try await registry.send(.get, "/v2/app/tags/list").decoded(TagList.self).tags.count == 50)
  }

  @Test func namesEveryBlobThatIsMissing() async throws {
    let (registry, empty) = try await registry()
    let missing = (1...3).map { TestRegistry.digest([$0]) }
    let bytes = TestRegistry.json(
      Manifest(config: empty, layers: missing.map { Descriptor(mediaType: .layer, digest: $0, size: 1) }))
    let answer = try await put(registry, bytes)
    #expect(answer.status == 400 && answer.codes == Array(repeating: "MANIFEST_BLOB_UNKNOWN", count: 3))
    let details = try answer.decoded(ErrorBody.self).errors.map(\.detail)
    #expect(details == missing.map { .object(["digest": .string($0.description)]) })
  }

  /// "A registry MAY accept" an index whose manifests are elsewhere: where it is told to.
  @Test(arguments: [false, true]) func takesSparseIndexesWhereItIsToldTo(_ accepts: Bool) async throws {
    let registry = try TestRegistry(acceptsSparseIndexes: accepts)
    let digest = try await registry.push(blob: Self.config, to: "app")
    let empty = Descriptor(mediaType: .empty, digest: digest, size: 2)
    let image = TestRegistry.json(Manifest(config: empty, layers: []))
    #expect(try await put(registry, image).status == 201)
    let absent = Descriptor(mediaType: .manifest, digest: TestRegistry.digest([7]), size: 123)
    let index = TestRegistry.json(Index(manifests: [TestRegistry.descriptor(image), absent]))
    let answer = try await put(registry, index, .index, at: "sparse")
    if accepts {
      try await expectKept(registry, index, .index, answer)
      _ = try registry.store.collect()
      #expect(try await registry.send(.get, "/v2/app/manifests/sparse").body == index)
    } else {
      #expect(answer.status == 400 && answer.codes == ["MANIFEST_BLOB_UNKNOWN"])
    }
    // An image needs all of its blobs either way.
    let lacking = TestRegistry.json(Manifest(config: empty, layers: [absent]))
    #expect(try await put(registry, lacking).status == 400)
  }

  /// Two who change one tag at once: the second is told. (RFC 9110, section 13.1)
  @Test func holdsToConditions() async throws {
    let (registry, empty) = try await registry()
    let first = TestRegistry.json(Manifest(config: empty, layers: []))
    let second = TestRegistry.json(Manifest(config: empty, layers: [empty]))
    let path = "/v2/app/manifests/1"
    func put(_ bytes: [UInt8], _ conditions: [String: String]) async throws -> Int {
      let answer = try await registry.send(
        .put, path, Self.type(.manifest).merging(conditions) { $1 }, body: bytes)
      if answer.status == 412 { #expect(answer.text.contains("does not want changed")) }
      return answer.status
    }
    let (one, two) = ("\"\(TestRegistry.digest(first))\"", "\"\(TestRegistry.digest(second))\"")
    #expect(try await put(first, ["if-match": "*"]) == 412)
    #expect(try await put(first, ["if-none-match": "*"]) == 201)
    #expect(try await put(second, ["if-none-match": "*"]) == 412)
    #expect(try await put(second, ["if-match": two]) == 412)
    #expect(try await put(second, ["if-match": "W/\(one)"]) == 412)
    #expect(try await put(second, ["if-match": "\(two), \(one)"]) == 201)
    #expect(try await put(first, ["if-none-match": two]) == 412)
    #expect(try await put(first, ["if-none-match": one]) == 201)
    for (condition, status) in [(["if-match": two], 412), (["if-match": one], 202)] {
      #expect(try await registry.send(.delete, path, condition, as: "ada:secret").status == status)
    }
    let digest = "/v2/app/manifests/\(TestRegistry.digest(second))"
    #expect(try await registry.send(.delete, digest, ["if-match": one], as: "ada:secret").status == 412)
    #expect(try await registry.send(.delete, digest, ["if-match": two], as: "ada:secret").status == 202)
  }

  @Test func refusesADigestThatIsNone() async throws {
    let (registry, empty) = try await registry()
    let bytes = TestRegistry.json(Manifest(config: empty, layers: []))
    #expect(try await put(registry, bytes, at: "sha256:baddigeststring").codes == ["DIGEST_INVALID"])
    #expect(try await put(registry, bytes + [0x20, 0x20], at: TestRegistry.digest(bytes).description).status == 400)
    #expect(try await registry.send(.get, "/v2/app/manifests/sha256:baddigeststring").status == 400)
  }

  @Test(arguments: [
    "application/vnd.oci.artifact.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "text/html",
  ])
  func refusesOtherTypes(_ type: String) async throws {
    let (registry, empty) = try await registry()
    let bytes = TestRegistry.json(Manifest(config: empty, layers: []))
    let answer = try await put(registry, bytes, MediaType(type))
    #expect(answer.status == 400 && answer.codes == ["MANIFEST_INVALID"])
  }
}
