import Glibc
import Kernel
import SystemPackage

extension Cgroup {
  /// Writes the limits. The directory exists, with the controllers.
  public func apply(_ limits: CgroupLimits) throws(CgroupError) {
    if let pids = limits.pidsMax { try set("pids.max", pids) }
    try applyMemory(limits)
    try applyIO(limits)
    try applyCPU(limits)
    if let processors = limits.processors { try set("cpuset.cpus", processors) }
    if let nodes = limits.memoryNodes { try set("cpuset.mems", nodes) }
    for (size, bytes) in limits.hugePages.sorted(by: { $0.key < $1.key }) { try applyHugePages(size, bytes) }
    for (device, limit) in limits.rdma.sorted(by: { $0.key < $1.key }) { try set("rdma.max", "\(device) \(limit)") }
    for (file, content) in limits.unified.sorted(by: { $0.key < $1.key }) { try applyUnified(file, content) }
  }

  private func applyMemory(_ limits: CgroupLimits) throws(CgroupError) {
    try checkUse(limits)
    // Swap first: a lower limit of memory can then push out as much as is to be allowed, and no more.
    if let swap = limits.swapMax {
      do { try set("memory.swap.max", swap) } catch {
        guard case .file(_, _, .noSuchFileOrDirectory) = error else { throw error }
        // A kernel without swap has no such file; that nothing is swapped is then the case.
        guard swap == .bytes(0) else {
          throw .invalid("cannot limit swap: this kernel does not count it (memory.swap.max is missing)")
        }
      }
    }
    if let memory = limits.memoryMax { try set("memory.max", memory) }
    if let low = limits.memoryLow { try set("memory.low", low) }
  }

  /// That what is in use is below the limits, where they ask for that. (runtime-spec, config-linux.md, memory,
  /// checkBeforeUpdate)
  public func checkUse(_ limits: CgroupLimits) throws(CgroupError) {
    guard limits.checksUse else { return }
    guard case .bytes(let most) = limits.memoryMax, let used = number(path.appending("memory.current")) else { return }
    guard most > used else {
      throw .invalid("the limit of memory (\(most) bytes) is not above what is in use (\(used)), and was not set")
    }
    guard case .bytes(let swap) = limits.swapMax, let swapped = number(path.appending("memory.swap.current")) else {
      return
    }
    guard most + swap > used + swapped else {
      throw .invalid(
        "the limit of memory and swap (\(most + swap) bytes) is not above what is in use (\(used + swapped)), "
          + "and was not set")
    }
  }

  private func applyCPU(_ limits: CgroupLimits) throws(CgroupError) {
    // An idle cgroup refuses a weight: it is set before it becomes idle, and after it was.
    if limits.cpuIdle == false, exists("cpu.idle") { try set("cpu.idle", "0") }
    if let weight = limits.cpuWeight { try set("cpu.weight", "\(weight)") }
    if limits.cpuIdle == true { try set("cpu.idle", "1") }
    var burst = limits.cpuBurst
    // The kernel refuses a burst above the quota, in whichever order they come.
    if let value = burst {
      do {
        try set("cpu.max.burst", "\(value)")
        burst = nil
      } catch {
        guard limits.cpuMax != nil, case .file(_, _, .invalidArgument) = error else { throw error }
      }
    }
    if let cpu = limits.cpuMax {
      if let quota = cpu.quota {
        try set("cpu.max", "\(quota) \(cpu.period)")
      } else if exists("cpu.max") {
        try set("cpu.max", "max \(cpu.period)")
      }
    }
    if let burst { try set("cpu.max.burst", "\(burst)") }
  }

  private func applyIO(_ limits: CgroupLimits) throws(CgroupError) {
    if let weight = limits.ioWeight {
      // Each counts on the disks whose scheduler is its own.
      if exists("io.bfq.weight") { try set("io.bfq.weight", "\(weight.value)") }
      if exists("io.weight") || !exists("io.bfq.weight") { try set("io.weight", "default \(weight.converted)") }
    }
    for device in limits.ioWeights {
      let numbers = "\(device.major):\(device.minor)"
      do { try set("io.bfq.weight", "\(numbers) \(device.weight.value)") } catch {
        try set("io.weight", "\(numbers) \(device.weight.converted)")
      }
    }
    for device in limits.ioMax {
      for (kind, rate) in device.rates.sorted(by: { $0.key < $1.key }) {
        try set("io.max", "\(device.major):\(device.minor) \(kind)=\(rate == 0 ? "max" : "\(rate)")")
      }
    }
  }

  private func applyHugePages(_ size: String, _ bytes: UInt64) throws(CgroupError) {
    guard size.isHugePageSize else { throw .invalid("\"\(size)\" is no size of huge pages, as 2MB is") }
    guard exists("hugetlb.\(size).max") else {
      throw .invalid("cannot limit huge pages of \(size): this kernel has none (/sys/kernel/mm/hugepages)")
    }
    try set("hugetlb.\(size).max", "\(bytes)")
    // Reservations, since Linux 5.7: a program is refused when it asks, and not ended when it touches.
    if exists("hugetlb.\(size).rsvd.max") { try set("hugetlb.\(size).rsvd.max", "\(bytes)") }
  }

  /// Line by line: files of several lines take one at a time.
  private func applyUnified(_ file: String, _ content: String) throws(CgroupError) {
    func problem(_ text: String) -> CgroupError { .invalid("linux.resources.unified: \"\(file)\" \(text)") }
    let parts = file.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count > 1, parts.allSatisfy({ !$0.isEmpty }), !file.contains("/"), !file.utf8.contains(0) else {
      throw problem("is not the name of a cgroup's file, as memory.high is")
    }
    let notLimits = [
      "cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type", "cgroup.subtree_control",
    ]
    guard !notLimits.contains(file) else { throw problem("is no limit: the runtime itself writes to it") }
    let lines = content.split(separator: "\n")
    guard !lines.isEmpty else { throw problem("has no value") }
    for line in lines {
      do { try set(file, String(line)) } catch {
        guard case .file(_, _, let reason) = error else { throw error }
        switch reason {
        case .noSuchFileOrDirectory: throw problem("is not known to this kernel: \(path) has no such file")
        case .permissionDenied, .notPermitted: throw problem("cannot be written: it only tells something (\(reason))")
        default: throw problem("does not take \"\(line)\": \(reason)")
        }
      }
    }
  }

  private func exists(_ file: String) -> Bool { access(path.appending(file).string, F_OK) == 0 }

  private func set(_ file: String, _ amount: CgroupLimits.Amount) throws(CgroupError) {
    // Without the controller there is no file, and no limit.
    if amount == .unlimited, !exists(file) { return }
    try set(file, amount.text)
  }

  private func set(_ file: String, _ value: String) throws(CgroupError) { try write(value, to: path.appending(file)) }
}

extension String {
  /// `64KB`, `2MB`, `1GB`: it becomes a part of a file's name.
  fileprivate var isHugePageSize: Bool {
    let digits = prefix { $0.isASCII && $0.isNumber }
    return !digits.isEmpty && ["KB", "MB", "GB"].contains(dropFirst(digits.count))
  }
}
