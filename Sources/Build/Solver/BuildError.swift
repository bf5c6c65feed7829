public import DockerfileSyntax
public import SystemPackage

/// Why a build failed.
public enum BuildError: Error, CustomStringConvertible {
  /// A RUN ended with a status that is not 0. `tail`: the last lines that it wrote.
  case run(step: String, location: SourceRange, command: String, status: Int32, tail: [String])
  /// Any other step.
  case step(String, location: SourceRange, any Error)
  case image(name: String, location: SourceRange, any Error, stageNear: String?)
  case notFound(source: String, ignored: Bool)
  case badArchive(String)
  case destination(String, String)
  case noSuchUser(String)
  case noSuchGroup(String)
  case context(String)
  case input(String)
  /// The program of a RUN cannot be started: clipper-runtime says why.
  case start(String)
  case system(operation: String, path: String, Errno)

  /// Where in the Dockerfile; nil where it is not about a part of it.
  public var location: SourceRange? {
    switch self {
    case .run(_, let location, _, _, _), .step(_, let location, _), .image(_, let location, _, _): location
    default: nil
    }
  }

  public var description: String {
    switch self {
    case .run(_, let location, let command, let status, _):
      "\(location): process \"\(command)\" did not complete successfully: exit code: \(status)"
    case .step(let step, let location, let error): "\(location): \(step): \(error)"
    case .image(let name, let location, let error, let near):
      "\(location): \(name): \(error)" + (near.map { " (did you mean the stage \($0)?)" } ?? "")
    case .notFound(let source, let ignored):
      "\"/\(source)\": not found" + (ignored ? "; it is excluded by the .dockerignore file" : "")
    case .badArchive(let what): what
    case .destination(let path, let problem): "\(path): \(problem)"
    case .noSuchUser(let name): "no user \"\(name)\" in the image's /etc/passwd"
    case .noSuchGroup(let name): "no group \"\(name)\" in the image's /etc/group"
    case .context(let reason): reason
    case .input(let reason): reason
    case .start(let reason): reason
    case .system(let operation, let path, let error):
      error == .noSpace
        ? "\(operation) \(path): no space left on device; free some (clipper system prune) and try again"
        : "\(operation) \(path): \(error)"
    }
  }
}
