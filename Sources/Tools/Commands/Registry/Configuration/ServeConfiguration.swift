internal import ConfigurationFiles
internal import Glibc
internal import RegistryServer
internal import SystemPackage

/// All settings of `clipper registry serve`: a section a subject, each in a file of its own here.
///
/// A new section is a struct with `init(_ section:)` that asks for its keys, and a line in each of the three places below.
/// docs/registry-configuration.md describes every key.
struct ServeConfiguration: Sendable {
  var listen: ListenSection
  var tls: TLSSection
  var access: AccessSection
  var repositories: RepositoriesSection
  var realms: RealmsSection
  var cluster: ClusterSection
  var connections: ConnectionsSection
  var proxies: ProxiesSection
  var limits: LimitsSection
  var upstreams: UpstreamsSection
  var quotas: QuotasSection
  var mode: ModeSection
  var garbage: GarbageSection
  var lifecycle: LifecycleSection
  var signatures: SignaturesSection
  var webhooks: WebhooksSection
  var log: LogSection
  var metrics: MetricsSection
  var stop: StopSection
  let effective: EffectiveConfiguration

  /// Reads and checks all of it. Throws `ConfigurationProblems`.
  init(_ reader: ConfigurationReader) throws {
    listen = ListenSection(reader.section("listen"))
    tls = TLSSection(reader.section("tls"))
    access = AccessSection(reader.section("access"))
    repositories = RepositoriesSection(reader.section("repositories"))
    realms = RealmsSection(reader.section("realms"))
    cluster = ClusterSection(reader.section("cluster"))
    connections = ConnectionsSection(reader.section("connections"))
    proxies = ProxiesSection(reader.section("proxies"))
    limits = LimitsSection(reader.section("limits"))
    upstreams = UpstreamsSection(reader.section("upstreams"))
    quotas = QuotasSection(reader.section("quotas"))
    mode = ModeSection(reader.section("mode"))
    garbage = GarbageSection(reader.section("gc"))
    lifecycle = LifecycleSection(reader.section("lifecycle"))
    signatures = SignaturesSection(reader.section("signatures"))
    webhooks = WebhooksSection(reader.section("webhooks"))
    log = LogSection(reader.section("log"))
    metrics = MetricsSection(reader.section("metrics"))
    stop = StopSection(reader.section("stop"))
    effective = try reader.finish()
  }

  /// The file that holds where none is named: `<root>/registry/config.yaml`, if it is there.
  static func defaultFile(_ root: FilePath) -> FilePath? {
    let path = RegistryFiles(root: root).directory.appending("config.yaml")
    return Glibc.access(path.string, F_OK) == 0 ? path : nil
  }

  /// From a file (`--config`, else `CLIPPER_REGISTRY_CONFIG`, else the root's own), the environment and flags.
  static func read(_ file: String?, root: FilePath, flags: [ConfigurationReader.Flag]) throws -> ServeConfiguration {
    let environment = Self.environment()
    let named = file ?? environment["CLIPPER_REGISTRY_CONFIG"]
    let path = named.map { FilePath($0) } ?? defaultFile(root)
    return try ServeConfiguration(ConfigurationReader(file: path, environment: environment, flags: flags))
  }

  private static func environment() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
      entry += 1
    }
    return variables
  }

  /// Those of `listen`, and one more for each realm that has a port of its own.
  var listeningAddresses: [ListenAddress] {
    listen.addresses + realms.ports.map { ListenAddress(host: listen.addresses.first?.host ?? "", port: $0) }
  }

  /// Gives a server what may change while it runs. Throws where the database cannot be told.
  func apply(to server: RegistryServer, _ delivery: WebhookDelivery) throws {
    server.rateLimits.settings = limits.rates
    server.registry.quotaDefaults.quotas = quotas.defaults
    server.garbageSettings = garbage.settings
    server.lifecycleInterval = lifecycle.interval
    server.keepReadOnly(mode.readOnly)
    delivery.configure(webhooks.webhooks)
    try server.registry.configureSignaturePolicies(signatures.policies)
  }

  /// What the sockets are served with.
  func serveOptions(_ metrics: ServerMetrics) throws -> ServeOptions {
    var options = ServeOptions()
    options.limits = connections.limits
    options.proxies = proxies.proxies
    options.accessLog = try log.accessLog(metrics)
    options.metricsAccess = self.metrics.access
    options.operationAddresses = self.metrics.addresses
    options.drainDelay = stop.drainDelay.duration
    return options
  }
}
