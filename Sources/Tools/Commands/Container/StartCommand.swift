internal import ArgumentParser
internal import Engine
internal import RuntimeSpec
internal import Sandboxes

struct StartCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "start", abstract: "Start containers that do not run.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Attach to output and errors, and hand signals on.") var attach = false
  @Flag(name: .shortAndLong, help: "Attach to the container's standard input.") var interactive = false
  @Option(help: ArgumentHelp("Key sequence for detaching.", valueName: "keys")) var detachKeys: String?
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let engine = try global.engine()
    guard attach || interactive else {
      return try forEach(containers) { name in
        try engine.start(name)
        printOutput(name + "\n")
      }
    }
    guard containers.count == 1 else { throw Failure("you cannot start and attach multiple containers at once") }
    let container = try engine.container(containers[0])
    let isTerminal = container.record.options.terminal
    let takesStdin = interactive && container.record.options.openStdin
    if isTerminal, takesStdin, !Terminal.inputIsTerminal { throw Failure("the input device is not a TTY") }
    let keys = try DetachKeys(detachKeys)
    let signals = try AttachedSignals()
    let attachment: Attachment?
    do { attachment = try engine.start(container.id, attach: true) } catch let failure as StartFailure {
      // docker's `start` has no statuses of its own for this, but for what the program itself is to blame for.
      throw Failure(failure.description, status: failure.exitStatus == 125 ? 1 : failure.exitStatus)
    }
    guard let attachment else { throw Failure("container \(container.name) gave no connection") }
    var session = AttachedSession(attachment, keys: keys)
    session.isTerminal = isTerminal
    session.takesStdin = takesStdin
    try AttachCommand.follow(&session, container, signals, engine)
  }
}

struct AttachCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attach", abstract: "Attach to a running container's standard input, output and errors.")

  @OptionGroup var global: GlobalOptions
  @Flag(help: "Do not attach to standard input.") var noStdin = false
  @Option(help: ArgumentHelp("Hand signals on to the process.", valueName: "bool")) var sigProxy = true
  @Option(help: ArgumentHelp("Key sequence for detaching.", valueName: "keys")) var detachKeys: String?
  @Argument(help: "Name or ID.") var container: String

  func run() throws {
    let engine = try global.engine()
    let container = try engine.container(container)
    let options = container.record.options
    let takesStdin = !noStdin && options.openStdin
    if options.terminal, takesStdin, !Terminal.inputIsTerminal { throw Failure("the input device is not a TTY") }
    let keys = try DetachKeys(detachKeys)
    let signals = try AttachedSignals()
    var session = AttachedSession(try engine.attach(container.id, stdin: takesStdin), keys: keys)
    session.isTerminal = options.terminal
    session.takesStdin = takesStdin
    session.proxiesSignals = sigProxy
    try Self.follow(&session, container, signals, engine)
  }

  /// Stays with a container to its end; its status is this command's.
  static func follow(
    _ session: inout AttachedSession, _ container: Container, _ signals: borrowing AttachedSignals, _ engine: Engine
  ) throws {
    switch try session.run(signals) {
    case .exited(let code): if code != 0 { throw ExitCode(code) }
    case .detached: return
    case .interrupted(let signal): throw ExitCode(128 + signal)
    case .lost:
      let code = (try? engine.container(container.id))?.state.exitCode ?? 137
      if code != 0 { throw ExitCode(code) }
    }
  }
}
