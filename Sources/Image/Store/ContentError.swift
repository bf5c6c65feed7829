public import ImageSpec
public import SystemPackage

public enum ContentError: Error, CustomStringConvertible {
  /// The root was written by another version of Clipper.
  case versionMismatch(root: FilePath, found: String, expected: String)
  case notFound(Digest)
  case digestMismatch(expected: Digest, actual: Digest)
  case sizeMismatch(expected: Int64, actual: Int64)
  /// Another process writes the ingest of this key.
  case ingestBusy(String)
  /// A name was to be given to content that is not all there.
  case incomplete(name: String, missing: Digest)
  case tooLarge(Digest, size: Int64, limit: Int64)
  case malformed(Digest, reason: String)
  case system(operation: String, path: FilePath, Errno)

  public var description: String {
    switch self {
    case .versionMismatch(let root, let found, let expected):
      "\(root) was written by another version of Clipper (its format is \(found), this program's is \(expected)); "
        + "use that version, or name another root with --root"
    case .notFound(let digest): "no content \(digest) in this store"
    case .digestMismatch(let expected, let actual):
      "digest mismatch: expected \(expected), the content is \(actual); nothing was stored"
    case .sizeMismatch(let expected, let actual):
      "size mismatch: expected \(expected) bytes, got \(actual); nothing was stored"
    case .ingestBusy(let key): "\(key) is being written by another process; wait for it and try again"
    case .incomplete(let name, let missing): "\(name) is not complete: \(missing) is missing; pull or load it again"
    case .tooLarge(let digest, let size, let limit): "\(digest) is \(size) bytes, more than the \(limit) allowed here"
    case .malformed(let digest, let reason): "\(digest) is not a valid document: \(reason)"
    case .system(let operation, let path, let error):
      error == .noSpace
        ? "\(operation) \(path): no space left on device; free some (clipper system prune) and try again"
        : "\(operation) \(path): \(error)"
    }
  }
}
