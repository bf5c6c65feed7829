internal import FoundationEssentials
public import ImageSpec

/// A signature of an image: what was signed, and which image that is about. Whether it is true, a key tells.
public struct ImageSignature: Hashable, Sendable {
  /// The bytes that the signature is over.
  let message: [UInt8]
  let signature: [UInt8]
  /// The images that the signed text names.
  public let subjects: Set<Digest>
  /// The name that the signer gave the image, where the form has one.
  public let reference: String?

  /// Largest text of a signature that is read, in bytes.
  public static let sizeLimit = 1 << 20

  /// Whether the key's owner signed the image.
  public func isOf(_ image: Digest, by key: VerificationKey) -> Bool {
    subjects.contains(image) && key.isSigned(message, signature)
  }

  /// Cosign's first form: a payload of simple signing, and its signature in base64 beside it. (containers/image,
  /// Simple signing; sigstore/cosign, SIGNATURE_SPEC)
  public init(payload: [UInt8], base64 signature: String) throws(SignatureError) {
    let document: SimpleSigning = try Self.decoded(payload, "its payload")
    guard document.critical.type == "cosign container image signature" else {
      throw .malformed("its payload is of the type \"\(document.critical.type.prefix(80))\"")
    }
    self.init(
      message: payload, signature: try Self.base64(signature), subjects: [document.critical.image.digest],
      reference: document.critical.identity?.reference)
  }

  /// The signatures of a sigstore bundle whose content is a DSSE envelope: an in-toto statement that says "signed" of its
  /// subjects. (sigstore, protobuf-specs, Bundle; secure-systems-lab, DSSE; sigstore/cosign, `cosign/sign/v1`)
  public static func signatures(bundle bytes: [UInt8]) throws(SignatureError) -> [ImageSignature] {
    let bundle: Bundle = try decoded(bytes, "the bundle")
    guard bundle.mediaType.hasPrefix(SignatureArtifact.bundlePrefix) else {
      throw .malformed("the bundle is of the type \"\(bundle.mediaType.prefix(80))\"")
    }
    guard let envelope = bundle.dsseEnvelope else { throw .malformed("the bundle has no DSSE envelope") }
    guard envelope.payloadType == "application/vnd.in-toto+json" else {
      throw .malformed("the envelope's payload is of the type \"\(envelope.payloadType.prefix(80))\"")
    }
    let payload = try base64(envelope.payload)
    let statement: Statement = try decoded(payload, "the statement")
    guard statement._type.hasPrefix("https://in-toto.io/Statement/v") else {
      throw .malformed("the statement is of the type \"\(statement._type.prefix(80))\"")
    }
    // A statement of anything else (how an image was built, what is in it) approves of nothing.
    guard statement.predicateType == SignatureArtifact.predicateType else {
      throw .malformed("the statement's predicate is \"\(statement.predicateType.prefix(80))\"")
    }
    let subjects = Set(
      statement.subject.prefix(64).flatMap { subject in
        subject.digest.compactMap { try? Digest(parsing: "\($0.key):\($0.value)") }
      })
    // DSSE's pre-authentication encoding.
    let message =
      Array("DSSEv1 \(envelope.payloadType.utf8.count) \(envelope.payloadType) \(payload.count) ".utf8) + payload
    var signatures: [ImageSignature] = []
    for entry in envelope.signatures.prefix(16) {
      signatures.append(
        ImageSignature(
          message: message, signature: try base64(entry.sig), subjects: subjects, reference: nil))
    }
    return signatures
  }

  private init(message: [UInt8], signature: [UInt8], subjects: Set<Digest>, reference: String?) {
    self.message = message
    self.signature = signature
    self.subjects = subjects
    self.reference = reference
  }

  private static func base64(_ text: String) throws(SignatureError) -> [UInt8] {
    guard text.utf8.count <= 2 * sizeLimit, let data = Data(base64Encoded: text) else {
      throw .malformed("it has no base64")
    }
    return Array(data)
  }

  private static func decoded<Value: Decodable>(_ bytes: [UInt8], _ what: String) throws(SignatureError) -> Value {
    guard bytes.count <= sizeLimit else { throw .malformed("\(what) is longer than \(sizeLimit) bytes") }
    guard JSONNesting.isWithin(32, bytes) else { throw .malformed("\(what) is nested too deep") }
    do { return try JSONDecoder().decode(Value.self, from: Data(bytes)) } catch {
      throw .malformed("\(what) is not the JSON that it should be")
    }
  }
}

/// A parser recurses: how deep, the brackets outside strings tell before.
private enum JSONNesting {
  static func isWithin(_ limit: Int, _ bytes: [UInt8]) -> Bool {
    var depth = 0
    var isInString = false, isEscaped = false
    for byte in bytes {
      switch (isInString, byte) {
      case (true, _) where isEscaped: isEscaped = false
      case (true, UInt8(ascii: "\\")): isEscaped = true
      case (_, UInt8(ascii: "\"")): isInString.toggle()
      case (false, UInt8(ascii: "{")), (false, UInt8(ascii: "[")):
        depth += 1
        if depth > limit { return false }
      case (false, UInt8(ascii: "}")), (false, UInt8(ascii: "]")): depth -= 1
      default: break
      }
    }
    return true
  }
}

private struct SimpleSigning: Decodable {
  struct Critical: Decodable {
    let type: String
    let image: Image
    let identity: Identity?
  }
  struct Image: Decodable {
    let digest: Digest
    enum CodingKeys: String, CodingKey { case digest = "docker-manifest-digest" }
  }
  struct Identity: Decodable {
    let reference: String?
    enum CodingKeys: String, CodingKey { case reference = "docker-reference" }
  }
  let critical: Critical
}

private struct Bundle: Decodable {
  struct Envelope: Decodable {
    struct Entry: Decodable { let sig: String }
    let payload: String
    let payloadType: String
    let signatures: [Entry]
  }
  let mediaType: String
  let dsseEnvelope: Envelope?
}

private struct Statement: Decodable {
  struct Subject: Decodable { let digest: [String: String] }
  let _type: String
  let subject: [Subject]
  let predicateType: String
}
