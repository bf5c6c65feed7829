import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Scheduling, input and output, memory and execution domain of the calling process, by their names in config.json.
enum ProcessScheduling {
  /// (sched_setattr(2))
  static let flags: [String: UInt64] = [
    "SCHED_FLAG_RESET_ON_FORK": 1, "SCHED_FLAG_RECLAIM": 2, "SCHED_FLAG_DL_OVERRUN": 4, "SCHED_FLAG_KEEP_POLICY": 8,
    "SCHED_FLAG_KEEP_PARAMS": 16, "SCHED_FLAG_UTIL_CLAMP_MIN": 32, "SCHED_FLAG_UTIL_CLAMP_MAX": 64,
  ]

  static func set(_ process: ContainerProcess) throws {
    if let priority = process.ioPriority { try set(priority) }
    if let scheduler = process.scheduler { try set(scheduler) }
  }

  private static func set(_ priority: LinuxIOPriority) throws {
    let kind =
      switch priority.class {
      case .realTime: 1
      case .bestEffort: 2
      case .idle: 3
      }
    try attempt("set the I/O priority \(priority.class.rawValue)") { () throws(Errno) in
      try Scheduling.setIOPriority(kind: kind, level: priority.priority)
    }
  }

  private static func set(_ scheduler: LinuxScheduler) throws {
    let policy: UInt32 =
      switch scheduler.policy {
      case .other: 0
      case .fifo: 1
      case .roundRobin: 2
      case .batch: 3
      case .iso: 4
      case .idle: 5
      case .deadline: 6
      }
    let flags = (scheduler.flags ?? []).reduce(UInt64(0)) { $0 | (Self.flags[$1] ?? 0) }
    try attempt("set the scheduler \(scheduler.policy.rawValue)") { () throws(Errno) in
      try Scheduling.set(
        policy: policy, flags: flags, nice: scheduler.nice ?? 0, priority: UInt32(bitPattern: scheduler.priority ?? 0),
        runtime: scheduler.runtime ?? 0, deadline: scheduler.deadline ?? 0, period: scheduler.period ?? 0)
    }
  }

  /// What `linux` says about every process of a container, that of `exec` as well.
  static func set(_ linux: LinuxConfig) throws {
    if let personality = linux.personality {
      let number = try Personality.number(personality)
      try attempt("set the personality \(personality.domain)") { () throws(Errno) in
        try Scheduling.setPersonality(number)
      }
    }
    if let policy = linux.memoryPolicy { try MemoryPolicy(policy).set() }
  }
}

/// (personality(2))
enum Personality {
  static func number(_ personality: LinuxPersonality) throws -> UInt {
    guard (personality.flags ?? []).isEmpty else {
      throw RuntimeError.unsupported("linux.personality.flags", reason: "the specification defines none")
    }
    switch personality.domain {
    case "LINUX": return 0
    case "LINUX32": return 8
    default:
      throw RuntimeError.configuration(
        property: "linux.personality.domain", problem: "is \"\(personality.domain)\": LINUX and LINUX32 are known")
    }
  }
}

/// Which memory nodes a process takes its pages from. (set_mempolicy(2))
struct MemoryPolicy {
  let policy: LinuxMemoryPolicy

  /// The position is the number.
  static let modes = [
    "MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
  ]
  static let flags = [
    "MPOL_F_NUMA_BALANCING": 1 << 13, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_STATIC_NODES": 1 << 15,
  ]

  init(_ policy: LinuxMemoryPolicy) { self.policy = policy }

  func check() throws { _ = try (mode(), nodes()) }

  func set() throws {
    let (mode, nodes) = try (mode(), nodes())
    try attempt("set the memory policy \(policy.mode)") { () throws(Errno) in
      try Scheduling.setMemoryPolicy(mode: CInt(mode), nodes: nodes)
    }
  }

  private func mode() throws -> Int {
    guard var mode = Self.modes.firstIndex(of: policy.mode) else {
      throw RuntimeError.configuration(
        property: "linux.memoryPolicy.mode", problem: "is \"\(policy.mode)\", which is not known")
    }
    for name in policy.flags ?? [] {
      guard let flag = Self.flags[name] else {
        throw RuntimeError.configuration(property: "linux.memoryPolicy.flags", problem: "has the unknown \(name)")
      }
      mode |= flag
    }
    return mode
  }

  private func nodes() throws -> Set<Int> {
    let text = policy.nodes ?? ""
    guard let nodes = text.isEmpty ? [] : Names.list(text) else {
      throw RuntimeError.configuration(
        property: "linux.memoryPolicy.nodes", problem: "is \"\(text)\", not a list of memory nodes")
    }
    let takesNone = policy.mode == "MPOL_DEFAULT" || policy.mode == "MPOL_LOCAL"
    // Without a node, MPOL_PREFERRED is the local one.
    if takesNone ? !nodes.isEmpty : nodes.isEmpty && policy.mode != "MPOL_PREFERRED" {
      throw RuntimeError.configuration(
        property: "linux.memoryPolicy.nodes",
        problem: takesNone ? "is \"\(text)\", and \(policy.mode) takes none" : "is needed for \(policy.mode)")
    }
    return nodes
  }
}
