public import ArgumentParser
internal import Engine
internal import Glibc
internal import Logging
internal import Synchronization
internal import SystemPackage

/// The options before the command's name, the same for every command.
public struct GlobalOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where content, containers and volumes are kept.", valueName: "dir"))
  var root: String?

  @Option(help: ArgumentHelp("Where sockets and locks are kept while containers run.", valueName: "dir"))
  var runRoot: String?

  @Option(help: ArgumentHelp("How much is logged: debug, info, warn or error.", valueName: "level"))
  var logLevel: String?

  public init() {}

  /// What was asked for after the command's name, else before it or in the environment.
  private var levelName: String {
    logLevel ?? getenv("CLIPPER_LOG_LEVEL").map { String(cString: $0) } ?? "warn"
  }

  public mutating func validate() throws {
    guard Self.levels[levelName] != nil else {
      throw ValidationError("log level \"\(levelName)\" is not known: use debug, info, warn or error")
    }
  }

  private static let levels: [String: Logger.Level] = [
    "trace": .trace, "debug": .debug, "info": .info, "warn": .warning, "warning": .warning, "error": .error,
  ]

  var level: Logger.Level { Self.levels[levelName] ?? .warning }

  /// A logger of this command, on standard error.
  func logger(_ label: String) -> Logger {
    var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = level
    return logger
  }

  func locations() throws -> Locations {
    Locations.resolve(root: root.map { FilePath($0) }, run: runRoot.map { FilePath($0) })
  }

  func engine() throws -> Engine { try OpenEngines.open(locations()) }
}

/// Engines stay open as long as the command lives. Who closes a database last writes its whole log back and removes it,
/// and the next command makes it again: that is four waits for the disk that nobody needs. A log that grows is written
/// back on the way.
enum OpenEngines {
  private static let opened = Mutex<[Engine]>([])

  static func open(_ locations: Locations) throws -> Engine {
    let engine = try Engine.open(locations) { printError("WARNING: \($0)") }
    opened.withLock { $0.append(engine) }
    return engine
  }
}
