public import ImageSpec

/// What a container is, decided when it is made.
public struct ContainerRecord: Sendable, Codable {
  /// As they were asked for.
  public var options: ContainerOptions
  public var created: Moment
  /// Digest of the image's configuration.
  public var imageID: Digest
  /// Digest of the image's manifest.
  public var manifest: Digest
  /// The snapshot below the container's own changes; nil for an image without layers.
  public var snapshot: Int64?
  public var entrypoint: [String]
  public var command: [String]
  /// The whole environment.
  public var environment: [String]
  public var workingDirectory: String
  /// `user[:group]` as asked for or as the image has it; empty is root.
  public var user: String
  public var hostname: String
  public var mounts: [Mount] = []
  /// The image's and those asked for.
  public var labels: [String: String]
  /// `80/tcp`, sorted.
  public var exposedPorts: [String]
  public var stopSignal: Int32
  /// Seconds.
  public var stopTimeout: Int
  /// The one in force; nil for none.
  public var healthcheck: Healthcheck?

  public struct Mount: Sendable, Codable, Hashable {
    public var kind: MountOption.Kind
    /// Of a volume.
    public var name: String?
    /// A directory or file of the host; nil for tmpfs.
    public var source: String?
    public var target: String
    public var readOnly = false
    public var propagation: String?
    /// A volume that goes with the container.
    public var isAnonymous = false
    /// Options of mount(8).
    public var options: [String] = []

    public init(kind: MountOption.Kind, source: String? = nil, target: String) {
      self.kind = kind
      self.source = source
      self.target = target
    }
  }

  public var arguments: [String] { entrypoint + command }
}
