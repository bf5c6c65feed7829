public import ArgumentParser
internal import Content
internal import Engine
internal import ImageSpec
internal import RegistryClient

public struct SearchCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "search", abstract: "Look for repositories of a registry, or for the tags of one.",
    discussion: "HOST/TERM finds the registry's repositories whose names contain TERM, HOST alone all of them.")

  @OptionGroup var global: GlobalOptions

  @Flag(help: "List the tags of the repository that is named.")
  var listTags = false

  @Option(help: ArgumentHelp("At most so many results; all by default.", valueName: "n"))
  var limit: Int?

  @Option(help: ArgumentHelp("A Go template, \"json\" or \"table TEMPLATE\"; fields are Name and Tag.", valueName: "format"))
  var format: String?

  @Argument(help: "HOST/TERM, HOST, or with --list-tags a repository.")
  var term: String

  public init() {}

  public mutating func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit must be 1 or more") }
  }

  public mutating func run() async throws {
    let store = try ContentStore.open(global.locations().root)
    let client = RegistryClient(store: store, configuration: .showingWarnings)
    let rows: [[String: Value]]
    do {
      rows = try await listTags ? tags(client) : repositories(client)
    } catch {
      try await client.shutdown()
      throw error
    }
    try await client.shutdown()
    let columns = [Listing.Column("NAME", "Name")] + (listTags ? [Listing.Column("TAG", "Tag")] : [])
    printOutput(try Listing(columns).render(Array(rows.prefix(limit ?? rows.count)), format: format))
  }

  private func tags(_ client: RegistryClient) async throws -> [[String: Value]] {
    let repository = try Reference(parsing: term)
    guard repository.tag == nil, repository.digest == nil else {
      throw Failure("\"\(term)\" has a tag or a digest: name the repository alone")
    }
    return try await client.tags(repository).map {
      ["Name": .string(repository.familiarRepository), "Tag": .string($0)]
    }
  }

  private func repositories(_ client: RegistryClient) async throws -> [[String: Value]] {
    let parts = term.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map { String($0) }
    let first = parts[0]
    guard first.contains(".") || first.contains(":") || first == "localhost" else {
      throw Failure("\"\(term)\" names no registry: write HOST/TERM; to see the tags of a repository, add --list-tags")
    }
    let host = try RegistryHost.parse(first)
    guard host != Reference.defaultDomain else {
      throw Failure("Docker Hub does not list its repositories to registry clients; --list-tags shows the tags of one")
    }
    let wanted = parts.count == 2 ? parts[1] : ""
    return try await client.repositories(host: host).filter { wanted.isEmpty || $0.contains(wanted) }.map {
      ["Name": .string("\(host)/\($0)")]
    }
  }
}
