internal import ArgumentParser
internal import Engine

struct StopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "stop", abstract: "Stop running containers.")

  @OptionGroup var global: GlobalOptions
  @OptionGroup var stop: StopOptions
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let engine = try global.engine()
    try forEach(containers) { name in
      try stop.stop(name, engine)
      printOutput(name + "\n")
    }
  }
}

struct RestartCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restart", abstract: "Stop containers and start them again.")

  @OptionGroup var global: GlobalOptions
  @OptionGroup var stop: StopOptions
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let engine = try global.engine()
    try forEach(containers) { name in
      let id = try engine.containerID(name)
      try stop.stop(id, engine)
      try engine.start(id)
      printOutput(name + "\n")
    }
  }
}

/// How a container is stopped.
struct StopOptions: ParsableArguments {
  @Option(
    name: [.customShort("t", allowingJoined: true), .customLong("timeout"), .customLong("time")],
    help: ArgumentHelp("Seconds until it is killed; -1 waits for ever.", valueName: "seconds"))
  var timeout: Int?

  @Option(name: .shortAndLong, help: "Signal to send in place of the container's own.") var signal: String?

  func stop(_ name: String, _ engine: Engine) throws {
    if let timeout, timeout < -1 { throw Failure("invalid timeout \(timeout): write seconds, or -1 to wait for ever") }
    try engine.stop(name, timeout: timeout, signal: try signal.map { try SignalName.number($0) })
  }
}

struct KillCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "kill", abstract: "Send running containers a signal.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "Name or number of the signal.") var signal = "KILL"
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let number = try SignalName.number(signal)
    let engine = try global.engine()
    try forEach(containers) { name in
      try engine.kill(name, signal: number)
      printOutput(name + "\n")
    }
  }
}

struct RemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove containers.", aliases: ["remove"])

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Kill those that run.") var force = false
  @Flag(name: .shortAndLong, help: "Remove their anonymous volumes, too.") var volumes = false
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let engine = try global.engine()
    try forEach(containers) { name in
      do { try engine.remove(name, force: force, volumes: volumes) } catch EngineError.notFound(_, let missing)
        where force
      {
        // What is not there is removed.
        return printError("Error: No such container: \(missing)")
      }
      printOutput(name + "\n")
    }
  }
}

struct WaitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait", abstract: "Wait until containers have ended, and print their exit statuses.")

  @OptionGroup var global: GlobalOptions
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let engine = try global.engine()
    try forEach(containers) { printOutput("\(try engine.wait($0))\n") }
  }
}

struct PauseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pause", abstract: "Freeze the processes of containers.")

  @OptionGroup var global: GlobalOptions
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let engine = try global.engine()
    try forEach(containers) { name in
      try engine.pause(name)
      printOutput(name + "\n")
    }
  }
}

struct UnpauseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpause", abstract: "Let the processes of containers go on.")

  @OptionGroup var global: GlobalOptions
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let engine = try global.engine()
    try forEach(containers) { name in
      try engine.unpause(name)
      printOutput(name + "\n")
    }
  }
}

struct RenameCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "rename", abstract: "Give a container another name.")

  @OptionGroup var global: GlobalOptions
  @Argument(help: "Name or ID.") var container: String
  @Argument(help: "The new name.") var newName: String

  func run() throws { try global.engine().rename(container, to: newName) }
}

/// What a supervisor runs when its container has ended.
struct CleanupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cleanup", abstract: "Do what is left to do after a container's end.", shouldDisplay: false)

  @OptionGroup var global: GlobalOptions
  @Argument(help: ArgumentHelp("IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    let engine = try global.engine()
    for container in containers { try engine.cleanup(container) }
  }
}
