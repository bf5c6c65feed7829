public import ArgumentParser
internal import FoundationEssentials
internal import RegistryServer

public struct RegistryWebhookCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "webhook", abstract: "Manage the addresses that are told of what happens in the registry.",
    discussion: """
      An event is sent by POST until the address answers 2xx, at least once, with growing pauses for about half a day. \
      Webhook-Id is the same with each attempt. With a secret, X-Clipper-Signature-256 is sha256= and the HMAC of the body. \
      Redirects are not followed. The server calls whatever address it is given, those of its own network included.
      """,
    subcommands: [
      RegistryWebhookAddCommand.self, RegistryWebhookListCommand.self, RegistryWebhookRemoveCommand.self,
      RegistryWebhookTestCommand.self,
    ])

  public init() {}
}

public struct RegistryWebhookAddCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Add a webhook, or replace the one of its name.")

  @OptionGroup var global: GlobalOptions
  @OptionGroup var realm: RegistryRealmOptions

  @Option(
    help: ArgumentHelp(
      "push, pull, delete, scan, create-repository or delete-repository. Repeatable. (push, delete and scan)",
      valueName: "event"))
  var event: [RegistryEvent.Kind] = []

  @Option(
    help: ArgumentHelp("Repositories, * for any characters. Repeatable; all where left out.", valueName: "pattern"))
  var repository: [String] = []

  @Option(help: ArgumentHelp("cloudevents or eventbridge.", valueName: "format"))
  var format: Webhook.Format = .cloudEvents

  @Flag(help: "Read the secret for signatures from standard input.")
  var secretStdin = false

  @Argument(help: "The webhook's name.")
  var name: String

  @Argument(help: "Its address: https://HOST/PATH.")
  var url: String

  public init() {}

  public mutating func run() throws {
    let secret = secretStdin ? readLine() ?? "" : nil
    let webhook: Webhook
    do {
      webhook = try Webhook(
        name: name, url: url, secret: secret, events: event.isEmpty ? [.push, .delete, .scan] : event,
        repositories: repository, format: format)
    } catch { throw Failure("\(error)", status: 125) }
    try realm.registry(global).setWebhook(webhook)
  }
}

public struct RegistryWebhookListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the webhooks that were added, without their secrets.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions
  @OptionGroup var realm: RegistryRealmOptions

  @Flag(help: "List what could not be delivered for good instead.")
  var failed = false

  @Option(
    help: ArgumentHelp(
      "json, or a template: {{.Name}}, {{.URL}}, {{.Events}}, {{.Repositories}}, {{.Format}}, {{.Signed}}.",
      valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let registry = try realm.registry(global)
    if failed {
      for (parcel, failure) in try registry.undeliveredEvents() { printOutput("\(parcel)\t\(failure)\n") }
      return
    }
    let listing = Listing([
      .init("NAME", "Name"), .init("ADDRESS", "URL"), .init("EVENTS", "Events"), .init("REPOSITORIES", "Repositories"),
      .init("FORMAT", "Format"), .init("SIGNED", "Signed"),
    ])
    let rows = try registry.webhooks().map { webhook -> [String: Value] in
      [
        "Name": .string(webhook.name), "URL": .string(webhook.url),
        "Events": .string(webhook.events.map(\.rawValue).joined(separator: ",")),
        "Repositories": .string(webhook.repositories.isEmpty ? "*" : webhook.repositories.joined(separator: ",")),
        "Format": .string(webhook.format.rawValue), "Signed": .string(webhook.secret == nil ? "no" : "yes"),
      ]
    }
    printOutput(try listing.render(rows, format: format))
  }
}

public struct RegistryWebhookRemoveCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove webhooks. What they are still owed is forgotten.", aliases: ["rm"])

  @OptionGroup var global: GlobalOptions
  @OptionGroup var realm: RegistryRealmOptions

  @Argument(help: "Names of webhooks.")
  var names: [String]

  public init() {}

  public mutating func run() throws {
    let registry = try realm.registry(global)
    var unknown: [String] = []
    for name in names where try !registry.removeWebhook(name) { unknown.append(name) }
    guard unknown.isEmpty else { throw Failure("no such webhook: \(unknown.joined(separator: ", "))") }
  }
}

public struct RegistryWebhookTestCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "test", abstract: "Send a webhook an event of a push that never was, at once, and tell what it answers.")

  @OptionGroup var global: GlobalOptions
  @OptionGroup var realm: RegistryRealmOptions

  @Argument(help: "The webhook's name.")
  var name: String

  public init() {}

  public mutating func run() async throws {
    let registry = try realm.registry(global)
    guard let webhook = try registry.webhooks().first(where: { $0.name == name }) else {
      throw Failure("no such webhook: \(name)")
    }
    let delivery = WebhookDelivery(registry)
    let event = RegistryEvent(
      .push, in: registry, repository: "clipper/test", tag: "test", by: Origin(principal: "clipper registry webhook test"))
    do { try await delivery.send(event, id: UUID().uuidString.lowercased(), to: webhook) } catch {
      await delivery.stop()
      throw Failure("\(webhook.url): \(error)")
    }
    await delivery.stop()
    printOutput("\(webhook.url) took it\n")
  }
}

extension RegistryEvent.Kind: ExpressibleByArgument {}
extension Webhook.Format: ExpressibleByArgument {}
