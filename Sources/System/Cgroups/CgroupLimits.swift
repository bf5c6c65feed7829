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

  /// A share of the disks' time, 10 to 1000 as BFQ has it. io.weight has 1 to 10000.
  public struct IOWeight: Hashable, Sendable {
    public var value: UInt64

    public init(_ value: UInt64) { self.value = value }

    /// In io.weight's measure, linearly. (as runc and crun)
    public var converted: UInt64 { 1 + (max(value, 10) - 10) * 9999 / 990 }
  }

  public struct DeviceWeight: Hashable, Sendable {
    public var major: Int64
    public var minor: Int64
    public var weight: IOWeight

    public init(major: Int64, minor: Int64, weight: IOWeight) {
      self.major = major
      self.minor = minor
      self.weight = weight
    }
  }

  public var memoryMax: Amount?
  public var memoryLow: Amount?
  /// Swap alone, without memory.
  public var swapMax: Amount?
  /// A limit of memory that is not above what is in use is refused, as version 1 did, instead of ending processes.
  public var checksUse = false
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
  public var ioWeight: IOWeight?
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
    need("cpu", "CPU weight", cpuWeight != nil || cpuIdle == true)
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

  /// What takes these limits back where `old` were before: what had none has none again.
  public func undone(to old: CgroupLimits) -> CgroupLimits {
    var undone = old
    undone.checksUse = false
    undone.memoryMax = old.memoryMax ?? memoryMax.map { _ in .unlimited }
    undone.swapMax = old.swapMax ?? swapMax.map { _ in .unlimited }
    undone.memoryLow = old.memoryLow ?? memoryLow.map { _ in .bytes(0) }
    undone.pidsMax = old.pidsMax ?? pidsMax.map { _ in .unlimited }
    undone.cpuMax = old.cpuMax ?? cpuMax.map { _ in .init(quota: nil) }
    undone.cpuBurst = old.cpuBurst ?? cpuBurst.map { _ in 0 }
    undone.cpuIdle = old.cpuIdle ?? cpuIdle.map { _ in false }
    undone.cpuWeight = old.cpuWeight ?? cpuWeight.map { _ in 100 }
    // An empty list is that of the cgroup above.
    undone.processors = old.processors ?? processors.map { _ in "\n" }
    undone.memoryNodes = old.memoryNodes ?? memoryNodes.map { _ in "\n" }
    undone.ioMax =
      ioMax.map { .init(major: $0.major, minor: $0.minor, rates: $0.rates.mapValues { _ in 0 }) } + old.ioMax
    return undone
  }

  /// Before anything is made: that the tree has the controllers.
  public func check(_ tree: CgroupTree) throws(CgroupError) {
    for (controller, limit) in controllers.sorted(by: { $0.key < $1.key }) where !tree.controllers.contains(controller)
    {
      throw .controllerMissing(controller, limit: limit, reason: .versionOne)
    }
  }
}

extension CgroupLimits.Amount? {
  fileprivate var isLimit: Bool { if case .bytes? = self { true } else { false } }
}
