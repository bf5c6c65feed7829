internal import ArgumentParser

/// The commands of containers by docker's noun.
struct ContainerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "container", abstract: "Manage containers.",
    subcommands: [
      RunCommand.self, CreateCommand.self, StartCommand.self, StopCommand.self, RestartCommand.self, KillCommand.self,
      RemoveCommand.self, ContainerListCommand.self, LogsCommand.self, ExecCommand.self, AttachCommand.self,
      WaitCommand.self, ContainerInspectCommand.self, TopCommand.self, StatsCommand.self, CopyCommand.self,
      RenameCommand.self, PortCommand.self, PauseCommand.self, UnpauseCommand.self, ContainerPruneCommand.self,
      CleanupCommand.self, DrainCommand.self,
    ])
}

/// Does a thing to each of what was named: what fails is reported, the others are done nevertheless.
func forEach(_ names: [String], _ body: (String) throws -> Void) throws {
  var failed = false
  for name in names {
    do { try body(name) } catch let code as ExitCode { throw code } catch {
      printError("Error: \(error)")
      failed = true
    }
  }
  if failed { throw ExitCode(1) }
}
