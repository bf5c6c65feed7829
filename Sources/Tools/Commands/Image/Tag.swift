internal import ArgumentParser
internal import Engine

struct TagCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tag", abstract: "Give an image another name.")

  @OptionGroup var global: GlobalOptions
  @Argument(help: ArgumentHelp("Name or ID.", valueName: "source-image")) var source: String
  @Argument(help: ArgumentHelp("The new name.", valueName: "target-image")) var target: String

  func run() throws { try global.engine().tag(source, as: target) }
}
