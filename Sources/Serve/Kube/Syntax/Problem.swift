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
  /// What has been played under this name differs, and nobody asked to replace it.
  case differs(object: String)
  case notNonRoot(pod: String, container: String, why: String)
  case volume(pod: String, volume: String, why: String)
  case initContainer(pod: String, container: String, status: Int32)
  case jobFailed(job: String, why: String)
  case notReady(String)
  case unsupportedHost(String)
  case record(path: String, why: String)

  public var description: String {
    switch self {
    case .invalid(let problems): problems.map(\.description).joined(separator: "\n")
    case .unreadable(let file, let why): "cannot read \(file): \(why)"
    case .differs(let object):
      "\(object) was played with another content: add --replace to replace it, or take it down first (clipper kube down)"
    case .notNonRoot(let pod, let container, let why):
      "\(why) (pod: \"\(pod)\", container: \(container)): name a numeric user in the image (USER 65532:65532) "
        + "or set securityContext.runAsUser"
    case .volume(let pod, let volume, let why): "pod \(pod): volume \"\(volume)\": \(why)"
    case .initContainer(let pod, let container, let status):
      "init container \"\(container)\" of pod \(pod) ended with status \(status): see clipper logs \(pod)-\(container)"
    case .jobFailed(let job, let why): "job/\(job) failed: \(why)"
    case .notReady(let why): why
    case .unsupportedHost(let why): why
    case .record(let path, let why): "the record \(path) of a played object cannot be used: \(why)"
    }
  }
}
