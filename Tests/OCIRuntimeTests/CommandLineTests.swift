import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// The command line that callers of runc and crun write.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct CommandLineTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  @Test(arguments: Help.commands.map(\.name)) func everyCommandListsItsFlags(_ command: String) throws {
    for arguments in [[command, "--help"], [command, "-h"], ["help", command]] {
      let result = try host.runtime(arguments)
      #expect(result.status == 0, "\(result.errorOutput)")
      #expect(result.output.hasPrefix("usage: clipper-runtime \(command)"))
      #expect(result.errorOutput.isEmpty)
    }
  }

  @Test func helpNamesEveryCommand() throws {
    for arguments in [["--help"], ["-h"], ["help"], []] {
      let result = try host.runtime(arguments)
      #expect(result.status == 0)
      for command in Help.commands { #expect(result.output.contains("\n  \(command.name) "), "\(command.name)") }
      #expect(result.output.contains("--log-format text|json"))
    }
    #expect(try host.runtime("create", "--help").output.contains("--pid-file FILE"))
  }

  @Test func versionsAreNamed() throws {
    for flag in ["--version", "-v"] {
      let lines = try host.runtime(flag).lines
      #expect(lines.first?.hasPrefix("clipper-runtime version ") == true)
      #expect(lines.contains("spec: \(RuntimeConfig.version)"))
      #expect(lines.contains { $0.hasPrefix("libseccomp: 2.") })
    }
  }

  @Test func logsAreAppendedTo() throws {
    let log = host.directory.appending("log")
    _ = try host.runtime("--log", log.string, "state", "x")
    _ = try host.runtime("--log", log.string, "--log-format=text", "state", "y")
    let lines = try host.read(log).split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].hasPrefix("time=\"2"))
    #expect(lines[0].hasSuffix(#"level=error msg="container \"x\" does not exist""#))
    #expect(lines[1].contains(#"\"y\""#))
  }

  @Test func withoutALogMessagesGoToStandardError() throws {
    #expect(try host.runtime("state", "x").errorOutput == "clipper-runtime: container \"x\" does not exist\n")
    let json = try host.runtime("--log-format", "json", "state", "x").errorOutput
    #expect(json.hasPrefix(#"{"level":"error","msg":"container \"x\" does not exist","time":""#))
    let text = try host.runtime("--log", "/dev/stderr", "state", "x").errorOutput
    #expect(text.contains("level=error msg="))
    #expect(text.split(separator: "\n").count == 1)
  }

  @Test func debugSaysEachStep() throws {
    let log = host.directory.appending("log")
    let bundle = try host.bundle("one", ["true"]).string
    let result = try host.runtime("--debug", "--log", log.string, "run", "--bundle", bundle, "one")
    try host.succeed(result)
    #expect(result.errorOutput.isEmpty)
    let text = try host.read(log)
    #expect(text.split(separator: "\n").allSatisfy { $0.contains("level=debug") })
    #expect(text.contains("container one is made, its process is"))
  }

  @Test func theLogIsNotHandedToTheContainer() throws {
    let log = host.directory.appending("log").string
    let bundle = try host.bundle("one", ["ls", "/proc/self/fd"]).string
    let result = try host.runtime("--log", log, "run", "--bundle", bundle, "one")
    // The last is that of the directory which is listed.
    #expect(result.lines == ["0", "1", "2", "3"])
    #expect(
      try host.runtime("--log", log, "run", "--preserve-fds", "1", "--bundle", bundle, "one").errorOutput
        .contains("descriptor 3 is not open"))
  }

  @Test func preservedDescriptorsComeAfterThoseOfListenFDs() throws {
    let (reader, writer) = try makePipe()
    defer {
      close(reader)
      close(writer)
    }
    let script = "echo through >&4; echo $LISTEN_FDS $LISTEN_PID"
    let bundle = try host.bundle("one", ["sh", "-c", script]).string
    // The shell becomes the runtime: its process is the one that the sockets are meant for.
    var spawn = Spawn(
      "/bin/sh",
      [
        "-c", "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"", "sh", host.program.string, "--root", host.state.string,
        "run", "--preserve-fds", "1", "--bundle", bundle, "one",
      ])
    spawn.descriptors = [(reader, 3), (writer, 4)]
    let run = try spawn.capture(milliseconds: 30_000)
    #expect(String(decoding: run.output, as: UTF8.self) == "1 1\n")
    var buffer = [UInt8](repeating: 0, count: 16)
    #expect(read(reader, &buffer, 16) == 8)
  }

  @Test func flagsStandBeforeAndAfterTheID() throws {
    let bundle = try host.bundle("one", ["sleep", "1000"]).string
    try host.succeed(host.runtime("create", "one", "--bundle", bundle, "--pid-file=\(host.directory)/pid"))
    #expect(try Int32(host.read(host.directory.appending("pid"))) != nil)
    try host.succeed(host.runtime("delete", "one", "--force=true"))
  }

  @Test func stateAndListHaveRuncsProperties() throws {
    let bundle = try host.bundle("one", ["sleep", "1000"]) { $0.annotations = ["a": "b"] }.string
    try host.succeed(host.runtime("create", "--bundle", bundle, "one"))
    struct Report: Decodable, Equatable {
      let ociVersion: String, id: String, pid: Int32, status: String, bundle: String, rootfs: String, created: String
      let annotations: [String: String], owner: String
    }
    let state = try JSONText.decode(Report.self, Array(host.runtime("state", "one").output.utf8), name: "state")
    #expect(state.id == "one" && state.status == "created" && state.pid > 0 && state.owner == "root")
    #expect(state.bundle == bundle && state.rootfs == host.root.string && state.annotations == ["a": "b"])
    let list = try JSONText.decode([Report].self, Array(host.runtime("list", "-f", "json").output.utf8), name: "list")
    #expect(list == [state])
    let table = try host.runtime("list").lines
    #expect(table[0].hasPrefix("ID          PID         STATUS      BUNDLE"))
    #expect(table[0].hasSuffix("OWNER") && table[1].hasPrefix("one         \(state.pid)"))
    #expect(table[1].hasSuffix("root"))
  }

  @Test func aProcessIsHandedToItsSocket() throws {
    let directory = try openat2(workingDirectory, host.directory.string, flags: O_RDONLY | O_DIRECTORY)
    let socket = try ConsoleSocket(in: directory.number, "pidfd.sock")
    let bundle = try host.bundle("one", ["sleep", "1000"]).string
    let path = host.directory.appending("pidfd.sock").string
    try host.succeed(host.runtime("run", "--detach", "--pidfd-socket", path, "--bundle", bundle, "one"))
    let process = try socket.receive(milliseconds: 10_000)
    try sendSignal(process.number, SIGKILL)
    #expect(try eventually { try host.status("one") == .stopped })
  }

  @Test func anotherConfigurationCanBeNamed() throws {
    let bundle = try host.bundle("one", ["echo", "other"])
    try Errno.check(rename(bundle.appending("config.json").string, bundle.appending("other.json").string))
    let result = try host.runtime("run", "--config", "other.json", "--bundle", bundle.string, "one")
    #expect(result.output == "other\n")
  }

  @Test func aConsoleSocketNeedsATerminal() throws {
    try host.started("one", ["sleep", "1000"])
    let result = try host.runtime("exec", "--console-socket", "/nonesuch", "one", "true")
    #expect(result.status == 255)
    #expect(result.errorOutput.contains("no terminal"))
  }

  @Test func criuIsTheOneThatIsNamed() throws {
    try host.started("one", ["sleep", "1000"])
    let images = host.directory.appending("images").string
    let result = try host.runtime("--criu", "/nonesuch/criu", "checkpoint", "--image-path", images, "one")
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("/nonesuch/criu"), "\(result.errorOutput)")
    #expect(try host.status("one") == .running)
    #expect(try host.runtime("--criu", "/nonesuch/criu", "list").errorOutput.isEmpty)
  }

  // MARK: Against runc

  /// In order, on one container; BUNDLE stands for its bundle. The statuses are the same for ours and runc, or both are
  /// errors of the runtime.
  private static let invocations: [String] = [
    "frobnicate", "--frob list", "--log-format xml list", "--log /nonesuch/log list", "--help", "create --help",
    "--version", "create", "create a b", "create --frob a", "create a/b", "create ..", "create -b /nonesuch x",
    "state x", "state", "state x y", "start x", "start x y", "kill x", "kill", "kill x TERM more", "delete x",
    "delete --force x", "delete", "list -f xml", "list extra", "run -b BUNDLE --frob x",
    "create -b BUNDLE --pid-file /nonesuch/pid x", "state x", "create -b BUNDLE --console-socket /nonesuch x",
    "create -b BUNDLE --preserve-fds frob x", "create x -b BUNDLE", "create -b BUNDLE x", "start --frob x",
    "exec x true", "start x", "start x", "list", "list -q", "list -f json", "list --format=json", "list --quiet=false",
    "list --quiet=maybe", "state x", "exec x true", "exec x sh -c exit\\ 7", "exec x",
    "exec", "exec --frob x true", "exec --user bob x true", "exec --user 5:6 x true", "exec --cwd /nonesuch x true",
    "exec --cwd relative x true", "exec --env FOO x true", "exec --env =x x true", "exec --cap CAP_FROB x true",
    "exec --pid-file /nonesuch/pid x true", "exec --process /nonesuch x", "exec --additional-gids bob x true",
    "exec --additional-gids 7 x true", "exec -d x true", "exec -t -d x true", "exec nonesuch true",
    "exec --console-socket /nonesuch x true", "kill x FROB", "kill x 0", "kill x 65", "kill x SIGUSR1", "kill x 28",
    "kill x winch", "kill --all x CONT", "kill -a x CONT", "delete x", "create -b BUNDLE x", "delete -f x", "state x",
    "run -d -b BUNDLE x", "delete --force=true x", "run --no-subreaper -d -b BUNDLE x", "delete -f -- x",
    "spec -b BUNDLE", "features",
  ]

  @Test func statusesAreRuncs() throws {
    let script = FilePath(String(cString: try #require(realpath(#filePath, nil)))).removingLastComponent()
      .removingLastComponent().removingLastComponent().appending("tools/peers")
    let peers = getenv("PEERS_ROOT").map { String(cString: $0) } ?? "/var/cache/clipper-peers"
    guard access("\(peers)/.ready", F_OK) == 0, access(script.string, X_OK) == 0 else {
      print("SKIPPED: exit statuses beside runc's: there is no root with the peers (tools/peers setup)")
      return
    }
    let bundle = try host.bundle("x", ["sleep", "1000"]) { $0.root?.path = "../rootfs" }
    let lines = Self.invocations.map { line in
      "runc --root /run/runc-state \(line.replacing("BUNDLE", with: "/mnt/x")) </dev/null >/dev/null 2>&1; echo $?"
    }
    try host.write(host.directory.appending("script"), lines.joined(separator: "\n"))
    let run = try Spawn(script, ["in", "-s", "\(host.directory):/mnt", "sh", "/mnt/script"]).capture(milliseconds: 120_000)
    let theirs = String(decoding: run.output, as: UTF8.self).split(separator: "\n").compactMap { Int32($0) }
    try #require(theirs.count == Self.invocations.count, "\(String(decoding: run.errorOutput, as: UTF8.self))")
    for (line, theirs) in zip(Self.invocations, theirs) {
      // Arguments hold no blanks but those behind a backslash.
      let words = line.replacing("\\ ", with: "\u{1}").replacing("BUNDLE", with: bundle.string).split(separator: " ")
        .map { String($0.replacing("\u{1}", with: " ")) }
      let ours = try host.runtime(words).status
      #expect(ours == theirs || Self.isError(ours) && Self.isError(theirs), "\(line): \(ours), runc \(theirs)")
    }
  }

  private static func isError(_ status: Int32) -> Bool { [1, 3, 126, 127, 255].contains(status) }
}
