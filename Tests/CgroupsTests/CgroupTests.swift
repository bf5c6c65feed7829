import Glibc
import Kernel
import SystemPackage
import TestDirectories
import Testing

@testable import Cgroups

@Suite final class CgroupTests {
  let directory: FilePath

  init() throws {
    directory = try makeTestDirectory("clipper-cgroup", in: "/var/tmp")
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

  private func cgroup(_ files: [String], controllers: Set<String> = []) throws -> Cgroup {
    let cgroup = try CgroupTree(mount: directory, controllers: controllers).cgroup(at: "/a")
    try makeDirectories(cgroup.path)
    for file in files { try writeFileAtomically(cgroup.path.appending(file), []) }
    return cgroup
  }

  private func content(_ cgroup: Cgroup, _ file: String) throws -> String {
    String(decoding: try readFile(cgroup.path.appending(file)), as: UTF8.self)
  }

  private func problem(_ cgroup: Cgroup, _ limits: CgroupLimits) -> String {
    do {
      try cgroup.apply(limits)
      return ""
    } catch { return "\(error)" }
  }

  @Test func noLimitNeedsNoFile() throws {
    let cgroup = try cgroup([])
    var limits = CgroupLimits()
    limits.memoryMax = .unlimited
    limits.swapMax = .unlimited
    limits.pidsMax = .unlimited
    limits.cpuMax = .init(quota: nil)
    limits.cpuIdle = false
    #expect(problem(cgroup, limits) == "")
    limits.swapMax = .bytes(0)
    #expect(problem(cgroup, limits) == "", "without swap in the kernel nothing is swapped")
    limits.swapMax = .bytes(1)
    #expect(problem(cgroup, limits).contains("memory.swap.max"))
  }

  @Test func memoryInUseIsNotCutOff() throws {
    let cgroup = try cgroup(["memory.max", "memory.swap.max"])
    try writeFileAtomically(cgroup.path.appending("memory.current"), Array("4096\n".utf8))
    try writeFileAtomically(cgroup.path.appending("memory.swap.current"), Array("4096\n".utf8))
    var limits = CgroupLimits()
    limits.memoryMax = .bytes(4096)
    #expect(problem(cgroup, limits) == "")
    limits.checksUse = true
    #expect(problem(cgroup, limits).contains("4096"))
    limits.memoryMax = .bytes(4097)
    limits.swapMax = .bytes(0)
    #expect(problem(cgroup, limits).contains("memory and swap"))
    limits.swapMax = .bytes(4096)
    #expect(problem(cgroup, limits) == "")
  }

  @Test func weightsOfDisksGoToBothSchedulers() throws {
    var limits = CgroupLimits()
    limits.ioWeight = .init(500)
    limits.ioWeights = [.init(major: 8, minor: 0, weight: .init(10))]
    let both = try cgroup(["io.bfq.weight", "io.weight"])
    try both.apply(limits)
    #expect(try content(both, "io.weight") == "default 4950")
    #expect(try content(both, "io.bfq.weight").hasPrefix("8:0 10"))
    try removeTree(both.path)
    let one = try cgroup(["io.weight"])
    try one.apply(limits)
    #expect(try content(one, "io.weight").hasPrefix("8:0 1"))
  }

  @Test func hugePagesAreReservedAndUsed() throws {
    let cgroup = try cgroup(["hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "hugetlb.1GB.max"])
    var limits = CgroupLimits()
    limits.hugePages = ["2MB": 4 << 20, "1GB": 1 << 30]
    try cgroup.apply(limits)
    #expect(try content(cgroup, "hugetlb.2MB.max") == "4194304")
    #expect(try content(cgroup, "hugetlb.2MB.rsvd.max") == "4194304")
    #expect(try content(cgroup, "hugetlb.1GB.max") == "1073741824")
    for (size, words) in [("../x", "no size"), ("MB", "no size"), ("3MB", "this kernel has none"), ("2MiB", "no size")]
    {
      limits.hugePages = [size: 1]
      #expect(problem(cgroup, limits).contains(words))
    }
  }

  @Test(arguments: [
    "../memory.max", "memory", "", ".", "..", "memory.", ".max", "a.b/c", "cgroup.procs", "cgroup.freeze",
    "cgroup.subtree_control",
  ])
  func unifiedNamesFilesOfTheCgroupAlone(_ name: String) throws {
    let cgroup = try cgroup(["cgroup.procs", "cgroup.freeze", "cgroup.subtree_control"])
    try writeFileAtomically(directory.appending("memory.max"), [])
    var limits = CgroupLimits()
    limits.unified = [name: "1"]
    #expect(problem(cgroup, limits).contains("linux.resources.unified: \"\(name)\""))
    #expect(try readFile(directory.appending("memory.max")).isEmpty)
  }

  @Test func unifiedIsWrittenLineByLine() throws {
    let cgroup = try cgroup(["io.max", "memory.high"])
    var limits = CgroupLimits()
    limits.unified = ["memory.high": "4096"]
    try cgroup.apply(limits)
    #expect(try content(cgroup, "memory.high") == "4096")
    limits.unified = ["memory.frob": "1"]
    #expect(problem(cgroup, limits).contains("\"memory.frob\" is not known to this kernel"))
    limits.unified = ["memory.high": ""]
    #expect(problem(cgroup, limits).contains("has no value"))
  }

  @Test func cgroupsAreWalkedHoweverDeepTheyAre() throws {
    let cgroup = try cgroup([])
    var place = try cgroup.open()
    // A path of that length is more than the kernel takes.
    for index in 0..<300 {
      let name = String(repeating: "d", count: 40)
      try Errno.check(mkdirat(place.number, name, 0o755))
      if index % 100 == 0 { try Errno.check(mkdirat(place.number, "beside", 0o755)) }
      place = try openat2(place.number, name, flags: O_RDONLY | O_DIRECTORY)
    }
    var count = 0
    var last: String? = "none"
    try CgroupWalk(try cgroup.open()).run { _, above, name in
      count += 1
      last = name
      if let above, let name { #expect(unlinkat(above, name, AT_REMOVEDIR) == 0) }
    }
    #expect(count == 304)
    #expect(last == nil)
    #expect(try directoryEntries(of: cgroup.path).isEmpty)
  }

  @Test func whyAProcessCannotEnter() throws {
    let cgroup = try cgroup([])
    func write(_ file: String, _ text: String) throws {
      try writeFileAtomically(cgroup.path.appending(file), Array(text.utf8))
    }
    #expect(cgroup.refusal(.resourceBusy) == nil)
    try write("cgroup.subtree_control", "memory pids\n")
    #expect(cgroup.refusal(.resourceBusy)?.description.contains("subtree_control") == true)
    try write("cgroup.type", "domain invalid\n")
    #expect(cgroup.refusal(Errno(rawValue: EOPNOTSUPP))?.description.contains("threaded") == true)
    try write("pids.max", "3\n")
    try write("pids.current", "3\n")
    #expect(cgroup.refusal(.resourceTemporarilyUnavailable)?.description.contains("pids.max") == true)
    #expect(cgroup.frozenAncestor == nil)
    try write("cgroup.freeze", "1\n")
    #expect(cgroup.frozenAncestor == cgroup.path)
  }

  @Test func pressureAndHugePagesAreCounted() throws {
    let cgroup = try cgroup(["hugetlb.2MB.max"])
    func write(_ file: String, _ text: String) throws {
      try writeFileAtomically(cgroup.path.appending(file), Array(text.utf8))
    }
    try write("hugetlb.2MB.current", "0\n")
    try write("hugetlb.2MB.rsvd.current", "2097152\n")
    try write("hugetlb.2MB.events", "max 3\n")
    try write("cpu.pressure", "some avg10=1.50 avg60=0.00 avg300=0.25 total=77\n")
    let statistics = cgroup.statistics()
    #expect(statistics.hugePages == ["2MB": .init(current: 2_097_152, failures: 3)])
    #expect(statistics.pressure["cpu"]?.some.averages == [1.5, 0, 0.25])
    #expect(statistics.pressure["cpu"]?.some.total == 77)
    #expect(statistics.pressure["memory"] == nil)
  }
}
