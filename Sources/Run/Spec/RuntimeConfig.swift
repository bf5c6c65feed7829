/// A bundle's `config.json` for Linux. Names, shapes and units are the specification's; nil means that the document
/// leaves the property out. (runtime-spec, config.md and config-linux.md)
public struct RuntimeConfig: Hashable, Sendable, Codable {
  /// The version of the specification that the bundle follows, SemVer 2.0.0.
  public var ociVersion: String
  public var process: ContainerProcess?
  public var root: ContainerRoot?
  public var hostname: String?
  public var domainname: String?
  /// In the order in which they are mounted.
  public var mounts: [ContainerMount]?
  public var hooks: ContainerHooks?
  public var annotations: [String: String]?
  public var linux: LinuxConfig?
  /// Sections for other platforms. A runtime for Linux cannot honour them: that they are there is all that matters.
  public var windows: OtherPlatform?
  public var solaris: OtherPlatform?
  public var freebsd: OtherPlatform?
  public var zos: OtherPlatform?
  /// Asks for a virtual machine around the container.
  public var vm: OtherPlatform?

  /// The version that Clipper writes.
  public static let version = "1.3.0"

  public init(
    ociVersion: String = RuntimeConfig.version, process: ContainerProcess? = nil, root: ContainerRoot? = nil,
    hostname: String? = nil, domainname: String? = nil, mounts: [ContainerMount]? = nil, hooks: ContainerHooks? = nil,
    annotations: [String: String]? = nil, linux: LinuxConfig? = nil
  ) {
    self.ociVersion = ociVersion
    self.process = process
    self.root = root
    self.hostname = hostname
    self.domainname = domainname
    self.mounts = mounts
    self.hooks = hooks
    self.annotations = annotations
    self.linux = linux
  }
}

/// A section of `config.json` that is known by its name only.
public struct OtherPlatform: Hashable, Sendable, Codable {
  public init() {}
}

/// The container's root file system.
public struct ContainerRoot: Hashable, Sendable, Codable {
  /// Absolute, or relative to the bundle.
  public var path: String
  public var readonly: Bool?

  public init(path: String, readonly: Bool? = nil) {
    self.path = path
    self.readonly = readonly
  }
}

/// A mount below the root. (config.md, Mounts)
public struct ContainerMount: Hashable, Sendable, Codable {
  /// Inside the container; a relative path, which is deprecated, begins at `/`.
  public var destination: String
  /// nil with `bind` or `rbind` among the options.
  public var type: String?
  /// For bind mounts absolute, or relative to the bundle.
  public var source: String?
  public var options: [String]?
  public var uidMappings: [LinuxIDMapping]?
  public var gidMappings: [LinuxIDMapping]?

  public init(
    destination: String, type: String? = nil, source: String? = nil, options: [String]? = nil,
    uidMappings: [LinuxIDMapping]? = nil, gidMappings: [LinuxIDMapping]? = nil
  ) {
    self.destination = destination
    self.type = type
    self.source = source
    self.options = options
    self.uidMappings = uidMappings
    self.gidMappings = gidMappings
  }
}

/// Programs that run at points of the container's life, in order. (config.md, POSIX-platform Hooks)
public struct ContainerHooks: Hashable, Sendable, Codable {
  /// Deprecated by the specification; runs before `createRuntime`.
  public var prestart: [ContainerHook]?
  /// In the runtime's namespaces, after the container's namespaces exist and before pivot_root.
  public var createRuntime: [ContainerHook]?
  /// In the container's namespaces, before pivot_root; the path is the runtime's.
  public var createContainer: [ContainerHook]?
  /// In the container, just before the program; the path is the container's.
  public var startContainer: [ContainerHook]?
  public var poststart: [ContainerHook]?
  public var poststop: [ContainerHook]?

  public init(
    prestart: [ContainerHook]? = nil, createRuntime: [ContainerHook]? = nil, createContainer: [ContainerHook]? = nil,
    startContainer: [ContainerHook]? = nil, poststart: [ContainerHook]? = nil, poststop: [ContainerHook]? = nil
  ) {
    self.prestart = prestart
    self.createRuntime = createRuntime
    self.createContainer = createContainer
    self.startContainer = startContainer
    self.poststart = poststart
    self.poststop = poststop
  }
}

public struct ContainerHook: Hashable, Sendable, Codable {
  /// Absolute.
  public var path: String
  /// The whole argument vector, the program's name first.
  public var args: [String]?
  /// The whole environment, `NAME=value`.
  public var env: [String]?
  /// Seconds; nil waits for ever.
  public var timeout: Int?

  public init(path: String, args: [String]? = nil, env: [String]? = nil, timeout: Int? = nil) {
    self.path = path
    self.args = args
    self.env = env
    self.timeout = timeout
  }
}
