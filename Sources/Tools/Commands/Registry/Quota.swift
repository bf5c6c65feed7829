public import ArgumentParser
internal import ConfigurationFiles
internal import RegistryServer

public struct RegistryQuotaCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "quota", abstract: "Limit how much repositories and accounts may have.",
    discussion: """
      A quota is of one repository, or without --repository of a whole registry (an account in a region). What it leaves \
      open is as the server's settings say (quotas.…). A push that would go beyond is refused; what is there stays.
      """,
    subcommands: [RegistryQuotaSetCommand.self, RegistryQuotaListCommand.self, RegistryQuotaRemoveCommand.self])

  public init() {}
}

/// Which registry of a server a command is about.
struct RegistryRealmOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Another registry of the server than its main one.", valueName: "account/region"))
  var realm: String?

  init() {}

  func registry(_ global: GlobalOptions) throws -> Registry {
    let registry = try global.registry()
    guard let text = realm else { return registry }
    let names = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard names.count == 2, let realm = Realm(account: names[0], region: names[1]) else {
      throw Failure("--realm \"\(text)\": an account's id of twelve digits, a slash and a region", status: 125)
    }
    return registry.at(realm)
  }
}

public struct RegistryQuotaSetCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Set a quota. Limits that are left out stay as they were.")

  @OptionGroup var global: GlobalOptions
  @OptionGroup var realm: RegistryRealmOptions

  @Option(help: ArgumentHelp("The repository; without it, the registry as a whole.", valueName: "name"))
  var repository: String?

  @Option(help: ArgumentHelp("Bytes of blobs, such as 10GiB; none for no limit.", valueName: "size"))
  var bytes: String?

  @Option(help: ArgumentHelp("Images, indexes and artifacts; none for no limit.", valueName: "count"))
  var images: String?

  @Option(help: ArgumentHelp("Tags; none for no limit.", valueName: "count"))
  var tags: String?

  @Option(help: ArgumentHelp("Repositories of the registry; none for no limit.", valueName: "count"))
  var repositories: String?

  public init() {}

  public mutating func validate() throws {
    guard bytes != nil || images != nil || tags != nil || repositories != nil else {
      throw ValidationError("say what is limited: --bytes, --images, --tags or --repositories")
    }
    guard repository == nil || repositories == nil else { throw ValidationError("--repositories is of a whole registry") }
  }

  public mutating func run() throws {
    let registry = try realm.registry(global)
    var quota = try registry.quota(of: repository) ?? Quota()
    if let bytes { quota.bytes = try Self.limit(bytes, "--bytes") { ByteCount(configuration: $0)?.bytes } }
    if let images { quota.images = try Self.limit(images, "--images") { Int64($0) } }
    if let tags { quota.tags = try Self.limit(tags, "--tags") { Int64($0) } }
    if let repositories { quota.repositories = try Self.limit(repositories, "--repositories") { Int64($0) } }
    try registry.setQuota(quota, of: repository)
  }

  private static func limit(_ text: String, _ flag: String, _ parse: (String) -> Int64?) throws -> Int64? {
    if text == "none" { return nil }
    guard let number = parse(text), number >= 0 else {
      throw Failure("\(flag) \"\(text)\" is neither a number nor none", status: 125)
    }
    return number
  }
}

public struct RegistryQuotaListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the quotas that were set, with what is used of them.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions
  @OptionGroup var realm: RegistryRealmOptions

  @Option(
    help: ArgumentHelp(
      "json, or a template: {{.Repository}}, {{.Bytes}}, {{.Images}}, {{.Tags}}, {{.Repositories}}.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let registry = try realm.registry(global)
    let listing = Listing([
      .init("REPOSITORY", "Repository"), .init("BYTES", "Bytes"), .init("IMAGES", "Images"), .init("TAGS", "Tags"),
      .init("REPOSITORIES", "Repositories"),
    ])
    var quotas = try registry.quota(of: nil).map { [(name: String?.none, quota: $0)] } ?? []
    quotas += try registry.repositoriesWithQuota().map { ($0.name, $0.quota) }
    let rows = try quotas.map { name, quota -> [String: Value] in
      let used = try registry.usage(of: name)
      func shown(_ used: Int64?, _ limit: Int64?) -> Value { .string(limit.map { "\(used ?? 0)/\($0)" } ?? "") }
      return [
        "Repository": .string(name ?? "*"), "Bytes": shown(used.bytes, quota.bytes),
        "Images": shown(used.images, quota.images), "Tags": shown(used.tags, quota.tags),
        "Repositories": shown(used.repositories, quota.repositories),
      ]
    }
    printOutput(try listing.render(rows, format: format))
  }
}

public struct RegistryQuotaRemoveCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Take quotas away: of repositories, or without a name of the registry as a whole.",
    aliases: ["rm"])

  @OptionGroup var global: GlobalOptions
  @OptionGroup var realm: RegistryRealmOptions

  @Argument(help: "Names of repositories.")
  var repositories: [String] = []

  public init() {}

  public mutating func run() throws {
    let registry = try realm.registry(global)
    for name in repositories.isEmpty ? [nil] : repositories.map(Optional.some) {
      guard try registry.quota(of: name) != nil else {
        throw Failure("\(name.map { "the repository \"\($0)\"" } ?? "the registry") has no quota")
      }
      try registry.setQuota(Quota(), of: name)
    }
  }
}
