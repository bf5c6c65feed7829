import Cgroups
import Glibc
import Kernel
import RuntimeSpec

/// `linux.resources` in the units of cgroup v2. (runtime-spec, config-linux.md)
///
/// Where the specification leaves it open, what a value means is what it means to runc 1.4.
enum Limits {
  static func limits(_ resources: LinuxResources) throws -> CgroupLimits {
    var limits = CgroupLimits()
    if let memory = resources.memory { try set(memory, &limits) }
    if let cpu = resources.cpu { try set(cpu, &limits) }
    // 0 is a limit since version 1.3, and no less than 1: the container's first process is there.
    if let pids = resources.pids?.limit { limits.pidsMax = pids < 0 ? .unlimited : .bytes(UInt64(max(pids, 1))) }
    if let io = resources.blockIO { try set(io, &limits) }
    for entry in resources.hugepageLimits ?? [] {
      guard limits.hugePages.updateValue(entry.limit, forKey: entry.pageSize) == nil else {
        throw problem("hugepageLimits", "has \(entry.pageSize) twice")
      }
    }
    for (device, limit) in resources.rdma ?? [:] { try set(device, limit, &limits) }
    limits.unified = resources.unified ?? [:]
    return limits
  }

  /// What cgroup v2 has nothing for. A value that changes nothing is let through.
  static func refuseUnsupported(_ resources: LinuxResources) throws {
    func refuse(_ property: String, _ isAsked: Bool, _ reason: String) throws {
      if isAsked { throw RuntimeError.unsupported("linux.resources.\(property)", reason: reason) }
    }
    let memory = resources.memory
    try refuse("memory.kernel", memory?.kernel ?? 0 > 0, "cgroup v2 counts it with memory")
    try refuse("memory.kernelTCP", memory?.kernelTCP ?? 0 > 0, "cgroup v2 counts it with memory")
    try refuse("memory.swappiness", memory?.swappiness != nil, "cgroup v2 has none per cgroup")
    try refuse("memory.disableOOMKiller", memory?.disableOOMKiller == true, "cgroup v2 cannot")
    try refuse("memory.useHierarchy", memory?.useHierarchy == false, "cgroup v2 always counts what is below")
    let realtime = resources.cpu?.realtimeRuntime ?? 0 != 0 || resources.cpu?.realtimePeriod ?? 0 != 0
    try refuse("cpu.realtimeRuntime", realtime, "cgroup v2 has no limit on realtime scheduling")
    let leaves = (resources.blockIO?.weightDevice ?? []).contains { $0.leafWeight ?? 0 != 0 }
    try refuse("blockIO.leafWeight", leaves || resources.blockIO?.leafWeight ?? 0 != 0, "it is of cgroup v1")
    let network = resources.network
    try refuse("network", network?.classID ?? 0 != 0 || !(network?.priorities ?? []).isEmpty, "it is of cgroup v1")
  }

  private static func problem(_ property: String, _ problem: String) -> RuntimeError {
    .configuration(property: "linux.resources.\(property)", problem: problem)
  }

  private static func amount(_ bytes: Int64) -> CgroupLimits.Amount { bytes < 0 ? .unlimited : .bytes(UInt64(bytes)) }

  private static func set(_ memory: LinuxMemory, _ limits: inout CgroupLimits) throws {
    // 0 means that nothing was said.
    let limit = memory.limit ?? 0
    if limit != 0 { limits.memoryMax = amount(limit) }
    if let reservation = memory.reservation, reservation != 0 { limits.memoryLow = amount(reservation) }
    limits.checksUse = memory.checkBeforeUpdate == true
    switch memory.swap ?? 0 {
    // As in version 1, where the limit of both together would otherwise remain.
    case 0: if limit < 0 { limits.swapMax = .unlimited }
    case ..<0: limits.swapMax = .unlimited
    case let swap:
      guard limit != 0 else { throw problem("memory.swap", "needs a limit of memory as well") }
      guard limit > 0 else {
        limits.swapMax = amount(swap)
        return
      }
      guard swap >= limit else {
        throw problem(
          "memory.swap", "(\(swap)) is memory and swap together and below the limit of memory (\(limit))")
      }
      limits.swapMax = .bytes(UInt64(swap - limit))
    }
  }

  private static func set(_ cpu: LinuxCPU, _ limits: inout CgroupLimits) throws {
    let quota = cpu.quota ?? 0
    let period = cpu.period ?? 0
    if quota != 0 || period != 0 {
      limits.cpuMax = .init(quota: quota > 0 ? UInt64(quota) : nil, period: period != 0 ? period : 100_000)
    }
    if let burst = cpu.burst {
      guard quota <= 0 || burst <= UInt64(quota) else {
        throw problem("cpu.burst", "(\(burst)) is above the quota (\(quota))")
      }
      limits.cpuBurst = burst
    }
    if let shares = cpu.shares, shares != 0 { limits.cpuWeight = weight(shares: shares) }
    if let idle = cpu.idle {
      guard (0...1).contains(idle) else { throw problem("cpu.idle", "is \(idle), neither 0 nor 1") }
      limits.cpuIdle = idle == 1
    }
    if let processors = cpu.cpus, !processors.isEmpty { limits.processors = processors }
    if let nodes = cpu.mems, !nodes.isEmpty { limits.memoryNodes = nodes }
  }

  /// From 2…262144 with 1024 in the middle to 1…10000 with 100 there: a quadratic curve over the logarithms through
  /// the three pairs. (crun 1.24, runc 1.3.2; before that it was a straight line, which gave 39 for 1024)
  static func weight(shares: UInt64) -> UInt64 {
    if shares <= 2 { return 1 }
    if shares >= 262_144 { return 10_000 }
    let power = log2(Double(shares))
    return UInt64(pow(10, (power * power + 125 * power) / 612 - 7.0 / 34).rounded(.up))
  }

  private static func set(_ io: LinuxBlockIO, _ limits: inout CgroupLimits) throws {
    func weight(_ weight: UInt16, _ property: String) throws -> CgroupLimits.IOWeight {
      guard (10...1000).contains(weight) else { throw problem(property, "is \(weight), outside of 10 to 1000") }
      return CgroupLimits.IOWeight(UInt64(weight))
    }
    if let value = io.weight, value != 0 { limits.ioWeight = try weight(value, "blockIO.weight") }
    for device in io.weightDevice ?? [] {
      guard let value = device.weight, value != 0 else {
        throw problem("blockIO.weightDevice", "has no weight for \(device.major):\(device.minor)")
      }
      limits.ioWeights.append(
        .init(major: device.major, minor: device.minor, weight: try weight(value, "blockIO.weightDevice.weight")))
    }
    let throttles = [
      ("rbps", io.throttleReadBpsDevice), ("wbps", io.throttleWriteBpsDevice), ("riops", io.throttleReadIOPSDevice),
      ("wiops", io.throttleWriteIOPSDevice),
    ]
    for (kind, devices) in throttles {
      for device in devices ?? [] {
        limits.ioMax.append(.init(major: device.major, minor: device.minor, rates: [kind: device.rate]))
      }
    }
  }

  private static func set(_ device: String, _ limit: LinuxRdma, _ limits: inout CgroupLimits) throws {
    // It becomes a word of a line.
    guard !device.isEmpty, !device.contains(where: { $0.isWhitespace || $0 == "\0" }) else {
      throw problem("rdma", "names the device \"\(device)\"")
    }
    var text: [String] = []
    if let handles = limit.hcaHandles { text.append("hca_handle=\(handles)") }
    if let objects = limit.hcaObjects { text.append("hca_object=\(objects)") }
    guard !text.isEmpty else { throw problem("rdma", "has neither hcaHandles nor hcaObjects for \(device)") }
    limits.rdma[device] = text.joined(separator: " ")
  }
}
