internal import DistributionSpec
internal import HTTPTypes
internal import ImageSpec
internal import RegistryServer

/// The address that GetDownloadUrlForLayer gives out: `/ecr/layers/<repository>/<digest>?…`.
struct LayerDownload: Sendable {
  let link: DownloadLink
  let signature: String

  /// Seconds that an address holds.
  static let lifetime: Int64 = 3600

  private static let prefix = "/ecr/layers/"

  init(_ link: DownloadLink, signature: String) {
    self.link = link
    self.signature = signature
  }

  var target: String {
    let realm = link.realm.isMain ? [] : [("account", link.realm.account), ("region", link.realm.region)]
    let query = Query(realm + [("expires", String(link.expires)), ("key", link.keyID), ("signature", signature)])
    return "\(Self.prefix)\(link.repository)/\(link.digest)?\(query)"
  }

  /// nil where a request is for something else, or misses a part.
  init?(_ request: RegistryRequest) {
    guard request.path.hasPrefix(Self.prefix), let path = PercentEncoding.decode(request.path),
      let slash = path.lastIndex(of: "/"), let digest = try? Digest(parsing: String(path[path.index(after: slash)...])),
      let expires = request.query["expires"].flatMap({ Int64($0) }), let key = request.query["key"],
      let signature = request.query["signature"]
    else { return nil }
    let repository = path[..<slash].dropFirst(Self.prefix.count)
    // A realm that is malformed is not the one that was signed.
    let realm = Realm(account: request.query["account"] ?? "", region: request.query["region"] ?? "") ?? .main
    link = DownloadLink(realm: realm, repository: String(repository), digest: digest, keyID: key, expires: expires)
    self.signature = signature
  }

  /// The blob; 403 for an address that was altered or has ended, as S3 answers.
  func respond(_ request: RegistryRequest, _ server: RegistryServer) async -> RegistryResponse {
    do {
      let registry = server.registry.at(link.realm)
      // What the key's user may do counts when the layer is fetched.
      guard let key = try server.authenticator.key(of: link, signature: signature),
        try await server.blocking({
          try server.decide(
            Caller(.key(key), request), "ecr:GetDownloadUrlForLayer", on: link.repository, of: registry
          ).isAllowed
        })
      else {
        return RegistryResponse(
          .forbidden, contentType: "text/plain", bytes: Array("this address is not valid, or not any more\n".utf8))
      }
      return try await server.getBlob(registry, link.repository, link.digest, request)
    } catch is RegistryError {
      return RegistryResponse(.notFound, contentType: "text/plain", bytes: Array("the layer is gone\n".utf8))
    } catch {
      server.logger.error("layer download failed", metadata: ["error": "\(error)"])
      return RegistryResponse(.internalServerError)
    }
  }
}
