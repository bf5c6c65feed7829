internal import DistributionSpec
public import ImageSpec
internal import NIOHTTP1

extension RegistryClient {
  /// Pages that are read at most: a registry that sends the same link again and again ends here.
  private static let pages = 10_000
  private static let pageLimit = 8 << 20
  private static let pageSize = "1000"

  /// All tags of a repository, in the registry's order. (distribution-spec, Listing Tags)
  public func tags(_ repository: Reference) async throws -> [String] {
    let host = Host(repository)
    let request = try await request(
      host, .tags(name: repository.path), query: Query([("n", Self.pageSize)]), scopes: [.pull(repository.path)],
      what: "the tags of \(repository.familiarRepository)")
    return try await pages(request, host: host, TagList.self, \.tags)
  }

  /// All repositories of a registry, where it lets them be listed. (docker distribution's API, Listing Repositories)
  public func repositories(host name: String) async throws -> [String] {
    let host = Host(name)
    let request = try await request(
      host, .catalog, query: Query([("n", Self.pageSize)]),
      scopes: [AccessScope(type: "registry", name: "catalog", actions: ["*"])], what: "the list of repositories")
    return try await pages(request, host: host, Catalog.self, \.repositories)
  }

  /// The items of a listing's pages, at most `limit`.
  func pages<Page: Decodable & Sendable, Item>(
    _ request: HTTPRequest, host: Host, _ type: Page.Type, limit: Int = .max, _ items: (Page) -> [Item]
  ) async throws -> [Item] {
    var request = request
    var found: [Item] = []
    for _ in 0..<Self.pages {
      let answer = try await transport.send(request)
      guard answer.status == 200 else { throw await transport.failure(answer, host: host, what: request.what) }
      guard let bytes = try await answer.collect(limit: Self.pageLimit) else {
        throw RegistryClientError.tooLarge(host: host.name, what: request.what, limit: Int64(Self.pageLimit))
      }
      found += items(try decode(type, bytes, host: host, what: request.what))
      guard found.count < limit, let link = LinkHeader.next(answer.headers["link"]) else {
        return Array(found.prefix(limit))
      }
      // A page elsewhere would get this registry's sign-in.
      guard let next = answer.address.resolving(link), next.authority == request.address.authority, next != request.address else {
        throw RegistryClientError.malformed(host: host.name, what: request.what, reason: "the link to the next page leads elsewhere")
      }
      request.address.target = next.target
    }
    throw RegistryClientError.malformed(host: host.name, what: request.what, reason: "it has no end")
  }
}
