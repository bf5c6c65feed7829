import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// What a container must not reach in an ordinary bundle; the Hostile… suites have those of an attacker.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct ContainmentTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  @Test func readOnlyPathsCannotBeWritten() throws {
    let result = try host.shell(
      "echo x > /proc/sys/kernel/core_pattern; echo b > /proc/sysrq-trigger; touch /proc/sys/x; echo end")
    #expect(result.output == "end\n")
    #expect(result.errorOutput.contains("Read-only file system"))
  }

  @Test func aReadOnlyRootCannotBeWritten() throws {
    let result = try host.shell("touch /file || echo refused; touch /dev/shm/file && echo written") {
      $0.root?.readonly = true
    }
    #expect(result.lines == ["refused", "written"])
  }

  @Test func devicesOutsideOfTheRulesAreRefused() throws {
    // Something that root can open on the host, and that is in no container's rules.
    let others = [
      "/dev/fuse", "/dev/loop-control", "/dev/net/tun", "/dev/vsock", "/dev/userfaultfd", "/dev/vda", "/dev/sda",
    ]
    let other = try #require(
      others.compactMap { try? openat2(workingDirectory, $0, flags: O_RDONLY | O_NONBLOCK).release() }.first)
    defer { close(other) }
    let found = try OCIRuntime.status(of: other)
    let kind = found.isCharacterDevice ? "c" : "b"
    let (major, minor) = (found.st_rdev >> 8 & 0xfff, found.st_rdev & 0xff | found.st_rdev >> 12 & 0xfff00)
    let script =
      "mknod /tmp/null c 1 3 && cat /tmp/null && echo allowed; "
      + "mknod /tmp/other \(kind) \(major) \(minor) && ! (: < /tmp/other) 2> /dev/null && echo refused"
    let result = try host.shell(script)
    #expect(result.lines == ["allowed", "refused"], "\(result.errorOutput)")
  }

  @Test func capabilitiesAreThoseOfTheConfiguration() throws {
    let none = try host.shell("grep CapEff /proc/self/status") {
      $0.process?.capabilities = LinuxCapabilities(allowing: [])
    }
    #expect(none.output == "CapEff:\t0000000000000000\n")
    let all = try host.shell("grep -E 'Cap(Prm|Bnd)' /proc/self/status") {
      $0.process?.capabilities = LinuxCapabilities(allowing: ["CAP_KILL"])
    }
    #expect(all.lines == ["CapPrm:\t0000000000000020", "CapBnd:\t0000000000000020"])
    let user = try host.shell("grep -E 'CapEff' /proc/self/status; id -u") {
      $0.process?.user = ContainerUser(uid: 1000, gid: 1000)
    }
    #expect(user.lines == ["CapEff:\t0000000000000000", "1000"])
  }

  @Test func userNamespacesMapRoot() throws {
    let mapping = [LinuxIDMapping(containerID: 0, hostID: 100_000, size: 65536)]
    let result = try host.shell(
      "id -u; cat /proc/self/uid_map | tr -s ' '; touch /dev/shm/x && stat -c %u /dev/shm/x; "
        + "echo x > /dev/null && echo null"
    ) {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .user))
      $0.linux?.uidMappings = mapping
      $0.linux?.gidMappings = mapping
    }
    #expect(result.lines == ["0", " 0 100000 65536", "0", "null"], "\(result.errorOutput)")
  }

  @Test func resourceLimitsHold() throws {
    let result = try host.shell("ulimit -n; ulimit -Hn") {
      $0.process?.rlimits = [ResourceLimit(type: "RLIMIT_NOFILE", hard: 200, soft: 100)]
    }
    #expect(result.lines == ["100", "200"])
  }

  @Test func theScoreForTheOutOfMemoryKillerIsTheContainersAlone() throws {
    let before = try host.read("/proc/1/oom_score_adj")
    let score = try host.run(["cat", "/proc/self/oom_score_adj"]) { $0.process?.oomScoreAdj = 321 }
    #expect(score.output == "321\n")
    #expect(try host.read("/proc/1/oom_score_adj") == before)
  }

  @Test func kernelSettingsOfTheHostAreRefused() throws {
    let refused = try host.run(["true"]) { $0.linux?.sysctl = ["kernel.panic": "0"] }
    #expect(refused.errorOutput.contains("kernel.panic"))
    let own = try host.run(["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"]) {
      $0.linux?.sysctl = ["net.ipv4.ip_unprivileged_port_start": "0"]
    }
    #expect(own.output == "0\n")
  }

  @Test func filtersOfSystemCallsHold() throws {
    let rule = SeccompRule(names: ["mkdir", "mkdirat"], action: .errno, errnoRet: UInt32(ENOTDIR))
    let result = try host.shell("grep Seccomp: /proc/self/status; mkdir /dev/shm/x") {
      $0.linux?.seccomp = LinuxSeccomp(defaultAction: .allow, syscalls: [rule])
    }
    #expect(result.output == "Seccomp:\t2\n")
    #expect(result.errorOutput.contains("Not a directory"))
  }

  @Test func theStandardFilterRefusesMounts() throws {
    let result = try host.shell("mount -t tmpfs tmpfs /tmp || echo refused; echo fine") {
      $0.annotations = ["dev.clipper.seccomp": "docker-default"]
      $0.process?.capabilities = LinuxCapabilities(allowing: ["CAP_SETUID"])
    }
    #expect(result.lines == ["refused", "fine"])
  }

  @Test func overlaysStayOffTheHost() throws {
    let store = host.directory.appending("snapshots")
    for path in ["1/fs/etc", "2/fs", "upper", "work"] { try makeDirectories(store.appending(path)) }
    try host.makeRoot(store.appending("2/fs"))
    try host.write(store.appending("1/fs/etc/upper-layer"), "here\n")
    let before = try host.read("/proc/self/mounts")
    let result = try host.shell("cat /etc/upper-layer; echo new > /etc/new; rm /etc/passwd") {
      $0.root?.path = host.directory.appending("empty").string
      $0.annotations = [
        "dev.clipper.overlay.directory": store.string, "dev.clipper.overlay.lower": "1/fs:2/fs",
        "dev.clipper.overlay.upper": store.appending("upper").string,
        "dev.clipper.overlay.work": store.appending("work").string,
      ]
    }
    #expect(result.output == "here\n", "\(result.errorOutput)")
    #expect(try directoryEntries(of: store.appending("upper/etc")).sorted() == ["new", "passwd"])
    #expect(try host.read(store.appending("2/fs/etc/passwd")).hasPrefix("root:"))
    #expect(try host.read("/proc/self/mounts") == before)
  }

  @Test func limitsWithoutAControllerAreRefusedByName() throws {
    let tree = try #require(CgroupTreeProbe.controllers)
    let result = try host.run(["true"]) { $0.linux?.resources?.memory = LinuxMemory(limit: 100 << 20) }
    if tree.contains("memory") {
      #expect(result.status == 0, "\(result.errorOutput)")
    } else {
      #expect(result.status == 1)
      #expect(result.errorOutput.contains("cannot limit memory"))
    }
  }
}
