public import ArgumentParser
internal import ConfigurationFiles
internal import SystemPackage

public struct RegistryConfigCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Look at the registry's settings.",
    subcommands: [RegistryConfigCheckCommand.self, RegistryConfigShowCommand.self])

  public init() {}
}

/// Where settings come from beside the flags that have names of their own.
struct RegistrySettingOptions: ParsableArguments, Sendable {
  @Option(
    help: ArgumentHelp(
      "The file with the registry's settings. (CLIPPER_REGISTRY_CONFIG, else ROOT/registry/config.yaml if it is there)",
      valueName: "file"))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "Any setting, such as limits.address-rate=50; commas part the values of a list. Repeatable.",
      valueName: "section.key=value"))
  var set: [String] = []

  init() {}

  func read(_ root: FilePath, _ flags: [ConfigurationReader.Flag]) throws -> ServeConfiguration {
    var flags = flags
    for text in set {
      guard let equals = text.firstIndex(of: "=") else {
        throw Failure("--set \"\(text)\": write it as section.key=value", status: 125)
      }
      let values = text[text.index(after: equals)...].split(separator: ",").map(String.init)
      flags.append(.init(String(text[..<equals]), "--set", values.isEmpty ? [""] : values))
    }
    do { return try ServeConfiguration.read(config, root: root, flags: flags) } catch let error as ConfigurationProblems {
      throw Failure(error.description, status: 125)
    }
  }
}

public struct RegistryConfigCheckCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Check a file of settings as `registry serve` would, without serving.",
    discussion: "Prints all that is wrong, a line each with its place, and ends with status 125 where something is.")

  @OptionGroup var global: GlobalOptions

  @Argument(help: "The file.")
  var file: String

  public init() {}

  public mutating func run() throws {
    do {
      let reader = try ConfigurationReader(file: FilePath(file), environment: [:], flags: [])
      _ = try ServeConfiguration(reader)
    } catch let error as ConfigurationProblems {
      throw Failure(error.description, status: 125)
    }
    printOutput("\(file) is fine\n")
  }
}

public struct RegistryConfigShowCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Print the settings that `registry serve` would have here, and where each comes from.",
    discussion: "The output is itself a file of settings, with secrets masked.")

  @OptionGroup var global: GlobalOptions
  @OptionGroup var settings: RegistrySettingOptions

  public init() {}

  public mutating func run() throws {
    printOutput(try settings.read(global.locations().root, []).effective.text())
  }
}
