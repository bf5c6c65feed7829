import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// What an ordinary user's surroundings can lack, and what the user could do to the runtime.
@Suite(.enabled(if: RootlessHost.isAble, "needs root to become another user, and user namespaces"), .serialized)
struct RootlessEnvironmentTests {
  let host: RootlessHost

  init() throws { host = try RootlessHost() }

  @Test func stateNeedsAPlaceOfTheUsers() throws {
    let bundle = try host.bundle("one", ["true"])
    func run(_ arguments: [String], _ runtimeDirectory: String?) throws -> String {
      let environment = ["PATH=/usr/bin:/bin"] + (runtimeDirectory.map { ["XDG_RUNTIME_DIR=\($0)"] } ?? [])
      return try host.command(
        [host.host.program.string] + arguments + ["run", "--bundle", bundle.string, "one"], environment: environment
      ).errorOutput
    }
    let nowhere = try run([], nil)
    #expect(nowhere.contains("/run/user/\(RootlessHost.user)/clipper/runtime"))
    #expect(nowhere.contains("set XDG_RUNTIME_DIR to a directory of this user, or give --root"))
    #expect(try run([], "relative").contains("/run/user/"))
    #expect(try run([], host.runtimeDirectory.string).isEmpty)
    var status = stat()
    #expect(stat(host.runtimeDirectory.appending("clipper/runtime").string, &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o1700, "others see nothing, and nobody clears it away as old")

    let open = host.host.directory.appending("open")
    try makeDirectories(open)
    #expect(try run(["--root", open.string], nil).contains("belongs to user 0"))
    try host.own(open)
    chmod(open.string, 0o777)
    #expect(try run(["--root", open.string], nil).contains("can be written by others"))
  }

  /// Made by root of a namespace, where such settings are the namespace's own.
  @Test(arguments: ["user", "mnt"]) func namespacesThatASettingForbidsAreExplained(_ kind: String) throws {
    let bundle = try host.bundle("one", ["true"]) {
      $0.linux?.uidMappings?[0].hostID = 0
      $0.linux?.gidMappings?[0].hostID = 0
    }
    let script =
      "echo 0 > /proc/sys/user/max_\(kind)_namespaces && exec \(host.host.program) run --bundle \(bundle) one"
    let result = try host.command(["/bin/sh", "-c", script], as: .loneNamespaceRoot)
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("the sysctl user.max_\(kind)_namespaces is 0"), "\(result.errorOutput)")
  }

  /// With hidepid a user sees its own processes only, and one that waits for `start` counts for somebody else's.
  @Test func containersAreFoundWhereProcHidesThem() throws {
    let hide = "mount -t proc -o hidepid=invisible proc /proc"
    func runtime(_ arguments: String...) throws -> RuntimeHost.Result {
      try host.command([host.host.program.string] + arguments, before: hide)
    }
    func status() throws -> String? {
      let text = try runtime("state", "one").output
      return try? JSONText.decode(RuntimeState.self, Array(text.utf8), name: "state").status.rawValue
    }
    let bundle = try host.bundle("one", ["sleep", "1000"]) { if RootlessHost.mapsRanges { $0.mapRanges() } }
    try host.host.succeed(runtime("create", "--bundle", bundle.string, "one"))
    #expect(try status() == "created")
    try host.host.succeed(runtime("start", "one"))
    #expect(try status() == "running")
    #expect(try runtime("exec", "one", "echo", "there").output == "there\n")
    try host.host.succeed(runtime("kill", "one", "KILL"))
    #expect(try eventually { try status() == "stopped" })
    try host.host.succeed(runtime("delete", "one"))
    try host.host.succeed(runtime("create", "--bundle", bundle.string, "one"))
    let pid = try JSONText.decode(RuntimeState.self, Array(try runtime("state", "one").output.utf8), name: "state").pid
    try host.host.succeed(runtime("delete", "one"))
    #expect(ProcessStatus(try #require(pid))?.hasEnded ?? true, "delete has ended what it could not see")
  }

  /// Root of the container is the user, whose file would be open to it: the runtime runs from memory then.
  /// (CVE-2019-5736)
  @Test(arguments: [RootlessHost.Caller.user, .loneNamespaceRoot])
  func aProgramOfTheUsersOwnRunsFromMemory(_ caller: RootlessHost.Caller) throws {
    let program = host.host.directory.appending("runtime")
    try host.host.copy(host.host.program, program)
    let bundle = try host.bundle("one", ["true"]) {
      if caller != .user { $0.shareUserNamespace() }
      $0.hooks = ContainerHooks(createRuntime: [
        ContainerHook(
          path: "/bin/sh", args: ["sh", "-c", "readlink /proc/$PPID/exe >&2; exit 1"], env: ["PATH=/bin:/usr/bin"])
      ])
    }
    func file(_ program: FilePath) throws -> String {
      try host.command([program.string, "run", "--bundle", bundle.string, "one"], as: caller).errorOutput
    }
    try host.own(program)
    #expect(try file(program).contains("/memfd:clipper-runtime"))
    // Its owner can have the right to write back at any time.
    chmod(program.string, 0o555)
    if caller == .user { #expect(try file(program).contains("/memfd:clipper-runtime")) }
    // The machine's root's is out of reach.
    try Errno.check(chown(program.string, 0, 0))
    chmod(program.string, 0o755)
    #expect(try file(program).contains(program.string))
  }

  @Test func consoleSocketsGetTheTerminalOfAMappedUser() throws {
    let place = try openat2(workingDirectory, host.host.directory.string, flags: pathOnly | O_DIRECTORY)
    let socket = try ConsoleSocket(in: place.number, "console")
    chmod(host.host.directory.appending("console").string, 0o777)
    let bundle = try host.bundle("one", ["sh", "-c", "tty; stat -c %u $(tty)"]) {
      if RootlessHost.mapsRanges {
        $0.mapRanges()
        $0.process?.user = ContainerUser(uid: 5, gid: 5)
      }
      $0.process?.terminal = true
    }
    try host.host.succeed(
      host.runtime(
        "create", "--bundle", bundle.string, "--console-socket", host.host.directory.appending("console").string, "one")
    )
    let terminal = try socket.receive(milliseconds: 5000)
    try host.host.succeed(host.runtime("start", "one"))
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = Glibc.read(terminal.number, &buffer, buffer.count), count > 0 {
      text += String(decoding: buffer[..<count], as: UTF8.self)
    }
    #expect(text == "/dev/pts/0\r\n\(RootlessHost.mapsRanges ? 5 : 0)\r\n")
  }
}
