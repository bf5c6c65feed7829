internal import ConfigurationFiles
internal import RegistryServer

/// Quotas of those for whom `clipper registry quota` has set none. All of it changes while the server runs.
struct QuotasSection: Sendable {
  let defaults: DefaultQuotas

  init(_ section: ConfigurationReader.Section) {
    func count(_ key: String) -> Int64? { (section.optional(key, as: Int.self, isLive: true)).map(Int64.init) }
    func bytes(_ key: String) -> Int64? { section.optional(key, as: ByteCount.self, isLive: true)?.bytes }
    var defaults = DefaultQuotas()
    defaults.repository = Quota(
      bytes: bytes("repository-bytes"), images: count("repository-images"), tags: count("repository-tags"))
    defaults.account = Quota(
      bytes: bytes("account-bytes"), images: count("account-images"), tags: count("account-tags"),
      repositories: count("account-repositories"))
    self.defaults = defaults
  }
}
