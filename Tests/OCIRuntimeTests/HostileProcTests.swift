import Glibc
import RuntimeSpec
import SystemPackage
import Testing

@testable import Kernel
@testable import OCIRuntime

/// Images and bundles that put something else where the runtime, or the kernel's checks, look for /proc.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct HostileProcTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// CVE-2019-16884: the files of /proc by which a process is confined are the kernel's.
  @Test(arguments: [
    "/proc", "/proc/", "/proc/self", "/proc/sys", "/proc/1", "/dev/../proc/self", "/whole", "/chain", "/part",
  ])
  func procIsNotCovered(_ destination: String) throws {
    let root = try host.image { root in
      try host.link("/proc", root.appending("whole"))
      try host.link("whole", root.appending("chain"))
      try host.link("proc/self/attr", root.appending("part"))
    }
    let result = try host.run(["true"]) {
      $0.root?.path = root.string
      $0.mounts?.append(ContainerMount(destination: destination, type: "tmpfs", source: "tmpfs"))
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("file system proc") || result.errorOutput.contains("inside /proc"))
  }

  /// CVE-2019-16884: the same for a root that the runtime mounts at its own path, as it must for an overlay of names
  /// that fsconfig(2) does not take.
  @Test func procIsNotCoveredInARootInItsPlace() throws {
    let store = host.directory.appending("store")
    let long = FilePath(String(repeating: "a", count: 200)).appending(String(repeating: "b", count: 100))
    for path in [FilePath("work"), long] { try makeDirectories(store.appending(path.components)) }
    try host.makeRoot(store.appending("lower"))
    func run(_ mounts: [ContainerMount]) throws -> RuntimeHost.Result {
      try host.run(["cat", "/etc/passwd"]) {
        $0.annotations = [
          "dev.clipper.overlay.directory": store.string, "dev.clipper.overlay.lower": "lower",
          "dev.clipper.overlay.upper": long.string, "dev.clipper.overlay.work": "work",
        ]
        $0.mounts? += mounts
      }
    }
    #expect(try run([]).output.hasPrefix("root:"))
    let result = try run([ContainerMount(destination: "/proc/self/attr", type: "tmpfs", source: "tmpfs")])
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("inside /proc"), "\(result.errorOutput)")
  }

  /// CVE-2019-16884: a bound part of another proc file system is no proc file system.
  @Test func procIsNotAPartOfProc() throws {
    let result = try host.run(["true"]) {
      $0.mounts?.removeAll { $0.destination == "/proc" }
      $0.mounts?.append(ContainerMount(destination: "/proc", source: "/proc/self", options: ["rbind"]))
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("file system proc"), "\(result.errorOutput)")
  }

  @Test func whatProgramsReadOfTheMachineCanBeFaked() throws {
    let file = host.directory.appending("uptime")
    try host.write(file, "faked\n")
    let faked = try host.run(["cat", "/proc/uptime"]) {
      $0.mounts?.append(ContainerMount(destination: "/proc/uptime", source: file.string, options: ["bind"]))
    }
    #expect(faked.output == "faked\n")
  }

  /// CVE-2019-19921: a link in an image puts the real /proc or /sys elsewhere.
  @Test(arguments: ["proc", "sys"], ["/tmp/elsewhere", "tmp/elsewhere", "/tmp/../tmp/elsewhere"])
  func kernelFileSystemsAreNotMountedThroughLinks(_ name: String, _ target: String) throws {
    let root = try host.image { root in
      try makeDirectories(root.appending("tmp/elsewhere"))
      try host.link(target, root.appending(name))
    }
    let result = try host.run(["true"]) { $0.root?.path = root.string }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("/\(name)"))
  }

  /// CVE-2023-27561: the same with a volume behind the link, whose owner could exchange what is in it. (It came back
  /// after CVE-2019-19921 had been mended.)
  @Test func procIsNotMountedInAVolume() throws {
    let volume = host.directory.appending("volume")
    for path in ["proc/self/attr", "proc/sys/kernel"] { try makeDirectories(volume.appending(path)) }
    let root = try host.image { root in try host.link("/volume/proc", root.appending("proc")) }
    let result = try host.run(["true"]) {
      $0.root?.path = root.string
      $0.mounts?.insert(
        ContainerMount(destination: "/volume", source: volume.string, options: ["rbind", "rw"]), at: 0)
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("/proc"))
    #expect(try directoryEntries(of: volume.appending("proc/self/attr")).isEmpty)
  }

  /// CVE-2023-28642: no part of the way to /proc is a link, the last one or one above it.
  @Test func procIsNotMountedBelowALink() throws {
    let root = try host.image { root in
      try makeDirectories(root.appending("tmp/attacker/proc"))
      try host.link("/tmp/attacker", root.appending("nested"))
    }
    let result = try host.run(["true"]) {
      $0.root?.path = root.string
      $0.mounts?.append(ContainerMount(destination: "/nested/proc", type: "proc", source: "proc"))
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("/nested/proc"))
  }

  /// CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc of an image that somebody exchanges for a link all the time
  /// is mounted on the directory, or not at all: never where the link leads.
  @Test func procIsNotMountedThroughALinkThatComesAndGoes() throws {
    let volume = host.directory.appending("volume")
    try makeDirectories(volume.appending("elsewhere"))
    let root = try host.image { root in
      for name in ["volume", "check"] { try makeDirectories(root.appending(name)) }
      try host.link("/volume/elsewhere", root.appending("other"))
    }
    let exchange = try Exchange(root.appending("proc"), root.appending("other"))
    defer { withExtendedLifetime(exchange) {} }
    for round in 0..<60 {
      let result = try host.run(["grep", "-c", "/volume/elsewhere", "/check/self/mountinfo"]) {
        $0.root?.path = root.string
        $0.mounts?.insert(ContainerMount(destination: "/volume", source: volume.string, options: ["rbind"]), at: 0)
        // Another one, since nobody knows what /proc is when it is read.
        $0.mounts?.append(ContainerMount(destination: "/check", type: "proc", source: "proc"))
        $0.linux?.maskedPaths = []
        $0.linux?.readonlyPaths = []
      }
      #expect(
        result.output == "0\n" || result.output.isEmpty && result.errorOutput.contains("/proc"),
        "round \(round): \(result)")
      #expect(try directoryEntries(of: volume.appending("elsewhere")).isEmpty)
    }
  }

  // MARK: CVE-2025-52881: writes to /proc are not turned to other files.

  /// Runs `body` on a thread in a mount namespace of its own.
  private func inMountNamespace(_ body: () throws -> Void) throws {
    var failure: (any Error)?
    let prepared = try NetworkNamespace.onThread { () throws(Errno) -> Bool in
      try Namespaces.unshare(.mount)
      try Mounts.propagate("/", .private, recursive: true)
      do { try body() } catch { failure = error }
      return true
    }
    #expect(prepared)
    if let failure { throw failure }
  }

  private func bind(_ source: String, on target: String) throws {
    let tree = try Mounts.copy(workingDirectory, source, recursive: false)
    let place = try openat2(workingDirectory, target, flags: pathOnly)
    try Mounts.attach(tree.number, to: place.number)
  }

  /// CVE-2025-52881
  @Test func aFakedProcIsNotWrittenTo() throws {
    let fake = host.directory.appending("fake")
    try makeDirectories(fake.appending("1"))
    try host.write(fake.appending("1/oom_score_adj"), "0\n")
    try host.link("1", fake.appending("self"))
    try inMountNamespace {
      try bind(fake.string, on: "/proc")
      #expect(throws: RuntimeError.self) { try ProcFS.mounted() }
      #expect(throws: RuntimeError.self) { try OutOfMemoryScore.set(500, of: nil) { _ in } }
    }
    #expect(try host.read(fake.appending("1/oom_score_adj")) == "0\n")
  }

  /// CVE-2025-52881: files of the kernel's that are something else: an order to it in the place of a label.
  @Test func aCoveredFileOfProcIsNotWrittenTo() throws {
    let fake = host.directory.appending("faked")
    try host.write(fake, "0\n")
    try inMountNamespace {
      let pid = readLink(workingDirectory, "/proc/self") ?? ""
      for name in ["oom_score_adj", "uid_map", "timens_offsets"] { try bind(fake.string, on: "/proc/\(pid)/\(name)") }
      try bind("/proc/version", on: "/proc/\(pid)/setgroups")
      let proc = try ProcFS.mounted()
      for name in ["oom_score_adj", "uid_map", "timens_offsets", "setgroups"] {
        #expect(throws: Errno(rawValue: EXDEV)) { _ = try proc.openSelf(name, flags: O_RDONLY) }
      }
      #expect(throws: RuntimeError.self) { try OutOfMemoryScore.set(500, of: nil) { _ in } }
      // In one of our own nothing is covered.
      let own = try ProcFS.own(onlyProcesses: true)
      let score = try own.openSelf("oom_score_adj", flags: O_RDONLY)
      #expect(try !readAll(score.number, limit: 64).isEmpty)
      #expect(throws: Errno.noSuchFileOrDirectory) { _ = try own.open("sysrq-trigger", flags: O_WRONLY) }
    }
    #expect(try host.read(fake) == "0\n")
  }

  /// CVE-2025-52881: a part of a proc file system on /proc is not taken for it.
  @Test func aPartOfProcIsNotTakenForProc() throws {
    try inMountNamespace {
      try bind("/proc/sys", on: "/proc")
      #expect(throws: RuntimeError.self) { try ProcFS.mounted() }
    }
  }

  /// CVE-2025-52881: a link on the way is not followed, though it stays in the same file system.
  @Test func linksInProcAreNotFollowed() throws {
    let proc = try ProcFS.own(onlyProcesses: false)
    #expect(throws: Errno.tooManySymbolicLinkLevels) { _ = try proc.open("self/oom_score_adj", flags: O_RDONLY) }
    #expect(throws: (any Error).self) { _ = try proc.openSelf("root/etc/hostname", flags: O_RDONLY) }
    #expect(throws: (any Error).self) { _ = try proc.openSelf("../../etc/hostname", flags: O_RDONLY) }
  }

  /// CVE-2025-52881: whether groups are to be given up is not asked of the container's /proc, which says no here.
  @Test func aFakedProcDoesNotKeepTheCallersGroups() throws {
    let script = """
      mount -t tmpfs none /proc && mkdir /proc/self && echo deny > /proc/self/setgroups && touch /tmp/faked && sleep 1000
      """
    let root = try host.image { _ in }
    try host.started("one", ["sh", "-c", script]) {
      $0.root?.path = root.string
      $0.process?.capabilities = LinuxCapabilities(allowing: ["CAP_SYS_ADMIN"])
    }
    #expect(eventually { access(root.appending("tmp/faked").string, F_OK) == 0 })
    let run = try Spawn(
      "/usr/bin/setpriv",
      ["--groups", "0,4242", host.program.string, "--root", host.state.string, "exec", "one", "id", "-G"]
    ).capture(milliseconds: 30_000)
    #expect(String(decoding: run.output, as: UTF8.self) == "0\n", "\(String(decoding: run.errorOutput, as: UTF8.self))")
  }
}
