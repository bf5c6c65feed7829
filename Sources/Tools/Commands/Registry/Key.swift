public import ArgumentParser
internal import FoundationEssentials
internal import RegistryServer

public struct RegistryKeyCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "key", abstract: "Manage the access keys that AWS tools sign requests to the registry with.",
    subcommands: [RegistryKeyCreateCommand.self, RegistryKeyListCommand.self, RegistryKeyDeleteCommand.self])

  public init() {}
}

enum KeyFormat: String, CaseIterable, ExpressibleByArgument { case env, json }

public struct RegistryKeyCreateCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Create an access key and print it.",
    discussion: """
      eval "$(clipper registry key create)" sets it for the aws CLI; with AWS_ENDPOINT_URL_ECR=https://HOST:PORT, \
      `aws ecr get-login-password | docker login --username AWS --password-stdin HOST:PORT` signs in. \
      The secret is shown once: clipper registry key list leaves it out.
      """)

  @OptionGroup var global: GlobalOptions

  @Option(help: ArgumentHelp("Whom the key is for; logs and ARNs have it.", valueName: "name"))
  var user: String = "registry"

  @Option(
    help: ArgumentHelp("env: lines for a shell; json: as `aws iam create-access-key` prints it.", valueName: "format"))
  var format: KeyFormat = .env

  public init() {}

  public mutating func run() throws {
    let key = try global.registryFiles().keys.create(user: user)
    switch format {
    case .env:
      printOutput("export AWS_ACCESS_KEY_ID=\(key.id)\nexport AWS_SECRET_ACCESS_KEY=\(key.secret)\n")
    case .json:
      let created = Date(timeIntervalSince1970: Double(key.created)).formatted(.iso8601)
      let values: [String: Value] = [
        "AccessKeyId": .string(key.id), "CreateDate": .string(created), "SecretAccessKey": .string(key.secret),
        "Status": .string("Active"), "UserName": .string(key.user),
      ]
      printOutput(try Value.object(["AccessKey": .object(values)]).json() + "\n")
    }
  }
}

public struct RegistryKeyListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the access keys, without their secrets.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  @Option(help: ArgumentHelp("json, or a template: {{.ID}}, {{.User}}, {{.CreatedAt}}.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let listing = Listing([.init("ACCESS KEY ID", "ID"), .init("USER", "User"), .init("CREATED", "CreatedAt")])
    let rows = try global.registryFiles().keys.list().map { key -> [String: Value] in
      [
        "ID": .string(key.id), "User": .string(key.user),
        "CreatedAt": .string(Date(timeIntervalSince1970: Double(key.created)).formatted(.iso8601)),
      ]
    }
    printOutput(try listing.render(rows, format: format))
  }
}

public struct RegistryKeyDeleteCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete access keys. They and the tokens fetched with them are void at once.",
    aliases: ["rm"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "IDs of access keys.")
  var ids: [String]

  public init() {}

  public mutating func run() throws {
    let keys = try global.registryFiles().keys
    var unknown: [String] = []
    for id in ids {
      if try keys.remove(id) { printOutput(id + "\n") } else { unknown.append(id) }
    }
    guard unknown.isEmpty else { throw Failure("no such access key: \(unknown.joined(separator: ", "))") }
  }
}
