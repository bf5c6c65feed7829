/// One thing that is wrong with a manifest, where it stands.
public struct Problem: Sendable, Hashable, CustomStringConvertible {
  public enum Severity: String, Sendable { case error, warning }

  public let severity: Severity
  public let file: String
  /// Counted from 1; 0 where the problem is of the file as a whole.
  public let line: Int
  /// For example `spec.containers[0].image`; empty for the document as a whole.
  public let path: String
  public let message: String

  /// The same as a warning.
  public var asWarning: Problem {
    Problem(severity: .warning, file: file, line: line, path: path, message: message)
  }

  public var description: String {
    let place = line > 0 ? "\(file):\(line): " : "\(file): "
    return place + (severity == .warning ? "warning: " : "") + (path.isEmpty ? "" : "\(path): ") + message
  }
}

/// Collects what is wrong, so that one run names everything.
final class Problems {
  let file: String
  private(set) var all: [Problem] = []
  /// A hostile file could be wrong in a million places; nobody reads further.
  private static let limit = 200

  init(file: String) { self.file = file }

  var errors: [Problem] { all.filter { $0.severity == .error } }

  func error(_ line: Int, _ path: String, _ message: String) { add(.error, line, path, message) }

  func warning(_ line: Int, _ path: String, _ message: String) { add(.warning, line, path, message) }

  private func add(_ severity: Problem.Severity, _ line: Int, _ path: String, _ message: String) {
    guard all.count < Self.limit else { return }
    let problem = Problem(severity: severity, file: file, line: line, path: path, message: message)
    // An alias brings the same text twice.
    if !all.contains(problem) { all.append(problem) }
  }
}

public enum KubeError: Error, CustomStringConvertible {
  case invalid([Problem])
  case unreadable(file: String, why: String)
  /// The object is immutable, and another content was played under its name before.
  case immutable(ObjectKey)
  case notNonRoot(pod: String, container: String, why: String)
  case volume(pod: String, volume: String, why: String)
  case container(pod: String, container: String, any Error)
  /// `output` is the end of what it wrote.
  case initContainer(pod: String, container: String, status: Int32, output: String)
  case jobFailed(job: String, why: String)
  case notReady(String)
  /// No object of that name was played here.
  case notPlayed(String)
  /// Undoing what a failed play made did not work out, either.
  case undo(of: any Error, problems: [String])
  case record(path: String, why: String)

  public var description: String {
    switch self {
    case .invalid(let problems): problems.map(\.description).joined(separator: "\n")
    case .unreadable(let file, let why): "cannot read \(file): \(why)"
    case .immutable(let key):
      "\(key) is immutable and was played with another content: take it down first (clipper kube down \(key.kind.short)/\(key.name))"
    case .notNonRoot(let pod, let container, let why):
      "\(why) (runAsNonRoot of pod \(pod), container \(container)): name a numeric user in the image (USER 65532:65532) "
        + "or set securityContext.runAsUser"
    case .volume(let pod, let volume, let why): "pod \(pod): volume \"\(volume)\": \(why)"
    case .container(let pod, let container, let error): "pod \(pod), container \(container): \(error)"
    case .initContainer(let pod, let container, let status, let output):
      "init container \"\(container)\" of pod \(pod) ended with status \(status)"
        + (output.isEmpty ? ", and wrote nothing" : "; the end of what it wrote:\n\(output)")
    case .jobFailed(let job, let why): "job/\(job) failed: \(why)"
    case .notReady(let why): why
    case .notPlayed(let what): "\(what) was not played here: clipper kube ls shows what was"
    case .undo(let error, let problems):
      "\(error)\nand it could not all be undone; clipper kube down clears the rest: \(problems.joined(separator: "; "))"
    case .record(let path, let why): "the record \(path) of a played object cannot be used: \(why)"
    }
  }
}
