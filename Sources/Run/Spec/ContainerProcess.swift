/// The program that a container runs, and as whom. (runtime-spec, config.md, Process)
public struct ContainerProcess: Hashable, Sendable, Codable {
  public var terminal: Bool?
  /// Only with `terminal`.
  public var consoleSize: ConsoleSize?
  /// Absolute inside the container.
  public var cwd: String
  /// `NAME=value`, in order.
  public var env: [String]?
  /// The program's name first; looked up in the environment's PATH where it has no slash.
  public var args: [String]?
  public var user: ContainerUser
  public var capabilities: LinuxCapabilities?
  public var rlimits: [ResourceLimit]?
  public var noNewPrivileges: Bool?
  public var apparmorProfile: String?
  /// -1000 to 1000; nil keeps the runtime's own.
  public var oomScoreAdj: Int?
  public var scheduler: LinuxScheduler?
  public var selinuxLabel: String?
  public var ioPriority: LinuxIOPriority?
  public var execCPUAffinity: ExecCPUAffinity?

  public init(
    args: [String]? = nil, env: [String]? = nil, cwd: String = "/", user: ContainerUser = .init(),
    terminal: Bool? = nil, consoleSize: ConsoleSize? = nil, capabilities: LinuxCapabilities? = nil,
    rlimits: [ResourceLimit]? = nil, noNewPrivileges: Bool? = nil, apparmorProfile: String? = nil,
    oomScoreAdj: Int? = nil, scheduler: LinuxScheduler? = nil, selinuxLabel: String? = nil,
    ioPriority: LinuxIOPriority? = nil, execCPUAffinity: ExecCPUAffinity? = nil
  ) {
    self.terminal = terminal
    self.consoleSize = consoleSize
    self.cwd = cwd
    self.env = env
    self.args = args
    self.user = user
    self.capabilities = capabilities
    self.rlimits = rlimits
    self.noNewPrivileges = noNewPrivileges
    self.apparmorProfile = apparmorProfile
    self.oomScoreAdj = oomScoreAdj
    self.scheduler = scheduler
    self.selinuxLabel = selinuxLabel
    self.ioPriority = ioPriority
    self.execCPUAffinity = execCPUAffinity
  }
}

/// Characters.
public struct ConsoleSize: Hashable, Sendable, Codable {
  public var height: UInt16
  public var width: UInt16

  public init(height: UInt16, width: UInt16) {
    self.height = height
    self.width = width
  }
}

public struct ContainerUser: Hashable, Sendable, Codable {
  public var uid: UInt32
  public var gid: UInt32
  /// nil is 022, as other runtimes have it.
  public var umask: UInt32?
  public var additionalGids: [UInt32]?
  public var username: String?

  public init(
    uid: UInt32 = 0, gid: UInt32 = 0, umask: UInt32? = nil, additionalGids: [UInt32]? = nil, username: String? = nil
  ) {
    self.uid = uid
    self.gid = gid
    self.umask = umask
    self.additionalGids = additionalGids
    self.username = username
  }
}

/// Names as in capabilities(7), `CAP_` included.
public struct LinuxCapabilities: Hashable, Sendable, Codable {
  public var bounding: [String]?
  public var effective: [String]?
  public var inheritable: [String]?
  public var permitted: [String]?
  public var ambient: [String]?

  public init(
    bounding: [String]? = nil, effective: [String]? = nil, inheritable: [String]? = nil, permitted: [String]? = nil,
    ambient: [String]? = nil
  ) {
    self.bounding = bounding
    self.effective = effective
    self.inheritable = inheritable
    self.permitted = permitted
    self.ambient = ambient
  }

  /// The same set as bounding, effective and permitted, as Docker does; none inheritable or ambient.
  public init(allowing names: [String]) { self.init(bounding: names, effective: names, permitted: names) }
}

public struct ResourceLimit: Hashable, Sendable, Codable {
  /// `RLIMIT_NOFILE` and the others of getrlimit(2).
  public var type: String
  /// UInt64.max is RLIM_INFINITY.
  public var hard: UInt64
  public var soft: UInt64

  public init(type: String, hard: UInt64, soft: UInt64) {
    self.type = type
    self.hard = hard
    self.soft = soft
  }
}

/// sched_setattr(2) for the container's process.
public struct LinuxScheduler: Hashable, Sendable, Codable {
  public enum Policy: String, Hashable, Sendable, Codable {
    case other = "SCHED_OTHER"
    case fifo = "SCHED_FIFO"
    case roundRobin = "SCHED_RR"
    case batch = "SCHED_BATCH"
    case iso = "SCHED_ISO"
    case idle = "SCHED_IDLE"
    case deadline = "SCHED_DEADLINE"
  }

  public var policy: Policy
  public var nice: Int32?
  public var priority: Int32?
  public var flags: [String]?
  /// Nanoseconds, as the two that follow.
  public var runtime: UInt64?
  public var deadline: UInt64?
  public var period: UInt64?

  public init(
    policy: Policy, nice: Int32? = nil, priority: Int32? = nil, flags: [String]? = nil, runtime: UInt64? = nil,
    deadline: UInt64? = nil, period: UInt64? = nil
  ) {
    self.policy = policy
    self.nice = nice
    self.priority = priority
    self.flags = flags
    self.runtime = runtime
    self.deadline = deadline
    self.period = period
  }
}

/// ioprio_set(2).
public struct LinuxIOPriority: Hashable, Sendable, Codable {
  public enum Class: String, Hashable, Sendable, Codable {
    case realTime = "IOPRIO_CLASS_RT"
    case bestEffort = "IOPRIO_CLASS_BE"
    case idle = "IOPRIO_CLASS_IDLE"
  }

  public var `class`: Class
  /// 0 (highest) to 7.
  public var priority: Int

  public init(class: Class, priority: Int) {
    self.class = `class`
    self.priority = priority
  }
}

/// CPU lists such as `0-3,7` for a process that `exec` starts.
public struct ExecCPUAffinity: Hashable, Sendable, Codable {
  public var initial: String?
  public var final: String?

  public init(initial: String? = nil, final: String? = nil) {
    self.initial = initial
    self.final = final
  }
}
