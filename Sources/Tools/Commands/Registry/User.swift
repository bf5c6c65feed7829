public import ArgumentParser
internal import Glibc
internal import RegistryServer

public struct RegistryUserCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Manage the registry's users and which policies they have.",
    discussion: """
      A user signs in with a password, or with the access keys of `clipper registry key`. What it may do, policies say: \
      those that are attached to it, and those of repositories and of the registry (aws ecr set-repository-policy). A \
      user that nothing was attached to or detached from may do everything in the server's own account. A running \
      registry takes every change from the next request on.
      """,
    subcommands: [
      RegistryUserAddCommand.self, RegistryUserRemoveCommand.self, RegistryUserListCommand.self,
      RegistryUserAttachCommand.self, RegistryUserDetachCommand.self,
    ])

  public init() {}
}

public struct RegistryUserAddCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Add a user, or change a user's password, account or policies.",
    discussion: """
      The password is asked for, or read from standard input. A new user may do everything in the server's own account, \
      unless --policy, --no-policies or --account say otherwise:

        clipper registry user add --policy AmazonEC2ContainerRegistryPullOnly deployer
      """)

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Read the password from standard input.")
  var passwordStdin = false

  @Flag(help: "Without a password: the user has access keys alone.")
  var noPassword = false

  @Option(help: ArgumentHelp("The user's account, twelve digits; the server's own where left out.", valueName: "id"))
  var account: String?

  @Option(
    help: ArgumentHelp(
      "What the user may do, in place of what it might before: a policy's name or ARN. Repeatable.", valueName: "policy"
    ))
  var policy: [String] = []

  @Flag(help: "The user may do nothing but what repositories' policies allow it.")
  var noPolicies = false

  @Argument(help: "The user's name.")
  var name: String

  public init() {}

  public mutating func validate() throws {
    guard !noPolicies || policy.isEmpty else { throw ValidationError("--policy and --no-policies exclude each other") }
    guard !noPassword || !passwordStdin else {
      throw ValidationError("--no-password and --password-stdin exclude each other")
    }
  }

  public mutating func run() throws {
    let files = try global.registryFiles()
    let password = noPassword ? nil : try passwordStdin ? Self.readPassword() : Self.askPassword(name)
    // What it may do comes first: nobody signs in meanwhile and may do more.
    if !policy.isEmpty || noPolicies {
      let known = try files.identities.find(name)?.account
      try files.identities.set(name, account: account ?? known, policies: policy)
    } else if try files.identities.find(name) == nil {
      try files.identities.set(name, account: account, policies: nil)
    } else if let account {
      try files.identities.setAccount(account, of: name)
    }
    guard let password else {
      printOutput("user \(name) has access keys alone; clipper registry key create --user \(name) makes one\n")
      return
    }
    let isNew = try files.passwords.set(name, password: password)
    printOutput(isNew ? "added user \(name)\n" : "changed the password of user \(name)\n")
  }

  /// Standard input to its end, without the end of its last line.
  static func readPassword() throws -> String {
    var lines: [String] = []
    while let line = readLine() { lines.append(line) }
    guard lines.count <= 1 else { throw Failure("the password on standard input has several lines", status: 125) }
    return lines.first ?? ""
  }

  static func askPassword(_ name: String) throws -> String {
    guard isatty(STDIN_FILENO) == 1 else {
      throw Failure("there is no terminal to ask for the password: give it with --password-stdin", status: 125)
    }
    let first = String(cString: getpass("Password for \(name): "))
    guard String(cString: getpass("Once more: ")) == first else { throw Failure("the two passwords differ") }
    return first
  }
}

public struct RegistryUserRemoveCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove users.",
    discussion: "Their passwords, access keys and the tokens fetched with them are void from the next request on.",
    aliases: ["rm"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "Names of users.")
  var names: [String]

  public init() {}

  public mutating func run() throws {
    let files = try global.registryFiles()
    try removeNamed(names, "user") { name in
      // What it may do goes first: whatever fails after that, it may do nothing.
      let hadPolicies = try files.identities.remove(name)
      let hadKeys = try files.keys.removeAll(of: name) > 0
      let hadPassword = try files.passwords.remove(name)
      return hadPolicies || hadKeys || hadPassword
    }
  }
}

public struct RegistryUserListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the users and what is attached to them.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  @Flag(name: .shortAndLong, help: "Names only.")
  var quiet = false

  @Option(
    help: ArgumentHelp(
      "json, or a template: {{.Name}}, {{.Account}}, {{.Policies}}, {{.Password}}, {{.Keys}}.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let files = try global.registryFiles()
    let withPassword = Set(try files.passwords.users())
    let keys = Dictionary(grouping: try files.keys.list(), by: \.user)
    let names = withPassword.union(keys.keys).union(try files.identities.recorded()).sorted()
    let rows = try names.compactMap { name -> [String: Value]? in
      guard let identity = try files.identities.find(name) else { return nil }
      return [
        "Name": .string(name), "Account": .string(identity.account ?? "-"),
        "Policies": .string(identity.policyNames.isEmpty ? "-" : identity.policyNames.joined(separator: ",")),
        "Password": .string(withPassword.contains(name) ? "yes" : "no"),
        "Keys": .integer(Int64(keys[name]?.count ?? 0)),
      ]
    }
    let listing = Listing([
      .init("NAME", "Name"), .init("ACCOUNT", "Account"), .init("PASSWORD", "Password"), .init("KEYS", "Keys"),
      .init("POLICIES", "Policies"),
    ])
    printOutput(try listing.render(rows, format: quiet ? "{{.Name}}" : format))
  }
}

public struct RegistryUserAttachCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "attach", abstract: "Attach policies to a user.",
    discussion:
      "A user that nothing was attached to yet keeps the full access that it has: detach that to leave only these.",
    aliases: ["attach-policy"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "The user's name.")
  var user: String

  @Argument(help: "Names or ARNs of policies.")
  var policies: [String]

  public init() {}

  public mutating func run() throws { try global.attach(policies, to: user) }
}

public struct RegistryUserDetachCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "detach", abstract: "Detach policies from a user.",
    discussion: "A user with none left may do nothing but what repositories' policies allow it.",
    aliases: ["detach-policy"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "The user's name.")
  var user: String

  @Argument(help: "Names or ARNs of policies.")
  var policies: [String]

  public init() {}

  public mutating func run() throws { try global.detach(policies, from: user) }
}

extension GlobalOptions {
  /// Attaches policies and tells where a user has others that make them pointless.
  func attach(_ policies: [String], to user: String) throws {
    let identities = try registryFiles().identities
    for policy in policies { try identities.attach(policy, to: user) }
    let names = try identities.find(user)?.policyNames ?? []
    printOutput("\(user) has \(names.joined(separator: ", "))\n")
    let standard = Set(Identities.standardPolicies.map(\.rawValue)).subtracting(policies).intersection(names)
    if !standard.isEmpty {
      let list = standard.sorted().joined(separator: " ")
      printError("clipper registry user detach \(user) \(list) leaves it with the others alone")
    }
  }

  func detach(_ policies: [String], from user: String) throws {
    let identities = try registryFiles().identities
    for policy in policies where try !identities.detach(policy, from: user) {
      throw Failure("\(user) does not have the policy \(policy)")
    }
    let names = try identities.find(user)?.policyNames ?? []
    printOutput("\(user) has \(names.isEmpty ? "no policies" : names.joined(separator: ", "))\n")
  }
}
