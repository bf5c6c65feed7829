import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `update`: other limits for a container that lives.
struct UpdateVerb {
  private let context: VerbContext
  private let arguments: Arguments
  private let id: String
  private static let limits: [Arguments.Flag] = [
    .option("memory", value: "BYTES", help: "limit of memory, as 512m or 2g; -1 for none"),
    .option("memory-reservation", value: "BYTES", help: "memory that is not taken back"),
    .option("memory-swap", value: "BYTES", help: "limit of memory and swap together; -1 for none"),
    .option("cpu-share", value: "N", help: "weight of its CPU time, 2 to 262144"),
    .option("cpu-quota", value: "USEC", help: "CPU time in a period; -1 for no limit"),
    .option("cpu-period", value: "USEC", help: "length of a period"),
    .option("cpu-burst", value: "USEC", help: "CPU time that may be saved up"),
    .option("cpu-idle", value: "0|1", help: "whether it runs only when nobody else wants to"),
    .option("cpuset-cpus", value: "LIST", help: "CPUs, as 0-3,7"),
    .option("cpuset-mems", value: "LIST", help: "memory nodes"),
    .option("blkio-weight", value: "N", help: "weight of its I/O, 10 to 1000"),
    .option("pids-limit", value: "N", help: "limit of processes and threads; -1 for none"),
  ]
  private static let refused = [
    ("cpu-rt-period", "cgroup v2 has no limit on realtime scheduling"),
    ("cpu-rt-runtime", "cgroup v2 has no limit on realtime scheduling"),
    ("kernel-memory", "cgroup v2 counts it with memory"), ("kernel-memory-tcp", "cgroup v2 counts it with memory"),
  ]
  private static let shares: [Arguments.Flag] = [
    .option("l3-cache-schema", value: "SCHEMA", help: "shares of the L3 cache, as L3:0=ff;1=c0, with linux.intelRdt"),
    .option("mem-bw-schema", value: "SCHEMA", help: "shares of memory bandwidth, as MB:0=50, with linux.intelRdt"),
  ]

  init(_ words: ArraySlice<String>, _ context: VerbContext) throws {
    self.context = context
    arguments = try Arguments(
      words,
      [.option("resources", "r", value: "FILE", help: "the limits as JSON, as in config.json; - reads them")]
        + Self.limits + Self.shares
        + Self.refused.map { .option($0.0, help: "refused: \($0.1)") }, command: "update")
    id = try arguments.id("update")
    for (name, reason) in Self.refused where arguments[name]?.isEmpty == false {
      throw RuntimeError.unsupported("update --\(name)", reason: reason)
    }
  }

  func run() throws -> Int32 {
    let container = try context.root.load(id)
    // One after the other: each begins with what the last one left.
    let directory = try attempt("open \(container.directory)") { () throws(Errno) in
      try openat2(workingDirectory, container.directory.string, flags: O_RDONLY | O_DIRECTORY)
    }
    try attempt("lock \(container.directory)") { () throws(Errno) in
      try Errno.retrying { flock(directory.number, LOCK_EX) }
    }
    guard container.isAlive else { throw RuntimeError.wrongStatus(id: id, status: .stopped, doing: "update") }
    guard let cgroup = container.cgroup, cgroup.exists else {
      throw RuntimeError.unsupported("update", reason: "container \(id) has no cgroup of its own")
    }
    var config = try container.bundle().config
    let old = config.linux?.resources ?? LinuxResources()
    let update: ResourceUpdate
    let limits: CgroupLimits
    do {
      let asked = try asked()
      try Limits.refuseUnsupported(asked)
      update = try ResourceUpdate(asked, on: old)
      limits = try Limits.limits(update.written)
      if asked.devices != nil { _ = try Limits.deviceRules(asked.devices) }
    } catch RuntimeError.configuration(let property, let problem) {
      throw RuntimeError.usage("update: \(property) \(problem)")
    }
    let unit = container.saved.systemdUnit
    do { try apply(limits, devices: update.written.devices, to: cgroup, unit) } catch {
      // All of it or nothing.
      if let before = try? Limits.limits(old) {
        try? apply(limits.undone(to: before), devices: nil, to: cgroup, unit)
      }
      throw RuntimeError.resources("container \(id) keeps its limits: \(error)")
    }
    try applyShares(container, &config)
    config.linux?.resources = update.merged
    try container.save(config)
    return 0
  }

  private func applyShares(_ container: Container, _ config: inout RuntimeConfig) throws {
    let (cache, bandwidth) = (arguments["l3-cache-schema"], arguments["mem-bw-schema"])
    guard cache?.isEmpty == false || bandwidth?.isEmpty == false else { return }
    guard let group = container.saved.resourceControl, var rdt = config.linux?.intelRdt else {
      throw RuntimeError.unsupported(
        "update --l3-cache-schema and --mem-bw-schema", reason: "container \(id) was started without linux.intelRdt")
    }
    if let cache, !cache.isEmpty { rdt.l3CacheSchema = cache }
    if let bandwidth, !bandwidth.isEmpty { rdt.memBwSchema = bandwidth }
    config.linux?.intelRdt = rdt
    try BundleCheck(config).check(rdt)
    try ResourceControl().update(group, l3CacheSchema: cache, memBwSchema: bandwidth)
  }

  private func apply(
    _ limits: CgroupLimits, devices: [LinuxDeviceRule]?, to cgroup: Cgroup, _ unit: SystemdUnit?
  ) throws {
    try limits.check(cgroup.tree)
    // systemd would write what it knows again; it writes to the same files, rounded as it keeps it.
    if let unit {
      try cgroup.checkUse(limits)
      try SystemdManager(user: unit.user).change(unit, SystemdProperties.limits(limits))
    }
    if !limits.controllers.isEmpty { try cgroup.enableControllers(for: limits) }
    try cgroup.apply(limits)
    if let devices { try cgroup.restrictDevices(DeviceFilter(try Limits.deviceRules(devices)), replacing: true) }
  }

  private func asked() throws -> LinuxResources {
    guard let file = arguments["resources"], !file.isEmpty else { return try flags() }
    if let other = Self.limits.compactMap(\.names.first).first(where: { arguments[$0] != nil }) {
      throw RuntimeError.usage("update: --\(other) cannot be combined with --resources, which says everything")
    }
    let text = try attempt("read \(file)") { () throws(Errno) in
      file == "-" ? try readAll(0, limit: 16 << 20) : try readFile(FilePath(file), limit: 16 << 20)
    }
    return try JSONText.decode(LinuxResources.self, text, name: file == "-" ? "standard input" : file)
  }

  private func flags() throws -> LinuxResources {
    var resources = LinuxResources()
    var memory = LinuxMemory(limit: try bytes("memory"), reservation: try bytes("memory-reservation"))
    memory.swap = try bytes("memory-swap")
    if memory != LinuxMemory() { resources.memory = memory }
    let cpu = LinuxCPU(
      shares: try number("cpu-share"), quota: try number("cpu-quota"), period: try number("cpu-period"),
      cpus: arguments["cpuset-cpus"], mems: arguments["cpuset-mems"], burst: try number("cpu-burst"),
      idle: try number("cpu-idle"))
    if cpu != LinuxCPU() { resources.cpu = cpu }
    if let weight: UInt16 = try number("blkio-weight"), weight != 0 { resources.blockIO = LinuxBlockIO(weight: weight) }
    if let limit: Int64 = try number("pids-limit") { resources.pids = LinuxPids(limit: limit) }
    return resources
  }

  private func number<Number: FixedWidthInteger>(_ name: String) throws -> Number? {
    guard let text = arguments[name], !text.isEmpty else { return nil }
    guard let number = Number(text) else {
      throw RuntimeError.usage("update: --\(name) is \"\(text)\", not a number from \(Number.min) to \(Number.max)")
    }
    return number
  }

  private func bytes(_ name: String) throws -> Int64? {
    guard let text = arguments[name], !text.isEmpty else { return nil }
    guard let bytes = Quantities.bytes(text) else {
      throw RuntimeError.usage("update: --\(name) is \"\(text)\": write bytes as 512m or 2g, or -1 for no limit")
    }
    return bytes
  }
}
