import Crypto
import FoundationEssentials
import Glibc

/// What a browser holds after a sign-in: a principal and an end, under a MAC.
///
/// Nothing about it is kept. The MAC covers what the principal signed in with as it is on file, so a session dies with a
/// change of the password, the removal of the user or the key, and with the registry's secret.
struct BrowserSession {
  enum Holder: Hashable {
    case user(String)
    case key(String)
  }

  let holder: Holder
  /// Seconds since 1970.
  let expires: Int64

  private var body: [UInt8] {
    var body: [UInt8] = [1]
    withUnsafeBytes(of: expires.bigEndian) { body.append(contentsOf: $0) }
    switch holder {
    case .user(let name): body += [UInt8(ascii: "u")] + Array(name.utf8)
    case .key(let id): body += [UInt8(ascii: "k")] + Array(id.utf8)
    }
    return body
  }

  init(holder: Holder, expires: Int64) {
    self.holder = holder
    self.expires = expires
  }

  /// The claim of a cookie's value, which `isValid` has yet to prove. nil where it is none.
  init?(parsing value: String) {
    guard value.utf8.count <= 512 else { return nil }
    var text = value.replacing("-", with: "+").replacing("_", with: "/")
    text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    guard let bytes = Data(base64Encoded: text).map(Array.init), bytes.count > 42, bytes[0] == 1,
      let name = String(validating: bytes[10..<(bytes.count - 32)], as: UTF8.self)
    else { return nil }
    switch bytes[9] {
    case UInt8(ascii: "u"): holder = .user(name)
    case UInt8(ascii: "k"): holder = .key(name)
    default: return nil
    }
    expires = bytes[1..<9].reduce(Int64(0)) { $0 << 8 | Int64($1) }
  }

  /// base64url of the claim and the MAC.
  func value(_ key: SymmetricKey, credential: String) -> String {
    let code = HMAC<SHA256>.authenticationCode(for: Self.covered(body, credential), using: key)
    return Data(body + Array(code)).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  /// Whether `value`, from which this was parsed, was made with the key for this credential.
  func isValid(_ value: String, _ key: SymmetricKey, credential: String) -> Bool {
    constantTimeEqual(Array(self.value(key, credential: credential).utf8), Array(value.utf8))
  }

  private static func covered(_ body: [UInt8], _ credential: String) -> [UInt8] {
    var covered: [UInt8] = []
    withUnsafeBytes(of: UInt64(body.count).bigEndian) { covered.append(contentsOf: $0) }
    return covered + body + Array(credential.utf8)
  }
}

extension Authenticator {
  /// A session for who has just signed in with `password`: the cookie's value, and for how many seconds it holds. nil for
  /// who has no credentials (any more). Throws where the files that have them cannot be read.
  public func issueSession(
    for principal: Principal, password: String, lifetime: Int64 = 12 * 3600
  ) throws -> (value: String, lifetime: Int64)? {
    let now = Int64(time(nil))
    var expires = now + lifetime
    // A session must not make a token's life longer.
    if case .key = principal, let token = SignInToken(password: password, secret) {
      expires = min(expires, token.expires)
    }
    let holder: BrowserSession.Holder
    switch principal {
    case .anonymous: return nil
    case .user(let name): holder = .user(name)
    case .key(let key): holder = .key(key.id)
    }
    guard let credential = try credential(holder)?.text else { return nil }
    let session = BrowserSession(holder: holder, expires: expires)
    return (session.value(secret.sessionKey, credential: credential), expires - now)
  }

  /// Whose session it is; nil where it is not one of this registry's, or has ended.
  public func principal(session value: String) throws -> Principal? {
    guard let session = BrowserSession(parsing: value), session.expires > Int64(time(nil)),
      let (credential, principal) = try credential(session.holder),
      session.isValid(value, secret.sessionKey, credential: credential)
    else { return nil }
    return principal
  }

  /// What the holder signs in with, as it is on file now.
  private func credential(_ holder: BrowserSession.Holder) throws -> (text: String, principal: Principal)? {
    switch holder {
    case .user(let name): storedHash(of: name).map { ($0, .user(name)) }
    case .key(let id):
      try keys.find(id).flatMap { $0.hasExpired(at: Int64(time(nil))) ? nil : ($0.secret, .key($0)) }
    }
  }
}

extension RegistrySecret {
  /// Another key than that of tokens: neither can stand for the other.
  var sessionKey: SymmetricKey {
    HKDF<SHA256>.deriveKey(
      inputKeyMaterial: tokenKey, info: Array("clipper registry browser session".utf8), outputByteCount: 32)
  }
}
