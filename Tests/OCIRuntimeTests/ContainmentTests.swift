import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// What a container must not reach. Each of these has been a way out of some runtime.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct ContainmentTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// A root of its own, changed before the container starts.
  private func image(_ change: (FilePath) throws -> Void) throws -> FilePath {
    let root = host.directory.appending("image\(UInt32.random(in: 0...UInt32.max))")
    try host.makeRoot(root)
    try change(root)
    return root
  }

  /// CVE-2019-19921, CVE-2023-27561
  @Test(arguments: ["proc", "sys"])
  func kernelFileSystemsAreNotMountedThroughLinks(_ name: String) throws {
    let root = try image { root in
      rmdir(root.appending(name).string)
      try makeDirectories(root.appending("tmp/elsewhere"))
      symlink("/tmp/elsewhere", root.appending(name).string)
    }
    let result = try host.run(["true"]) { $0.root?.path = root.string }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("/\(name)"))
  }

  @Test func maskedPathsCannotBeRead() throws {
    let result = try host.shell("cat /proc/keys; ls /sys/firmware; cat /proc/timer_list; echo end") {
      $0.linux?.maskedPaths = (DockerDefaults.maskedPaths) + ["/etc/passwd", "/bin/../etc/shadowed", "/nonesuch/file"]
    }
    #expect(result.output == "end\n")
    let one = try host.shell("cat /etc/passwd") { $0.linux?.maskedPaths = ["/etc/passwd"] }
    #expect(one.output.isEmpty)
    let without = try host.shell("cat /etc/passwd; ls /sys/firmware") { $0.linux?.maskedPaths = [] }
    #expect(without.lines.count > 2)
  }

  /// CVE-2025-31133: a mask is the kernel's null device, whatever the container has at /dev/null.
  @Test func masksDoNotComeFromTheContainer() throws {
    // Of a /dev that is bound nothing is made anew.
    let devices = host.directory.appending("devices")
    try makeDirectories(devices)
    symlink("/etc/passwd", devices.appending("null").string)
    let result = try host.shell("cat /proc/keys; stat -c %F /proc/keys") {
      $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
      $0.mounts?.append(ContainerMount(destination: "/dev", source: devices.string, options: ["bind"]))
    }
    #expect(result.lines == ["character special file"], "\(result.errorOutput)")
  }

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

  @Test func destinationsStayInTheRoot() throws {
    let outside = host.directory.appending("outside")
    try makeDirectories(outside)
    let root = try image { root in
      symlink("/../../../../../../../../\(outside)", root.appending("link").string)
      symlink(outside.string, root.appending("absolute").string)
    }
    for destination in ["/../../../../../../../../..\(outside)/a", "/link/b", "/absolute/c"] {
      let result = try host.shell("mount | grep -c outside") {
        $0.root?.path = root.string
        $0.mounts?.append(ContainerMount(destination: destination, type: "tmpfs", source: "tmpfs"))
      }
      #expect(result.output == "1\n", "\(destination): \(result.errorOutput)")
    }
    #expect(try directoryEntries(of: outside).isEmpty)
  }

  @Test func devicesAreNotMadeThroughLinks() throws {
    let outside = host.directory.appending("outside")
    try makeDirectories(outside)
    let root = try image { root in
      rmdir(root.appending("dev").string)
      symlink(outside.string, root.appending("dev").string)
    }
    _ = try host.run(["true"]) {
      $0.root?.path = root.string
      $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
    }
    #expect(try directoryEntries(of: outside).isEmpty)
  }

  /// CVE-2019-16884: the files of /proc by which a process is confined are the kernel's.
  @Test func procIsNotCovered() throws {
    for (destination, type) in [
      ("/proc", "tmpfs"), ("/proc/self", "tmpfs"), ("/proc/sys", "tmpfs"), ("/dev/../proc/self", "tmpfs"),
    ] {
      let result = try host.run(["true"]) {
        $0.mounts?.append(ContainerMount(destination: destination, type: type, source: type))
      }
      #expect(result.status == 1, "\(destination)")
      #expect(result.errorOutput.contains("/proc"))
    }
    let file = host.directory.appending("uptime")
    try host.write(file, "faked\n")
    let faked = try host.run(["cat", "/proc/uptime"]) {
      $0.mounts?.append(ContainerMount(destination: "/proc/uptime", source: file.string, options: ["bind"]))
    }
    #expect(faked.output == "faked\n")
  }

  /// CVE-2024-21626: a descriptor that leaked would be a way to the host's files.
  @Test func noDescriptorOfTheCallerGetsIn() throws {
    let leaked = open("/", O_RDONLY | O_DIRECTORY)
    defer { close(leaked) }
    let id = "leak"
    let bundle = try host.bundle(
      id, ["sh", "-c", "for fd in /proc/self/fd/*; do readlink $fd; done; ls /proc/1/fd | tr '\\n' ' '"])
    let result = try host.runtime(["run", "-b", bundle.string, id], descriptors: [(leaked, 7), (leaked, 8)])
    #expect(!result.lines.contains("/"))
    #expect(result.lines.last == "0 1 2 3 " || result.lines.last == "0 1 2 ", "\(result.output)")
  }

  @Test func preservedDescriptorsAreTheOnesAskedFor() throws {
    let file = open("/etc/hostname", O_RDONLY)
    defer { close(file) }
    let bundle = try host.bundle("keep", ["sh", "-c", "readlink /proc/$$/fd/3; readlink /proc/$$/fd/4 || echo none"])
    let result = try host.runtime(
      ["run", "-b", bundle.string, "--preserve-fds", "1", "keep"], descriptors: [(file, 3), (file, 4)])
    #expect(result.lines == ["/etc/hostname", "none"])
  }

  /// The same: the host's root as working directory.
  @Test func theWorkingDirectoryIsInside() throws {
    let leaked = open("/", O_RDONLY | O_DIRECTORY)
    defer { close(leaked) }
    for number in 3...12 {
      let id = "cwd\(number)"
      let bundle = try host.bundle(id, ["ls"]) { $0.process?.cwd = "/proc/self/fd/\(number)" }
      let result = try host.runtime(
        ["run", "-b", bundle.string, id], descriptors: [(leaked, 7), (leaked, 8), (leaked, 9)])
      // A descriptor of the container's own root is inside.
      #expect(result.status == 1 || !result.lines.contains("usr"), "\(number): \(result.output)")
    }
  }

  /// CVE-2019-5736: the runtime's program is neither executed by a container nor writable through one.
  @Test func theRuntimesProgramIsOutOfReach() throws {
    let result = try host.run(["/proc/self/exe", "--version"])
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("the container runtime's own program"))
    try host.started("one", ["sleep", "1000"])
    #expect(try host.runtime("exec", "one", "/proc/self/exe", "--version").status == 126)
  }

  @Test func theRuntimeRunsFromAFileThatNobodyWrites() throws {
    // A hook of the runtime's side sees the process that a container could see. It waits until nobody executes the
    // file: as long as somebody does, the kernel itself lets nobody write.
    let copy = host.directory.appending("clipper-runtime")
    try host.copy(host.program, copy)
    let trace = host.directory.appending("trace")
    let script = """
      exec 5< /proc/$PPID/exe
      (while kill -0 $PPID 2> /dev/null; do sleep 0.05; done
      if (: >> /proc/self/fd/5) 2> /dev/null; then echo writable; else echo refused; fi > \(trace)) > /dev/null 2>&1 &
      """
    let bundle = try host.bundle("one", ["true"]) {
      $0.hooks = ContainerHooks(createRuntime: [
        ContainerHook(path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/bin:/usr/bin"])
      ])
    }
    let run = try Spawn(copy, ["--root", host.state.string, "run", "-b", bundle.string, "one"]).capture(
      milliseconds: 30_000)
    #expect(run.status == .exited(0), "\(String(decoding: run.errorOutput, as: UTF8.self))")
    #expect(try eventually { try access(trace.string, F_OK) == 0 && !host.read(trace).isEmpty })
    #expect(try host.read(trace) == "refused\n")
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
