import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

@Suite(.enabled(if: RuntimeHost.hasUnifiedTree, "needs a pure cgroup v2 tree: make test-vm"), .serialized)
struct GuestLimitsTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// Takes a buffer of so many mebibytes and fills it.
  private func take(_ mebibytes: Int) -> String { "dd if=/dev/zero of=/dev/null bs=\(mebibytes)M count=1 2>/dev/null" }

  @Test func whoTakesTooMuchMemoryIsEnded() throws {
    let result = try host.shell("\(take(64)); echo $?; \(take(4)); echo $?") {
      $0.memory = LinuxMemory(limit: 16 << 20, swap: 16 << 20)
    }
    #expect(result.lines == ["137", "0"], "the others stay: memory.oom.group is nobody's wish")
  }

  @Test func limitsAreInTheKernelsFiles() throws {
    try host.started("one") {
      $0.memory = LinuxMemory(limit: 64 << 20, reservation: 32 << 20, swap: 96 << 20)
      $0.cpu = LinuxCPU(shares: 1024, quota: 20_000, period: 50_000, cpus: "0", mems: "0", burst: 10_000)
      $0.pids = LinuxPids(limit: 20)
      $0.blockIO = LinuxBlockIO(weight: 100)
      $0.unified = ["memory.high": "50331648", "memory.swap.high": "4194304", "cgroup.max.depth": "4"]
    }
    let expected = [
      ("memory.max", "\(64 << 20)"), ("memory.low", "\(32 << 20)"), ("memory.swap.max", "\(32 << 20)"),
      ("memory.high", "50331648"), ("memory.swap.high", "4194304"), ("memory.oom.group", "0"), ("cpu.weight", "100"),
      ("cpu.max", "20000 50000"), ("cpuset.cpus", "0"), ("cpuset.mems", "0"), ("pids.max", "20"),
      ("cgroup.max.depth", "4"),
    ]
    for (name, value) in expected { #expect(try host.file("one", name) == value, "\(name)") }
    // In microseconds since Linux 6.10.
    #expect(["10000", "10"].contains(try host.file("one", "cpu.max.burst")))
    let scheduler = access(host.cgroup("one").appending("io.bfq.weight").string, F_OK) == 0
    #expect(
      try scheduler
        ? host.file("one", "io.bfq.weight") == "default 100" : host.file("one", "io.weight") == "default 910")
  }

  @Test func idleTimeHasNoWeight() throws {
    try host.started("one") { $0.cpu = LinuxCPU(shares: 2048, idle: 1) }
    #expect(try host.file("one", "cpu.idle") == "1")
    try host.succeed(host.runtime("update", "--cpu-idle", "0", "one"))
    #expect(try host.file("one", "cpu.idle") == "0")
    #expect(try host.file("one", "cpu.weight") == "\(Limits.weight(shares: 2048))")
  }

  @Test func timeOfTheProcessorIsRationed() throws {
    try host.started("one", "while :; do :; done") { $0.cpu = LinuxCPU(quota: 5000, period: 100_000) }
    #expect(try eventually { try host.counter("one", "cpu.stat", "nr_throttled") > 0 })
  }

  @Test func processorsAreThoseOfTheList() throws {
    let result = try host.shell("grep -E 's_allowed_list' /proc/self/status") {
      $0.cpu = LinuxCPU(cpus: "1", mems: "0")
    }
    #expect(result.lines.map { $0.split(separator: "\t").last } == ["1", "0"])
    let wrong = try host.shell("true") { $0.cpu = LinuxCPU(cpus: "0-x") }
    #expect(wrong.errorOutput.contains("cpuset.cpus"))
  }

  @Test func processesAreCounted() throws {
    let result = try host.shell("sleep 0 & sleep 0 & wait; (true; true) || echo failed") {
      $0.pids = LinuxPids(limit: 1)
    }
    #expect(result.errorOutput.contains("can't fork"))
    try host.started("one") { $0.pids = LinuxPids(limit: 0) }
    #expect(try host.file("one", "pids.max") == "1")
    try host.started("two") { $0.pids = LinuxPids(limit: -1) }
    #expect(try host.file("two", "pids.max") == "max")
    #expect(try host.runtime("exec", "one", "true").errorOutput.contains("pids.max"))
  }

  /// The number of the disk that the container's files are on.
  private func disk() throws -> (major: Int64, minor: Int64)? {
    for name in try directoryEntries(of: "/sys/block").sorted() where !name.hasPrefix("loop") && !name.hasPrefix("ram")
    {
      let numbers = try host.read(FilePath("/sys/block/\(name)/dev")).dropLast().split(separator: ":").compactMap {
        Int64($0)
      }
      if numbers.count == 2 { return (numbers[0], numbers[1]) }
    }
    print("SKIPPED: limits of a disk: the guest has none")
    return nil
  }

  @Test func disksAreThrottled() throws {
    guard let (major, minor) = try disk() else { return }
    try host.started("one") {
      var io = LinuxBlockIO()
      io.throttleReadBpsDevice = [LinuxThrottleDevice(major: major, minor: minor, rate: 2 << 20)]
      io.throttleWriteBpsDevice = [LinuxThrottleDevice(major: major, minor: minor, rate: 1 << 20)]
      io.throttleReadIOPSDevice = [LinuxThrottleDevice(major: major, minor: minor, rate: 200)]
      io.throttleWriteIOPSDevice = [LinuxThrottleDevice(major: major, minor: minor, rate: 100)]
      $0.blockIO = io
    }
    #expect(try host.file("one", "io.max") == "\(major):\(minor) rbps=2097152 wbps=1048576 riops=200 wiops=100")
    let update = host.directory.appending("update")
    try host.write(
      update,
      #"{"blockIO":{"throttleWriteBpsDevice":[{"major":\#(major),"minor":\#(minor),"rate":0}]},"#
        + #""unified":{"io.max":"\#(major):\#(minor) riops=max\n\#(major):\#(minor) wiops=max"}}"#)
    try host.succeed(host.runtime("update", "--resources", update.string, "one"))
    #expect(try host.file("one", "io.max") == "\(major):\(minor) rbps=2097152 wbps=max riops=max wiops=max")
    // Enough that the kernel has to hold it back: it says so by the wait, which is not measured here.
    try host.succeed(host.runtime("exec", "one", "dd", "if=/dev/zero", "of=/tmp/file", "bs=1M", "count=2"))
    let unknown = try host.shell("true") {
      var io = LinuxBlockIO()
      io.throttleReadBpsDevice = [LinuxThrottleDevice(major: 4095, minor: 1, rate: 1)]
      $0.blockIO = io
    }
    #expect(unknown.errorOutput.contains("4095:1") && unknown.errorOutput.contains("io.max"))
  }

  @Test func disksHaveWeights() throws {
    guard let (major, minor) = try disk() else { return }
    let model = FilePath("/sys/fs/cgroup/io.cost.qos")
    guard access(model.string, F_OK) == 0 else { return print("SKIPPED: weights of disks: no io.cost in this kernel") }
    try host.put(model, "\(major):\(minor) enable=1")
    defer { try? host.put(model, "\(major):\(minor) enable=0") }
    try host.started("one") {
      var io = LinuxBlockIO()
      io.weightDevice = [LinuxWeightDevice(major: major, minor: minor, weight: 1000)]
      $0.blockIO = io
    }
    #expect(try host.file("one", "io.weight").contains("\(major):\(minor) 10000"))
    try host.succeed(host.runtime("update", "--blkio-weight", "10", "one"))
    #expect(try host.file("one", "io.weight").contains("default 1\n"))
  }

  @Test func hugePagesAreLimited() throws {
    let pool = FilePath("/proc/sys/vm/nr_hugepages")
    try host.put(pool, "8")
    defer { try? host.put(pool, "0") }
    guard try Int(host.read(pool).dropLast()) ?? 0 >= 4 else {
      return print("SKIPPED: limits of huge pages: the guest has no memory for them")
    }
    let result = try host.run([
      "sh", "-c", "fallocate -l 4M /huge/a && echo two; fallocate -l 4M /huge/b || echo none; ls -s /huge | wc -l",
    ]) {
      $0.mounts?.append(
        ContainerMount(destination: "/huge", type: "hugetlbfs", source: "huge", options: ["pagesize=2M"]))
      host.change(&$0) { $0.hugepageLimits = [LinuxHugepageLimit(pageSize: "2MB", limit: 4 << 20)] }
    }
    #expect(result.lines.prefix(2) == ["two", "none"], "\(result.errorOutput)")
    try host.started("one") { $0.hugepageLimits = [LinuxHugepageLimit(pageSize: "2MB", limit: 4 << 20)] }
    #expect(try host.file("one", "hugetlb.2MB.rsvd.max") == "\(4 << 20)")
    let unknown = try host.shell("true") { $0.hugepageLimits = [LinuxHugepageLimit(pageSize: "3MB", limit: 1)] }
    #expect(unknown.errorOutput.contains("huge pages of 3MB"))
  }

  @Test func rdmaIsLimitedOrNamed() throws {
    let devices = (try? directoryEntries(of: "/sys/class/infiniband")) ?? []
    guard let device = devices.first else {
      print("SKIPPED: limits of RDMA: the guest has no such device; that an unknown one is named is tested")
      let result = try host.shell("true") { $0.rdma = ["mlx5_9": LinuxRdma(hcaHandles: 3)] }
      #expect(result.status == 1)
      #expect(result.errorOutput.contains("mlx5_9 hca_handle=3") && result.errorOutput.contains("rdma.max"))
      return
    }
    try host.started("one") { $0.rdma = [device: LinuxRdma(hcaHandles: 3)] }
    #expect(try host.file("one", "rdma.max").contains("\(device) hca_handle=3"))
  }

  @Test func miscIsLimitedOrNamed() throws {
    let capacity = try host.read("/sys/fs/cgroup/misc.capacity").split(separator: "\n").first?.split(separator: " ")
    guard let resource = capacity?.first else {
      print("SKIPPED: limits of misc: the guest has nothing to limit; that an unknown one is named is tested")
      let result = try host.shell("true") { $0.unified = ["misc.max": "nonesuch 1"] }
      #expect(result.errorOutput.contains("\"misc.max\" does not take \"nonesuch 1\""))
      return
    }
    try host.started("one") { $0.unified = ["misc.max": "\(resource) 1"] }
    #expect(try host.file("one", "misc.max") == "\(resource) 1")
  }

  @Test func filesThatNobodyKnowsAreNamed() throws {
    let unknown = try host.shell("true") { $0.unified = ["memory.frob": "1"] }
    #expect(unknown.errorOutput.contains("\"memory.frob\" is not known to this kernel"))
    let controller = try host.shell("true") { $0.unified = ["frob.max": "1"] }
    #expect(controller.errorOutput.contains("frob controller"))
    let told = try host.shell("true") { $0.unified = ["memory.current": "1"] }
    #expect(told.errorOutput.contains("unified: \"memory.current\""))
    #expect(try host.runtime("list", "-q").output.isEmpty)
    #expect(access(host.cgroup("one").string, F_OK) != 0)
  }

  @Test func useIsCountedWithoutALimit() throws {
    try host.started("one") { _ in }
    for name in ["memory.current", "pids.current", "io.stat", "cpu.max"] {
      #expect(throws: Never.self) { try host.file("one", name) }
    }
  }
}
