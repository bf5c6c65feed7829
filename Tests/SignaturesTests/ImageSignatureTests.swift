import FoundationEssentials
import ImageSpec
import Testing

@testable import Signatures

@Suite struct ImageSignatureTests {
  private let image: Digest

  init() throws { image = try Digest(parsing: signedImage) }

  @Test(arguments: fixtures) func takesWhatTheKeySigned(_ fixture: SignedFixture) throws {
    let key = try VerificationKey(pem: fixture.key)
    let simple = try ImageSignature(payload: Array(payload.utf8), base64: fixture.signature)
    #expect(simple.isOf(image, by: key) && simple.reference == "registry.example/team/app")
    let bundle = try ImageSignature.signatures(bundle: Array(fixture.bundle.utf8))
    #expect(bundle.count == 1 && bundle[0].isOf(image, by: key))
  }

  /// Every other key, every other image, and one byte of the text, of the signature or of the envelope changed.
  @Test(arguments: fixtures) func takesNothingElse(_ fixture: SignedFixture) throws {
    let key = try VerificationKey(pem: fixture.key)
    let simple = try ImageSignature(payload: Array(payload.utf8), base64: fixture.signature)
    let bundle = try ImageSignature.signatures(bundle: Array(fixture.bundle.utf8))[0]
    for other in fixtures where other.key != fixture.key {
      let other = try VerificationKey(pem: other.key)
      #expect(!simple.isOf(image, by: other) && !bundle.isOf(image, by: other))
    }
    let another = Digest(hash: [UInt8](repeating: 1, count: 32))
    #expect(!simple.isOf(another, by: key) && !bundle.isOf(another, by: key))

    let spaced = try ImageSignature(payload: Array((payload + " ").utf8), base64: fixture.signature)
    #expect(!spaced.isOf(image, by: key))
    // A payload that names the other image, with this one's signature.
    let swapped = try ImageSignature(
      payload: Array(payload.replacing(signedImage, with: another.description).utf8), base64: fixture.signature)
    #expect(!swapped.isOf(another, by: key) && !swapped.isOf(image, by: key))
    var signature = Array(fixture.signature)
    signature[20] = signature[20] == "A" ? "B" : "A"
    let altered = try? ImageSignature(payload: Array(payload.utf8), base64: String(signature))
    #expect(altered?.isOf(image, by: key) != true)
    // The signature of the one form is none in the other.
    #expect(!key.isSigned(Array(payload.utf8), bundle.signature))
  }

  @Test(arguments: [
    (#"{"critical":{"image":{"docker-manifest-digest":"sha256:x"},"type":"cosign container image signature"}}"#),
    (#"{"critical":{"image":{},"type":"cosign container image signature"}}"#),
    (#"{"critical":{"image":{"docker-manifest-digest":"\#(signedImage)"},"type":"another"}}"#), "", "[]", "{",
    String(repeating: "[", count: 10_000),
  ])
  func refusesPayloadsThatAreNone(_ text: String) {
    #expect(throws: SignatureError.self) { try ImageSignature(payload: Array(text.utf8), base64: "AAAA") }
  }

  @Test func refusesWhatIsNoBase64() {
    for text in ["!", "AAA", "A A A A", String(repeating: "A", count: 5 << 20)] {
      #expect(throws: SignatureError.self) { try ImageSignature(payload: Array(payload.utf8), base64: text) }
    }
  }

  /// A bundle of something else, such as of how the image was built, approves of nothing.
  @Test(arguments: [
    ("https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1"),
    ("https://in-toto.io/Statement/v1", "https://example.com/Statement/v1"),
  ])
  func refusesStatementsOfAnythingElse(_ word: String, _ other: String) throws {
    let bundle = try #require(fixtures.first).bundle
    let start = try #require(bundle.firstRange(of: #""payload":""#)).upperBound
    let text = String(bundle[start...].prefix { $0 != "\"" })
    let plain = String(decoding: try #require(Base64.decoded(text)), as: UTF8.self)
    let changed = bundle.replacing(text, with: Base64.encoded(Array(plain.replacing(word, with: other).utf8)))
    #expect(changed != bundle)
    #expect(throws: SignatureError.self) { try ImageSignature.signatures(bundle: Array(changed.utf8)) }
  }

  @Test(arguments: [
    "", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "ssh-ed25519 AAAA",
    String(repeating: "x", count: 20_000),
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
  ])
  func refusesKeysThatAreNone(_ text: String) {
    #expect(throws: SignatureError.self) { try VerificationKey(pem: text) }
  }

  @Test func refusesShortRSAKeys() {
    // 1024 bits.
    let key = """
      -----BEGIN PUBLIC KEY-----
      MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdlatRjRjogo3WojgGHFHYLugd
      UWAY9iR3fy4arWNA1KoS8kVw33cJibXr8bvwUAUparCwlvdbH6dvEOfou0/gCFQs
      HUfQrSDv+MuSUMAe8jzKE4qW+jK+xQU9a03GUnKHkkle+Q0pX/g6jXZ7r1/xAK5D
      o2kQ+X5xK9cipRgEKwIDAQAB
      -----END PUBLIC KEY-----
      """
    #expect(throws: SignatureError.self) { try VerificationKey(pem: key) }
  }

  @Test func knowsAKeyInAnotherText() throws {
    let fixture = try #require(fixtures.first)
    let key = try VerificationKey(pem: fixture.key)
    let again = try VerificationKey(pem: "a comment\n" + fixture.key + "\n\n")
    #expect(key == again && key.fingerprint.utf8.count == 64)
  }

  @Test func namesTheTagOfSignatures() {
    #expect(SignatureArtifact.tag(of: image) == "sha256-" + String(repeating: "5f", count: 32) + ".sig")
  }
}

private enum Base64 {
  static func encoded(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
  static func decoded(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { Array($0) } }
}
