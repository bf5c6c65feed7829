import Content
import Crypto
import DistributionSpec
import FoundationEssentials
import HTTPTypes
import ImageSpec
import Testing

@testable import RegistryServer

@Suite struct SignaturePolicyTests {
  private static let type = ["content-type": MediaType.manifest.rawValue]
  private static let simpleSigning = MediaType("application/vnd.dev.cosign.simplesigning.v1+json")
  private static let bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

  private static func rule(
    _ keys: P256.Signing.PrivateKey..., required: Int = 1, exempt: [String] = [],
    stages: Set<SignatureRule.Stage> = [.push, .pull], mode: SignatureRule.Mode = .enforce
  ) -> SignatureRule {
    SignatureRule(
      repositories: ["prod/*"],
      keys: keys.enumerated().map { .init(name: "k\($0.offset)", pem: $0.element.publicKey.pemRepresentation) },
      required: required, exemptTags: exempt, stages: stages, mode: mode)
  }

  /// As `cosign sign --key` does it by its tag.
  private static func sign(
    _ image: ImageSpec.Digest, _ key: P256.Signing.PrivateKey, in registry: TestRegistry, _ name: String, saying: ImageSpec.Digest? = nil
  ) async throws {
    let payload = Array(
      #"{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"\#(saying ?? image)"},"type":"cosign container image signature"},"optional":null}"#
        .utf8)
    let config = Array("{}".utf8)
    try await registry.push(blob: payload, to: name)
    try await registry.push(blob: config, to: name)
    let signature = try key.signature(for: SHA256.hash(data: payload)).derRepresentation.base64EncodedString()
    // Cosign keeps those that are there.
    let tag = "\(image.algorithm.rawValue)-\(image.hex).sig"
    let present = try await registry.send(.get, "/v2/\(name)/manifests/\(tag)")
    let layers = present.status == 200 ? try present.decoded(Manifest.self).layers : []
    let layer = Descriptor(
      mediaType: simpleSigning, digest: TestRegistry.digest(payload), size: Int64(payload.count),
      annotations: ["dev.cosignproject.cosign/signature": signature])
    let manifest = TestRegistry.json(
      Manifest(
        config: Descriptor(mediaType: .config, digest: TestRegistry.digest(config), size: 2), layers: layers + [layer]))
    let answer = try await registry.send(.put, "/v2/\(name)/manifests/\(tag)", type, body: manifest)
    #expect(answer.status == 201, "\(answer.text)")
  }

  /// As cosign 3 does it: a bundle that refers to the image.
  private static func attach(
    _ image: Descriptor, _ key: P256.Signing.PrivateKey, in registry: TestRegistry, _ name: String
  )
    async throws
  {
    let statement = Data(
      #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"\#(image.digest.hex)"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}"#
        .utf8)
    let kind = "application/vnd.in-toto+json"
    let signed = Data("DSSEv1 \(kind.utf8.count) \(kind) \(statement.count) ".utf8) + statement
    let signature = try key.signature(for: SHA256.hash(data: signed)).derRepresentation.base64EncodedString()
    let bundle = Array(
      #"{"mediaType":"\#(bundleType)","dsseEnvelope":{"payload":"\#(statement.base64EncodedString())","payloadType":"\#(kind)","signatures":[{"sig":"\#(signature)"}]}}"#
        .utf8)
    let config = Array("{}".utf8)
    try await registry.push(blob: bundle, to: name)
    try await registry.push(blob: config, to: name)
    let manifest = TestRegistry.json(
      Manifest(
        artifactType: bundleType, config: Descriptor(mediaType: .empty, digest: TestRegistry.digest(config), size: 2),
        layers: [
          Descriptor(
            mediaType: MediaType(bundleType), digest: TestRegistry.digest(bundle), size: Int64(bundle.count))
        ], subject: image))
    let answer = try await registry.send(
      .put, "/v2/\(name)/manifests/\(TestRegistry.digest(manifest))", type, body: manifest)
    #expect(answer.status == 201, "\(answer.text)")
  }

  private func status(_ registry: TestRegistry, _ path: String) async throws -> Int {
    let head = try await registry.send(.head, path).status
    let get = try await registry.send(.get, path)
    #expect(head == get.status)
    if get.status == 403 { #expect(get.codes == ["DENIED"] && get.text.contains("signature policy")) }
    return get.status
  }

  @Test func policiesOfTheConfigurationHoldBesideThoseOfTheRealm() async throws {
    let registry = try TestRegistry()
    let (own, operators) = (P256.Signing.PrivateKey(), P256.Signing.PrivateKey())
    let image = try await registry.push(image: "one", to: "prod/app", tag: "1")
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 200)
    try registry.registry.configureSignaturePolicies([("all", Self.rule(operators))])
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 403)
    // Of every realm, and not among what is set.
    #expect(try registry.registry.signaturePolicies().isEmpty)
    try registry.registry.setSignaturePolicy("prod", Self.rule(own))
    try await Self.sign(image.digest, own, in: registry, "prod/app")
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 403)
    try await Self.sign(image.digest, operators, in: registry, "prod/app")
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 200)
    let number = try registry.registry.changeNumber()
    try registry.registry.configureSignaturePolicies([("all", Self.rule(operators))])
    #expect(try registry.registry.changeNumber() == number, "nothing changed")
    try registry.registry.configureSignaturePolicies([("all", Self.rule(P256.Signing.PrivateKey()))])
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 403)
    try registry.registry.configureSignaturePolicies([])
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 200)
  }

  @Test func tellsWhichKeySigned() async throws {
    let registry = try TestRegistry()
    let (one, two) = (P256.Signing.PrivateKey(), P256.Signing.PrivateKey())
    let image = try await registry.push(image: "one", to: "prod/app", tag: "1")
    try await Self.sign(image.digest, one, in: registry, "prod/app")
    try await Self.attach(TestRegistry.descriptor(image.bytes), P256.Signing.PrivateKey(), in: registry, "prod/app")
    try await registry.push(artifact: "about", about: image.bytes, to: "prod/app")
    func signers() throws -> [[String]] {
      let tag = ManifestReference.tag("sha256-\(image.digest.hex).sig")
      let holders =
        try registry.registry.manifests([tag], in: "prod/app").compactMap { $0 }
        + registry.registry.referrers(of: image.digest, artifactType: nil, in: "prod/app", limit: 10)
      #expect(holders.count == 3)
      let found = try registry.registry.signers(of: image.digest, in: "prod/app", holders: holders, limit: 10)
      return holders.compactMap { found[$0.id] }
    }
    #expect(try signers() == [[], []], "nobody's key is known")
    try registry.registry.setSignaturePolicy("prod", Self.rule(one, two, stages: [.push]))
    #expect(try signers() == [["k0"], []])
  }

  @Test func givesOutOnlyWhatIsSigned() async throws {
    let registry = try TestRegistry()
    let key = P256.Signing.PrivateKey()
    let image = try await registry.push(image: "one", to: "prod/app", tag: "1")
    let other = try await registry.push(image: "one", to: "dev/app", tag: "1")
    try registry.registry.setSignaturePolicy("prod", Self.rule(key))
    // Twice: the second answer might come from memory.
    for _ in 0..<2 {
      #expect(try await status(registry, "/v2/prod/app/manifests/1") == 403)
      #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 403)
      #expect(try await status(registry, "/v2/dev/app/manifests/\(other.digest)") == 200)
    }
    try await Self.sign(image.digest, P256.Signing.PrivateKey(), in: registry, "prod/app")
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 403)
    try await Self.sign(image.digest, key, in: registry, "prod/app")
    for _ in 0..<2 {
      #expect(try await status(registry, "/v2/prod/app/manifests/1") == 200)
      #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 200)
    }
    // The signature goes, and with it the image's right to be given out.
    let tag = "sha256-\(image.digest.hex).sig"
    #expect(try await registry.send(.delete, "/v2/prod/app/manifests/\(tag)", as: "ada:secret").status == 202)
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 403)
    #expect(try registry.registry.removeSignaturePolicy("prod"))
    #expect(try await status(registry, "/v2/prod/app/manifests/1") == 200)
  }

  @Test func takesReferrersAsWell() async throws {
    let registry = try TestRegistry()
    let key = P256.Signing.PrivateKey()
    try registry.registry.setSignaturePolicy("prod", Self.rule(key))
    let image = try await registry.push(image: "one", to: "prod/app")
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 403)
    try await Self.attach(TestRegistry.descriptor(image.bytes), key, in: registry, "prod/app")
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 200)
    let referrers = try await registry.send(.get, "/v2/prod/app/referrers/\(image.digest)").decoded(Index.self)
      .manifests
    // The signature needs none of its own.
    #expect(try await status(registry, "/v2/prod/app/manifests/\(try #require(referrers.first).digest)") == 200)
  }

  /// A signature of another image under this one's tag, and one of this image in another repository, are none.
  @Test func takesNoSignatureOfSomethingElse() async throws {
    let registry = try TestRegistry()
    let key = P256.Signing.PrivateKey()
    try registry.registry.setSignaturePolicy("prod", Self.rule(key))
    let image = try await registry.push(image: "one", to: "prod/app")
    let another = try await registry.push(image: "two", to: "prod/app")
    try await Self.sign(image.digest, key, in: registry, "prod/app", saying: another.digest)
    try await Self.sign(image.digest, key, in: registry, "dev/app")
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 403)
  }

  @Test func demandsAsManyKeysAsTheRuleSays() async throws {
    let registry = try TestRegistry()
    let (first, second, third) = (P256.Signing.PrivateKey(), P256.Signing.PrivateKey(), P256.Signing.PrivateKey())
    try registry.registry.setSignaturePolicy("prod", Self.rule(first, second, third, required: 2))
    let image = try await registry.push(image: "one", to: "prod/app")
    for key in [first, first] { try await Self.sign(image.digest, key, in: registry, "prod/app") }
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 403)
    try await Self.sign(image.digest, third, in: registry, "prod/app")
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 200)
    // Every rule must hold.
    try registry.registry.setSignaturePolicy("also", Self.rule(second))
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 403)
  }

  @Test func pointsATagOnlyAtWhatIsSigned() async throws {
    let registry = try TestRegistry()
    let key = P256.Signing.PrivateKey()
    try registry.registry.setSignaturePolicy("prod", Self.rule(key, exempt: ["candidate-*"], stages: [.push]))
    let image = try await registry.push(image: "one", to: "prod/app", tag: "candidate-1")
    let path = "/v2/prod/app/manifests/"
    for target in ["\(path)1", "\(path)\(image.digest)?tag=1", "\(path)\(image.digest)?tag=candidate-2&tag=1"] {
      let refused = try await registry.send(.put, target, Self.type, body: image.bytes)
      #expect(refused.status == 403 && refused.codes == ["DENIED"], "\(target)")
    }
    #expect(try registry.registry.tags("prod/app", limit: 10) == ["candidate-1"])
    try await Self.sign(image.digest, key, in: registry, "prod/app")
    #expect(try await registry.send(.put, "\(path)1", Self.type, body: image.bytes).status == 201)
    #expect(try await status(registry, "\(path)1") == 200)
  }

  @Test func letsAnIndexVouchForWhatItLists() async throws {
    let registry = try TestRegistry()
    let key = P256.Signing.PrivateKey()
    try registry.registry.setSignaturePolicy("prod", Self.rule(key))
    let image = try await registry.push(image: "one", to: "prod/app")
    let other = try await registry.push(image: "two", to: "prod/app")
    let index = TestRegistry.json(Index(manifests: [TestRegistry.descriptor(image.bytes)]))
    let digest = TestRegistry.digest(index)
    try await registry.send(
      .put, "/v2/prod/app/manifests/\(digest)", ["content-type": MediaType.index.rawValue], body: index)
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 403)
    try await Self.sign(digest, key, in: registry, "prod/app")
    #expect(try await status(registry, "/v2/prod/app/manifests/\(digest)") == 200)
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 200)
    #expect(try await status(registry, "/v2/prod/app/manifests/\(other.digest)") == 403)
  }

  /// What calls itself an artifact and could be run is an image.
  @Test func isNotFooledByAnImageInAnArtifactsClothes() async throws {
    let registry = try TestRegistry()
    try registry.registry.setSignaturePolicy("prod", Self.rule(P256.Signing.PrivateKey()))
    let image = try await registry.push(image: "one", to: "prod/app")
    let layer = TestRegistry.digest(Array("layer of one".utf8))
    let subject = TestRegistry.descriptor(image.bytes)
    let config = try JSONDecoder().decode(Manifest.self, from: Data(image.bytes)).config
    let signature = Descriptor(mediaType: Self.simpleSigning, digest: layer, size: 12)
    let tar = Descriptor(mediaType: .layer, digest: layer, size: 12)
    let empty = Descriptor(mediaType: .empty, digest: config.digest, size: config.size)
    for manifest in [
      Manifest(artifactType: Self.bundleType, config: config, layers: [tar], subject: subject),
      Manifest(artifactType: Self.bundleType, config: empty, layers: [tar], subject: subject),
      Manifest(artifactType: Self.bundleType, config: config, layers: [signature, tar], subject: subject),
      Manifest(artifactType: Self.bundleType, config: config, layers: [], subject: subject),
      Manifest(artifactType: "application/x", config: empty, layers: []),
    ] {
      let bytes = TestRegistry.json(manifest)
      let path = "/v2/prod/app/manifests/\(TestRegistry.digest(bytes))"
      #expect(try await registry.send(.put, path, Self.type, body: bytes).status == 201)
      #expect(try await status(registry, path) == 403)
      let tag = "/v2/prod/app/manifests/sha256-\(image.digest.hex).sig"
      #expect(try await registry.send(.put, tag, Self.type, body: bytes).status == 403)
    }
  }

  @Test func warnsWhereItOnlyWatches() async throws {
    let registry = try TestRegistry()
    try registry.registry.setSignaturePolicy("prod", Self.rule(P256.Signing.PrivateKey(), mode: .warn))
    let image = try await registry.push(image: "one", to: "prod/app")
    for answer in [
      try await registry.send(.put, "/v2/prod/app/manifests/1", Self.type, body: image.bytes),
      try await registry.send(.get, "/v2/prod/app/manifests/1"),
    ] {
      #expect(answer.status < 300 && answer["warning"]?.hasPrefix("299 - \"the signature policy \\\"prod\\\"") == true)
    }
  }

  @Test func refusesRulesThatCouldNotBeMeant() throws {
    let registry = try TestRegistry()
    let key = P256.Signing.PrivateKey()
    var rule = Self.rule(key)
    rule.required = 2
    #expect(throws: SignatureRuleError.required(2, keys: 1)) { try registry.registry.setSignaturePolicy("x", rule) }
    rule.required = 0
    #expect(throws: SignatureRuleError.self) { try registry.registry.setSignaturePolicy("x", rule) }
    #expect(throws: SignatureRuleError.keyTwice) { try registry.registry.setSignaturePolicy("x", Self.rule(key, key)) }
    rule = Self.rule(key)
    rule.repositories = []
    #expect(throws: SignatureRuleError.noRepositories) { try registry.registry.setSignaturePolicy("x", rule) }
    rule = Self.rule(key)
    rule.keys = [.init(name: "a", pem: "nonsense")]
    #expect(throws: SignatureRuleError.self) { try registry.registry.setSignaturePolicy("x", rule) }
    #expect(try registry.registry.signaturePolicies().isEmpty)
  }

  /// A rule whose keys cannot be read any more lets nothing through.
  @Test func failsClosed() async throws {
    let registry = try TestRegistry()
    let key = P256.Signing.PrivateKey()
    let image = try await registry.push(image: "one", to: "prod/app")
    try await Self.sign(image.digest, key, in: registry, "prod/app")
    var rule = Self.rule(key)
    rule.keys = [.init(name: "a", pem: "nonsense")]
    try registry.registry.setSetting(.signaturePolicy, "broken", rule)
    #expect(try await status(registry, "/v2/prod/app/manifests/\(image.digest)") == 403)
    try registry.registry.setSetting(.signaturePolicy, "broken", ["not": "a rule"])
    #expect(try await registry.send(.get, "/v2/prod/app/manifests/\(image.digest)").status == 500)
  }
}
