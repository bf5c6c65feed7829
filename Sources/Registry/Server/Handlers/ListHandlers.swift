import DistributionSpec
import HTTPTypes

extension RegistryServer {
  func getTags(_ admitted: Admitted, _ name: String, _ request: RegistryRequest) async throws -> RegistryResponse {
    let limit = min(try Self.pageSize(request.query) ?? Self.largestPage, Self.largestPage)
    let last = request.query["last"]
    // One more than asked for tells whether there is a next page.
    let found = try await blocking { try admitted.registry.tags(name, after: last, limit: limit + 1) }
    let page = Array(found.prefix(limit))
    var response = RegistryResponse.json(.ok, TagList(name: name, tags: page))
    response.headers[.link] = Self.next(request.path, page.last, limit, more: found.count > limit)
    return response
  }

  func getCatalog(_ admitted: Admitted, _ request: RegistryRequest) async throws -> RegistryResponse {
    let limit = min(try Self.pageSize(request.query) ?? 1000, Self.largestPage)
    let last = request.query["last"]
    let found = try await blocking { try self.visibleRepositories(admitted, after: last, limit: limit + 1) }
    let page = Array(found.prefix(limit))
    var response = RegistryResponse.json(.ok, Catalog(repositories: page))
    response.headers[.link] = Self.next(request.path, page.last, limit, more: found.count > limit)
    return response
  }

  /// Names alone of what the caller may see: neither a short page nor a `Link` tells of others.
  private func visibleRepositories(_ admitted: Admitted, after last: String?, limit: Int) throws -> [String] {
    var visible: [String] = []
    var last = last
    while visible.count < limit {
      let found = try admitted.registry.repositories(after: last, limit: Self.largestPage)
      visible += try self.visible(found.map(\.name), to: admitted.caller, of: admitted.registry)
      guard found.count == Self.largestPage else { break }
      last = found.last?.name
    }
    return Array(visible.prefix(limit))
  }

  /// `n` of a listing; nil where it is not given.
  static func pageSize(_ query: Query) throws -> Int? {
    guard let text = query["n"] else { return nil }
    guard let count = Int(text), count >= 0 else { throw EndpointError.pageSizeMalformed(text) }
    return count
  }

  private static let largestPage = 10_000

  private static func next(_ path: String, _ last: String?, _ limit: Int, more: Bool) -> String? {
    guard more, let last else { return nil }
    return LinkHeader(target: "\(path)?\(Query([("n", String(limit)), ("last", last)]))").description
  }
}
