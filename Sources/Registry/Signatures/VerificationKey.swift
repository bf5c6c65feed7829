internal import Crypto
internal import FoundationEssentials
internal import SwiftASN1
internal import X509
internal import _CryptoExtras

/// A public key that signatures of images are checked with: ECDSA on P-256, P-384 or P-521, RSA of 2048 bits and more, or
/// Ed25519, as cosign has them.
public struct VerificationKey: Hashable, Sendable, CustomStringConvertible {
  /// As it was given.
  public let pem: String
  /// SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal: the same key in another text has the same.
  public let fingerprint: String
  private let key: Certificate.PublicKey

  /// Parses `-----BEGIN PUBLIC KEY-----`. (RFC 7468, section 13)
  public init(pem text: String) throws(SignatureError) {
    guard text.utf8.count <= 16 << 10 else { throw .keyMalformed("it is longer than 16 KiB") }
    guard !text.contains("PRIVATE KEY") else {
      throw .keyMalformed("it is a private key; write its public part with openssl pkey -pubout, or take cosign.pub")
    }
    do {
      key = try Certificate.PublicKey(pemEncoded: text)
      fingerprint = hexadecimal(SHA256.hash(data: try key.serializeAsPEM().derBytes))
    } catch {
      throw .keyMalformed("it is no public key in PEM: ECDSA, RSA from 2048 bits on or Ed25519")
    }
    pem = text
  }

  /// `ECDSA P-256`, `RSA 3072` and so on.
  public var description: String { "\(key)" }

  public static func == (left: VerificationKey, right: VerificationKey) -> Bool {
    left.fingerprint == right.fingerprint
  }
  public func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }

  /// Whether the key's owner signed `message`.
  ///
  /// Signatures do not say which hash they are of. Cosign takes SHA-256 with every key, KMS services the hash that fits
  /// the key; RSA has two paddings besides.
  func isSigned(_ message: [UInt8], _ signature: [UInt8]) -> Bool {
    guard signature.count <= 4096 else { return false }
    if let key = P256.Signing.PublicKey(key) {
      guard let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature) else { return false }
      return key.isValidSignature(signature, for: SHA256.hash(data: message))
    }
    if let key = P384.Signing.PublicKey(key) {
      guard let signature = try? P384.Signing.ECDSASignature(derRepresentation: signature) else { return false }
      return key.isValidSignature(signature, for: SHA384.hash(data: message))
        || key.isValidSignature(signature, for: SHA256.hash(data: message))
    }
    if let key = P521.Signing.PublicKey(key) {
      guard let signature = try? P521.Signing.ECDSASignature(derRepresentation: signature) else { return false }
      return key.isValidSignature(signature, for: SHA512.hash(data: message))
        || key.isValidSignature(signature, for: SHA256.hash(data: message))
    }
    if let key = Curve25519.Signing.PublicKey(key) { return key.isValidSignature(signature, for: message) }
    if let key = _RSA.Signing.PublicKey(key) {
      let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
      return [_RSA.Signing.Padding.insecurePKCS1v1_5, .PSS].contains { padding in
        key.isValidSignature(signature, for: SHA256.hash(data: message), padding: padding)
          || key.isValidSignature(signature, for: SHA384.hash(data: message), padding: padding)
          || key.isValidSignature(signature, for: SHA512.hash(data: message), padding: padding)
      }
    }
    return false
  }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  for byte in bytes {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}
