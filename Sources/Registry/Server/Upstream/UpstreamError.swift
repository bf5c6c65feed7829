public import DistributionSpec
import RegistryClient

/// Why an upstream did not give what was asked of it.
public enum UpstreamError: Error, Hashable, Sendable, CustomStringConvertible {
  case notFound(String)
  case accessDenied(String)
  case tooManyRequests(String)
  case unavailable(String)
  /// Rules may not name this registry (any more).
  case notAllowed(String)
  /// It would have to be fetched, and the registry is read-only.
  case readOnly(ReadOnlyRefusal)

  init(_ error: any Error, _ upstream: String) {
    switch error {
    case let error as UpstreamError: self = error
    case RegistryClientError.notFound(_, let what): self = .notFound("\(upstream) does not have \(what)")
    case RegistryClientError.unauthorized, RegistryClientError.denied, is UpstreamSecretError:
      self = .accessDenied("\(upstream) denies access: \(error)")
    case RegistryClientError.refused(_, let what, let status, let reason) where status == 429:
      self = .tooManyRequests("\(upstream) limits \(what): \(reason)")
    case RegistryClientError.exhausted(_, let what, _, _, let reason) where reason.contains("429"):
      self = .tooManyRequests("\(upstream) limits \(what): \(reason)")
    default: self = .unavailable("\(upstream) does not answer: \(error)")
    }
  }

  public var code: ErrorCode {
    switch self {
    case .notFound: .manifestUnknown
    case .accessDenied, .notAllowed, .readOnly: .denied
    case .tooManyRequests: .tooManyRequests
    case .unavailable: .unavailable
    }
  }

  public var description: String {
    switch self {
    case .notFound(let what), .accessDenied(let what), .tooManyRequests(let what), .unavailable(let what): what
    case .readOnly(let refusal): "this is not here yet, and is not fetched from its upstream now: \(refusal)"
    case .notAllowed(let host): "this registry is not set up to fetch from \(host)"
    }
  }
}
