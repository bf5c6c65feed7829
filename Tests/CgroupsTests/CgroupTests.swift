import Glibc
import Kernel
import SystemPackage
import Testing

@testable import Cgroups

@Suite final class CgroupTests {
  let directory: FilePath

  init() throws {
    var name = Array("/var/tmp/clipper-cgroup.XXXXXX\0".utf8CString)
    directory = FilePath(String(cString: try #require(mkdtemp(&name))))
  }

  deinit { try? removeTree(directory) }

  @Test(arguments: ["relative", "/", "/a/../b", ""])
  func refusesWhatNamesNoCgroup(_ path: String) {
    let tree = CgroupTree(mount: directory, controllers: [])
    #expect(throws: CgroupError.self) { try tree.cgroup(at: path) }
  }

  @Test func limitsNameTheirControllers() {
    var limits = CgroupLimits()
    #expect(limits.controllers.isEmpty)
    limits.memoryMax = .unlimited
    limits.cpuMax = .init(quota: nil)
    #expect(limits.controllers.isEmpty, "what is unlimited needs nobody")
    limits.memoryMax = .bytes(1 << 20)
    limits.cpuMax = .init(quota: 50_000)
    limits.pidsMax = .bytes(10)
    limits.unified = ["io.latency": "x", "cgroup.max.depth": "3"]
    #expect(Set(limits.controllers.keys) == ["memory", "cpu", "pids", "io"])
  }

  @Test func aMissingControllerIsNamed() throws {
    let cgroup = try CgroupTree(mount: directory, controllers: ["pids"]).cgroup(at: "/a/b")
    var limits = CgroupLimits()
    limits.memoryMax = .bytes(1)
    #expect(throws: CgroupError.controllerMissing("memory", limit: "memory", reason: .versionOne)) {
      try cgroup.create(for: limits)
    }
    #expect(!cgroup.exists)
  }

  @Test func limitsAreWrittenInTheKernelsWords() throws {
    let cgroup = try CgroupTree(mount: directory, controllers: ["memory", "cpu", "pids"]).cgroup(at: "/a")
    try makeDirectories(cgroup.path)
    let files = ["memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max"]
    for file in files { close(open(cgroup.path.appending(file).string, O_CREAT | O_WRONLY, 0o600)) }
    var limits = CgroupLimits()
    limits.memoryMax = .bytes(1048576)
    limits.memoryLow = .bytes(4096)
    limits.swapMax = .unlimited
    limits.cpuMax = .init(quota: 25_000, period: 50_000)
    limits.cpuWeight = 79
    limits.pidsMax = .bytes(7)
    try cgroup.apply(limits)
    let content = try files.map { String(decoding: try readFile(cgroup.path.appending($0)), as: UTF8.self) }
    #expect(content == ["1048576", "4096", "max", "25000 50000", "79", "7"])
    limits.unified = ["../escape": "1"]
    #expect(throws: CgroupError.self) { try cgroup.apply(limits) }
  }

  @Test func statisticsOfFiles() throws {
    let cgroup = try CgroupTree(mount: directory, controllers: []).cgroup(at: "/a")
    try makeDirectories(cgroup.path)
    let files = [
      "memory.current": "4096\n", "memory.max": "max\n", "memory.stat": "anon 1\ninactive_file 1024\n",
      "pids.current": "3\n", "pids.max": "7\n",
      "cpu.stat": "usage_usec 30\nuser_usec 20\nsystem_usec 10\n",
      "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n8:16 rbytes=10 wbytes=20 rios=30 wios=40\n",
    ]
    for (name, text) in files { try writeFileAtomically(cgroup.path.appending(name), Array(text.utf8)) }
    let statistics = cgroup.statistics()
    #expect(statistics.memory?.current == 4096)
    #expect(statistics.memory?.limit == nil)
    #expect(statistics.memory?.inactiveFile == 1024)
    #expect(statistics.cpu?.usage == 30)
    #expect(statistics.io?.writtenBytes == 22)
    #expect(statistics.pids == 3)
    #expect(statistics.pidsLimit == 7)
  }

  // MARK: Devices

  /// Runs the eBPF of a filter on one access. (the instructions that it uses)
  private func isAllowed(
    _ filter: DeviceFilter, _ kind: DeviceRule.Kind, _ access: DeviceRule.Access, _ major: UInt32, _ minor: UInt32
  ) -> Bool? {
    let context: [UInt32] = [(kind == .block ? 1 : 2) | access.rawValue << 16, major, minor]
    var registers = [UInt32](repeating: 0, count: 11)
    var place = 0
    while place < filter.instructions.count {
      let word = filter.instructions[place]
      let (to, from) = (Int(word >> 8 & 15), Int(word >> 12 & 15))
      let offset = Int(Int16(truncatingIfNeeded: word >> 16))
      let value = UInt32(truncatingIfNeeded: word >> 32)
      place += 1
      switch UInt8(truncatingIfNeeded: word) {
      case 0x61: registers[to] = context[offset / 4]
      case 0x54: registers[to] &= value
      case 0x74: registers[to] >>= value
      case 0xbc: registers[to] = registers[from]
      case 0xb7: registers[to] = value
      case 0x55: if registers[to] != value { place += offset }
      case 0x15: if registers[to] == value { place += offset }
      case 0x5d: if registers[to] != registers[from] { place += offset }
      case 0x95: return registers[0] == 1
      default: return nil
      }
    }
    return nil
  }

  @Test func theLastRuleThatCoversAnAccessDecides() {
    let filter = DeviceFilter([
      DeviceRule(allow: true, kind: .all, access: .all),
      DeviceRule(allow: false, kind: .all, access: .all),
      DeviceRule(allow: true, kind: .character, access: .makeNode),
      DeviceRule(allow: true, kind: .character, major: 1, minor: 3, access: .all),
      DeviceRule(allow: true, kind: .block, major: 8, access: .read),
    ])
    #expect(isAllowed(filter, .character, [.read, .write], 1, 3) == true)
    #expect(isAllowed(filter, .character, .read, 1, 1) == false)
    #expect(isAllowed(filter, .character, .makeNode, 1, 1) == true)
    #expect(isAllowed(filter, .character, [.makeNode, .read], 1, 1) == false)
    #expect(isAllowed(filter, .block, .read, 8, 5) == true)
    #expect(isAllowed(filter, .block, [.read, .write], 8, 5) == false)
    #expect(isAllowed(filter, .block, .makeNode, 8, 5) == false)
    #expect(!filter.allowsEverything)
  }

  @Test func everythingNeedsNoProgram() {
    #expect(
      DeviceFilter([
        DeviceRule(allow: false, kind: .all, access: .all), DeviceRule(allow: true, kind: .all, access: .all),
      ]).allowsEverything)
    let nothing = DeviceFilter([])
    #expect(isAllowed(nothing, .character, .read, 1, 3) == false)
  }
}
