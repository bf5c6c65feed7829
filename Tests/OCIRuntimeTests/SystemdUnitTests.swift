import Cgroups
import RuntimeSpec
import SystemBus
import Testing

@testable import OCIRuntime

struct SystemdUnitTests {
  @Test(arguments: [
    ("", false, "clipper-c1.scope", "system.slice"), ("", true, "clipper-c1.scope", "user.slice"),
    ("machine.slice:libpod:1a2b", false, "libpod-1a2b.scope", "machine.slice"),
    (":docker:1a2b", false, "docker-1a2b.scope", "system.slice"), (":docker:x", true, "docker-x.scope", "user.slice"),
    ("a-b.slice::x", false, "x.scope", "a-b.slice"), ("a.slice:p:pod7.slice", false, "pod7.slice", "a.slice"),
    ("-.slice:p:x", false, "p-x.scope", "-.slice"),
  ])
  func namesAreRuncs(_ path: String, _ user: Bool, _ name: String, _ slice: String) throws {
    let unit = try SystemdUnit(path: path, id: "c1", user: user)
    #expect(unit.name == name)
    #expect(unit.slice == slice)
    #expect(unit.isSlice == name.hasSuffix(".slice"))
  }

  @Test(arguments: [
    "/system.slice/x", "x", "a:b", "a:b:c:d", "system:p:x", "a--b.slice:p:x", ".slice:p:x", "system.slice:p:",
    "system.slice:p:a/b", "system.slice:p:a b", "system.slice:p:a+b",
    "system.slice:p:" + String(repeating: "a", count: 255),
  ])
  func refusesPath(_ path: String) {
    #expect(throws: RuntimeError.self) { try SystemdUnit(path: path, id: "c1", user: false) }
  }

  @Test func objectPathsAreEscaped() {
    #expect(
      SystemdUnit.objectPath(of: "libpod-1a.scope") == "/org/freedesktop/systemd1/unit/libpod_2d1a_2escope")
    #expect(SystemdUnit.objectPath(of: "1_a") == "/org/freedesktop/systemd1/unit/_31_5fa")
    #expect(SystemdUnit.directories(of: "a-b-c.slice") == ["a.slice", "a-b.slice", "a-b-c.slice"])
    #expect(SystemdUnit.directories(of: "-.slice").isEmpty)
  }

  private func limits(_ change: (inout CgroupLimits) -> Void) -> [String: BusValue] {
    var limits = CgroupLimits()
    change(&limits)
    return Dictionary(uniqueKeysWithValues: SystemdProperties.limits(limits).map { ($0.name, $0.value) })
  }

  @Test func limitsBecomeProperties() {
    #expect(limits { _ in }.isEmpty)
    let all = limits {
      $0.memoryMax = .bytes(1 << 20)
      $0.memoryLow = .bytes(4096)
      $0.swapMax = .unlimited
      $0.pidsMax = .bytes(9)
      $0.cpuWeight = 20
      $0.ioWeight = .init(50)
      $0.processors = "0-1,9"
      $0.memoryNodes = "0"
    }
    #expect(
      all == [
        "MemoryMax": .uint64(1 << 20), "MemoryLow": .uint64(4096), "MemorySwapMax": .uint64(.max),
        "TasksMax": .uint64(9), "CPUWeight": .uint64(20), "IOWeight": .uint64(405), "AllowedCPUs": .bytes([3, 2]),
        "AllowedMemoryNodes": .bytes([1]),
      ])
    #expect(
      limits {
        $0.cpuIdle = true
        $0.cpuWeight = 20
      } == ["CPUWeight": .uint64(0)])
  }

  /// (runc) Whole percents, rounded up.
  @Test(
    arguments: [
      (50_000, 100_000, 500_000), (12_345, 50_000, 250_000), (12_500, 50_000, 250_000), (1, 100_000, 10_000),
      (200_000, 100_000, 2_000_000),
    ] as [(UInt64, UInt64, UInt64)])
  func quotasAreRounded(_ quota: UInt64, _ period: UInt64, _ perSecond: UInt64) {
    #expect(
      limits { $0.cpuMax = .init(quota: quota, period: period) } == [
        "CPUQuotaPeriodUSec": .uint64(period), "CPUQuotaPerSecUSec": .uint64(perSecond),
      ])
  }

  @Test func filesThatSystemdKnowsBecomeProperties() {
    let all = limits {
      $0.memoryMax = .bytes(1)
      $0.unified = [
        "memory.max": "2", "memory.high": "max", "memory.min": " 5\n", "memory.low": "6", "memory.swap.max": "7",
        "pids.max": "8", "cpu.weight": "9", "cpu.max": "max 50000", "cpuset.cpus": "1", "cpuset.mems": "x",
        "io.weight": "default 77", "memory.oom.group": "1", "hugetlb.2MB.max": "0", "io.max": "8:0 rbps=1",
        "cpu.idle": "0",
      ]
    }
    #expect(
      all == [
        "MemoryMax": .uint64(2), "MemoryHigh": .uint64(.max), "MemoryMin": .uint64(5), "MemoryLow": .uint64(6),
        "MemorySwapMax": .uint64(7), "TasksMax": .uint64(8), "CPUWeight": .uint64(9),
        "CPUQuotaPeriodUSec": .uint64(50_000), "CPUQuotaPerSecUSec": .uint64(.max), "AllowedCPUs": .bytes([2]),
        "IOWeight": .uint64(77), "OOMPolicy": .string("kill"),
      ])
    #expect(limits { $0.unified = ["cpu.idle": "1", "cpu.max": "50000"] }["CPUWeight"] == .uint64(0))
    for bad in ["", "x", "1 2 3", "1 x"] { #expect(limits { $0.unified = ["cpu.max": bad] }.isEmpty, "\(bad)") }
  }

  @Test func annotationsBecomeProperties() throws {
    let properties = try SystemdProperties.annotations([
      "org.systemd.property.TimeoutStopUSec": "uint64 123456789", "org.systemd.property.TimeoutStartSec": "1.5",
      "org.systemd.property.CollectMode": "'inactive-or-failed'", "org.systemd.property.After": "['a.service']",
      "org.systemd.property.DefaultDependencies": "true", "org.opencontainers.image.title": "x",
      "org.systemd.property.RuntimeMaxSec": "uint32 3",
    ])
    #expect(
      properties == [
        .init("After", .strings(["a.service"])), .init("CollectMode", .string("inactive-or-failed")),
        .init("DefaultDependencies", .boolean(true)), .init("RuntimeMaxUSec", .uint64(3_000_000)),
        .init("TimeoutStartUSec", .uint64(1_500_000)), .init("TimeoutStopUSec", .uint64(123_456_789)),
      ])
  }

  @Test(arguments: [
    ("org.systemd.property.", "1"), ("org.systemd.property.Ab", "1"), ("org.systemd.property.A1b", "1"),
    ("org.systemd.property.Some Name", "1"), ("org.systemd.property.CollectMode", "inactive"),
    ("org.systemd.property.TimeoutStopSec", "'5'"), ("org.systemd.property.TimeoutStopSec", "-5"),
    ("org.systemd.property.TimeoutStopSec", "[5]"),
  ])
  func refusesAnnotation(_ key: String, _ value: String) {
    #expect(throws: RuntimeError.self) { try SystemdProperties.annotations([key: value]) }
  }
}
