import ImageSpec
import Testing

@testable import Signatures

@Suite struct SigningKeyTests {
  @Test func signsWhatItsPublicKeyTakes() throws {
    let image = try Digest(parsing: signedImage)
    let key = SigningKey()
    let again = try SigningKey(pem: key.pem)
    let found = try ImageSignature.signatures(bundle: again.bundle(for: image))
    #expect(found.count == 1)
    #expect(found[0].isOf(image, by: try VerificationKey(pem: key.publicPEM)))
    #expect(!found[0].isOf(image, by: try VerificationKey(pem: SigningKey().publicPEM)))
    #expect(throws: SignatureError.self) { try SigningKey(pem: key.publicPEM) }
  }
}
