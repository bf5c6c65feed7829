import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

@Suite(.enabled(if: RootlessHost.isAble, "needs root to become another user, and user namespaces"), .serialized)
struct RootlessTests {
  let host: RootlessHost

  init() throws { host = try RootlessHost() }

  @Test func specMakesABundleThatRuns() throws {
    let bundle = host.host.directory.appending("own")
    try makeDirectories(bundle)
    try Errno.check(symlink(host.host.root.string, bundle.appending("rootfs").string))
    try host.own(bundle)
    try host.host.succeed(host.runtime("spec", "--rootless", "--bundle", bundle.string))
    let file = bundle.appending("config.json")
    var config = try JSONText.decode(RuntimeConfig.self, try readFile(file), name: "config.json")
    #expect(config.linux?.uidMappings == [LinuxIDMapping(containerID: 0, hostID: RootlessHost.user, size: 1)])
    #expect(config.linux?.namespaces?.contains { $0.type == .network } == false)
    #expect(config.linux?.resources == nil)
    #expect(config.mounts?.contains { $0.options?.contains { $0.hasPrefix("gid=") } == true } == false)
    config.process?.terminal = false
    config.process?.args = ["id"]
    config.process?.env = ["PATH=/bin"]
    try host.host.write(file, String(decoding: try JSONText.encode(config), as: UTF8.self))
    let result = try host.runtime("run", "--bundle", bundle.string, "own")
    #expect(result.output == "uid=0(root) gid=0\n", "\(result.errorOutput)")
  }

  @Test func theWholeLifeOfAContainer() throws {
    let bundle = try host.bundle("one", ["sleep", "1000"])
    try host.host.succeed(host.runtime("create", "--bundle", bundle.string, "one"))
    #expect(try status("one") == .created)
    try host.host.succeed(host.runtime("start", "one"))
    #expect(try status("one") == .running)
    #expect(try host.runtime("list", "--quiet").output == "one\n")
    let result = try host.runtime("exec", "one", "sh", "-c", "id; cat /proc/self/uid_map; ps | grep -c 'sleep 1000'")
    #expect(result.lines.first == "uid=0(root) gid=0", "\(result.errorOutput)")
    #expect(
      result.lines.dropFirst().first?.split(separator: " ").map { String($0) } == ["0", "\(RootlessHost.user)", "1"])
    #expect(try host.runtime("exec", "one", "sh", "-c", "exit 7").status == 7)
    try host.host.succeed(host.runtime("kill", "one", "KILL"))
    #expect(try eventually { try status("one") == .stopped })
    try host.host.succeed(host.runtime("delete", "one"))
    #expect(try directoryEntries(of: state).filter { !$0.hasPrefix(".") }.isEmpty)
  }

  /// The container's processes run under other users than the runtime then, which must reach them all the same.
  @Test(.enabled(if: RootlessHost.mapsRanges)) func rangesOfUsersComeFromSubuid() throws {
    let script = "id; cat /proc/self/setgroups; touch /tmp/own; stat -c %u:%g /tmp/own"
    chmod(host.host.root.appending("tmp").string, 0o777)
    let result = try host.shell(script) {
      $0.mapRanges()
      $0.process?.user = ContainerUser(uid: 5, gid: 6, additionalGids: [7, 8])
    }
    #expect(result.lines == ["uid=5 gid=6 groups=7,8", "allow", "5:6"], "\(result.errorOutput)")
    var status = stat()
    #expect(stat(host.host.root.appending("tmp/own").string, &status) == 0)
    #expect(status.st_uid == RootlessHost.range + 4 && status.st_gid == RootlessHost.range + 5)

    let bundle = try host.bundle("one", ["sleep", "1000"]) {
      $0.mapRanges()
      $0.process?.user = ContainerUser(uid: 5, gid: 6)
    }
    try host.host.succeed(host.runtime("create", "--bundle", bundle.string, "one"))
    #expect(try self.status("one") == .created)
    try host.host.succeed(host.runtime("start", "one"))
    #expect(try host.runtime("exec", "--user", "9:9", "one", "id").output == "uid=9 gid=9\n")
    try host.host.succeed(host.runtime("delete", "--force", "one"))
  }

  @Test(.enabled(if: RootlessHost.mapsRanges)) func whatKeepsNewuidmapFromMappingIsNamed() throws {
    func run(_ before: String) throws -> String {
      let result = try host.shell("true", before: before) { $0.mapRanges() }
      #expect(result.status == 1)
      return result.errorOutput
    }
    #expect(try run(": > /etc/subgid").contains("/etc/subgid must give these IDs to user \(RootlessHost.user)"))
    #expect(try run("echo tester:1:2 > /etc/subuid").contains("/etc/subuid must give these IDs"))
    let copies = "mount -t tmpfs tmpfs /mnt; cp /usr/bin/newuidmap /usr/bin/newgidmap /mnt; chmod -s /mnt/*;"
    #expect(try run("\(copies) export PATH=/mnt:$PATH").contains("neither the set-user-ID bit nor file capabilities"))
    #expect(try run("export PATH=/nonesuch").contains("newgidmap is not in PATH"))
    let bundle = try host.bundle("one", ["true"]) { $0.mapRanges() }
    let result = try host.command(
      ["/usr/bin/setpriv", "--no-new-privs", host.host.program.string, "run", "-b", bundle.string, "one"])
    #expect(result.errorOutput.contains("no_new_privs"))
    #expect(try host.runtime("list", "-q").output.isEmpty)
  }

  @Test func usersThatAreNotMappedAreRefused() throws {
    let other = try host.shell("id") { $0.process?.user = ContainerUser(uid: 5, gid: 0) }
    #expect(other.errorOutput.contains("process.user.uid is 5, which linux.uidMappings does not map"))
    let groups = try host.shell("id") { $0.process?.user = ContainerUser(uid: 0, gid: 0, additionalGids: [0]) }
    #expect(groups.errorOutput.contains("setgroups is switched off"))
    let foreign = try host.shell("id") { $0.linux?.uidMappings?[0].hostID = 0 }
    #expect(foreign.status == 1)
    let none = try host.shell("id") { $0.shareUserNamespace() }
    #expect(none.errorOutput.contains("without a user namespace"))
    try host.host.succeed(host.runtime("run", "-d", "-b", try host.bundle("one", ["sleep", "1000"]).string, "one"))
    #expect(try host.runtime("exec", "--user", "5", "one", "id").errorOutput.contains("does not map it"))
  }

  @Test func namespacesWithoutRootWork() throws {
    let result = try host.shell("id; cat /proc/self/setgroups") {
      $0.linux?.uidMappings?[0].containerID = 1000
      $0.linux?.gidMappings?[0].containerID = 1000
      $0.process?.user = ContainerUser(uid: 1000, gid: 1000)
    }
    #expect(result.lines == ["uid=1000(user) gid=1000", "deny"], "\(result.errorOutput)")
  }

  /// What is made in a time namespace of the container's is owned by the container's user namespace.
  @Test func timeNamespaces() throws {
    let result = try host.shell("cut -d. -f1 /proc/uptime") {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .time))
      $0.linux?.timeOffsets = ["boottime": LinuxTimeOffset(secs: 100_000_000)]
    }
    #expect(Int(result.lines.first ?? "").map { $0 >= 100_000_000 } == true, "\(result.errorOutput)")
  }

  @Test func aNetworkOfItsOwnHasLoopback() throws {
    let result = try host.shell("cat /proc/sys/net/ipv4/ip_forward; ls /sys/class/net; cat /sys/class/net/lo/flags") {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .network))
      $0.linux?.sysctl = ["net.ipv4.ip_forward": "1"]
      if let index = $0.mounts?.firstIndex(where: { $0.destination == "/sys" }) {
        $0.mounts?[index] = ContainerMount(
          destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"])
      }
    }
    // IFF_UP, IFF_LOOPBACK, IFF_RUNNING
    #expect(result.lines == ["1", "lo", "0x9"] || result.lines == ["1", "lo", "0x49"], "\(result.errorOutput)")
  }

  @Test func filtersLoadWithAndWithoutNoNewPrivileges() throws {
    for noNewPrivileges in [true, false] {
      let result = try host.shell("mkdir /tmp/x; grep Seccomp: /proc/self/status") {
        $0.process?.noNewPrivileges = noNewPrivileges
        $0.linux?.seccomp = LinuxSeccomp(
          defaultAction: .allow,
          syscalls: [SeccompRule(names: ["mkdir", "mkdirat"], action: .errno, errnoRet: 38)])
      }
      #expect(result.lines == ["Seccomp:\t2"], "\(result.errorOutput)")
      #expect(result.errorOutput.contains("Function not implemented"))
    }
  }

  @Test func hooksRunAsTheUserOutsideAndAsItsRootInside() throws {
    let trace = host.runtimeDirectory.appending("trace")
    func hook(_ point: String) -> [ContainerHook] {
      [
        ContainerHook(
          path: "/bin/sh", args: ["sh", "-c", "echo \(point) $(id -u) >> \(trace)"], env: ["PATH=/usr/bin:/bin"])
      ]
    }
    try host.own(host.runtimeDirectory)
    let result = try host.shell("cat /dev/shm/hook") {
      $0.hooks = ContainerHooks(
        createRuntime: hook("createRuntime"), createContainer: hook("createContainer"),
        startContainer: [ContainerHook(path: "/bin/sh", args: ["sh", "-c", "/bin/id > /dev/shm/hook"])],
        poststart: hook("poststart"), poststop: hook("poststop"))
    }
    #expect(result.output == "uid=0(root) gid=0\n", "\(result.errorOutput)")
    let user = RootlessHost.user
    #expect(
      try host.host.read(trace).split(separator: "\n") == [
        "createRuntime \(user)", "createContainer 0", "poststart \(user)", "poststop \(user)",
      ])
  }

  @Test func limitsThatTakeRootAreNamed() throws {
    let score = try host.shell("cat /proc/self/oom_score_adj") { $0.process?.oomScoreAdj = -7 }
    #expect(score.output == "0\n")
    #expect(score.errorOutput.contains("process.oomScoreAdj -7 was not set"))
    #expect(try host.shell("cat /proc/self/oom_score_adj") { $0.process?.oomScoreAdj = 7 }.output == "7\n")
    let files = try host.shell("true") {
      $0.process?.rlimits = [ResourceLimit(type: "RLIMIT_NOFILE", hard: 1 << 40, soft: 1)]
    }
    #expect(files.errorOutput.contains("takes CAP_SYS_RESOURCE on the host"))
  }

  private var state: FilePath { host.runtimeDirectory.appending("clipper/runtime") }

  private func status(_ id: String) throws -> RuntimeState.Status {
    try JSONText.decode(RuntimeState.self, Array(try host.runtime("state", id).output.utf8), name: "state").status
  }
}
