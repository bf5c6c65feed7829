public import SystemPackage

/// Why something of containers, networks, volumes or pods could not be done.
public enum EngineError: Error, CustomStringConvertible {
  public enum Kind: String, Sendable { case container, network, volume, pod }

  case notFound(Kind, String)
  /// Part of an ID that begins several.
  case ambiguous(Kind, String)
  case nameInUse(Kind, name: String, by: String)
  case invalidName(Kind, String)
  case notRunning(name: String)
  case alreadyRunning(name: String)
  case isRunning(name: String, operation: String)
  case isPaused(name: String)
  case notPaused(name: String)
  case inUse(Kind, name: String, by: [String])
  case noCommand(image: String)
  case input(String)
  /// A user or group that the image does not have.
  case noSuchUser(String)
  case noSuchGroup(String)
  case noAddress(network: String)
  /// A file that the engine keeps is not what it wrote.
  case damaged(path: FilePath, String)
  case noSuchPath(container: String, path: String)
  case logsUnavailable(name: String, driver: String)
  case runtime(operation: String, message: String)
  case system(operation: String, path: FilePath, Errno)

  public var description: String {
    switch self {
    case .notFound(let kind, let name): "No such \(kind.rawValue): \(name)"
    case .ambiguous(let kind, let id): "\(kind.rawValue) ID \"\(id)\" is ambiguous: several begin so; write more of it"
    case .nameInUse(let kind, let name, let id):
      """
      Conflict. The \(kind.rawValue) name "/\(name)" is already in use by \(kind.rawValue) "\(id)". You have to remove \
      (or rename) that \(kind.rawValue) to be able to reuse that name.
      """
    case .invalidName(let kind, let name):
      "Invalid \(kind.rawValue) name (\(name)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    case .notRunning(let name): "container \(name) is not running"
    case .alreadyRunning(let name): "container \(name) is already running"
    case .isRunning(let name, let operation):
      "cannot \(operation) container \"\(name)\": container is running: stop the container before or use force"
    case .isPaused(let name): "container \(name) is paused: unpause the container before"
    case .notPaused(let name): "container \(name) is not paused"
    case .inUse(let kind, let name, let users):
      "\(kind.rawValue) \(name) is in use by \(users.map { String($0.prefix(12)) }.joined(separator: ", ")): remove or stop them first"
    case .noCommand(let image): "no command specified: \(image) has no default command; write one after the image's name"
    case .input(let reason): reason
    case .noSuchUser(let user): "unable to find user \(user): no matching entries in passwd file"
    case .noSuchGroup(let group): "unable to find group \(group): no matching entries in group file"
    case .noAddress(let network): "network \(network) has no free address: remove containers, or make a network with a larger subnet"
    case .damaged(let path, let reason): "\(path) is damaged: \(reason); remove the container and make it again"
    case .noSuchPath(let container, let path): "Could not find the file \(path) in container \(container)"
    case .logsUnavailable(let name, let driver):
      "container \(name) keeps no log: its logging driver is \(driver); use --log-driver json-file"
    case .runtime(let operation, let message): "\(operation): \(message)"
    case .system(let operation, let path, let error):
      error == .noSpace
        ? "\(operation) \(path): no space left on device; free some (clipper system prune) and try again"
        : "\(operation) \(path): \(error)"
    }
  }
}
