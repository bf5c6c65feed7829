public import ImageSpec

public enum RegistryClientError: Error, CustomStringConvertible {
  /// The registry wants a sign-in, or does not take the one that it got.
  case unauthorized(host: String, reason: String)
  /// Signed in, and still not allowed.
  case denied(host: String, what: String, reason: String)
  case notFound(host: String, what: String)
  /// An answer that trying again does not change.
  case refused(host: String, what: String, status: Int, reason: String)
  /// All attempts failed; `reason` is the last one's.
  case exhausted(host: String, what: String, attempts: Int, seconds: Int, reason: String)
  /// No registry answers there.
  case unreachable(host: String, tried: [String], attempts: Int)
  case certificate(host: String, reason: String)
  case unusableCertificate(path: String, reason: String)
  case digestMismatch(host: String, what: String, expected: Digest, actual: Digest)
  case sizeMismatch(host: String, what: String, expected: Int64, actual: Int64)
  /// Bytes.
  case tooLarge(host: String, what: String, limit: Int64)
  case malformed(host: String, what: String, reason: String)
  /// An old manifest schema, an artifact, or something that is no manifest at all.
  case unsupportedManifest(name: String, mediaType: String)
  case wrongPlatform(name: String, wanted: Platform, available: [String])
  case redirectedTooOften(host: String, what: String)
  case noSuchImage(String)
  /// Of an index, some platforms were never pulled.
  case incompleteIndex(name: String, missing: [String])
  case invalidURL(String)

  public var description: String {
    switch self {
    case .unauthorized(let host, let reason): "\(host): \(reason); sign in with: clipper login \(host)"
    case .denied(let host, let what, let reason): "\(host) denies access to \(what): \(reason)"
    case .notFound(let host, let what): "\(what) was not found on \(host)"
    case .refused(let host, let what, let status, let reason):
      "\(host) refused \(what) with status \(status): \(reason)"
    case .exhausted(let host, let what, let attempts, let seconds, let reason):
      "\(host): \(what) failed \(attempts == 1 ? "once" : "\(attempts) times") in \(seconds) s; the last time: \(reason)"
    case .unreachable(let host, let tried, let attempts):
      "no registry answers at \(host) (tried \(attempts == 1 ? "once" : "\(attempts) times")): \(tried.joined(separator: "; "))"
    case .certificate(let host, let reason):
      "the certificate of \(host) is not trusted: \(reason); put its CA at /etc/containers/certs.d/\(host)/ca.crt, "
        + "or name it in SSL_CERT_FILE"
    case .unusableCertificate(let path, let reason): "cannot use the certificate \(path): \(reason)"
    case .digestMismatch(let host, let what, let expected, let actual):
      "digest mismatch: \(what) from \(host) should be \(expected) and is \(actual); nothing was stored"
    case .sizeMismatch(let host, let what, let expected, let actual):
      "size mismatch: \(what) from \(host) should have \(expected) bytes and has \(actual); nothing was stored"
    case .tooLarge(let host, let what, let limit): "\(what) from \(host) is larger than the \(limit) bytes allowed"
    case .malformed(let host, let what, let reason): "\(host) sent \(what) that cannot be used: \(reason)"
    case .unsupportedManifest(let name, let mediaType):
      "\(name) is not an image that can be pulled: its type is \(mediaType.isEmpty ? "not given" : mediaType)"
    case .wrongPlatform(let name, let wanted, let available):
      "\(name) has nothing for \(wanted); it is made for \(available.isEmpty ? "no platform" : available.joined(separator: ", ")) (--platform chooses)"
    case .redirectedTooOften(let host, let what): "\(host) redirected \(what) too often"
    case .noSuchImage(let name): "no image \(name) in this store; clipper images lists them"
    case .incompleteIndex(let name, let missing):
      "\(name) is an index of which not all is here: \(missing.joined(separator: ", ")); pull these platforms first"
    case .invalidURL(let url): "\"\(url.prefix(200))\" is not an http or https URL"
    }
  }
}
