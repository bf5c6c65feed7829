public import ArgumentParser
internal import Lifecycle
internal import RegistryServer

public struct RegistryLifecycleCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "lifecycle", abstract: "Run the lifecycle policies that repositories have.",
    subcommands: [RegistryLifecycleRunCommand.self])

  public init() {}
}

public struct RegistryLifecycleRunCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run lifecycle policies now, and print the images that they act on.",
    discussion: """
      A registry that serves runs each policy by itself, as often as its settings say; this does the same at once, also \
      while it serves. Policies are set by `aws ecr put-lifecycle-policy`. Images go in small transactions, and one that \
      was tagged, pulled or restored meanwhile stays.
      """)

  @OptionGroup var global: GlobalOptions

  @Flag(name: .customLong("dry-run"), help: "Print the images, and change nothing.")
  var isDryRun = false

  @Option(help: ArgumentHelp("The realm of REPOSITORY, where it is not the main one.", valueName: "account/region"))
  var realm: String?

  @Option(
    help: ArgumentHelp(
      "json, or a template: {{.Repository}}, {{.Realm}}, {{.Digest}}, {{.Tags}}, {{.Action}}, {{.Rule}}.",
      valueName: "format"))
  var format: String?

  @Argument(help: "The repository; all that have a policy, in all realms, where it is left out.")
  var repository: String?

  public init() {}

  public mutating func validate() throws {
    guard realm == nil || repository != nil else { throw ValidationError("--realm goes with a repository") }
  }

  public mutating func run() throws {
    let registry = try global.registry()
    let listing = Listing(
      [
        .init("REPOSITORY", "Repository"), .init("DIGEST", "Digest"), .init("TAGS", "Tags"), .init("ACTION", "Action"),
        .init("RULE", "Rule"),
      ], others: [.init("REALM", "Realm")])
    var rows: [[String: Value]] = []
    for (registry, name) in try repositories(registry) { rows += try run(registry, name) }
    printOutput(try listing.render(rows, format: format))
  }

  private func repositories(_ registry: Registry) throws -> [(Registry, String)] {
    if let repository {
      var place = registry
      if let realm {
        let names = realm.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard names.count == 2, let realm = Realm(account: names[0], region: names[1]) else {
          throw Failure("--realm \"\(realm)\": twelve digits, a slash, and a region such as eu-west-1", status: 125)
        }
        place = registry.at(realm)
      }
      guard try place.lifecyclePolicy(of: repository) != nil else {
        throw Failure("the repository \"\(repository)\" has no lifecycle policy")
      }
      return [(place, repository)]
    }
    var found: [(Registry, String)] = []
    var last: Int64 = 0
    while true {
      let page = try registry.repositoriesWithLifecycle(after: last, limit: 500)
      found += page.map { (registry.at($0.realm), $0.name) }
      guard let end = page.last, page.count == 500 else { return found }
      last = end.id
    }
  }

  /// Of images that are to go, what is printed is looked up before.
  private func run(_ registry: Registry, _ name: String) throws -> [[String: Value]] {
    guard let stored = try registry.lifecyclePolicy(of: name) else { return [] }
    let plan = try registry.planLifecycle(LifecyclePolicy(parsing: stored.text), of: name)
    var rows: [[String: Value]] = []
    for batch in plan.batches {
      let before = try registry.results(of: batch, in: plan)
      let done = isDryRun ? Array(batch) : try registry.carryOut(batch, of: plan, stored: stored)
      let acted = Set(done.map(\.image))
      rows += before.filter { acted.contains($0.id) }.map { image in
        [
          "Repository": .string(name), "Realm": .string("\(registry.realm)"), "Digest": .string(image.digest),
          "Tags": .string(image.tags.joined(separator: " ")), "Rule": .string(String(image.rulePriority)),
          "Action": .string(image.action == .expire ? "expire" : "archive"),
        ]
      }
    }
    if !isDryRun { try registry.recordLifecycleRun(plan, stored: stored) }
    return rows
  }
}
