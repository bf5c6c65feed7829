internal import ArgumentParser
internal import Engine
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import RuntimeSpec
internal import Sandboxes
internal import SystemPackage

/// Its flags are parsed as docker parses them, see `FlagSet`.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: RunFlags.run.abstract, helpNames: [])

  @Argument(parsing: .captureForPassthrough, help: "[OPTIONS] IMAGE [COMMAND] [ARG...]") var arguments: [String] = []

  func run() throws { try Self.run(arguments) }

  static func run(_ arguments: [String]) throws {
    try withRunStatuses {
      let parsed = try RunFlags.run.parse(arguments)
      guard !parsed.rest.isEmpty else { throw RunFlags.run.failure("'clipper run' requires at least 1 argument") }
      try run(parsed)
    }
  }

  private static func run(_ parsed: FlagSet.Parsed) throws {
    var options = try ContainerFlags(parsed: parsed).options()
    let streams = try Streams(parsed, options)
    let keys = try DetachKeys(parsed.last("detach-keys"))
    if options.terminal, streams.stdin, !options.detach, !Terminal.inputIsTerminal {
      throw Failure("the input device is not a TTY", status: 1)
    }
    if options.terminal, !options.detach {
      options.terminalSize = RawTerminal.size.map { ConsoleSize(height: $0.rows, width: $0.columns) }
    }
    let file = try parsed.last("cidfile").map { try ContainerIDFile($0) }
    let engine = try ContainerCreation.engine(parsed)
    for other in parsed.all("volumes-from") { options.mounts += try MountFlags.mounts(from: other, engine) }
    try ContainerCreation.ensureImage(options, parsed, engine)
    guard !options.detach else {
      let (container, _) = try engine.run(options)
      try file?.write(container.id)
      return printOutput(container.id + "\n")
    }
    let signals = try AttachedSignals()
    let (container, attachment) = try engine.run(options, attach: true)
    try file?.write(container.id)
    guard let attachment else { throw Failure("container \(container.name) gave no connection", status: 125) }
    var session = AttachedSession(attachment, keys: keys)
    session.isTerminal = options.terminal
    session.takesStdin = streams.stdin
    session.takesStdout = streams.stdout
    session.takesStderr = streams.stderr
    session.proxiesSignals = parsed.isOn("sig-proxy", default: true)
    let end = try session.run(signals)
    switch end {
    case .exited(let code):
      try engine.finish(container)
      if code != 0 { throw ExitCode(code) }
    case .detached: return
    case .interrupted(let signal): throw ExitCode(128 + signal)
    case .lost:
      try engine.finish(container)
      throw Failure("container \(container.name) ended: its supervisor was killed", status: 137)
    }
  }

  /// What `-a` chooses; without it, output and errors, and input with `-i`.
  private struct Streams {
    var stdin = false
    var stdout = false
    var stderr = false

    init(_ parsed: FlagSet.Parsed, _ options: ContainerOptions) throws {
      let names = parsed.all("attach").map { $0.lowercased() }
      guard !names.isEmpty else {
        stdin = options.openStdin
        stdout = true
        stderr = true
        return
      }
      guard !options.detach else { throw Failure("Conflicting options: -a and -d", status: 125) }
      for name in names {
        switch name {
        case "stdin": stdin = options.openStdin
        case "stdout": stdout = true
        case "stderr": stderr = true
        default: throw ContainerFlags.failure(name, "attach", "valid streams are stdin, stdout and stderr")
        }
      }
    }
  }
}

/// docker's statuses of `run` and `create`: 127 and 126 for a program that is not there or cannot run, 125 for all else
/// that kept the container from running.
func withRunStatuses(_ body: () throws -> Void) throws {
  do {
    try body()
  } catch let code as ExitCode {
    throw code
  } catch let help as HelpRequest {
    printOutput(help.text)
  } catch let failure as Failure {
    throw failure
  } catch let failure as StartFailure {
    throw Failure(failure.description, status: failure.exitStatus)
  } catch {
    throw Failure("\(error)", status: 125)
  }
}

/// What `run` and `create` have in common.
enum ContainerCreation {
  static func engine(_ parsed: FlagSet.Parsed) throws -> Engine {
    if let level = parsed.last("log-level") { setenv("CLIPPER_LOG_LEVEL", level, 1) }
    return try OpenEngines.open(
      Locations.resolve(
        root: parsed.last("root").map { FilePath($0) }, run: parsed.last("run-root").map { FilePath($0) }))
  }

  /// Goes to the registry only where the image is missing or the newest is asked for.
  static func ensureImage(_ options: ContainerOptions, _ parsed: FlagSet.Parsed, _ engine: Engine) throws {
    let text = parsed.last("pull") ?? "missing"
    guard let policy = PullPolicy(rawValue: text) else {
      throw ContainerFlags.failure(text, "pull", "use always, missing or never")
    }
    if policy != .always {
      // `run` looks it up itself, and says what is wrong with it.
      do {
        _ = try engine.imageTarget(options.image)
        if options.platform == nil { return }
        _ = try engine.image(options.image, platform: options.platform)
        return
      } catch let error as ImageError {
        switch error {
        case .notFound, .noPlatform: if policy == .never { throw error }
        default: throw error
        }
      }
    }
    let reference = try Reference(parsing: options.image).tagged
    let isQuiet = parsed.isOn("quiet")
    if !isQuiet {
      printError(
        policy == .always ? "Pulling \(reference.familiar)" : "Unable to find image '\(reference.familiar)' locally")
    }
    let display = isQuiet ? nil : TransferDisplay(.pull, output: .standardError)
    let platform = options.platform
    try Clipper.waiting {
      do {
        _ = try await engine.pull(reference, platform: platform ?? .host, progress: display?.progress)
      } catch {
        display?.finish()
        try await engine.shutdown()
        throw error
      }
      display?.finish()
      // What the registry warns of comes below.
      try await engine.shutdown()
    }
  }
}

/// `--cidfile`: refused where it exists, and there as a whole.
struct ContainerIDFile {
  private let path: String

  init(_ path: String) throws {
    guard access(path, F_OK) != 0 else {
      throw Failure(
        "container ID file found, make sure the other container isn't running or delete \(path)", status: 125)
    }
    self.path = path
  }

  func write(_ id: String) throws {
    do { try writeFileAtomically(FilePath(path), Array(id.utf8)) } catch {
      throw Failure("write the container ID file \(path): \(error)", status: 125)
    }
  }
}
