internal import DistributionSpec
public import ImageSpec

extension RegistryClient {
  /// What refers to an image, at most `limit`, by the registry's list or by the index that clients keep where it has none.
  /// (distribution-spec, Listing Referrers; Unavailable Referrers API)
  public func referrers(of image: Digest, in name: Reference, limit: Int) async throws -> [Descriptor] {
    let host = Host(name)
    let request = try await request(
      host, .referrers(name: name.path, digest: image), scopes: [.pull(name.path)], what: "referrers of \(image)")
    do {
      return try await pages(request, host: host, Index.self, limit: limit, \.manifests)
    } catch RegistryClientError.notFound {
    } catch RegistryClientError.refused(_, _, let status, _) where [400, 405, 501].contains(status) {}
    do {
      let index = try await fetchManifest(name, .tag("\(image.algorithm.rawValue)-\(image.hex)"), onRetry: nil)
      return Array(try decode(Index.self, index.bytes, host: host, what: request.what).manifests.prefix(limit))
    } catch RegistryClientError.notFound {
      return []
    }
  }
}
