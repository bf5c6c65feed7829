internal import Crypto
internal import FoundationEssentials
public import ImageSpec

/// A private key that a registry signs images with: ECDSA on P-256.
public struct SigningKey: Sendable {
  private let key: P256.Signing.PrivateKey

  /// A new one.
  public init() { key = P256.Signing.PrivateKey() }

  /// Parses `-----BEGIN PRIVATE KEY-----` or `-----BEGIN EC PRIVATE KEY-----`.
  public init(pem: String) throws(SignatureError) {
    do { key = try P256.Signing.PrivateKey(pemRepresentation: pem) } catch {
      throw .keyMalformed("it is no private key of the curve P-256 in PEM")
    }
  }

  public var pem: String { key.pemRepresentation }
  public var publicPEM: String { key.publicKey.pemRepresentation }

  /// A sigstore bundle that says "signed" of an image, as `cosign sign --key` writes one without a transparency log.
  public func bundle(for image: ImageSpec.Digest) throws -> [UInt8] {
    let kind = "application/vnd.in-toto+json"
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let payload = try encoder.encode(
      Statement(
        _type: "https://in-toto.io/Statement/v1", subject: [.init(digest: [image.algorithm.rawValue: image.hex])],
        predicateType: SignatureArtifact.predicateType, predicate: [:]))
    // DSSE's pre-authentication encoding.
    let message = Data("DSSEv1 \(kind.utf8.count) \(kind) \(payload.count) ".utf8) + payload
    let signature = try key.signature(for: SHA256.hash(data: message)).derRepresentation
    let hint = Data(SHA256.hash(data: key.publicKey.derRepresentation)).base64EncodedString()
    return Array(
      try encoder.encode(
        Bundle(
          mediaType: SignatureArtifact.bundleType,
          verificationMaterial: .init(publicKey: .init(hint: hint), tlogEntries: []),
          dsseEnvelope: .init(
            payload: payload.base64EncodedString(), payloadType: kind,
            signatures: [.init(sig: signature.base64EncodedString())]))))
  }

  private struct Statement: Encodable {
    struct Subject: Encodable { let digest: [String: String] }
    let _type: String
    let subject: [Subject]
    let predicateType: String
    let predicate: [String: String]
  }

  private struct Bundle: Encodable {
    struct Material: Encodable {
      struct Key: Encodable { let hint: String }
      let publicKey: Key
      let tlogEntries: [String]
    }
    struct Envelope: Encodable {
      struct Entry: Encodable { let sig: String }
      let payload: String
      let payloadType: String
      let signatures: [Entry]
    }
    let mediaType: String
    let verificationMaterial: Material
    let dsseEnvelope: Envelope
  }
}
