import RuntimeSpec

/// What `update` asks for, on top of what a container has.
struct ResourceUpdate {
  /// The whole afterwards, as the next update finds it.
  let merged: LinuxResources
  /// What is to be written: what was asked, and what it cannot be told without.
  let written: LinuxResources

  init(_ asked: LinuxResources, on old: LinuxResources) throws {
    var merged = old
    var written = LinuxResources()
    (merged.memory, written.memory) = Self.memory(asked.memory, old.memory)
    (merged.cpu, written.cpu) = try Self.cpu(asked.cpu, old.cpu)
    if let limit = asked.pids?.limit {
      written.pids = LinuxPids(limit: limit)
      merged.pids = written.pids
    }
    if let io = asked.blockIO {
      written.blockIO = io
      merged.blockIO = Self.merge(io, into: old.blockIO ?? LinuxBlockIO())
    }
    if let pages = asked.hugepageLimits {
      written.hugepageLimits = pages
      merged.hugepageLimits = Self.merge(pages, into: old.hugepageLimits) { $0.pageSize == $1.pageSize }
    }
    written.rdma = asked.rdma
    if let rdma = asked.rdma { merged.rdma = (old.rdma ?? [:]).merging(rdma) { $1 } }
    written.unified = asked.unified
    if let unified = asked.unified { merged.unified = (old.unified ?? [:]).merging(unified) { $1 } }
    // In order, and the last one decides: they are one thing.
    written.devices = asked.devices
    if let devices = asked.devices { merged.devices = devices }
    self.merged = merged
    self.written = written
  }

  private static func memory(_ asked: LinuxMemory?, _ old: LinuxMemory?) -> (LinuxMemory?, LinuxMemory?) {
    guard let asked else { return (old, nil) }
    var merged = old ?? LinuxMemory()
    if let limit = asked.limit { merged.limit = limit }
    if let swap = asked.swap { merged.swap = swap }
    if let reservation = asked.reservation { merged.reservation = reservation }
    if let check = asked.checkBeforeUpdate { merged.checkBeforeUpdate = check }
    // A limit of both together would hold memory as well.
    if asked.limit == -1, asked.swap == nil { merged.swap = -1 }
    var written = LinuxMemory(reservation: asked.reservation)
    if asked.limit != nil || asked.swap != nil {
      written.limit = merged.limit
      written.swap = merged.swap
      written.checkBeforeUpdate = merged.checkBeforeUpdate
    }
    return (merged, written)
  }

  private static func cpu(_ asked: LinuxCPU?, _ old: LinuxCPU?) throws -> (LinuxCPU?, LinuxCPU?) {
    guard let asked else { return (old, nil) }
    var merged = old ?? LinuxCPU()
    if let shares = asked.shares { merged.shares = shares }
    if let quota = asked.quota { merged.quota = quota }
    if let period = asked.period { merged.period = period }
    if let burst = asked.burst { merged.burst = burst }
    if let idle = asked.idle { merged.idle = idle }
    if let cpus = asked.cpus, !cpus.isEmpty { merged.cpus = cpus }
    if let mems = asked.mems, !mems.isEmpty { merged.mems = mems }
    var written = LinuxCPU(shares: asked.shares, cpus: asked.cpus, mems: asked.mems, idle: asked.idle)
    if asked.quota != nil || asked.period != nil || asked.burst != nil {
      written.quota = merged.quota
      written.period = merged.period
      written.burst = merged.burst
    }
    // What was idle has the kernel's own weight afterwards.
    if asked.idle == 0 { written.shares = merged.shares }
    if asked.shares ?? 0 != 0, asked.idle == nil, merged.idle == 1 {
      throw RuntimeError.usage("update: the container's CPU time is idle (cpu.idle), which leaves no place for shares")
    }
    return (merged, written)
  }

  private static func merge(_ asked: LinuxBlockIO, into old: LinuxBlockIO) -> LinuxBlockIO {
    var merged = old
    if let weight = asked.weight { merged.weight = weight }
    if let weights = asked.weightDevice {
      merged.weightDevice = merge(weights, into: old.weightDevice) { ($0.major, $0.minor) == ($1.major, $1.minor) }
    }
    for property in [
      \LinuxBlockIO.throttleReadBpsDevice, \.throttleWriteBpsDevice, \.throttleReadIOPSDevice,
      \.throttleWriteIOPSDevice,
    ] {
      guard let throttles = asked[keyPath: property] else { continue }
      merged[keyPath: property] = merge(throttles, into: old[keyPath: property]) {
        ($0.major, $0.minor) == ($1.major, $1.minor)
      }
    }
    return merged
  }

  private static func merge<Entry>(
    _ asked: [Entry], into old: [Entry]?, isSame: (Entry, Entry) -> Bool
  ) -> [Entry] { (old ?? []).filter { entry in !asked.contains { isSame($0, entry) } } + asked }
}
