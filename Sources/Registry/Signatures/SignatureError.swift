/// Why a key or a signature cannot be used.
public enum SignatureError: Error, Hashable, Sendable, CustomStringConvertible {
  case keyMalformed(String)
  case malformed(String)

  public var description: String {
    switch self {
    case .keyMalformed(let why): "the key cannot be used: \(why)"
    case .malformed(let why): "the signature cannot be used: \(why)"
    }
  }
}
