/// How one signs in to a registry.
public struct Credential: Hashable, Sendable {
  public enum Secret: Hashable, Sendable {
    case password(String)
    /// An OAuth2 refresh token.
    case identityToken(String)
    /// A bearer token that is used as it is.
    case registryToken(String)
  }

  public var username: String
  public var secret: Secret

  public init(username: String, secret: Secret) {
    self.username = username
    self.secret = secret
  }

  public init(username: String, password: String) { self.init(username: username, secret: .password(password)) }

  /// `Basic …`; nil for a token.
  var basic: String? {
    guard case .password(let password) = secret else { return nil }
    return "Basic \(Base64.encode(Array("\(username):\(password)".utf8)))"
  }
}

public enum CredentialError: Error, Equatable, CustomStringConvertible {
  case unreadable(path: String, reason: String)
  case unwritable(path: String, reason: String)
  case helperMissing(name: String)
  case helperFailed(name: String, reason: String)
  case noHome

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "cannot read the credentials in \(path): \(reason)"
    case .unwritable(let path, let reason): "cannot write the credentials to \(path): \(reason)"
    case .helperMissing(let name):
      "the credential helper docker-credential-\(name), which Docker's config.json names, is not in PATH"
    case .helperFailed(let name, let reason): "the credential helper docker-credential-\(name) failed: \(reason)"
    case .noHome: "there is no place for credentials: set HOME or DOCKER_CONFIG"
    }
  }
}
