public import ArgumentParser
internal import RegistryServer

public struct RegistrySecretCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "secret", abstract: "Manage what the registry signs in to other registries with.",
    subcommands: [RegistrySecretSetCommand.self, RegistrySecretListCommand.self, RegistrySecretRemoveCommand.self])

  public init() {}
}

public struct RegistrySecretSetCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Keep a user name with its password or access token under a name.",
    discussion: """
      A pull-through cache rule names it by --credential-arn: ecr-pullthroughcache/NAME here is \
      arn:aws:secretsmanager:REGION:ACCOUNT:secret:ecr-pullthroughcache/NAME there. Only the owner of the registry's \
      files can read it, and no command shows it again. A running registry takes it from the next request on.
      """)

  @OptionGroup var global: GlobalOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("The user at the other registry.", valueName: "user"))
  var username: String

  @Flag(help: "Read the password, or an access token in its place, from standard input.")
  var passwordStdin = false

  @Argument(help: "The secret's name.")
  var name: String

  public init() {}

  public mutating func validate() throws {
    guard UpstreamSecretFile.isName(name) else {
      throw ValidationError("a secret's name has letters, digits and / _ + = . @ -")
    }
  }

  public mutating func run() throws {
    let password =
      try passwordStdin ? RegistryUserAddCommand.readPassword() : RegistryUserAddCommand.askPassword(username)
    guard !password.isEmpty else { throw Failure("the password is empty") }
    try global.registryFiles().secrets.set(name, UpstreamSecret(username: username, password: password))
    printOutput(name + "\n")
  }
}

public struct RegistrySecretListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the secrets' names.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  public init() {}

  public mutating func run() throws {
    for name in try global.registryFiles().secrets.names() { printOutput(name + "\n") }
  }
}

public struct RegistrySecretRemoveCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove secrets.", aliases: ["rm"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "Names of secrets.")
  var names: [String]

  public init() {}

  public mutating func run() throws {
    let secrets = try global.registryFiles().secrets
    try removeNamed(names, "secret") { try secrets.remove($0) }
  }
}
