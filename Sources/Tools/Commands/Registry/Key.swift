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
      The secret is shown once: clipper registry key list leaves it out. A key may do what its user may at the time \
      that it is used (clipper registry user).
      """)

  @OptionGroup var global: GlobalOptions

  @Option(
    name: [.customLong("user"), .customLong("user-name")],
    help: ArgumentHelp("Whom the key acts for.", valueName: "name"))
  var user: String = "registry"

  @Option(
    name: [.customLong("duration"), .customLong("duration-seconds")],
    help: ArgumentHelp(
      "Seconds that the key lasts, or minutes or hours like 90m or 12h; it then comes with a session token. Without, it lasts until it is deleted.",
      valueName: "time"))
  var duration: String?

  @Option(
    help: ArgumentHelp("env: lines for a shell; json: as `aws iam create-access-key` prints it.", valueName: "format"))
  var format: KeyFormat = .env

  public init() {}

  public mutating func run() throws {
    let seconds = try duration.map { text in
      guard let seconds = Self.seconds(text) else {
        throw Failure("--duration \"\(text)\": write seconds, or minutes or hours like 90m or 12h", status: 125)
      }
      return seconds
    }
    let key = try global.registryFiles().keys.create(user: user, duration: seconds)
    switch format {
    case .env:
      let token = key.sessionToken.map { "export AWS_SESSION_TOKEN=\($0)\n" } ?? "unset AWS_SESSION_TOKEN\n"
      printOutput("export AWS_ACCESS_KEY_ID=\(key.id)\nexport AWS_SECRET_ACCESS_KEY=\(key.secret)\n" + token)
    case .json:
      var values: [String: Value] = ["AccessKeyId": .string(key.id), "SecretAccessKey": .string(key.secret)]
      // As `aws sts get-session-token` prints it.
      if let token = key.sessionToken, let expires = key.expires {
        values["SessionToken"] = .string(token)
        values["Expiration"] = .string(Self.time(expires))
        printOutput(try Value.object(["Credentials": .object(values)]).json() + "\n")
      } else {
        values["CreateDate"] = .string(Self.time(key.created))
        values["Status"] = .string("Active")
        values["UserName"] = .string(key.user)
        printOutput(try Value.object(["AccessKey": .object(values)]).json() + "\n")
      }
    }
  }

  static func seconds(_ text: String) -> Int64? {
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600]
    guard let last = text.last else { return nil }
    let factor = units[last]
    guard let number = Int64(factor == nil ? text[...] : text.dropLast()), number > 0 else { return nil }
    let (seconds, isTooLarge) = number.multipliedReportingOverflow(by: factor ?? 1)
    return isTooLarge ? nil : seconds
  }

  static func time(_ seconds: Int64) -> String { Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601) }
}

public struct RegistryKeyListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the access keys, without their secrets.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  @Option(
    name: [.customLong("user"), .customLong("user-name")],
    help: ArgumentHelp("Only the keys of this user.", valueName: "name"))
  var user: String?

  @Option(
    help: ArgumentHelp("json, or a template: {{.ID}}, {{.User}}, {{.CreatedAt}}, {{.ExpiresAt}}.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let listing = Listing([
      .init("ACCESS KEY ID", "ID"), .init("USER", "User"), .init("CREATED", "CreatedAt"), .init("EXPIRES", "ExpiresAt"),
    ])
    let keys = try global.registryFiles().keys.list().filter { user == nil || $0.user == user }
    let rows = keys.map { key -> [String: Value] in
      [
        "ID": .string(key.id), "User": .string(key.user),
        "CreatedAt": .string(RegistryKeyCreateCommand.time(key.created)),
        "ExpiresAt": .string(key.expires.map { RegistryKeyCreateCommand.time($0) } ?? "-"),
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
    try removeNamed(ids, "access key") { try keys.remove($0) }
  }
}
