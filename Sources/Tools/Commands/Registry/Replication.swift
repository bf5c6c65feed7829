public import ArgumentParser
internal import ImageSpec
internal import RegistryServer

public struct RegistryReplicationCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "replication", abstract: "Name registries on other servers that replication may go to.",
    discussion: """
      `aws ecr put-replication-configuration` says which repositories are replicated, and where: to registries of this \
      server (--realm of registry serve), and to those that are named here.
      """,
    subcommands: [
      RegistryReplicationSetCommand.self, RegistryReplicationListCommand.self, RegistryReplicationRemoveCommand.self,
    ])

  public init() {}
}

/// `ACCOUNT/REGION`. Throws `ValidationError`.
private func realm(_ text: String) throws -> Realm {
  let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { String($0) }
  guard parts.count == 2, let realm = Realm(account: parts[0], region: parts[1]) else {
    throw ValidationError("\"\(text)\": an account's id of twelve digits, a slash, and a region such as eu-west-1")
  }
  return realm
}

public struct RegistryReplicationSetCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Say where the registry of an account and region is.")

  @OptionGroup var global: GlobalOptions

  @Option(
    help: ArgumentHelp(
      "Where it is: HOST[:PORT], with a path after it that comes before repositories' names.", valueName: "address"))
  var endpoint: String

  @Option(help: ArgumentHelp("The secret that signs in there (clipper registry secret set).", valueName: "name"))
  var secret: String?

  @Argument(help: "ACCOUNT/REGION, as rules of replication name it.")
  var registry: String

  public init() {}

  public mutating func validate() throws {
    _ = try realm(registry)
    guard (try? Reference(parsing: "\(endpoint)/name")) != nil, !endpoint.contains("://") else {
      throw ValidationError("--endpoint \"\(endpoint)\" is not of the form HOST[:PORT][/PATH]")
    }
  }

  public mutating func run() throws {
    let files = try global.registryFiles()
    if let secret, try files.secrets.find(secret) == nil {
      throw Failure("no such secret: \(secret); clipper registry secret set makes it")
    }
    try files.remotes.set(try realm(registry), RemoteRegistry(endpoint: endpoint, secret: secret))
    printOutput(registry + "\n")
  }
}

public struct RegistryReplicationListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the registries that were named.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  @Option(help: ArgumentHelp("json, or a template: {{.Registry}}, {{.Endpoint}}, {{.Secret}}.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let listing = Listing([.init("REGISTRY", "Registry"), .init("ENDPOINT", "Endpoint"), .init("SECRET", "Secret")])
    let rows = try global.registryFiles().remotes.list().map { entry -> [String: Value] in
      [
        "Registry": .string(entry.realm), "Endpoint": .string(entry.registry.endpoint),
        "Secret": .string(entry.registry.secret ?? ""),
      ]
    }
    printOutput(try listing.render(rows, format: format))
  }
}

public struct RegistryReplicationRemoveCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Forget registries; rules that name them fail from then on.", aliases: ["rm"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "ACCOUNT/REGION of each.")
  var registries: [String]

  public init() {}

  public mutating func run() throws {
    let remotes = try global.registryFiles().remotes
    try removeNamed(registries, "registry") { try remotes.remove(realm($0)) }
  }
}
