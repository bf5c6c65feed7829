/// What is wrong with a configuration: all of it at once, each with its key and place.
public struct ConfigurationProblems: Error, Hashable, Sendable, CustomStringConvertible {
  public struct Problem: Hashable, Sendable, CustomStringConvertible {
    /// `registry.yaml:12`, `the environment's CLIPPER_REGISTRY_TLS_MODE` or `--tls`.
    public let place: String
    /// `tls.mode`; empty where it is about the whole.
    public let key: String
    public let message: String

    public var description: String { "\(place): \(key.isEmpty ? "" : "\(key): ")\(message)" }
  }

  public var problems: [Problem]

  public init(_ problems: [Problem]) { self.problems = problems }

  init(_ file: String, _ line: Int, _ key: String, _ message: String) {
    problems = [Problem(place: line > 0 ? "\(file):\(line)" : file, key: key, message: message)]
  }

  public var description: String { problems.map(\.description).joined(separator: "\n") }
}
