public import SystemPackage

/// What is wrong with an archive, or with unpacking or writing one.
public enum LayerError: Error, CustomStringConvertible {
  /// The bytes end in the middle of an entry or of the compressed stream.
  case truncated
  case malformed(String)
  /// An entry whose name or link leads out of the directory that it is unpacked into.
  case escapes(entry: String)
  /// A kind of entry or a feature that is not unpacked.
  case unsupported(entry: String, String)
  /// A hard link to something that the archive has not brought before.
  case missingLinkTarget(entry: String, target: String)
  case corrupt(Compression, String)
  case system(operation: String, entry: String, Errno)

  public var description: String {
    switch self {
    case .truncated: "the archive is truncated: it ends in the middle of its content; fetch or make it again"
    case .malformed(let reason): "not a valid tar archive: \(reason)"
    case .escapes(let entry): "refused: \"\(entry)\" leads out of the directory that the archive is unpacked into"
    case .unsupported(let entry, let what): "\"\(entry)\": \(what) is not supported"
    case .missingLinkTarget(let entry, let target):
      "\"\(entry)\" is a hard link to \"\(target)\", which is not in the archive before it"
    case .corrupt(let compression, let reason): "the \(compression) stream is corrupt: \(reason)"
    case .system(let operation, let entry, let error):
      error == .noSpace
        ? "\(operation) \"\(entry)\": no space left on device; free some (clipper system prune) and try again"
        : "\(operation) \"\(entry)\": \(error)"
    }
  }
}
