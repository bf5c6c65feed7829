internal import ArgumentParser

struct SystemCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "system", abstract: "Look after the store.", subcommands: [DfCommand.self, PruneCommand.self])
}
