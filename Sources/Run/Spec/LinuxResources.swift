/// Limits of a container's cgroup. (runtime-spec, config-linux.md, Control groups)
public struct LinuxResources: Hashable, Sendable, Codable {
  /// In order: the last entry that matches a device decides.
  public var devices: [LinuxDeviceRule]?
  public var memory: LinuxMemory?
  public var cpu: LinuxCPU?
  public var pids: LinuxPids?
  public var blockIO: LinuxBlockIO?
  public var hugepageLimits: [LinuxHugepageLimit]?
  /// cgroup v1 only.
  public var network: LinuxNetworkPriorities?
  public var rdma: [String: LinuxRdma]?
  /// File of cgroup v2 → what is written to it, after everything else.
  public var unified: [String: String]?

  public init(
    devices: [LinuxDeviceRule]? = nil, memory: LinuxMemory? = nil, cpu: LinuxCPU? = nil, pids: LinuxPids? = nil,
    blockIO: LinuxBlockIO? = nil, hugepageLimits: [LinuxHugepageLimit]? = nil, rdma: [String: LinuxRdma]? = nil,
    unified: [String: String]? = nil
  ) {
    self.devices = devices
    self.memory = memory
    self.cpu = cpu
    self.pids = pids
    self.blockIO = blockIO
    self.hugepageLimits = hugepageLimits
    self.rdma = rdma
    self.unified = unified
  }
}

public struct LinuxDeviceRule: Hashable, Sendable, Codable {
  public var allow: Bool
  /// `c`, `b` or `a`; nil is `a`, all devices.
  public var type: String?
  /// nil or -1 is every one, as is the minor number's.
  public var major: Int64?
  public var minor: Int64?
  /// Of `rwm`; nil is all three.
  public var access: String?

  public init(allow: Bool, type: String? = nil, major: Int64? = nil, minor: Int64? = nil, access: String? = nil) {
    self.allow = allow
    self.type = type
    self.major = major
    self.minor = minor
    self.access = access
  }
}

/// Bytes; -1 is unlimited.
public struct LinuxMemory: Hashable, Sendable, Codable {
  public var limit: Int64?
  public var reservation: Int64?
  /// Memory and swap together.
  public var swap: Int64?
  public var kernel: Int64?
  public var kernelTCP: Int64?
  /// 0 to 100, cgroup v1 only.
  public var swappiness: UInt64?
  public var disableOOMKiller: Bool?
  public var useHierarchy: Bool?
  public var checkBeforeUpdate: Bool?

  public init(limit: Int64? = nil, reservation: Int64? = nil, swap: Int64? = nil) {
    self.limit = limit
    self.reservation = reservation
    self.swap = swap
  }
}

public struct LinuxCPU: Hashable, Sendable, Codable {
  /// 2 to 262144.
  public var shares: UInt64?
  /// Microseconds per period; -1 is unlimited.
  public var quota: Int64?
  /// Microseconds.
  public var burst: UInt64?
  /// Microseconds.
  public var period: UInt64?
  public var realtimeRuntime: Int64?
  public var realtimePeriod: UInt64?
  /// A list such as `0-3,7`, as `mems`.
  public var cpus: String?
  public var mems: String?
  public var idle: Int64?

  public init(
    shares: UInt64? = nil, quota: Int64? = nil, period: UInt64? = nil, cpus: String? = nil, mems: String? = nil,
    burst: UInt64? = nil, idle: Int64? = nil
  ) {
    self.shares = shares
    self.quota = quota
    self.burst = burst
    self.period = period
    self.cpus = cpus
    self.mems = mems
    self.idle = idle
  }
}

public struct LinuxPids: Hashable, Sendable, Codable {
  /// -1 or 0 is unlimited.
  public var limit: Int64?

  public init(limit: Int64? = nil) { self.limit = limit }
}

public struct LinuxBlockIO: Hashable, Sendable, Codable {
  /// 10 to 1000.
  public var weight: UInt16?
  public var leafWeight: UInt16?
  public var weightDevice: [LinuxWeightDevice]?
  /// Bytes per second.
  public var throttleReadBpsDevice: [LinuxThrottleDevice]?
  public var throttleWriteBpsDevice: [LinuxThrottleDevice]?
  /// Operations per second.
  public var throttleReadIOPSDevice: [LinuxThrottleDevice]?
  public var throttleWriteIOPSDevice: [LinuxThrottleDevice]?

  public init(weight: UInt16? = nil) { self.weight = weight }
}

public struct LinuxWeightDevice: Hashable, Sendable, Codable {
  public var major: Int64
  public var minor: Int64
  public var weight: UInt16?
  public var leafWeight: UInt16?

  public init(major: Int64, minor: Int64, weight: UInt16? = nil) {
    self.major = major
    self.minor = minor
    self.weight = weight
  }
}

public struct LinuxThrottleDevice: Hashable, Sendable, Codable {
  public var major: Int64
  public var minor: Int64
  public var rate: UInt64

  public init(major: Int64, minor: Int64, rate: UInt64) {
    self.major = major
    self.minor = minor
    self.rate = rate
  }
}

public struct LinuxHugepageLimit: Hashable, Sendable, Codable {
  /// `2MB`, `1GB`.
  public var pageSize: String
  /// Bytes.
  public var limit: UInt64

  public init(pageSize: String, limit: UInt64) {
    self.pageSize = pageSize
    self.limit = limit
  }
}

public struct LinuxNetworkPriorities: Hashable, Sendable, Codable {
  public struct Priority: Hashable, Sendable, Codable {
    public var name: String
    public var priority: UInt32

    public init(name: String, priority: UInt32) {
      self.name = name
      self.priority = priority
    }
  }

  public var classID: UInt32?
  public var priorities: [Priority]?

  public init(classID: UInt32? = nil, priorities: [Priority]? = nil) {
    self.classID = classID
    self.priorities = priorities
  }
}

public struct LinuxRdma: Hashable, Sendable, Codable {
  public var hcaHandles: UInt32?
  public var hcaObjects: UInt32?

  public init(hcaHandles: UInt32? = nil, hcaObjects: UInt32? = nil) {
    self.hcaHandles = hcaHandles
    self.hcaObjects = hcaObjects
  }
}
