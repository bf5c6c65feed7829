import Cgroups
import Kernel
import RuntimeSpec

/// `linux.resources` in the units of cgroup v2. (runtime-spec, config-linux.md; crun's conversion, which runc shares)
enum Limits {
  static func limits(_ resources: LinuxResources) throws -> CgroupLimits {
    var limits = CgroupLimits()
    if let memory = resources.memory { try set(memory, &limits) }
    if let cpu = resources.cpu { try set(cpu, &limits) }
    if let pids = resources.pids?.limit { limits.pidsMax = pids > 0 ? .bytes(UInt64(pids)) : .unlimited }
    if let io = resources.blockIO { try set(io, &limits) }
    for entry in resources.hugepageLimits ?? [] { limits.hugePages[entry.pageSize] = entry.limit }
    for (device, limit) in resources.rdma ?? [:] {
      var text: [String] = []
      if let handles = limit.hcaHandles { text.append("hca_handle=\(handles)") }
      if let objects = limit.hcaObjects { text.append("hca_object=\(objects)") }
      limits.rdma[device] = text.joined(separator: " ")
    }
    limits.unified = resources.unified ?? [:]
    return limits
  }

  private static func amount(_ bytes: Int64) -> CgroupLimits.Amount { bytes < 0 ? .unlimited : .bytes(UInt64(bytes)) }

  private static func set(_ memory: LinuxMemory, _ limits: inout CgroupLimits) throws {
    // 0 means that nothing was said. (runc)
    if let limit = memory.limit, limit != 0 { limits.memoryMax = amount(limit) }
    if let reservation = memory.reservation, reservation != 0 { limits.memoryLow = amount(reservation) }
    guard let swap = memory.swap, swap != 0 else { return }
    if swap < 0 {
      limits.swapMax = .unlimited
      return
    }
    guard let limit = memory.limit, limit > 0 else {
      throw RuntimeError.configuration(
        property: "linux.resources.memory.swap", problem: "needs a limit of memory as well")
    }
    guard swap >= limit else {
      throw RuntimeError.configuration(
        property: "linux.resources.memory.swap",
        problem: "(\(swap)) is memory and swap together and below the limit of memory (\(limit))")
    }
    limits.swapMax = .bytes(UInt64(swap - limit))
  }

  private static func set(_ cpu: LinuxCPU, _ limits: inout CgroupLimits) throws {
    if let quota = cpu.quota, quota != 0 {
      limits.cpuMax = .init(
        quota: quota > 0 ? UInt64(quota) : nil, period: cpu.period.flatMap { $0 == 0 ? nil : $0 } ?? 100_000)
    } else if let period = cpu.period, period != 0 {
      limits.cpuMax = .init(quota: nil, period: period)
    }
    if let burst = cpu.burst { limits.cpuBurst = burst }
    if let shares = cpu.shares, shares != 0 {
      let shares = max(2, min(262_144, shares))
      limits.cpuWeight = 1 + (shares - 2) * 9999 / 262_142
    }
    if let idle = cpu.idle { limits.cpuIdle = idle != 0 }
    if let processors = cpu.cpus, !processors.isEmpty { limits.processors = processors }
    if let nodes = cpu.mems, !nodes.isEmpty { limits.memoryNodes = nodes }
  }

  private static func set(_ io: LinuxBlockIO, _ limits: inout CgroupLimits) throws {
    guard io.leafWeight ?? 0 == 0 else {
      throw RuntimeError.unsupported("linux.resources.blockIO.leafWeight", reason: "it is of cgroup v1")
    }
    func weight(_ weight: UInt16) throws -> UInt64 {
      guard (10...1000).contains(weight) else {
        throw RuntimeError.configuration(
          property: "linux.resources.blockIO.weight", problem: "is \(weight), outside of 10 to 1000")
      }
      return 1 + (UInt64(weight) - 10) * 9999 / 990
    }
    if let value = io.weight, value != 0 { limits.ioWeight = try weight(value) }
    for device in io.weightDevice ?? [] {
      guard let value = device.weight, value != 0 else { continue }
      limits.ioWeights.append(.init(major: device.major, minor: device.minor, weight: try weight(value)))
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

  /// The bundle's rules, and after them what every container may use.
  static func deviceRules(_ resources: LinuxResources?) throws -> [DeviceRule] {
    // The default set minus its refusal of all, which would undo the bundle's.
    let always = DockerDefaults.deviceRules.dropFirst()
    return try ((resources?.devices ?? []) + always).map { rule in
      let kind: DeviceRule.Kind =
        switch rule.type ?? "a" {
        case "a", "": .all
        case "b": .block
        case "c", "u": .character
        case let other:
          throw RuntimeError.configuration(
            property: "linux.resources.devices", problem: "has the unknown type \"\(other)\"")
        }
      var access: DeviceRule.Access = []
      for letter in rule.access ?? "rwm" {
        switch letter {
        case "r": access.insert(.read)
        case "w": access.insert(.write)
        case "m": access.insert(.makeNode)
        default:
          throw RuntimeError.configuration(
            property: "linux.resources.devices", problem: "has the access \"\(rule.access ?? "")\"")
        }
      }
      func number(_ value: Int64?) -> UInt32? { value.flatMap { $0 < 0 ? nil : UInt32(truncatingIfNeeded: $0) } }
      return DeviceRule(
        allow: rule.allow, kind: kind, major: number(rule.major), minor: number(rule.minor),
        access: access.isEmpty ? .all : access)
    }
  }
}
