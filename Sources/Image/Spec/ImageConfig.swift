/// The image configuration: how to run it and which layers make it. (image-spec, config.md)
public struct ImageConfig: Hashable, Sendable, Codable {
  /// RFC 3339 date and time.
  public var created: String?
  public var author: String?
  public var architecture: String
  public var os: String
  public var osVersion: String?
  public var osFeatures: [String]?
  public var variant: String?
  public var config: ContainerConfig?
  public var rootfs: RootFS
  public var history: [History]?

  enum CodingKeys: String, CodingKey {
    case created, author, architecture, os, variant, config, rootfs, history
    case osVersion = "os.version"
    case osFeatures = "os.features"
  }

  public init(platform: Platform, config: ContainerConfig = .init(), diffIDs: [Digest] = [], history: [History] = []) {
    architecture = platform.architecture
    os = platform.os
    variant = platform.variant
    osVersion = platform.osVersion
    osFeatures = platform.osFeatures
    self.config = config
    rootfs = RootFS(diffIDs: diffIDs)
    self.history = history
  }

  public var platform: Platform {
    Platform(os: os, architecture: architecture, variant: variant, osVersion: osVersion, osFeatures: osFeatures)
  }
}

/// The layers of an image as digests of their uncompressed tar archives, lowest first.
public struct RootFS: Hashable, Sendable, Codable {
  public var type: String
  public var diffIDs: [Digest]

  enum CodingKeys: String, CodingKey {
    case type
    case diffIDs = "diff_ids"
  }

  public init(diffIDs: [Digest]) {
    type = "layers"
    self.diffIDs = diffIDs
  }
}

public struct History: Hashable, Sendable, Codable {
  /// RFC 3339 date and time.
  public var created: String?
  public var createdBy: String?
  public var author: String?
  public var comment: String?
  /// True for an instruction that changed the configuration only; nil reads as false.
  public var emptyLayer: Bool?

  enum CodingKeys: String, CodingKey {
    case created, author, comment
    case createdBy = "created_by"
    case emptyLayer = "empty_layer"
  }

  public init(
    created: String? = nil, createdBy: String? = nil, author: String? = nil, comment: String? = nil, emptyLayer: Bool? = nil
  ) {
    self.created = created
    self.createdBy = createdBy
    self.author = author
    self.comment = comment
    self.emptyLayer = emptyLayer
  }
}

/// The `config` object: defaults for a container of this image. Names are the specification's and Docker's.
public struct ContainerConfig: Hashable, Sendable, Codable {
  /// `user`, `uid`, `user:group`, `uid:gid` or a mix of them.
  public var user: String?
  /// `port/tcp` or `port/udp`.
  public var exposedPorts: [String: EmptyObject]?
  /// `NAME=value`, in order.
  public var env: [String]?
  public var entrypoint: [String]?
  public var cmd: [String]?
  public var volumes: [String: EmptyObject]?
  public var workingDir: String?
  public var labels: [String: String]?
  public var stopSignal: String?
  public var argsEscaped: Bool?
  public var healthcheck: Healthcheck?
  public var onBuild: [String]?
  public var shell: [String]?

  enum CodingKeys: String, CodingKey {
    case user = "User"
    case exposedPorts = "ExposedPorts"
    case env = "Env"
    case entrypoint = "Entrypoint"
    case cmd = "Cmd"
    case volumes = "Volumes"
    case workingDir = "WorkingDir"
    case labels = "Labels"
    case stopSignal = "StopSignal"
    case argsEscaped = "ArgsEscaped"
    case healthcheck = "Healthcheck"
    case onBuild = "OnBuild"
    case shell = "Shell"
  }

  public init() {}
}

/// Docker's health check; durations are nanoseconds, 0 or nil takes the default.
public struct Healthcheck: Hashable, Sendable, Codable {
  /// `["NONE"]`, `["CMD", args…]` or `["CMD-SHELL", command]`; nil or empty inherits.
  public var test: [String]?
  public var interval: Int64?
  public var timeout: Int64?
  public var startPeriod: Int64?
  public var startInterval: Int64?
  public var retries: Int?

  enum CodingKeys: String, CodingKey {
    case test = "Test"
    case interval = "Interval"
    case timeout = "Timeout"
    case startPeriod = "StartPeriod"
    case startInterval = "StartInterval"
    case retries = "Retries"
  }

  public init(test: [String]? = nil) { self.test = test }
}

/// The `{}` that image-spec uses as the value of a set's members.
public struct EmptyObject: Hashable, Sendable, Codable {
  public init() {}
}
