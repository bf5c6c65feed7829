import Crypto
import FoundationEssentials
import Glibc

/// The password that ECR's `GetAuthorizationToken` gives out for user `AWS`: a key's ID and an end, under a MAC.
///
/// Nothing about it is kept: whether its key still exists is asked at each use, so it dies with the key.
public struct SignInToken: Hashable, Sendable {
  public let keyID: String
  /// Seconds since 1970.
  public let expires: Int64

  public init(keyID: String, expires: Int64) {
    self.keyID = keyID
    self.expires = expires
  }

  func hasExpired(at seconds: Int64 = Int64(time(nil))) -> Bool { expires <= seconds }

  /// base64url of version, end, key's ID and MAC: it has no colon, at which some clients split.
  func password(_ secret: RegistrySecret) -> String {
    var body: [UInt8] = [1]
    withUnsafeBytes(of: expires.bigEndian) { body.append(contentsOf: $0) }
    body.append(contentsOf: keyID.utf8)
    let code = HMAC<SHA256>.authenticationCode(for: body, using: secret.tokenKey)
    return Data(body + Array(code)).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  /// nil where this registry did not make it. Its end is for the caller to look at.
  init?(password: String, _ secret: RegistrySecret) {
    guard password.utf8.count <= 512 else { return nil }
    var text = password.replacing("-", with: "+").replacing("_", with: "/")
    text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    guard let bytes = Data(base64Encoded: text).map(Array.init), bytes.count > 41, bytes[0] == 1 else { return nil }
    let body = bytes.dropLast(32)
    guard
      HMAC<SHA256>.isValidAuthenticationCode(
        Array(bytes.suffix(32)), authenticating: Array(body), using: secret.tokenKey),
      let keyID = String(validating: body.dropFirst(9), as: UTF8.self)
    else { return nil }
    self.keyID = keyID
    expires = body[1..<9].reduce(Int64(0)) { $0 << 8 | Int64($1) }
  }
}

/// What a registry alone knows: random bytes made once, in a document that only its owner reads.
public struct RegistrySecret: Sendable {
  let tokenKey: SymmetricKey

  /// Reads the document, or makes it: of two that make it at once, both go on with the first one's.
  public init(_ document: any SharedDocument) throws {
    let bytes =
      try document.read()
      ?? document.edit { present in
        let bytes = present ?? SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        return (bytes, bytes)
      }
    guard bytes.count == 32 else {
      throw AccessError.unreadable(document.place, "it has \(bytes.count) bytes in place of 32")
    }
    tokenKey = HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: bytes), info: Array("clipper registry sign-in token".utf8),
      outputByteCount: 32)
  }
}
