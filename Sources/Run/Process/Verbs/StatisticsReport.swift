import Cgroups

/// A container's statistics as runc writes them: in the terms of cgroup v1, with what version 2 has of it. Like there,
/// some zeros are left out and some are not. (runc, types/events.go)
struct StatisticsReport: Encodable {
  private let cpu: CPU
  private let cpuset = CPUSet()
  private let memory: Memory
  private let pids: PIDs
  private let blkio: BlockIO
  private let hugetlb: [String: HugePages]
  private let intelRdt: [String: String] = [:]
  /// Of interfaces that the runtime itself has made: none.
  private let networkInterfaces: [String]? = nil

  private enum CodingKeys: String, CodingKey {
    case cpu, cpuset, memory, pids, blkio, hugetlb
    case intelRdt = "intel_rdt"
    case networkInterfaces = "network_interfaces"
  }

  init(_ statistics: CgroupStatistics) {
    cpu = CPU(statistics.cpu, psi: statistics.pressure["cpu"].map { Pressure($0) })
    memory = Memory(statistics.memory, psi: statistics.pressure["memory"].map { Pressure($0) })
    pids = PIDs(current: nonzero(statistics.pids), limit: nonzero(statistics.pidsLimit))
    blkio = BlockIO(statistics.io, psi: statistics.pressure["io"].map { Pressure($0) })
    hugetlb = statistics.hugePages.mapValues { HugePages(usage: nonzero($0.current), failcnt: $0.failures) }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(cpu, forKey: .cpu)
    try container.encode(cpuset, forKey: .cpuset)
    try container.encode(memory, forKey: .memory)
    try container.encode(pids, forKey: .pids)
    try container.encode(blkio, forKey: .blkio)
    try container.encode(hugetlb, forKey: .hugetlb)
    try container.encode(intelRdt, forKey: .intelRdt)
    try container.encode(networkInterfaces, forKey: .networkInterfaces)
  }
}

/// What is left out at zero.
private func nonzero(_ value: UInt64?) -> UInt64? { value == 0 ? nil : value }

private struct Pressure: Encodable {
  struct Share: Encodable {
    let avg10: Double, avg60: Double, avg300: Double
    /// Microseconds.
    let total: UInt64

    init(_ share: CgroupStatistics.Pressure.Share) {
      avg10 = share.averages[0]
      avg60 = share.averages[1]
      avg300 = share.averages[2]
      total = share.total
    }
  }

  let some: Share
  let full: Share

  init(_ pressure: CgroupStatistics.Pressure) {
    some = Share(pressure.some)
    full = Share(pressure.full)
  }
}

private struct CPU: Encodable {
  /// Nanoseconds.
  struct Usage: Encodable {
    let total: UInt64?
    let kernel: UInt64
    let user: UInt64
  }

  struct Throttling: Encodable {
    let periods: UInt64?
    let throttledPeriods: UInt64?
    /// Nanoseconds.
    let throttledTime: UInt64?
  }

  let usage: Usage
  let throttling: Throttling
  let psi: Pressure?

  init(_ cpu: CgroupStatistics.CPU?, psi: Pressure?) {
    usage = Usage(
      total: nonzero(cpu.map { $0.usage * 1000 }), kernel: (cpu?.system ?? 0) * 1000, user: (cpu?.user ?? 0) * 1000)
    throttling = Throttling(
      periods: nonzero(cpu?.periods), throttledPeriods: nonzero(cpu?.throttledPeriods),
      throttledTime: nonzero(cpu?.throttled.map { $0 * 1000 }))
    self.psi = psi
  }
}

/// Version 2 has none of it: all are zero there.
private struct CPUSet: Encodable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case cpuExclusive = "cpu_exclusive"
    case memHardwall = "mem_hardwall"
    case memExclusive = "mem_exclusive"
    case memoryMigrate = "memory_migrate"
    case memorySpreadPage = "memory_spread_page"
    case memorySpreadSlab = "memory_spread_slab"
    case memoryPressure = "memory_pressure"
    case schedLoadBalance = "sched_load_balance"
    case schedRelaxDomainLevel = "sched_relax_domain_level"
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    for key in CodingKeys.allCases { try container.encode(0, forKey: key) }
  }
}

private struct Memory: Encodable {
  struct Entry: Encodable {
    /// 2^64-1 is unlimited.
    var limit: UInt64 = 0
    var usage: UInt64?
    var max: UInt64?
    var failcnt: UInt64 = 0
  }

  let cache: UInt64?
  let usage: Entry
  /// Memory and swap together.
  let swap: Entry
  let kernel = Entry()
  let kernelTCP = Entry()
  let raw: [String: UInt64]?
  let psi: Pressure?

  init(_ memory: CgroupStatistics.Memory?, psi: Pressure?) {
    self.psi = psi
    guard let memory else {
      (cache, usage, swap, raw) = (nil, Entry(), Entry(), nil)
      return
    }
    cache = nonzero(memory.details["file"])
    raw = memory.details.isEmpty ? nil : memory.details
    usage = Entry(limit: memory.limit ?? .max, usage: nonzero(memory.current), max: nonzero(memory.peak))
    // Without swap in the kernel, memory is all there is.
    let both = (memory.limit ?? .max).addingReportingOverflow(
      memory.swap == nil ? 0 : memory.limit == nil ? 0 : memory.swapLimit ?? .max)
    swap = Entry(
      limit: both.overflow ? .max : both.partialValue, usage: nonzero(memory.current + (memory.swap ?? 0)))
  }
}

private struct PIDs: Encodable {
  let current: UInt64?
  let limit: UInt64?
}

private struct BlockIO: Encodable {
  struct Entry: Encodable {
    let major: UInt64?
    let minor: UInt64?
    let op: String
    let value: UInt64?
  }

  let ioServiceBytesRecursive: [Entry]?
  let ioServicedRecursive: [Entry]?
  let psi: Pressure?

  init(_ io: CgroupStatistics.IO?, psi: Pressure?) {
    func entries(_ counters: [(String, String)]) -> [Entry]? {
      let entries = (io?.devices ?? []).flatMap { device in
        counters.compactMap { name, operation in
          device.counters[name].map {
            Entry(
              major: nonzero(UInt64(device.major)), minor: nonzero(UInt64(device.minor)), op: operation,
              value: nonzero($0))
          }
        }
      }
      return entries.isEmpty ? nil : entries
    }
    ioServiceBytesRecursive = entries([("rbytes", "Read"), ("wbytes", "Write")])
    ioServicedRecursive = entries([("rios", "Read"), ("wios", "Write")])
    self.psi = psi
  }
}

private struct HugePages: Encodable {
  let usage: UInt64?
  let failcnt: UInt64
}
