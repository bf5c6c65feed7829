import Kernel
import SystemPackage

/// What a cgroup restricts, in the units of cgroup v2's own files; nil leaves a file as it is.
public struct CgroupLimits: Hashable, Sendable {
  public enum Amount: Hashable, Sendable {
    case bytes(UInt64)
    case unlimited

    var text: String {
      switch self {
      case .bytes(let bytes): "\(bytes)"
      case .unlimited: "max"
      }
    }
  }

  public struct Bandwidth: Hashable, Sendable {
    /// Microseconds per period; nil is unlimited.
    public var quota: UInt64?
    /// Microseconds.
    public var period: UInt64

    public init(quota: UInt64?, period: UInt64 = 100_000) {
      self.quota = quota
      self.period = period
    }
  }

  /// Per device; 0 is unlimited.
  public struct Throttle: Hashable, Sendable {
    public var major: Int64
    public var minor: Int64
    /// Of `rbps`, `wbps`, `riops`, `wiops`.
    public var rates: [String: UInt64]

    public init(major: Int64, minor: Int64, rates: [String: UInt64]) {
      self.major = major
      self.minor = minor
      self.rates = rates
    }
  }

  public struct DeviceWeight: Hashable, Sendable {
    public var major: Int64
    public var minor: Int64
    /// 1 to 10000.
    public var weight: UInt64

    public init(major: Int64, minor: Int64, weight: UInt64) {
      self.major = major
      self.minor = minor
      self.weight = weight
    }
  }

  public var memoryMax: Amount?
  public var memoryLow: Amount?
  /// Swap alone, without memory.
  public var swapMax: Amount?
  public var cpuMax: Bandwidth?
  /// Microseconds.
  public var cpuBurst: UInt64?
  /// 1 to 10000.
  public var cpuWeight: UInt64?
  public var cpuIdle: Bool?
  /// A list such as `0-3,7`, as the nodes.
  public var processors: String?
  public var memoryNodes: String?
  /// Processes and threads.
  public var pidsMax: Amount?
  /// 1 to 10000.
  public var ioWeight: UInt64?
  public var ioWeights: [DeviceWeight] = []
  public var ioMax: [Throttle] = []
  /// Page size as `2MB` → bytes.
  public var hugePages: [String: UInt64] = [:]
  /// Device → `hca_handle=2 hca_object=max`.
  public var rdma: [String: String] = [:]
  /// File → content, after everything else.
  public var unified: [String: String] = [:]

  public init() {}

  /// Controllers that these limits need → the first limit's name, for an error.
  public var controllers: [String: String] {
    var needed: [String: String] = [:]
    func need(_ controller: String, _ limit: String, _ wanted: Bool) {
      if wanted, needed[controller] == nil { needed[controller] = limit }
    }
    // "max" on a tree without the controller is what is the case anyway.
    need("memory", "memory", memoryMax.isLimit || memoryLow.isLimit)
    need("memory", "swap", swapMax.isLimit)
    need("cpu", "CPU time", cpuMax?.quota != nil || cpuBurst != nil)
    need("cpu", "CPU weight", cpuWeight != nil || cpuIdle != nil)
    need("cpuset", "CPUs", processors != nil || memoryNodes != nil)
    need("pids", "the number of processes", pidsMax.isLimit)
    need("io", "I/O", ioWeight != nil || !ioWeights.isEmpty || !ioMax.isEmpty)
    need("hugetlb", "huge pages", !hugePages.isEmpty)
    need("rdma", "RDMA", !rdma.isEmpty)
    for file in unified.keys.sorted() {
      let controller = String(file.prefix { $0 != "." })
      need(controller, file, controller != "cgroup")
    }
    return needed
  }
}

extension CgroupLimits.Amount? {
  fileprivate var isLimit: Bool { if case .bytes? = self { true } else { false } }
}

extension Cgroup {
  /// Writes the limits. The directory exists, with the controllers.
  public func apply(_ limits: CgroupLimits) throws(CgroupError) {
    let controllers = tree.controllers
    if let memory = limits.memoryMax, controllers.contains("memory") {
      // Raising: swap first would be refused below the new memory limit only in version 1; here the order is free.
      try set("memory.max", memory.text)
    }
    if let low = limits.memoryLow, controllers.contains("memory") { try set("memory.low", low.text) }
    if let swap = limits.swapMax, controllers.contains("memory") {
      do { try set("memory.swap.max", swap.text) } catch {
        // A kernel without swap has no such file; nothing can be swapped then.
        guard case .file(_, _, .noSuchFileOrDirectory) = error else { throw error }
      }
    }
    if let cpu = limits.cpuMax, controllers.contains("cpu") {
      try set("cpu.max", "\(cpu.quota.map { "\($0)" } ?? "max") \(cpu.period)")
    }
    if let burst = limits.cpuBurst { try set("cpu.max.burst", "\(burst)") }
    if let idle = limits.cpuIdle { try set("cpu.idle", idle ? "1" : "0") }
    if let weight = limits.cpuWeight, limits.cpuIdle != true { try set("cpu.weight", "\(weight)") }
    if let processors = limits.processors { try set("cpuset.cpus", processors) }
    if let nodes = limits.memoryNodes { try set("cpuset.mems", nodes) }
    if let pids = limits.pidsMax, controllers.contains("pids") { try set("pids.max", pids.text) }
    try applyIO(limits)
    for (size, bytes) in limits.hugePages.sorted(by: { $0.key < $1.key }) {
      try set("hugetlb.\(size).max", "\(bytes)")
      try? set("hugetlb.\(size).rsvd.max", "\(bytes)")
    }
    for (device, limit) in limits.rdma.sorted(by: { $0.key < $1.key }) { try set("rdma.max", "\(device) \(limit)") }
    for (file, content) in limits.unified.sorted(by: { $0.key < $1.key }) {
      guard !file.contains("/"), file != "..", !file.isEmpty else {
        throw .invalid("linux.resources.unified: \"\(file)\" is not the name of a cgroup's file")
      }
      try set(file, content)
    }
  }

  private func applyIO(_ limits: CgroupLimits) throws(CgroupError) {
    if let weight = limits.ioWeight {
      // BFQ has a file of its own (1 to 1000) and takes part where its scheduler does.
      do { try set("io.bfq.weight", "\(max(1, min(1000, weight)))") } catch {
        try set("io.weight", "default \(weight)")
      }
    }
    for device in limits.ioWeights {
      let entry = "\(device.major):\(device.minor) \(device.weight)"
      do { try set("io.bfq.weight", entry) } catch { try set("io.weight", entry) }
    }
    for device in limits.ioMax {
      for (kind, rate) in device.rates.sorted(by: { $0.key < $1.key }) {
        try set("io.max", "\(device.major):\(device.minor) \(kind)=\(rate == 0 ? "max" : "\(rate)")")
      }
    }
  }

  private func set(_ file: String, _ value: String) throws(CgroupError) { try write(value, to: path.appending(file)) }
}
