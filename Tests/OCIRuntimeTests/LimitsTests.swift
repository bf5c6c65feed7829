import Cgroups
import RuntimeSpec
import Testing

@testable import OCIRuntime

/// `linux.resources` in the units of cgroup v2.
@Suite struct LimitsTests {
  private func limits(_ change: (inout LinuxResources) -> Void) throws -> CgroupLimits {
    var resources = LinuxResources()
    change(&resources)
    return try Limits.limits(resources)
  }

  private func problem(_ change: (inout LinuxResources) -> Void) -> String {
    var resources = LinuxResources()
    change(&resources)
    do {
      try Limits.refuseUnsupported(resources)
      _ = try Limits.limits(resources)
      _ = try Limits.deviceRules(resources.devices)
      return ""
    } catch {
      return "\(error)"
    }
  }

  /// The three pairs that the curve goes through, beyond its ends, and between.
  @Test(
    arguments: [
      (1, 1), (2, 1), (1024, 100), (262_144, 10_000), (300_000, 10_000), (99_999, 4340), (512, 59), (3, 2), (2048, 174),
    ] as [(UInt64, UInt64)])
  func sharesBecomeWeights(_ shares: UInt64, _ weight: UInt64) { #expect(Limits.weight(shares: shares) == weight) }

  @Test func swapIsWhatIsBeyondMemory() throws {
    #expect(try limits { $0.memory = LinuxMemory(limit: 100, swap: 300) }.swapMax == .bytes(200))
    #expect(try limits { $0.memory = LinuxMemory(limit: 100, swap: 100) }.swapMax == .bytes(0))
    #expect(try limits { $0.memory = LinuxMemory(limit: 100, swap: -1) }.swapMax == .unlimited)
    #expect(try limits { $0.memory = LinuxMemory(limit: 100) }.swapMax == nil)
    #expect(try limits { $0.memory = LinuxMemory(limit: -1) }.swapMax == .unlimited)
    #expect(try limits { $0.memory = LinuxMemory(limit: -1, swap: 50) }.swapMax == .bytes(50))
    #expect(try limits { $0.memory = LinuxMemory(limit: 0, reservation: 0, swap: 0) } == CgroupLimits())
    #expect(problem { $0.memory = LinuxMemory(swap: 100) }.contains("memory.swap"))
    #expect(problem { $0.memory = LinuxMemory(limit: 100, swap: 99) }.contains("below the limit of memory"))
  }

  @Test func processes() throws {
    #expect(try limits { $0.pids = LinuxPids(limit: -1) }.pidsMax == .unlimited)
    #expect(try limits { $0.pids = LinuxPids(limit: 0) }.pidsMax == .bytes(1))
    #expect(try limits { $0.pids = LinuxPids(limit: 7) }.pidsMax == .bytes(7))
    #expect(try limits { $0.pids = LinuxPids() }.pidsMax == nil)
  }

  @Test func timesOfTheProcessor() throws {
    #expect(try limits { $0.cpu = LinuxCPU(quota: 5000) }.cpuMax == .init(quota: 5000, period: 100_000))
    #expect(try limits { $0.cpu = LinuxCPU(quota: -1, period: 5000) }.cpuMax == .init(quota: nil, period: 5000))
    #expect(try limits { $0.cpu = LinuxCPU(shares: 0, quota: 0, period: 0, cpus: "", mems: "") } == CgroupLimits())
    #expect(problem { $0.cpu = LinuxCPU(quota: 5000, burst: 5001) }.contains("cpu.burst"))
    #expect(problem { $0.cpu = LinuxCPU(idle: 2) }.contains("cpu.idle"))
  }

  @Test func whatVersionTwoLacksIsRefusedUnlessItChangesNothing() {
    func memory(_ change: (inout LinuxMemory) -> Void) -> String {
      problem {
        var memory = LinuxMemory()
        change(&memory)
        $0.memory = memory
      }
    }
    #expect(memory { $0.kernel = 1 << 20 }.contains("memory.kernel"))
    #expect(memory { $0.kernelTCP = 1 << 20 }.contains("memory.kernelTCP"))
    #expect(memory { $0.swappiness = 60 }.contains("memory.swappiness"))
    #expect(memory { $0.disableOOMKiller = true }.contains("memory.disableOOMKiller"))
    #expect(memory { $0.useHierarchy = false }.contains("memory.useHierarchy"))
    #expect(
      memory {
        $0.kernel = -1
        $0.kernelTCP = 0
        $0.disableOOMKiller = false
        $0.useHierarchy = true
      } == "")
    #expect(
      problem {
        var cpu = LinuxCPU()
        cpu.realtimeRuntime = 1
        $0.cpu = cpu
      }.contains("cpu.realtimeRuntime"))
    var io = LinuxBlockIO()
    io.leafWeight = 10
    #expect(problem { $0.blockIO = io }.contains("blockIO.leafWeight"))
  }

  @Test func disks() throws {
    #expect(try limits { $0.blockIO = LinuxBlockIO(weight: 500) }.ioWeight?.value == 500)
    #expect(CgroupLimits.IOWeight(10).converted == 1)
    #expect(CgroupLimits.IOWeight(1000).converted == 10_000)
    #expect(problem { $0.blockIO = LinuxBlockIO(weight: 9) }.contains("blockIO.weight"))
    var io = LinuxBlockIO()
    io.weightDevice = [LinuxWeightDevice(major: 8, minor: 0)]
    #expect(problem { $0.blockIO = io }.contains("no weight for 8:0"))
  }

  @Test func namesBecomeNoPathsAndNoLines() {
    #expect(problem { $0.rdma = ["a b": LinuxRdma(hcaHandles: 1)] }.contains("rdma"))
    #expect(problem { $0.rdma = ["mlx5_0": LinuxRdma()] }.contains("mlx5_0"))
    #expect(
      problem {
        $0.hugepageLimits = [
          LinuxHugepageLimit(pageSize: "2MB", limit: 1), LinuxHugepageLimit(pageSize: "2MB", limit: 2),
        ]
      }.contains("2MB twice"))
  }

  @Test func deviceNumbers() throws {
    func rule(_ major: Int64?) throws -> DeviceRule? {
      try Limits.deviceRules([LinuxDeviceRule(allow: true, type: "b", major: major, access: "r")]).first
    }
    #expect(try rule(nil)?.major == nil)
    #expect(try rule(-1)?.major == nil)
    #expect(try rule(8)?.major == 8)
    for wrong in [-2, 1 << 32, 1 << 40 + 8] as [Int64] {
      #expect(problem { $0.devices = [LinuxDeviceRule(allow: true, type: "b", major: wrong)] }.contains("\(wrong)"))
    }
    #expect(problem { $0.devices = [LinuxDeviceRule(allow: true, type: "p")] }.contains("\"p\""))
    #expect(problem { $0.devices = [LinuxDeviceRule(allow: true, type: "c", access: "rx")] }.contains("rx"))
  }
}
