/// The system calls that a container may make. (runtime-spec, config-linux.md, Seccomp)
public struct LinuxSeccomp: Hashable, Sendable, Codable {
  public var defaultAction: SeccompAction
  public var defaultErrnoRet: UInt32?
  /// `SCMP_ARCH_X86_64` and the others; the native one is always among them.
  public var architectures: [String]?
  /// `SECCOMP_FILTER_FLAG_…`.
  public var flags: [String]?
  public var listenerPath: String?
  public var listenerMetadata: String?
  public var syscalls: [SeccompRule]?

  public init(
    defaultAction: SeccompAction, defaultErrnoRet: UInt32? = nil, architectures: [String]? = nil,
    flags: [String]? = nil,
    listenerPath: String? = nil, listenerMetadata: String? = nil, syscalls: [SeccompRule]? = nil
  ) {
    self.defaultAction = defaultAction
    self.defaultErrnoRet = defaultErrnoRet
    self.architectures = architectures
    self.flags = flags
    self.listenerPath = listenerPath
    self.listenerMetadata = listenerMetadata
    self.syscalls = syscalls
  }
}

public enum SeccompAction: String, Hashable, Sendable, Codable, CaseIterable {
  case kill = "SCMP_ACT_KILL"
  case killProcess = "SCMP_ACT_KILL_PROCESS"
  case killThread = "SCMP_ACT_KILL_THREAD"
  case trap = "SCMP_ACT_TRAP"
  case errno = "SCMP_ACT_ERRNO"
  case trace = "SCMP_ACT_TRACE"
  case allow = "SCMP_ACT_ALLOW"
  case log = "SCMP_ACT_LOG"
  case notify = "SCMP_ACT_NOTIFY"
}

public enum SeccompOperator: String, Hashable, Sendable, Codable, CaseIterable {
  case notEqual = "SCMP_CMP_NE"
  case less = "SCMP_CMP_LT"
  case lessOrEqual = "SCMP_CMP_LE"
  case equal = "SCMP_CMP_EQ"
  case greaterOrEqual = "SCMP_CMP_GE"
  case greater = "SCMP_CMP_GT"
  /// `value` is the mask and `valueTwo` what the masked argument must equal.
  case maskedEqual = "SCMP_CMP_MASKED_EQ"
}

public struct SeccompRule: Hashable, Sendable, Codable {
  public var names: [String]
  public var action: SeccompAction
  /// For `errno` and `trace`; nil is EPERM.
  public var errnoRet: UInt32?
  /// All of them must match.
  public var args: [SeccompArgument]?

  public init(names: [String], action: SeccompAction, errnoRet: UInt32? = nil, args: [SeccompArgument]? = nil) {
    self.names = names
    self.action = action
    self.errnoRet = errnoRet
    self.args = args
  }
}

public struct SeccompArgument: Hashable, Sendable, Codable {
  /// 0 to 5.
  public var index: UInt32
  public var value: UInt64
  public var valueTwo: UInt64?
  public var op: SeccompOperator

  public init(index: UInt32, value: UInt64, valueTwo: UInt64? = nil, op: SeccompOperator) {
    self.index = index
    self.value = value
    self.valueTwo = valueTwo
    self.op = op
  }
}
