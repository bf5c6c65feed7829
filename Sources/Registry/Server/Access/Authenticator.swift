import Crypto
import FoundationEssentials
import Glibc
public import Logging
import NIOPosix
import Synchronization

/// Who asks.
public enum Principal: Hashable, Sendable, CustomStringConvertible {
  case anonymous
  /// Signed in with a password.
  case user(String)
  /// Signed with an access key, or signed in with a token that the key fetched.
  case key(AccessKey)

  /// The name of the user that it is, or acts for.
  public var user: String? {
    switch self {
    case .anonymous: nil
    case .user(let name): name
    case .key(let key): key.user
    }
  }

  public var description: String {
    switch self {
    case .anonymous: "-"
    case .user(let name): name
    case .key(let key): "\(key.user)/\(key.id)"
    }
  }
}

/// Why an `Authorization` header was not taken.
public enum AuthenticationFailure: Error, Hashable, Sendable, CustomStringConvertible {
  case malformed
  case unsupportedScheme(String)
  case wrongCredentials
  case tokenExpired
  /// Others wait to have their passwords checked.
  case tooManyChecks

  public var description: String {
    switch self {
    case .malformed: "the Authorization header cannot be read"
    case .unsupportedScheme(let scheme):
      "the authentication scheme \"\(scheme.prefix(40))\" is not supported here; use Basic"
    case .wrongCredentials: "wrong user name or password"
    case .tokenExpired: "Your authorization token has expired. Reauthenticate and try again."
    case .tooManyChecks: "too many sign-ins at once; try again"
    }
  }
}

/// Turns the `Authorization` header of a request into a principal.
public final class Authenticator: Sendable {
  public let keys: AccessKeys
  private let passwords: [PasswordFile]
  let secret: RegistrySecret
  private let logger: Logger
  private let verified: VerifiedPasswords
  /// One thread: bcrypt takes tens of milliseconds by design, and a flood of guesses must leave a processor to others.
  private let checker = NIOThreadPool(numberOfThreads: 1)

  public init(passwords: [PasswordFile], keys: AccessKeys, secret: RegistrySecret, logger: Logger) {
    self.passwords = passwords
    self.keys = keys
    self.secret = secret
    self.logger = logger
    verified = VerifiedPasswords()
    checker.start()
  }

  public var identities: Identities { keys.identities }

  /// A principal, and the token that it signed in with if it did by one.
  struct SignIn: Sendable {
    let principal: Principal
    var token: SignInToken?
  }

  /// The principal of a request; `.anonymous` where it has no header. Throws `AuthenticationFailure`.
  public func principal(authorization: String?) async throws -> Principal {
    let signIn = try await signIn(authorization: authorization)
    if signIn.token?.hasExpired() == true { throw AuthenticationFailure.tokenExpired }
    return signIn.principal
  }

  /// The same, with a token that may have ended.
  func signIn(authorization: String?) async throws -> SignIn {
    guard let authorization, !authorization.isEmpty else { return SignIn(principal: .anonymous) }
    let (user, password) = try Self.credentials(authorization)
    // podman and skopeo send an empty pair where they have no credentials.
    if user.isEmpty, password.isEmpty { return SignIn(principal: .anonymous) }
    return user == "AWS"
      ? try signIn(token: password) : SignIn(principal: try await principal(user: user, password: password))
  }

  /// User and password of a header of the scheme Basic. (RFC 7617, section 2)
  static func credentials(_ authorization: String) throws(AuthenticationFailure) -> (user: String, password: String) {
    guard let space = authorization.firstIndex(of: " ") else { throw AuthenticationFailure.malformed }
    let scheme = authorization[..<space]
    guard scheme.lowercased() == "basic" else { throw AuthenticationFailure.unsupportedScheme(String(scheme)) }
    let value = authorization[authorization.index(after: space)...].drop { $0 == " " }
    guard value.utf8.count <= 8192, let data = Data(base64Encoded: String(value)),
      let text = String(validating: data, as: UTF8.self), let colon = text.firstIndex(of: ":")
    else { throw AuthenticationFailure.malformed }
    return (String(text[..<colon]), String(text[text.index(after: colon)...]))
  }

  /// A token for `key`, and its end in seconds since 1970: the key's own where that comes first.
  public func issueToken(for key: AccessKey, lifetime: Int64 = 12 * 3600) -> (password: String, expires: Int64) {
    let end = Int64(time(nil)) + lifetime
    let token = SignInToken(keyID: key.id, expires: key.expires.map { min($0, end) } ?? end)
    return (token.password(secret), token.expires)
  }

  private func signIn(token password: String) throws -> SignIn {
    guard let token = SignInToken(password: password, secret), let key = try keys.find(token.keyID) else {
      throw AuthenticationFailure.wrongCredentials
    }
    return SignIn(principal: .key(key), token: token)
  }

  private func principal(user: String, password: String) async throws -> Principal {
    let stored = storedHash(of: user)
    // An unknown user costs the same time, so that names cannot be found out by it.
    let hash = stored ?? Self.nobody
    if stored != nil, verified.contains(user: user, password: password, hash: hash) { return .user(user) }
    let isRight = try await check(password, hash)
    guard isRight, stored != nil else { throw AuthenticationFailure.wrongCredentials }
    verified.insert(user: user, password: password, hash: hash)
    return .user(user)
  }

  /// nil where no file that can be used has the user.
  func storedHash(of user: String) -> String? {
    for file in passwords {
      do {
        if let hash = try file.hash(of: user) { return hash }
      } catch {
        // A broken file must not let anybody in, and must not lock out the users of the other one.
        logger.error("a password file cannot be used", metadata: ["error": "\(error)"])
      }
    }
    return nil
  }

  /// Checks wait for one another. Past a certain length of the queue nobody would wait for the answer.
  private func check(_ password: String, _ hash: String) async throws -> Bool {
    guard waiting.add(1, ordering: .relaxed).newValue <= Self.queueLimit else {
      waiting.subtract(1, ordering: .relaxed)
      throw AuthenticationFailure.tooManyChecks
    }
    defer { waiting.subtract(1, ordering: .relaxed) }
    return try await checker.runIfActive { Bcrypt.verify(password, hash) }
  }

  private let waiting = Atomic(0)
  private static let queueLimit = 200

  /// A hash of the right form that no password is known for.
  private static let nobody = "$2b$10$abcdefghijklmnopqrstuu" + String(repeating: "A", count: 31)

  deinit { checker.shutdownGracefully { _ in } }
}

/// Passwords that bcrypt has found right, as a keyed hash: a docker push asks a hundred times within a second.
/// The key is random and never leaves the process; the hash on file is part of it, so a changed password misses.
private final class VerifiedPasswords: Sendable {
  private let key = SymmetricKey(size: .bits256)
  private let known = Mutex<[[UInt8]: ContinuousClock.Instant]>([:])
  private static let capacity = 1024
  private static let lifetime = Duration.seconds(600)

  func contains(user: String, password: String, hash: String) -> Bool {
    let code = code(user, password, hash)
    return known.withLock { known in
      guard let until = known[code] else { return false }
      return until > .now
    }
  }

  func insert(user: String, password: String, hash: String) {
    let code = code(user, password, hash)
    known.withLock { known in
      if known.count >= Self.capacity { known = known.filter { $0.value > .now } }
      if known.count >= Self.capacity { known.removeAll() }
      known[code] = .now + Self.lifetime
    }
  }

  private func code(_ user: String, _ password: String, _ hash: String) -> [UInt8] {
    var mac = HMAC<SHA256>(key: key)
    for part in [user, password, hash] {
      withUnsafeBytes(of: part.utf8.count) { mac.update(data: $0) }
      mac.update(data: Array(part.utf8))
    }
    return Array(mac.finalize())
  }
}
