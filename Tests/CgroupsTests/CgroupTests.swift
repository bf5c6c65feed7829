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
      try limits.check(cgroup.tree)
    }
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
}
