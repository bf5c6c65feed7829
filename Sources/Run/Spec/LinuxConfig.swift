/// The `linux` object of `config.json`. (runtime-spec, config-linux.md)
public struct LinuxConfig: Hashable, Sendable, Codable {
  public var uidMappings: [LinuxIDMapping]?
  public var gidMappings: [LinuxIDMapping]?
  /// `net.core.somaxconn` → value.
  public var sysctl: [String: String]?
  public var resources: LinuxResources?
  /// Absolute: below the cgroup mount point; relative: below a place that the runtime chooses.
  public var cgroupsPath: String?
  public var namespaces: [LinuxNamespace]?
  public var devices: [LinuxDevice]?
  /// Host name of a network interface → what it becomes inside.
  public var netDevices: [String: LinuxNetDevice]?
  public var seccomp: LinuxSeccomp?
  /// `shared`, `slave`, `private` or `unbindable`, each also with an `r` before it.
  public var rootfsPropagation: String?
  public var maskedPaths: [String]?
  public var readonlyPaths: [String]?
  public var mountLabel: String?
  public var intelRdt: LinuxIntelRdt?
  public var memoryPolicy: LinuxMemoryPolicy?
  public var personality: LinuxPersonality?
  /// Clock (`monotonic`, `boottime`) → offset; needs a new time namespace.
  public var timeOffsets: [String: LinuxTimeOffset]?

  public init(
    uidMappings: [LinuxIDMapping]? = nil, gidMappings: [LinuxIDMapping]? = nil, sysctl: [String: String]? = nil,
    resources: LinuxResources? = nil, cgroupsPath: String? = nil, namespaces: [LinuxNamespace]? = nil,
    devices: [LinuxDevice]? = nil, netDevices: [String: LinuxNetDevice]? = nil, seccomp: LinuxSeccomp? = nil,
    rootfsPropagation: String? = nil, maskedPaths: [String]? = nil, readonlyPaths: [String]? = nil,
    mountLabel: String? = nil, intelRdt: LinuxIntelRdt? = nil, memoryPolicy: LinuxMemoryPolicy? = nil,
    personality: LinuxPersonality? = nil, timeOffsets: [String: LinuxTimeOffset]? = nil
  ) {
    self.uidMappings = uidMappings
    self.gidMappings = gidMappings
    self.sysctl = sysctl
    self.resources = resources
    self.cgroupsPath = cgroupsPath
    self.namespaces = namespaces
    self.devices = devices
    self.netDevices = netDevices
    self.seccomp = seccomp
    self.rootfsPropagation = rootfsPropagation
    self.maskedPaths = maskedPaths
    self.readonlyPaths = readonlyPaths
    self.mountLabel = mountLabel
    self.intelRdt = intelRdt
    self.memoryPolicy = memoryPolicy
    self.personality = personality
    self.timeOffsets = timeOffsets
  }
}

/// A range of IDs inside that stand for a range outside. (user_namespaces(7))
public struct LinuxIDMapping: Hashable, Sendable, Codable {
  public var containerID: UInt32
  public var hostID: UInt32
  public var size: UInt32

  public init(containerID: UInt32, hostID: UInt32, size: UInt32) {
    self.containerID = containerID
    self.hostID = hostID
    self.size = size
  }
}

public struct LinuxNamespace: Hashable, Sendable, Codable {
  public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    case pid, network, mount, ipc, uts, user, cgroup, time
  }

  public var type: Kind
  /// Of an existing namespace to join, `/proc/self/fd/N` among others; nil makes a new one.
  public var path: String?

  public init(type: Kind, path: String? = nil) {
    self.type = type
    self.path = path
  }
}

public struct LinuxDevice: Hashable, Sendable, Codable {
  /// `c`, `b`, `u` or `p`.
  public var type: String
  /// Inside the container.
  public var path: String
  public var major: Int64?
  public var minor: Int64?
  /// Permission bits.
  public var fileMode: UInt32?
  public var uid: UInt32?
  public var gid: UInt32?

  public init(
    type: String, path: String, major: Int64? = nil, minor: Int64? = nil, fileMode: UInt32? = nil, uid: UInt32? = nil,
    gid: UInt32? = nil
  ) {
    self.type = type
    self.path = path
    self.major = major
    self.minor = minor
    self.fileMode = fileMode
    self.uid = uid
    self.gid = gid
  }
}

public struct LinuxNetDevice: Hashable, Sendable, Codable {
  /// Inside the container; nil keeps the host's.
  public var name: String?

  public init(name: String? = nil) { self.name = name }
}

public struct LinuxIntelRdt: Hashable, Sendable, Codable {
  public var closID: String?
  public var schemata: [String]?
  public var l3CacheSchema: String?
  public var memBwSchema: String?
  public var enableCMT: Bool?
  public var enableMBM: Bool?
  public var enableMonitoring: Bool?

  public init() {}
}

/// set_mempolicy(2).
public struct LinuxMemoryPolicy: Hashable, Sendable, Codable {
  /// `MPOL_BIND` and the others.
  public var mode: String
  /// A list such as `0-1`.
  public var nodes: String?
  public var flags: [String]?

  public init(mode: String, nodes: String? = nil, flags: [String]? = nil) {
    self.mode = mode
    self.nodes = nodes
    self.flags = flags
  }
}

/// personality(2).
public struct LinuxPersonality: Hashable, Sendable, Codable {
  /// `LINUX` or `LINUX32`.
  public var domain: String
  public var flags: [String]?

  public init(domain: String, flags: [String]? = nil) {
    self.domain = domain
    self.flags = flags
  }
}

public struct LinuxTimeOffset: Hashable, Sendable, Codable {
  public var secs: Int64?
  public var nanosecs: UInt32?

  public init(secs: Int64? = nil, nanosecs: UInt32? = nil) {
    self.secs = secs
    self.nanosecs = nanosecs
  }
}
