import RuntimeSpec
import Testing

@testable import Cgroups
@testable import OCIRuntime

/// What `update`, `events` and `ps` make of what they read.
@Suite struct UpdateTests {
  private func update(
    _ asked: LinuxResources, on old: LinuxResources = LinuxResources()
  ) throws -> (written: CgroupLimits, merged: LinuxResources) {
    let update = try ResourceUpdate(asked, on: old)
    return (try Limits.limits(update.written), update.merged)
  }

  @Test func whatWasNotAskedIsNotWritten() throws {
    let old = LinuxResources(
      memory: LinuxMemory(limit: 100, swap: 300), cpu: LinuxCPU(quota: 5000, period: 50_000), pids: LinuxPids(limit: 5))
    let (written, merged) = try update(LinuxResources(pids: LinuxPids(limit: 9)), on: old)
    #expect(written.pidsMax == .bytes(9))
    #expect(written.memoryMax == nil && written.cpuMax == nil)
    #expect(merged.memory == old.memory && merged.cpu == old.cpu)
    #expect(merged.pids?.limit == 9)
  }

  @Test func memoryAndSwapGoTogether() throws {
    let old = LinuxResources(memory: LinuxMemory(limit: 100, swap: 300))
    let less = try update(LinuxResources(memory: LinuxMemory(limit: 50)), on: old)
    #expect(less.written.memoryMax == .bytes(50) && less.written.swapMax == .bytes(250))
    let swap = try update(LinuxResources(memory: LinuxMemory(swap: 100)), on: less.merged)
    #expect(swap.written.memoryMax == .bytes(50) && swap.written.swapMax == .bytes(50))
    let free = try update(LinuxResources(memory: LinuxMemory(limit: -1)), on: old)
    #expect(free.written.memoryMax == .unlimited && free.written.swapMax == .unlimited)
    #expect(throws: RuntimeError.self) { try update(LinuxResources(memory: LinuxMemory(limit: 400)), on: old) }
    #expect(throws: RuntimeError.self) { try update(LinuxResources(memory: LinuxMemory(swap: 400))) }
  }

  @Test func useIsCheckedWhereTheBundleSaysSo() throws {
    var memory = LinuxMemory(limit: 100)
    memory.checkBeforeUpdate = true
    #expect(
      try update(LinuxResources(memory: LinuxMemory(limit: 50)), on: LinuxResources(memory: memory)).written.checksUse)
  }

  @Test func timesOfTheProcessorGoTogether() throws {
    let old = LinuxResources(cpu: LinuxCPU(shares: 2048, quota: 5000, period: 50_000, idle: 1))
    let quota = try update(LinuxResources(cpu: LinuxCPU(quota: 9000)), on: old)
    #expect(quota.written.cpuMax == .init(quota: 9000, period: 50_000))
    #expect(quota.written.cpuWeight == nil)
    let busy = try update(LinuxResources(cpu: LinuxCPU(idle: 0)), on: old)
    #expect(busy.written.cpuIdle == false && busy.written.cpuWeight == Limits.weight(shares: 2048))
    #expect(throws: RuntimeError.self) { try update(LinuxResources(cpu: LinuxCPU(shares: 9)), on: old) }
  }

  @Test func listsAreMergedByWhatTheyAreAbout() throws {
    var io = LinuxBlockIO(weight: 100)
    io.throttleReadBpsDevice = [
      LinuxThrottleDevice(major: 8, minor: 0, rate: 1), LinuxThrottleDevice(major: 8, minor: 16, rate: 2),
    ]
    var asked = LinuxBlockIO()
    asked.throttleReadBpsDevice = [LinuxThrottleDevice(major: 8, minor: 16, rate: 3)]
    let (written, merged) = try update(
      LinuxResources(blockIO: asked, unified: ["memory.high": "2"]),
      on: LinuxResources(blockIO: io, unified: ["memory.high": "1", "memory.min": "0"]))
    #expect(written.ioMax.map(\.rates) == [["rbps": 3]])
    #expect(written.ioWeight == nil)
    #expect(merged.blockIO?.throttleReadBpsDevice?.map(\.rate) == [1, 3])
    #expect(merged.blockIO?.weight == 100)
    #expect(merged.unified == ["memory.high": "2", "memory.min": "0"])
    #expect(written.unified == ["memory.high": "2"])
  }

  @Test(
    arguments: [
      ("1024", 1024), ("1k", 1024), ("1KB", 1024), ("1KiB", 1024), ("32m", 32 << 20), ("1.5g", 3 << 29),
      ("2 g", 2 << 30),
      ("1t", 1 << 40), ("-1", -1), ("0", 0), ("7b", 7), ("", nil), ("m", nil), ("1x", nil), ("-2", nil), ("1.", nil),
      (".5m", nil), ("1mbb", nil), ("99999999999p", nil), ("1 ib", 1),
    ] as [(String, Int64?)])
  func amountsOfBytes(_ text: String, _ bytes: Int64?) { #expect(Quantities.bytes(text) == bytes) }

  @Test(
    arguments: [
      ("5s", 5_000_000_000), ("100ms", 100_000_000), ("1m30s", 90_000_000_000), ("1.5s", 1_500_000_000), ("0", 0),
      ("5", nil), ("", nil), ("s", nil), ("-5s", nil), ("5 s", nil),
    ] as [(String, Int64?)])
  func times(_ text: String, _ nanoseconds: Int64?) { #expect(Quantities.nanoseconds(text) == nanoseconds) }

  @Test func linesOfProcessesAreChosenByTheirColumn() throws {
    let table = "UID PID PPID CMD\nroot 7 1 sleep 8\nroot 8 1 sleep 7\n"
    #expect(try ProcessesVerb.lines(of: table, about: [8]) == ["UID PID PPID CMD", "root 8 1 sleep 7"])
    #expect(throws: RuntimeError.self) { try ProcessesVerb.lines(of: "USER CMD\nroot x\n", about: [1]) }
    #expect(throws: RuntimeError.self) { try ProcessesVerb.lines(of: "CMD PID\nsleep one two\n", about: [1]) }
  }

  @Test func statisticsHaveRuncsShape() throws {
    var statistics = CgroupStatistics()
    statistics.cpu = .init(usage: 3, user: 2, system: 1, throttled: 0, periods: 4, throttledPeriods: 0)
    statistics.memory = .init(
      current: 4096, limit: nil, peak: 8192, swap: 1, swapLimit: nil, details: ["file": 512, "anon": 0])
    statistics.io = .init(devices: [.init(major: 8, minor: 0, counters: ["rbytes": 5, "wios": 0])])
    statistics.pids = 2
    statistics.hugePages = ["2MB": .init(current: 0, failures: 1)]
    statistics.pressure["io"] = .init(
      some: .init(averages: [0, 1.5, 0], total: 9), full: .init(averages: [0, 0, 0], total: 0))
    let text = String(decoding: try JSONText.encode(StatisticsReport(statistics)), as: UTF8.self)
    let cpuset =
      #"{"cpu_exclusive":0,"mem_exclusive":0,"mem_hardwall":0,"memory_migrate":0,"memory_pressure":0,"#
      + #""memory_spread_page":0,"memory_spread_slab":0,"sched_load_balance":0,"sched_relax_domain_level":0}"#
    let none = #"{"failcnt":0,"limit":0}"#
    let share = #"{"avg10":0.0,"avg300":0.0,"avg60":0.0,"total":0}"#
    #expect(
      text == #"{"blkio":{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":5}],"#
        + #""ioServicedRecursive":[{"major":8,"op":"Write"}],"#
        + #""psi":{"full":\#(share),"some":{"avg10":0.0,"avg300":0.0,"avg60":1.5,"total":9}}},"#
        + #""cpu":{"throttling":{"periods":4},"usage":{"kernel":1000,"total":3000,"user":2000}},"cpuset":\#(cpuset),"#
        + #""hugetlb":{"2MB":{"failcnt":1}},"intel_rdt":{},"memory":{"cache":512,"kernel":\#(none),"#
        + #""kernelTCP":\#(none),"raw":{"anon":0,"file":512},"#
        + #""swap":{"failcnt":0,"limit":18446744073709551615,"usage":4097},"#
        + #""usage":{"failcnt":0,"limit":18446744073709551615,"max":8192,"usage":4096}},"#
        + #""network_interfaces":null,"pids":{"current":2}}"#)
  }
}
