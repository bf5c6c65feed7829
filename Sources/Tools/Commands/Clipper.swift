public import ArgumentParser
internal import Dispatch
internal import Engine
internal import Glibc
internal import Synchronization

/// The program: its commands by docker's names, at the top level and by noun.
public struct Clipper: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "clipper",
    abstract: "Build images, keep them in a private registry, run them as containers and as Kubernetes' pods.",
    discussion: """
      Before the command: --root DIR and --run-root DIR say where things are kept (CLIPPER_ROOT, CLIPPER_RUN_ROOT), \
      --log-level LEVEL how much is logged.
      """,
    version: version, subcommands: Self.frequent, groupedSubcommands: Self.groups)

  public static let version = "0.1.0"

  public init() {}

  private static let frequent: [any ParsableCommand.Type] = [
    RunCommand.self, CreateCommand.self, StartCommand.self, StopCommand.self, RestartCommand.self, KillCommand.self,
    RemoveCommand.self, PsCommand.self, LogsCommand.self, ExecCommand.self, AttachCommand.self, WaitCommand.self,
    InspectCommand.self, TopCommand.self, StatsCommand.self, CopyCommand.self, RenameCommand.self, PortCommand.self,
    PauseCommand.self, UnpauseCommand.self,
    BuildCommand.self, ImagesCommand.self, TagCommand.self, RmiCommand.self, HistoryCommand.self, SbomCommand.self, SaveCommand.self,
    LoadCommand.self, ImportCommand.self, LoginCommand.self, LogoutCommand.self, PullCommand.self, PushCommand.self, SearchCommand.self,
    CheckCommand.self, DfCommand.self, PruneCommand.self, VersionCommand.self,
  ]

  private static let groups = [
    CommandGroup(
      name: "By noun",
      subcommands: [
        ContainerCommand.self, ImageCommand.self, NetworkCommand.self, VolumeCommand.self, RegistryCommand.self,
        KubeCommand.self, SystemCommand.self,
      ])
  ]

  /// Runs the program and ends it with docker's statuses.
  public static func main() {
    Glibc.exit(run(Array(CommandLine.arguments.dropFirst())))
  }

  static func run(_ arguments: [String]) -> Int32 {
    let command: any ParsableCommand
    do {
      let rest = try takeGlobalOptions(arguments)
      if let direct = DirectCommand(rest) {
        do {
          try direct.run()
          return 0
        } catch {
          return report(error)
        }
      }
      // docker without a command shows its help, on standard output.
      command = try parseAsRoot(rest)
    } catch {
      return report(parsing: error)
    }
    do {
      if let command = command as? any AsyncParsableCommand {
        try runAsync(command)
      } else {
        var command = command
        try command.run()
      }
      return 0
    } catch {
      return report(error)
    }
  }

  /// Options before the command's name hold for whichever command it is: they go where it looks for them.
  private static func takeGlobalOptions(_ arguments: [String]) throws -> [String] {
    let variables = ["--root": "CLIPPER_ROOT", "--run-root": "CLIPPER_RUN_ROOT", "--log-level": "CLIPPER_LOG_LEVEL"]
    var rest = arguments[...]
    while let first = rest.first, first.hasPrefix("--") {
      let parts = first.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let variable = variables[parts[0]] else { break }
      rest = rest.dropFirst()
      let value: String
      if parts.count == 2 {
        value = parts[1]
      } else if let next = rest.popFirst() {
        value = next
      } else {
        throw Failure("flag needs an argument: \(parts[0])", status: 125)
      }
      // A root of one's own has its own run directory, whatever the environment says of another.
      if parts[0] == "--root" { unsetenv("CLIPPER_RUN_ROOT") }
      setenv(variable, value, 1)
    }
    return Array(rest)
  }

  /// The one place where a command that is asynchronous meets the thread that waits for it.
  private static func runAsync(_ command: any AsyncParsableCommand) throws {
    let running = Running(command)
    try waiting { try await running.run() }
  }

  /// Waits for what only an asynchronous function can do.
  static func waiting(for body: @escaping @Sendable () async throws -> Void) throws {
    let done = DispatchSemaphore(value: 0)
    let failure = Mutex<(any Error)?>(nil)
    Task.detached {
      do { try await body() } catch { failure.withLock { $0 = error } }
      done.signal()
    }
    done.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Used by one task.
  private final class Running: @unchecked Sendable {
    private var command: any AsyncParsableCommand
    init(_ command: any AsyncParsableCommand) { self.command = command }
    func run() async throws { try await command.run() }
  }

  // MARK: - Statuses

  /// docker's: 125 for a flag, 1 for a command or a number of arguments; 0 where help was asked for.
  private static func report(parsing error: any Error) -> Int32 {
    if error is Failure { return report(error) }
    let message = fullMessage(for: error)
    if exitCode(for: error) == .success {
      printOutput(message.hasSuffix("\n") ? message : message + "\n")
      return 0
    }
    printError(message)
    return message.contains("Unknown option") || message.contains("Missing value for") || message.contains("is invalid for")
      ? 125 : 1
  }

  static func report(_ error: any Error) -> Int32 {
    switch error {
    case let code as ExitCode: return code.rawValue
    case let failure as Failure:
      printError("Error: \(failure)")
      return failure.status
    default:
      if exitCode(for: error) == .success {
        printOutput(fullMessage(for: error) + "\n")
        return 0
      }
      if error is ValidationError {
        printError(fullMessage(for: error))
        return 125
      }
      printError("Error: \(error)")
      return 1
    }
  }
}

struct ImageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "image", abstract: "Manage images.",
    subcommands: [
      BuildCommand.self, ImageListCommand.self, RmiCommand.self, ImageInspectCommand.self, HistoryCommand.self,
      SbomCommand.self, TagCommand.self,
      SaveCommand.self, LoadCommand.self, ImportCommand.self, ImagePruneCommand.self, PullCommand.self, PushCommand.self,
      VerifyImageCommand.self,
    ])
}

/// `image ls`: the same as `images`.
struct ImageListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "ls", abstract: "List images.", aliases: ["list"])
  @OptionGroup var images: ImagesCommand

  mutating func run() throws { try images.run() }
}

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "version", abstract: "Show the version.")

  func run() throws { printOutput("clipper \(Clipper.version)\n") }
}
