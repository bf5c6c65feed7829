public import DockerfileSyntax

/// A step that makes files.
public struct Vertex: Hashable, Sendable {
  public var operation: Operation
  /// As written, for people.
  public var text: String
  public var location: SourceRange
}

public enum Operation: Hashable, Sendable {
  case run(RunOperation)
  case copy(CopyOperation)
  case makeDirectory(DirectoryOperation)
}

public struct RunOperation: Hashable, Sendable {
  /// The shell, where there is one, included.
  public var arguments: [String]
  /// A file that the first argument names, to be made inside the container.
  public var script: Script?
  /// `NAME=value`, sorted: ENV, and ARG where ENV does not have it.
  public var environment: [String]
  /// Proxies that are not part of the cache key.
  public var proxies: [String]
  /// As USER has it; empty is root.
  public var user: String
  public var workingDirectory: String
  public var network: RunInstruction.Network
  public var hostname: String?

  public struct Script: Hashable, Sendable {
    /// Absolute inside the container.
    public var path: String
    public var content: String
  }
}

public struct CopyOperation: Hashable, Sendable {
  public var sources: [CopySource]
  public var from: BuildPlan.Source
  /// Absolute. It is a directory where it ends with `/`.
  public var destination: String
  /// `user`, `user:group`, names or numbers; nil keeps what the source has, 0:0 for the context.
  public var owner: String?
  public var mode: FileModeChange?
  /// Local archives are unpacked. (ADD)
  public var unpacks: Bool
  /// http(s) archives are unpacked. (ADD --unpack)
  public var unpacksRemote: Bool
  /// `sha256:…` of the one http(s) source. (ADD)
  public var checksum: String?
}

public enum CopySource: Hashable, Sendable {
  /// Relative to the root of the source, cleaned, maybe with wildcards; `.` is all of it.
  case path(String)
  /// The content of a heredoc.
  case file(name: String, content: String)
  /// http or https.
  case url(String)
}

/// WORKDIR: the directory is there afterwards.
public struct DirectoryOperation: Hashable, Sendable {
  public var path: String
  /// Who owns what is made.
  public var user: String
}
