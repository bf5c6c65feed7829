internal import Glibc
internal import RuntimeSpec

extension ResourceOptions {
  private static let smallestMemory: Int64 = 6 << 20
  /// Microseconds.
  private static let cpuPeriod: UInt64 = 100_000

  /// As the runtime wants them, checked as Docker checks them.
  ///
  /// - Parameter processors: how many this machine has.
  func limits(devices: [LinuxDeviceRule], processors: Int = sysconf(Int32(_SC_NPROCESSORS_ONLN))) throws -> LinuxResources {
    var resources = LinuxResources(devices: devices)
    resources.memory = try memoryLimits()
    resources.cpu = try cpuLimits(processors)
    if let pidsLimit, pidsLimit != 0 { resources.pids = LinuxPids(limit: pidsLimit) }
    if let ioWeight {
      guard (10...1000).contains(ioWeight) else { throw EngineError.input("Range of blkio weight is from 10 to 1000") }
      resources.blockIO = LinuxBlockIO(weight: ioWeight)
    }
    if let oomScoreAdjustment, !(-1000...1000).contains(oomScoreAdjustment) {
      throw EngineError.input("Invalid value \(oomScoreAdjustment), range for oom score adj is [-1000, 1000]")
    }
    return resources
  }

  private func memoryLimits() throws -> LinuxMemory? {
    guard memory != nil || memorySwap != nil || memoryReservation != nil else { return nil }
    if let memory, memory != 0, memory < Self.smallestMemory { throw EngineError.input("Minimum memory limit allowed is 6MB") }
    let limit = memory.flatMap { $0 == 0 ? nil : $0 }
    if let memorySwap, memorySwap > 0 {
      guard let limit else { throw EngineError.input("You should always set the Memory limit when using Memoryswap limit") }
      guard memorySwap >= limit else { throw EngineError.input("Minimum memoryswap limit should be larger than memory limit") }
    }
    if let memoryReservation, let limit, memoryReservation > limit {
      throw EngineError.input("Minimum memory limit can not be less than memory reservation limit")
    }
    // Docker's default: as much swap again as memory.
    let swap = memorySwap.flatMap { $0 == 0 ? nil : $0 } ?? limit.map { $0 * 2 }
    return LinuxMemory(limit: limit, reservation: memoryReservation, swap: swap)
  }

  private func cpuLimits(_ processors: Int) throws -> LinuxCPU? {
    guard cpus != nil || cpuShares != nil || cpusetCPUs != nil else { return nil }
    var cpu = LinuxCPU(shares: cpuShares.flatMap { $0 == 0 ? nil : $0 }, cpus: cpusetCPUs)
    if let cpus, cpus != 0 {
      guard cpus >= 0.01, cpus <= Double(processors) else {
        throw EngineError.input(
          "Range of CPUs is from 0.01 to \(processors).00, as there are only \(processors) CPUs available")
      }
      cpu.quota = Int64((cpus * Double(Self.cpuPeriod)).rounded())
      cpu.period = Self.cpuPeriod
    }
    return cpu
  }
}

extension UlimitOption {
  static let known: Set<String> = [
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
  ]

  /// -1 is without limit.
  func limit() throws -> ResourceLimit {
    guard Self.known.contains(name) else { throw EngineError.input("invalid ulimit type: \(name)") }
    guard hard == -1 || (soft != -1 && soft <= hard) else {
      throw EngineError.input("ulimit soft limit must be less than or equal to hard limit: \(soft) > \(hard)")
    }
    func value(_ number: Int64) -> UInt64 { number < 0 ? .max : UInt64(number) }
    return ResourceLimit(type: "RLIMIT_" + name.uppercased(), hard: value(hard), soft: value(soft))
  }
}
