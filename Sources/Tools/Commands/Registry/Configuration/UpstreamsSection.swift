internal import ConfigurationFiles
internal import RegistryServer

/// The registries that pull-through cache rules may name.
struct UpstreamsSection: Sendable {
  let hosts: UpstreamHosts
  /// Milliseconds after which a cached tag is looked for at its upstream again.
  let freshness: Int64

  init(_ section: ConfigurationReader.Section) {
    let names: [String] = section.list("hosts")
    let hosts = UpstreamHosts(names)
    if hosts == nil { section.refuse("hosts", "each is HOST[:PORT], or HOST[:PORT]=ADDRESS[:PORT]") }
    self.hosts = hosts ?? UpstreamHosts()
    freshness =
      section.value(
        "freshness", default: TimeSpan(milliseconds: PullThroughCache.defaultFreshness),
        in: .seconds(0)...(.seconds(365 * 24 * 3600))
      ).milliseconds
  }
}
