import Kernel
public import RuntimeSpec
public import SystemPackage

/// Why the runtime could not do what it was asked.
public enum RuntimeError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A call of the kernel failed while doing something.
  case call(doing: String, Errno, StartFailure.Kind)
  /// A property of config.json is wrong.
  case configuration(property: String, problem: String)
  /// A property of config.json, or a flag, asks for something that is not there. It is never ignored.
  case unsupported(String, reason: String)
  case usage(String)
  /// A file that is read as a document is not what it must be.
  case document(FilePath, String)
  case invalidID(String)
  case noSuchContainer(String)
  case containerExists(String)
  /// It has a place and no state: somebody is making it, or was killed while doing so.
  case containerHalfMade(String)
  case brokenState(id: String, problem: String)
  case wrongStatus(id: String, status: RuntimeState.Status, doing: String)
  case program(String, Problem)
  case hook(point: String, path: String, problem: String)
  /// What the process that sets the container up has reported.
  case start(StartFailure)
  /// That process ended without a word.
  case setupDied(signal: CInt)
  case resources(String)
  case seccomp(String)
  case state(String)

  public enum Problem: Hashable, Sendable {
    /// A name without a slash, in none of PATH's directories.
    case notInPath
    case notFound
    case notExecutable(Errno)
    case ownBinary
    case empty
  }

  public var kind: StartFailure.Kind {
    switch self {
    case .call(_, _, let kind): kind
    case .program(_, .notInPath), .program(_, .notFound): .programNotFound
    case .program: .programNotExecutable
    case .start(let failure): failure.kind
    case .containerExists, .containerHalfMade: .busy
    case .resources: .resources
    case .seccomp: .seccomp
    default: .other
    }
  }

  public var failure: StartFailure { StartFailure(kind: kind, message: description) }

  public var description: String {
    switch self {
    case .call(let doing, let error, _): "cannot \(doing): \(error)"
    case .configuration(let property, let problem): "config.json: \(property) \(problem)"
    case .unsupported(let what, let reason): "\(what) is not supported: \(reason)"
    case .usage(let message): message
    case .document(let path, let problem): "\(path) \(problem)"
    case .invalidID(let id):
      "\"\(id)\" is not a container ID: letters, digits, and after the first character also _ . + -, 255 at most"
    case .noSuchContainer(let id): "container \"\(id)\" does not exist"
    case .containerExists(let id): "container with given ID \"\(id)\" already exists"
    case .containerHalfMade(let id):
      "container with given ID \"\(id)\" already exists: it is being made, or what made it was killed; "
        + "delete --force clears what is left"
    case .brokenState(let id, let problem):
      "state.json of container \"\(id)\" cannot be used: \(problem); or clear the container by delete --force"
    // The words of runc, which its callers look for.
    case .wrongStatus(let id, .stopped, let doing):
      "cannot \(doing) container \"\(id)\": container not running: it is stopped"
    case .wrongStatus(let id, let status, "resume"):
      "cannot resume container \"\(id)\": container not paused: it is \(status.rawValue)"
    case .wrongStatus(let id, let status, let doing): "cannot \(doing) container \"\(id)\": it is \(status.rawValue)"
    // The words of exec(3) in Go, which callers of a runtime look for.
    case .program(let name, .notInPath): "exec: \"\(name)\": executable file not found in $PATH"
    case .program(let name, .notFound): "exec: \"\(name)\": no such file or directory"
    case .program(let name, .notExecutable(let error)):
      error == .permissionDenied ? "exec: \"\(name)\": permission denied" : "exec: \"\(name)\": \(error)"
    case .program(let name, .ownBinary):
      "exec: \"\(name)\": permission denied: it is the container runtime's own program"
    case .program(_, .empty):
      "exec: \"\": executable file not found in $PATH (process.args begins with an empty string)"
    case .hook(let point, let path, let problem): "\(point) hook \(path) \(problem)"
    case .start(let failure): failure.message
    case .setupDied(let signal): "the process that sets the container up was ended by signal \(signal)"
    case .resources(let message), .seccomp(let message), .state(let message): message
    }
  }
}

/// Runs a call of the kernel; its failure says what was being done.
@discardableResult
func attempt<Result: ~Copyable>(
  _ doing: @autoclosure () -> String, _ kind: StartFailure.Kind = .other, _ body: () throws(Errno) -> Result
) throws -> Result {
  do { return try body() } catch { throw RuntimeError.call(doing: doing(), error, kind) }
}

extension RuntimeError {
  /// With the setting of the kernel that is the reason, where one is.
  static func refusedNamespace(_ doing: String, _ error: Errno, _ kind: StartFailure.Kind) -> RuntimeError {
    guard let obstacle = UserNamespaces.obstacle(error) else { return .call(doing: doing, error, kind) }
    return .start(StartFailure(kind: kind, message: "cannot \(doing): \(error): \(obstacle)"))
  }
}

/// A descriptor that several values share.
final class OpenFile {
  private var descriptor: OwnedDescriptor?
  let number: CInt

  init(_ descriptor: consuming OwnedDescriptor) {
    number = descriptor.number
    self.descriptor = consume descriptor
  }

  /// Now, and not when the last of those who share it has gone.
  func close() { descriptor = nil }
}
