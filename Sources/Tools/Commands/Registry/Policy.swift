internal import AccessPolicies
public import ArgumentParser
internal import FoundationEssentials
internal import Kernel
internal import RegistryServer
internal import SystemPackage

public struct RegistryPolicyCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Manage the policies that say what users of the registry may do.",
    discussion: """
      A policy is a document in IAM's JSON, as AWS has them. Those of AWS's names that are about ECR are built in, such as \
      AmazonEC2ContainerRegistryPowerUser for who pushes, and AmazonEC2ContainerRegistryPullOnly for who runs images. \
      The policies of repositories and of the registry itself are set by `aws ecr set-repository-policy` and \
      `aws ecr put-registry-policy`.
      """,
    subcommands: [
      RegistryPolicyCreateCommand.self, RegistryPolicyListCommand.self, RegistryPolicyShowCommand.self,
      RegistryPolicyDeleteCommand.self, RegistryPolicyAttachCommand.self, RegistryPolicyDetachCommand.self,
      RegistryPolicySimulateCommand.self,
    ])

  public init() {}
}

/// The text of a policy that a command is given.
func readPolicyText(_ source: String) throws -> String {
  if source == "-" {
    var text = ""
    while let line = readLine(strippingNewline: false) { text += line }
    return text
  }
  // As the aws CLI names files.
  let path = source.hasPrefix("file://") ? String(source.dropFirst("file://".count)) : source
  do {
    let bytes = try readFile(FilePath(path), limit: 1 << 20)
    guard let text = String(validating: bytes, as: UTF8.self) else { throw Failure("\(path) is not UTF-8") }
    return text
  } catch let error as Errno {
    throw Failure("cannot read \(path): \(error)")
  }
}

public struct RegistryPolicyCreateCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Create a policy from a document.",
    discussion: """
      What a registry cannot keep (an operator or a key of a condition that it does not know) is refused, with the place. \
      For example:

        {"Version": "2012-10-17", "Statement": [
          {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
          {"Effect": "Allow", "Action": ["ecr:*"], "Resource": "arn:aws:ecr:*:*:repository/${aws:username}/*"}]}
      """)

  @OptionGroup var global: GlobalOptions

  @Option(
    name: [.customLong("document"), .customLong("policy-document")],
    help: ArgumentHelp("The document's file; - for standard input.", valueName: "file"))
  var document: String

  @Flag(help: "In place of a policy of the same name. Those that have it have the new one.")
  var replace = false

  @Argument(help: "The policy's name.")
  var name: String

  public init() {}

  public mutating func run() throws {
    let text = try readPolicyText(document)
    try global.registryFiles().identities.createPolicy(name, text: text, replacing: replace)
    printOutput(name + "\n")
  }
}

public struct RegistryPolicyListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the policies, those that are built in too.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  @Option(
    help: ArgumentHelp("json, or a template: {{.Name}}, {{.Kind}}, {{.Users}}, {{.CreatedAt}}.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let identities = try global.registryFiles().identities
    let recorded = try identities.recorded().compactMap { try identities.find($0) }
    let own = try identities.policies().map { ($0.name, "own", $0.created as Int64?) }
    let managed = ManagedPolicy.allCases.map { ($0.rawValue, "built in", nil as Int64?) }
    let rows = (own + managed).map { name, kind, created -> [String: Value] in
      let users = recorded.filter { $0.policyNames.contains(name) }.map(\.name)
      return [
        "Name": .string(name), "Kind": .string(kind),
        "Users": .string(users.isEmpty ? "-" : users.joined(separator: ",")),
        "CreatedAt": .string(created.map { RegistryKeyCreateCommand.time($0) } ?? "-"),
      ]
    }
    let listing = Listing([
      .init("NAME", "Name"), .init("KIND", "Kind"), .init("CREATED", "CreatedAt"), .init("ATTACHED TO", "Users"),
    ])
    printOutput(try listing.render(rows, format: format))
  }
}

public struct RegistryPolicyShowCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Print a policy's document.", aliases: ["get"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "The policy's name or ARN.")
  var name: String

  public init() {}

  public mutating func run() throws {
    let text = try global.registryFiles().identities.policy(named: name).text
    printOutput(text.hasSuffix("\n") ? text : text + "\n")
  }
}

public struct RegistryPolicyDeleteCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete policies that no user has.", aliases: ["rm"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "Names of policies.")
  var names: [String]

  public init() {}

  public mutating func run() throws {
    let identities = try global.registryFiles().identities
    for name in names {
      try identities.deletePolicy(name)
      printOutput(name + "\n")
    }
  }
}

public struct RegistryPolicyAttachCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "attach", abstract: "Attach a policy to a user.")

  @OptionGroup var global: GlobalOptions

  @Option(
    name: [.customLong("user"), .customLong("user-name")], help: ArgumentHelp("The user's name.", valueName: "name"))
  var user: String

  @Argument(help: "The policy's name or ARN.")
  var name: String

  public init() {}

  public mutating func run() throws { try global.attach([name], to: user) }
}

public struct RegistryPolicyDetachCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "detach", abstract: "Detach a policy from a user.")

  @OptionGroup var global: GlobalOptions

  @Option(
    name: [.customLong("user"), .customLong("user-name")], help: ArgumentHelp("The user's name.", valueName: "name"))
  var user: String

  @Argument(help: "The policy's name or ARN.")
  var name: String

  public init() {}

  public mutating func run() throws { try global.detach([name], from: user) }
}
