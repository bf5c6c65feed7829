import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// What others could have put where the runtime remembers its containers, and words that are orders to a terminal.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct HostileStateTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// A process that somebody else's state file says is the container's.
  private func victim() throws -> Int32 { try Spawn("/bin/sleep", ["1000"]).start() }

  private func forge(_ directory: FilePath, _ pid: Int32) throws {
    try makeDirectories(directory)
    let saved = SavedState(
      id: "one", pid: pid, pidStartTime: ProcessStatus(pid)?.startTime ?? 0, bundle: host.directory.string, rootfs: "/",
      created: "2026-01-01T00:00:00Z", uid: 0, cgroup: nil, annotations: nil)
    try host.write(
      directory.appending("state.json"), String(decoding: try JSONText.encode(saved), as: UTF8.self))
    var config = host.config(["true"])
    config.hooks = ContainerHooks(poststop: [
      ContainerHook(path: "/bin/touch", args: ["touch", host.directory.appending("hooked").string])
    ])
    try host.write(directory.appending("config.json"), String(decoding: try JSONText.encode(config), as: UTF8.self))
  }

  @Test(arguments: ["link", "owner", "mode"])
  func aStateThatOthersCouldWriteIsNotBelieved(_ attack: String) throws {
    let pid = try victim()
    defer {
      kill(pid, SIGKILL)
      _ = try? waitForProcess(pid)
    }
    try makeDirectories(host.state)
    let directory = host.state.appending("one")
    switch attack {
    case "link":
      let elsewhere = host.directory.appending("elsewhere")
      try forge(elsewhere, pid)
      try Errno.check(symlink(elsewhere.string, directory.string))
    case "owner":
      try forge(directory, pid)
      try Errno.check(chown(directory.string, 1000, 1000))
    default:
      try forge(directory, pid)
      try Errno.check(chmod(directory.string, 0o777))
    }
    for command in [["kill", "one", "KILL"], ["delete", "one"], ["state", "one"], ["exec", "one", "true"]] {
      let result = try host.runtime(command)
      #expect(result.status != 0, "\(command)")
      #expect(result.errorOutput.contains("is not believed"), "\(command): \(result.errorOutput)")
    }
    // This clears it, and does nothing of what it says.
    #expect(try host.runtime("delete", "--force", "one").status == 0)
    #expect(access(directory.string, F_OK) != 0)
    #expect(ProcessStatus(pid)?.hasEnded == false)
    #expect(access(host.directory.appending("hooked").string, F_OK) != 0)
  }

  /// Such a place is not taken for a new container's either.
  @Test func aPlaceThatIsTakenIsNotANewContainers() throws {
    let elsewhere = host.directory.appending("elsewhere")
    try makeDirectories(elsewhere)
    try makeDirectories(host.state)
    try Errno.check(symlink(elsewhere.string, host.state.appending("one").string))
    let bundle = try host.bundle("one-bundle", ["true"])
    #expect(try host.runtime("create", "-b", bundle.string, "one").status == 1)
    #expect(try directoryEntries(of: elsewhere).isEmpty)
    unlink(host.state.appending("one").string)
  }

  /// A process that has the number of one that ended is not the container's.
  @Test func anotherProcessOfTheSameNumberIsLeftAlone() throws {
    let pid = try victim()
    defer {
      kill(pid, SIGKILL)
      _ = try? waitForProcess(pid)
    }
    let directory = host.state.appending("one")
    try makeDirectories(host.state)
    try forge(directory, pid)
    let text = try host.read(directory.appending("state.json"))
    let start = ProcessStatus(pid)?.startTime ?? 0
    try host.write(directory.appending("state.json"), text.replacing("\(start)", with: "\(start - 1)"))
    #expect(try host.runtime("kill", "one", "KILL").status == 1)
    #expect(try host.runtime("exec", "one", "true").status != 0)
    #expect(try host.runtime("delete", "one").status == 0)
    #expect(ProcessStatus(pid)?.hasEnded == false)
  }

  /// Where the container's cgroup cannot be found, a process would run beside its limits and its device rules.
  @Test func aProcessWithoutTheContainersCgroupIsRefused() throws {
    try host.started("one", ["sleep", "1000"])
    try #require(try host.read(host.state.appending("one/state.json")).contains("cgroup"), "needs a cgroup v2 tree")
    let run = try Spawn(
      "/usr/bin/unshare",
      [
        "--mount", "--propagation", "private", "sh", "-c",
        "umount -l -a -t cgroup2 && exec \(host.program) --root \(host.state) exec one true",
      ]
    ).capture(milliseconds: 30_000)
    #expect(run.status.code != 0)
    #expect(String(decoding: run.errorOutput, as: UTF8.self).contains("would have no limits"))
  }

  @Test func messagesAreNoOrdersToATerminal() throws {
    let evil = "/\u{1b}]0;owned\u{7}\u{9b}31m\u{7f}program"
    let result = try host.run([evil])
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("program"))
    #expect(
      !result.errorOutput.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || (0x7f...0x9f).contains($0.value) })
    let log = host.directory.appending("log")
    for format in ["text", "json"] {
      let bundle = try host.bundle("b\(format)", [evil])
      _ = try host.runtime("--log", log.string, "--log-format", format, "run", "-b", bundle.string, "b\(format)")
    }
    let written = try readFile(log)
    #expect(!written.contains { $0 < 0x20 && $0 != UInt8(ascii: "\n") || $0 == 0x7f })
  }

  /// CVE-2022-29162: no capability is inheritable unless the bundle says so: a file's would be gained by execve.
  @Test func noCapabilityIsInheritableByItself() throws {
    let script = "grep -E 'Cap(Inh|Amb)' /proc/self/status"
    let none = ["CapInh:\t0000000000000000", "CapAmb:\t0000000000000000"]
    #expect(try host.shell(script).lines == none)
    try host.started("one", ["sleep", "1000"])
    #expect(try host.runtime("exec", "one", "sh", "-c", script).lines == none)
    #expect(
      try host.runtime("exec", "--cap", "CAP_NET_RAW", "--cap", "CAP_KILL", "one", "sh", "-c", script).lines == none)
    let all = try host.runtime(
      "exec", "--cap", "CAP_NET_RAW", "one", "sh", "-c", "grep -E 'Cap(Prm|Eff)' /proc/self/status")
    #expect(all.lines.allSatisfy { $0.hasSuffix("00000000080020e1") }, "\(all.output)")
    let user = try host.runtime("exec", "--user", "1000", "one", "sh", "-c", script + "; grep CapEff /proc/self/status")
    #expect(user.lines == none + ["CapEff:\t0000000000000000"], "\(user.output)")
    let asked = try host.shell(script) { $0.process?.capabilities?.inheritable = ["CAP_KILL"] }
    #expect(asked.lines.first == "CapInh:\t0000000000000020")
  }

  /// /etc/passwd is the image's: whatever it is, a process starts.
  @Test(arguments: ["fifo", "directory", "endless", "loop", "device", "binary"])
  func usersFilesAreReadWithCare(_ kind: String) throws {
    let root = try host.image { root in
      let file = root.appending("etc/passwd")
      unlink(file.string)
      switch kind {
      case "fifo": try Errno.check(mkfifo(file.string, 0o666))
      case "directory": try makeDirectories(file)
      case "endless":
        try host.write(file, "")
        try Errno.check(truncate(file.string, 1 << 40))
      case "loop": try host.link("passwd", file)
      case "device": try host.link("/dev/zero", file)
      default: try host.write(file, "\0\0:::\n:::::::::\nroot:x:0:0:0:/\u{1}home\0x:\n")
      }
    }
    let result = try host.shell("echo $HOME") { $0.root?.path = root.string }
    #expect(result.status == 0, "\(result.errorOutput)")
    #expect(result.lines.count == 1)
  }
}
