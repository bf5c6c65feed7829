import struct Crypto.HMAC
import struct Crypto.SHA256
import FoundationEssentials
import Glibc
public import ImageSpec

/// A URL that opens one blob for a while, and needs no credentials beside it: ECR's GetDownloadUrlForLayer gives it out.
///
/// Nothing about it is kept: what it allows stands in it, under a MAC. It ends with the key that asked for it.
public struct DownloadLink: Hashable, Sendable {
  public let realm: Realm
  public let repository: String
  public let digest: Digest
  public let keyID: String
  /// Seconds since 1970.
  public let expires: Int64

  public init(realm: Realm, repository: String, digest: Digest, keyID: String, expires: Int64) {
    self.realm = realm
    self.repository = repository
    self.digest = digest
    self.keyID = keyID
    self.expires = expires
  }

  /// The first byte tells it from a sign-in token's.
  private var body: [UInt8] { [2] + Array("\(realm)\n\(repository)\n\(digest)\n\(keyID)\n\(expires)".utf8) }

  fileprivate func signature(_ secret: RegistrySecret) -> String {
    Data(HMAC<SHA256>.authenticationCode(for: body, using: secret.tokenKey)).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  fileprivate func isSigned(_ signature: String, _ secret: RegistrySecret) -> Bool {
    guard signature.utf8.count == 43,
      let code = Data(
        base64Encoded: signature.replacing("-", with: "+").replacing("_", with: "/") + "=")
    else { return false }
    return HMAC<SHA256>.isValidAuthenticationCode(Array(code), authenticating: body, using: secret.tokenKey)
  }
}

extension Authenticator {
  /// What proves that this registry gave the link out.
  public func sign(_ link: DownloadLink) -> String { link.signature(secret) }

  /// The key that asked for the link; nil where this registry did not give the link out, or it or its key has ended.
  public func key(of link: DownloadLink, signature: String) throws -> AccessKey? {
    guard link.isSigned(signature, secret), link.expires > Int64(time(nil)), let key = try keys.find(link.keyID) else {
      return nil
    }
    return key.hasExpired ? nil : key
  }
}
