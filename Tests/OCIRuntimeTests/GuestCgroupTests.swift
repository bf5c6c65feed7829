import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// A container's cgroup as a place: who may use it, what is in it, and that nothing of it stays.
@Suite(.enabled(if: RuntimeHost.hasUnifiedTree, "needs a pure cgroup v2 tree: make test-vm"), .serialized)
struct GuestCgroupTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  private func placed(_ path: FilePath, _ change: (inout LinuxResources) -> Void = { _ in }) throws
    -> RuntimeHost.Result
  {
    try host.run(["true"]) {
      $0.linux?.cgroupsPath = String(path.string.dropFirst("/sys/fs/cgroup".count))
      host.change(&$0, change)
    }
  }

  /// A cgroup of the test's own, removed with what is below it.
  private func withCgroup(_ body: (FilePath) throws -> Void) throws {
    let path = FilePath("/sys/fs/cgroup/\(host.directory.lastComponent?.string ?? "")-own")
    try Errno.check(mkdir(path.string, 0o755))
    defer {
      let cgroup = Cgroup(tree: CgroupTree(mount: "/sys/fs/cgroup", controllers: []), path: path)
      try? cgroup.freeze(false)
      try? cgroup.kill()
      try? cgroup.remove()
    }
    try body(path)
  }

  @Test func anEmptyCgroupIsTakenAndOneWithProcessesIsNot() throws {
    try withCgroup { path in
      let below = path.appending("below")
      try Errno.check(mkdir(below.string, 0o755))
      try host.succeed(placed(below))
      #expect(access(below.string, F_OK) != 0, "it is the container's, and goes with it")
    }
    try withCgroup { path in
      let sleeper = try Spawn("/bin/busybox", ["sleep", "1000"]).start()
      defer {
        kill(sleeper, SIGKILL)
        _ = try? waitForProcess(sleeper)
      }
      try host.put(path.appending("cgroup.procs"), "\(sleeper)")
      #expect(try placed(path).errorOutput.contains("holds processes already"))
      // It has processes itself, and so may not divide what it has among those below.
      let divided = try placed(path.appending("below")) { $0.memory = LinuxMemory(limit: 1 << 28) }
      #expect(divided.errorOutput.contains("the memory controller"), "\(divided.errorOutput)")
      #expect(divided.errorOutput.contains("it holds processes itself"), "\(divided.errorOutput)")
      try host.succeed(placed(path.appending("below")))
    }
  }

  @Test func aFrozenCgroupIsNotWaitedFor() throws {
    try withCgroup { path in
      try host.put(path.appending("cgroup.freeze"), "1")
      for place in [path, path.appending("below")] {
        let result = try placed(place)
        #expect(result.status == 1)
        #expect(result.errorOutput.contains("is frozen: write 0 to \(path)/cgroup.freeze"))
      }
    }
  }

  @Test func whatHoldsNoProcessesIsNamed() throws {
    try withCgroup { path in
      try host.put("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids")
      let divided = path.appending("divided")
      try Errno.check(mkdir(divided.string, 0o755))
      try host.put(path.appending("cgroup.subtree_control"), "+memory")
      try host.put(divided.appending("cgroup.subtree_control"), "+memory")
      #expect(try placed(divided).errorOutput.contains("cgroup.subtree_control"))
    }
    try withCgroup { path in
      let threads = path.appending("threads")
      try Errno.check(mkdir(threads.string, 0o755))
      try host.put(threads.appending("cgroup.type"), "threaded")
      let result = try placed(threads.appending("below"))
      #expect(result.errorOutput.contains("threads only"), "\(result.errorOutput)")
    }
  }

  @Test func nestedCgroupsGoWithTheContainer() throws {
    try host.started("one") { _ in }
    var place = host.cgroup("one")
    for name in ["a", "b", "c"] {
      place.append(name)
      try Errno.check(mkdir(place.string, 0o755))
      try Errno.check(mkdir(place.appending("beside").string, 0o755))
    }
    let sleeper = try Spawn("/bin/busybox", ["sleep", "1000"]).start()
    try host.put(place.appending("cgroup.procs"), "\(sleeper)")
    try host.succeed(host.runtime("delete", "--force", "one"))
    #expect(try waitForProcess(sleeper) == .signaled(SIGKILL))
    #expect(access(host.cgroup("one").string, F_OK) != 0)
  }

  /// As systemd and docker do inside of a container that manages cgroups.
  @Test func execFindsItsWayIntoADividedCgroup() throws {
    try host.started("one") { _ in }
    let inner = host.cgroup("one").appending("init")
    try Errno.check(mkdir(inner.string, 0o755))
    try host.put(inner.appending("cgroup.procs"), "\(try host.pid("one"))")
    try host.put(host.cgroup("one").appending("cgroup.subtree_control"), "+pids")
    let result = try host.runtime("exec", "one", "cat", "/proc/self/cgroup")
    #expect(result.output.contains("/init"), "\(result.errorOutput)")
  }

  // MARK: Devices

  private func programs(_ id: String) throws -> [UInt32] {
    let directory = try openat2(workingDirectory, host.cgroup(id).string, flags: O_RDONLY | O_DIRECTORY)
    return try DevicePrograms.identifiers(on: directory.number)
  }

  private func rules(_ text: String, _ id: String) throws {
    let result = try host.runtime(["update", "--resources", "-", id], input: #"{"devices":[\#(text)]}"#)
    try host.succeed(result)
  }

  @Test func deviceRulesAreReplaced() throws {
    try host.started("one", ["sh", "-c", "mknod /tmp/kmsg c 1 11; exec sleep 1000"])
    #expect(eventually { access(host.root.appending("tmp/kmsg").string, F_OK) == 0 })
    // Everybody may open it to write.
    func open() throws -> RuntimeHost.Result { try host.runtime("exec", "one", "sh", "-c", ": >> /tmp/kmsg") }
    #expect(try programs("one").count == 1)
    #expect(try open().errorOutput.contains("not permitted"))
    try rules(#"{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"w"}"#, "one")
    #expect(try programs("one").count == 1, "one in place of the other")
    #expect(try open().status == 0)
    try rules(#"{"allow":true,"access":"rwm"}"#, "one")
    #expect(try programs("one").isEmpty)
    #expect(try open().status == 0)
    try rules(#"{"allow":false,"access":"rwm"}"#, "one")
    #expect(try programs("one").count == 1)
    #expect(try open().status != 0)
    #expect(try host.runtime("exec", "one", "head", "-c", "1", "/dev/zero").status == 0, "what every container may use")
  }

  @Test func programsOfOthersStay() throws {
    try host.started("one") { _ in }
    let directory = try openat2(workingDirectory, host.cgroup("one").string, flags: O_RDONLY | O_DIRECTORY)
    // As systemd would attach one, under no name of ours: r0 = 1, exit.
    try DevicePrograms.attach([0x1_0000_00b7, 0x95], to: directory.number, name: "other")
    let before = try programs("one")
    try rules(#"{"allow":false,"access":"rwm"}"#, "one")
    let after = try programs("one")
    #expect(before.count == 2 && after.count == 2)
    #expect(Set(before).intersection(after).count == 1)
  }
}
