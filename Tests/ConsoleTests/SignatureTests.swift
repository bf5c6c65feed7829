import Crypto
import FoundationEssentials
import ImageSpec
import RegistryServer
import Testing

@testable import Console

@Suite struct ConsoleSignatureTests {
  @Test func imagesSayByWhoseKeyTheyAreSigned() async throws {
    let fixture = try ConsoleFixture()
    let digest = try await fixture.push("prod/app", ["1"], layers: [try ConsoleFixture.tar([ConsoleFixture.file("a", 1)])])
    let key = P256.Signing.PrivateKey()
    let payload = Array(
      #"{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"\#(digest)"},"type":"cosign container image signature"},"optional":null}"#
        .utf8)
    var layer = try await fixture.push(
      blob: payload, to: "prod/app", type: MediaType("application/vnd.dev.cosign.simplesigning.v1+json"))
    layer.annotations = [
      "dev.cosignproject.cosign/signature": try key.signature(for: SHA256.hash(data: payload)).derRepresentation
        .base64EncodedString()
    ]
    let config = try await fixture.push(blob: Array("{}".utf8), to: "prod/app", type: .config)
    _ = try fixture.registry.putManifest(
      ConsoleFixture.json(Manifest(config: config, layers: [layer])), contentType: .manifest, in: "prod/app",
      tags: ["sha256-\(digest.hex).sig"])
    func page() async throws -> String { try await fixture.get("/ui/r/prod/app/-/tag/1").text }
    #expect(try await page().contains("not verified"))
    func require(_ name: String, _ key: P256.Signing.PrivateKey, _ mode: SignatureRule.Mode) throws {
      try fixture.registry.setSignaturePolicy(
        name,
        SignatureRule(
          repositories: ["prod/*"], keys: [.init(name: "key-of-\(name)", pem: key.publicKey.pemRepresentation)],
          mode: mode))
    }
    try require("release", key, .enforce)
    var text = try await page()
    #expect(text.contains("verified by <bdi>key-of-release</bdi>") && !text.contains("not verified"))
    #expect(!text.contains("Pulls are"))
    try require("<other>", P256.Signing.PrivateKey(), .warn)
    text = try await page()
    #expect(text.contains("Pulls are warned of") && !text.contains("<other>"))
    try require("third", P256.Signing.PrivateKey(), .enforce)
    #expect(try await page().contains("Pulls are refused"))
  }
}
