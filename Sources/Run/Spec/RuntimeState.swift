/// What `state` prints and hooks read. (runtime-spec, runtime.md, State)
public struct RuntimeState: Hashable, Sendable, Codable {
  public enum Status: String, Hashable, Sendable, Codable { case creating, created, running, stopped, paused }

  public var ociVersion: String
  public var id: String
  public var status: Status
  /// In the runtime's PID namespace; nil or 0 for a stopped container.
  public var pid: Int32?
  /// Absolute.
  public var bundle: String
  public var annotations: [String: String]?

  public init(
    ociVersion: String = RuntimeConfig.version, id: String, status: Status, pid: Int32? = nil, bundle: String,
    annotations: [String: String]? = nil
  ) {
    self.ociVersion = ociVersion
    self.id = id
    self.status = status
    self.pid = pid
    self.bundle = bundle
    self.annotations = annotations
  }
}
