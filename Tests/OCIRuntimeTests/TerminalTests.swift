import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// `run` and `exec` at a terminal of the caller's.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct TerminalTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// A session with a terminal in which the runtime runs.
  private final class Session {
    let master: CInt
    let slave: CInt
    let process: Int32
    private(set) var output = ""

    /// What it took, once it has ended.
    private(set) var processorSeconds = 0

    /// - Parameter output: standard output in place of the terminal.
    init(_ command: [String], output: CInt? = nil) throws {
      master = try openat2(workingDirectory, "/dev/ptmx", flags: O_RDWR | O_NOCTTY).release()
      slave = try Terminals.openPeer(of: master).release()
      let name = readLink(workingDirectory, "/proc/self/fd/\(slave)") ?? ""
      try Terminals.setSize(slave, rows: 33, columns: 77)
      // The first terminal that a session's leader opens is the session's.
      let streams = "exec <>\(name) >&0 2>&0\(output == nil ? "" : " >&9 9>&-")"
      var spawn = Spawn("/bin/sh", ["-c", "\(streams); exec \"$@\"", "sh"] + command)
      if let output { spawn.descriptors = [(output, 9)] }
      spawn.newSession = true
      process = try spawn.start()
      _ = fcntl(master, F_SETFL, O_NONBLOCK)
    }

    deinit {
      kill(process, SIGKILL)
      waitpid(process, nil, 0)
      close(slave)
      close(master)
    }

    /// Whether keys go to the program unchanged.
    var isRaw: Bool {
      var settings = termios()
      tcgetattr(slave, &settings)
      return settings.c_lflag & tcflag_t(ICANON | ECHO | ISIG) == 0
    }

    func type(_ text: String) { _ = write(master, text, text.utf8.count) }

    func shows(_ text: String) -> Bool {
      eventually {
        read()
        return output.contains(text)
      }
    }

    private func read() {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = Glibc.read(master, &buffer, buffer.count)
      if count > 0 { output += String(decoding: buffer[..<count], as: UTF8.self) }
    }

    func ended() -> CInt? {
      var status: CInt = 0
      var usage = rusage()
      let isOver = eventually {
        read()
        return wait4(process, &status, WNOHANG, &usage) == process
      }
      processorSeconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
      return isOver ? ExitStatus(waitStatus: status).code : nil
    }
  }

  private func run(_ script: String, output: CInt? = nil) throws -> Session {
    let bundle = try host.bundle("one", ["sh", "-c", script]) { $0.process?.terminal = true }.string
    return try Session(
      [host.program.string, "--root", host.state.string, "run", "--bundle", bundle, "one"], output: output)
  }

  @Test func keysAndOutputPassAndTheTerminalIsRestored() throws {
    let session = try run("stty size; read line; echo got $line; exit 9")
    #expect(session.shows("33 77"))
    #expect(eventually { session.isRaw })
    session.type("hello\r")
    #expect(session.shows("got hello"))
    #expect(session.ended() == 9)
    #expect(!session.isRaw)
  }

  @Test func aNewSizeIsHandedOn() throws {
    let session = try run("trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done")
    #expect(session.shows("ready"))
    #expect(eventually { session.isRaw })
    try Terminals.setSize(session.master, rows: 11, columns: 22)
    #expect(session.shows("11 22"))
    try host.succeed(host.runtime("kill", "one", "KILL"))
    #expect(session.ended() == 137)
  }

  @Test func keysThatAreSignalsReachTheProgram() throws {
    let session = try run("trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.1; done")
    #expect(session.shows("ready"))
    #expect(eventually { session.isRaw })
    session.type("\u{3}")
    #expect(session.shows("interrupted"))
    #expect(session.ended() == 3)
    #expect(!session.isRaw)
  }

  @Test func signalsAreHandedOnAndTheTerminalIsRestored() throws {
    let session = try run("trap 'exit 4' TERM; echo ready; while :; do sleep 0.1; done")
    #expect(session.shows("ready"))
    #expect(eventually { session.isRaw })
    kill(session.process, SIGTERM)
    #expect(session.ended() == 4)
    #expect(!session.isRaw)
  }

  @Test func theTerminalIsRestoredWhenTheProgramIsKilled() throws {
    let session = try run("echo ready; sleep 1000")
    #expect(session.shows("ready"))
    #expect(eventually { session.isRaw })
    try host.succeed(host.runtime("kill", "one", "KILL"))
    #expect(session.ended() == 137)
    #expect(!session.isRaw)
  }

  @Test func theTerminalIsRestoredWhenNobodyReadsTheOutput() throws {
    let (reader, writer) = try makePipe()
    close(reader)
    defer { close(writer) }
    let session = try run("echo ready; read line; echo more; exit 5", output: writer)
    #expect(eventually { session.isRaw })
    session.type("on\r")
    #expect(session.ended() == 5)
    #expect(!session.isRaw)
  }

  @Test func aStartThatFailsLeavesTheTerminalAsItIs() throws {
    let bundle = try host.bundle("one", ["nonesuch"]) { $0.process?.terminal = true }.string
    let session = try Session([host.program.string, "--root", host.state.string, "run", "--bundle", bundle, "one"])
    #expect(session.ended() == 1)
    #expect(!session.isRaw)
    #expect(session.output.contains("nonesuch"))
  }

  @Test func aSuspendedRuntimeTakesTheTerminalAgain() throws {
    let session = try run("echo ready; read line; echo got $line")
    #expect(session.shows("ready"))
    #expect(eventually { session.isRaw })
    kill(session.process, SIGSTOP)
    // As a shell does for itself.
    var settings = termios()
    tcgetattr(session.slave, &settings)
    let raw = settings
    settings.c_lflag |= tcflag_t(ICANON | ECHO | ISIG)
    tcsetattr(session.slave, TCSANOW, &settings)
    #expect(raw.c_lflag != settings.c_lflag)
    kill(session.process, SIGCONT)
    #expect(eventually { session.isRaw })
    session.type("on\r")
    #expect(session.shows("got on"))
    #expect(session.ended() == 0)
    #expect(!session.isRaw)
  }

  @Test func execHasATerminalToo() throws {
    try host.started("two", ["sleep", "1000"])
    let session = try Session(
      [host.program.string, "--root", host.state.string, "exec", "--tty", "two", "sh", "-c", "tty; read l; echo got $l"])
    #expect(session.shows("/dev/pts/0"))
    #expect(eventually { session.isRaw })
    session.type("it\r")
    #expect(session.shows("got it"))
    #expect(session.ended() == 0)
    #expect(!session.isRaw)
  }

  /// A program that closes its terminal and goes on must not make the runtime turn round and round.
  @Test func aTerminalThatIsClosedCostsNothing() throws {
    let session = try run("echo ready; exec <&- >&- 2>&-; sleep 3")
    #expect(session.shows("ready"))
    #expect(session.ended() == 0)
    #expect(session.processorSeconds == 0)
    #expect(!session.isRaw)
  }

  /// Processes that lose their parent come to the runtime where the container has no PID namespace.
  @Test func orphansAreReaped() throws {
    let script = "sh -c 'sleep 0.1 & echo $! > /tmp/orphan'; sleep 0.5; cat /tmp/orphan; sleep 1000"
    let bundle = try host.bundle("one", ["sh", "-c", script]) {
      $0.linux?.namespaces?.removeAll { $0.type == .pid }
      $0.process?.terminal = true
    }.string
    let session = try Session([host.program.string, "--root", host.state.string, "run", "--bundle", bundle, "one"])
    let file = host.root.appending("tmp/orphan")
    #expect(eventually { ((try? host.read(file)) ?? "").hasSuffix("\n") })
    let orphan = try #require(Int32(try host.read(file).dropLast()))
    // Neither running nor a zombie.
    #expect(eventually { ProcessStatus(orphan) == nil })
    try host.succeed(host.runtime("kill", "--all", "one", "KILL"))
    #expect(session.ended() == 137)
  }
}
