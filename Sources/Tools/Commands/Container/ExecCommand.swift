internal import ArgumentParser
internal import Engine
internal import Glibc
internal import Kernel
internal import SystemPackage

struct ExecCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "exec", abstract: flags.abstract, helpNames: [])

  @Argument(parsing: .captureForPassthrough, help: "[OPTIONS] CONTAINER COMMAND [ARG...]") var arguments: [String] = []

  func run() throws { try Self.run(arguments) }

  private static let flags = FlagSet(
    command: "clipper exec", usage: "clipper exec [OPTIONS] CONTAINER COMMAND [ARG...]",
    abstract: "Execute a command in a running container.",
    flags: [
      .toggle("detach", "d", "Run the command in the background"),
      .value("detach-keys", nil, "keys", "Key sequence for detaching from the command"),
      .value("env", "e", "NAME=value", "Set environment variables"),
      .value("env-file", nil, "file", "Read environment variables from a file"),
      .toggle("interactive", "i", "Keep stdin open"),
      .toggle("privileged", nil, "Give extended privileges to the command"),
      .toggle("tty", "t", "Allocate a terminal"),
      .value("user", "u", "user[:group]", "User and group, names or numbers"),
      .value("workdir", "w", "dir", "Working directory inside the container"),
    ] + GlobalFlags.all)

  static func run(_ arguments: [String]) throws {
    do {
      let parsed = try flags.parse(arguments)
      guard parsed.rest.count >= 2 else { throw flags.failure("'clipper exec' requires at least 2 arguments") }
      try run(parsed)
    } catch let help as HelpRequest {
      printOutput(help.text)
    } catch let failure as ExecFailure {
      // The runtime has said why.
      throw ExitCode(failure.status)
    }
  }

  private static func run(_ parsed: FlagSet.Parsed) throws {
    var options = ExecOptions(command: Array(parsed.rest.dropFirst()))
    options.environment = try ContainerFlags.environment(parsed)
    options.workingDirectory = parsed.last("workdir")
    options.user = parsed.last("user")
    options.privileged = parsed.isOn("privileged")
    options.terminal = parsed.isOn("tty")
    let container = parsed.rest[0]
    let takesStdin = parsed.isOn("interactive")
    let isDetached = parsed.isOn("detach")
    if options.terminal, takesStdin, !isDetached, !Terminal.inputIsTerminal {
      throw Failure("the input device is not a TTY", status: 1)
    }
    let keys = try DetachKeys(parsed.last("detach-keys"))
    let engine = try ContainerCreation.engine(parsed)
    if isDetached { return try engine.execDetached(container, options) }
    guard options.terminal else {
      let null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR)
      let status = try engine.exec(
        container, options, stdin: takesStdin ? STDIN_FILENO : null.number, stdout: STDOUT_FILENO, stderr: STDERR_FILENO
      )
      if status != 0 { throw ExitCode(status) }
      return
    }
    let signals = try AttachedSignals()
    let session = try engine.execTerminal(container, options)
    let pid = session.pid
    var relay = TerminalRelay(terminal: session.terminal.number, takesStdin: takesStdin, keys: keys)
    switch try relay.run(signals) {
    case .ended:
      let status = try waitForProcess(pid).code
      if status != 0 { throw ExitCode(status) }
    case .detached: try DrainCommand.hand(session.terminal.number, engine)
    case .interrupted(let signal): throw ExitCode(128 + signal)
    }
  }
}

/// A program's terminal, shown on this command's.
struct TerminalRelay {
  enum End {
    case ended
    case detached
    case interrupted(CInt)
  }

  let terminal: CInt
  let takesStdin: Bool
  var keys: DetachKeys

  private var pending: [UInt8] = []
  private var inputIsOpen = true
  private var wishesToDetach = false

  init(terminal: CInt, takesStdin: Bool, keys: DetachKeys) {
    self.terminal = terminal
    self.takesStdin = takesStdin
    self.keys = keys
  }

  mutating func run(_ signals: borrowing AttachedSignals) throws -> End {
    let raw = takesStdin ? RawTerminal() : nil
    defer { withExtendedLifetime(raw) {} }
    inputIsOpen = takesStdin
    resize()
    _ = fcntl(terminal, F_SETFL, fcntl(terminal, F_GETFL) | O_NONBLOCK)
    while true {
      var waiting = [
        pollfd(fd: terminal, events: Int16(POLLIN | (pending.isEmpty ? 0 : POLLOUT)), revents: 0),
        pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: inputIsOpen && pending.isEmpty ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
      ]
      if poll(&waiting, nfds_t(waiting.count), -1) < 0, errno != EINTR { throw Failure("poll: \(Errno.current)") }
      while let signal = signals.next() {
        if signal == SIGWINCH { resize() } else if signal != SIGCONT { return .interrupted(signal) }
      }
      if waiting[0].revents & Int16(POLLOUT) != 0 { writeInput() }
      if waiting[2].revents != 0 { readInput() }
      if wishesToDetach, pending.isEmpty { return .detached }
      if waiting[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0, try !readOutput() { return .ended }
    }
  }

  private func resize() {
    guard let size = RawTerminal.size else { return }
    try? Terminals.setSize(terminal, rows: size.rows, columns: size.columns)
  }

  private mutating func readInput() {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(STDIN_FILENO, &buffer, buffer.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return }
    guard count > 0 else {
      inputIsOpen = false
      return
    }
    (pending, wishesToDetach) = keys.pass(buffer[..<count])
    if wishesToDetach { inputIsOpen = false }
  }

  private mutating func writeInput() {
    let count = write(terminal, pending, pending.count)
    if count > 0 { pending.removeFirst(count) } else if count < 0, errno != EAGAIN, errno != EINTR { pending = [] }
  }

  /// False at the end: the last program has closed the terminal.
  private func readOutput() throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 32 << 10)
    let count = read(terminal, &buffer, buffer.count)
    if count < 0 { return errno == EAGAIN || errno == EINTR }
    guard count > 0 else { return false }
    try AttachedSession.write(Array(buffer[..<count]), to: STDOUT_FILENO)
    return true
  }
}
