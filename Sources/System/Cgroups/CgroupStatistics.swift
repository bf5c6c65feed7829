import Kernel
import SystemPackage

/// What a cgroup and those below it have used. nil: its controller is not in the tree.
public struct CgroupStatistics: Hashable, Sendable {
  public struct Memory: Hashable, Sendable {
    /// Bytes in use, the page cache's included.
    public var current: UInt64
    /// Bytes; nil is unlimited.
    public var limit: UInt64?
    /// The most that was in use, bytes; nil on kernels that do not count it.
    public var peak: UInt64?
    /// Bytes that are swapped out; nil on kernels that do not count them.
    public var swap: UInt64?
    /// Bytes of swap alone; nil is unlimited.
    public var swapLimit: UInt64?
    /// memory.stat
    public var details: [String: UInt64]

    /// Bytes of page cache that could be given back at once: `docker stats` leaves them out.
    public var inactiveFile: UInt64 { details["inactive_file"] ?? 0 }
  }

  public struct CPU: Hashable, Sendable {
    /// Microseconds, as the others.
    public var usage: UInt64
    public var user: UInt64
    public var system: UInt64
    public var throttled: UInt64?
    /// Periods that have passed, and those in which the cgroup used up its time.
    public var periods: UInt64?
    public var throttledPeriods: UInt64?
  }

  public struct IO: Hashable, Sendable {
    public struct Device: Hashable, Sendable {
      public var major: UInt32
      public var minor: UInt32
      /// `rbytes`, `wbytes`, `rios`, `wios`, …
      public var counters: [String: UInt64]
    }

    public var devices: [Device]

    public var readBytes: UInt64 { sum("rbytes") }
    public var writtenBytes: UInt64 { sum("wbytes") }
    public var reads: UInt64 { sum("rios") }
    public var writes: UInt64 { sum("wios") }

    private func sum(_ counter: String) -> UInt64 { devices.reduce(0) { $0 + ($1.counters[counter] ?? 0) } }
  }

  public struct HugePages: Hashable, Sendable {
    /// Bytes that are reserved, or used on kernels before 5.7.
    public var current: UInt64
    /// How often the limit refused some.
    public var failures: UInt64
  }

  /// How long tasks stood still for want of something. (Documentation/accounting/psi.rst)
  public struct Pressure: Hashable, Sendable {
    public struct Share: Hashable, Sendable {
      /// Per cent of the last 10, 60 and 300 seconds.
      public var averages: [Double]
      /// Microseconds.
      public var total: UInt64
    }

    /// At least one task stood still, and all did.
    public var some: Share
    public var full: Share
  }

  public var memory: Memory?
  /// Without the cpu controller times are there, throttling is not.
  public var cpu: CPU?
  public var io: IO?
  public var pids: UInt64?
  public var pidsLimit: UInt64?
  /// By the size of the page, as `2MB`.
  public var hugePages: [String: HugePages] = [:]
  /// `cpu`, `memory`, `io`: those that the kernel measures.
  public var pressure: [String: Pressure] = [:]
}

extension Cgroup {
  public func statistics() -> CgroupStatistics {
    var statistics = CgroupStatistics()
    if let current = number(path.appending("memory.current")) {
      statistics.memory = .init(
        current: current, limit: number(path.appending("memory.max")), peak: number(path.appending("memory.peak")),
        swap: number(path.appending("memory.swap.current")), swapLimit: number(path.appending("memory.swap.max")),
        details: counters(path.appending("memory.stat")))
    }
    let cpu = counters(path.appending("cpu.stat"))
    if let usage = cpu["usage_usec"] {
      statistics.cpu = .init(
        usage: usage, user: cpu["user_usec"] ?? 0, system: cpu["system_usec"] ?? 0, throttled: cpu["throttled_usec"],
        periods: cpu["nr_periods"], throttledPeriods: cpu["nr_throttled"])
    }
    statistics.io = io()
    statistics.pids = number(path.appending("pids.current"))
    statistics.pidsLimit = number(path.appending("pids.max"))
    statistics.hugePages = hugePages()
    for resource in ["cpu", "memory", "io"] { statistics.pressure[resource] = pressure(of: resource) }
    return statistics
  }

  /// io.stat: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`.
  private func io() -> CgroupStatistics.IO? {
    guard let text = try? readFile(path.appending("io.stat"), limit: 1 << 20) else { return nil }
    let devices = String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      let numbers = fields.first?.split(separator: ":").compactMap { UInt32($0) } ?? []
      guard numbers.count == 2 else { return nil as CgroupStatistics.IO.Device? }
      var device = CgroupStatistics.IO.Device(major: numbers[0], minor: numbers[1], counters: [:])
      for field in fields.dropFirst() {
        let parts = field.split(separator: "=")
        if parts.count == 2, let value = UInt64(parts[1]) { device.counters[String(parts[0])] = value }
      }
      return device
    }
    return CgroupStatistics.IO(devices: devices)
  }

  private func hugePages() -> [String: CgroupStatistics.HugePages] {
    var found: [String: CgroupStatistics.HugePages] = [:]
    for file in (try? directoryEntries(of: path)) ?? [] where file.hasPrefix("hugetlb.") && file.hasSuffix(".max") {
      let size = file.dropFirst(8).dropLast(4)
      guard !size.contains("."),
        let current = number(path.appending("hugetlb.\(size).rsvd.current"))
          ?? number(path.appending("hugetlb.\(size).current"))
      else { continue }
      found[String(size)] = .init(
        current: current, failures: counters(path.appending("hugetlb.\(size).events"))["max"] ?? 0)
    }
    return found
  }

  /// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`. nil: the kernel does not measure it.
  private func pressure(of resource: String) -> CgroupStatistics.Pressure? {
    guard let text = try? readFile(path.appending("\(resource).pressure"), limit: 4096) else { return nil }
    var shares: [Substring: CgroupStatistics.Pressure.Share] = [:]
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard let kind = fields.first else { continue }
      let values = fields.dropFirst().compactMap { $0.split(separator: "=").last }
      guard values.count == 4 else { continue }
      shares[kind] = .init(averages: values.prefix(3).map { Double($0) ?? 0 }, total: UInt64(values[3]) ?? 0)
    }
    guard let some = shares["some"] else { return nil }
    return .init(some: some, full: shares["full"] ?? .init(averages: [0, 0, 0], total: 0))
  }
}
