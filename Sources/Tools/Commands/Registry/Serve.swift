public import ArgumentParser
internal import ConfigurationFiles
internal import Content
internal import Console
internal import ECRAPI
import Engine
internal import Logging
internal import RegistryClient
internal import RegistryServer
internal import SystemPackage

public struct ServeCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve this store's repositories to docker, podman, the aws CLI and other clients.",
    discussion: """
      The registry keeps repositories apart from this host's images: a pull gets what was pushed, and nothing else. A push \
      makes the repository that it names, unless --no-create is given: then `aws ecr create-repository` does, as with \
      Amazon ECR. Content that both have is stored once.

      Users sign in with a password (clipper registry user add), or with an access key by way of \
      `aws ecr get-login-password --endpoint-url URL` (clipper registry key create). Who has signed in may push, pull and \
      delete, unless policies say otherwise (clipper registry policy, aws ecr set-repository-policy); --anonymous says \
      what the rest may do. Users, keys and policies count from the next request on.

      Without a certificate the registry makes a certificate authority of its own, which clients must trust: \
      clipper registry ca prints it. Plain HTTP on the same port is answered to this host alone.

      Settings come from flags, the environment (CLIPPER_REGISTRY_SECTION_KEY) and a file, in this order; \
      `clipper registry config show` prints all of them. SIGHUP reads the file and certificates again and begins the access \
      log anew. SIGTERM finishes what is under way and stops, a second one at once. An upload goes on where it was after a \
      restart.
      """)

  @OptionGroup var global: GlobalOptions

  @OptionGroup var settings: RegistrySettingOptions
  @OptionGroup var cluster: ClusterOptions

  @Option(
    help: ArgumentHelp(
      "Where to listen, HOST:PORT; :PORT is every address of this host. Repeatable. (127.0.0.1:5000)",
      valueName: "address"))
  var listen: [String] = []

  @Option(
    help: ArgumentHelp(
      "auto: TLS with the given certificate or an own authority's; off: plain HTTP. (auto)", valueName: "mode"))
  var tls: String?

  @Option(help: ArgumentHelp("The server's certificate chain in PEM, its own first.", valueName: "file"))
  var tlsCert: String?

  @Option(help: ArgumentHelp("The certificate's private key in PEM.", valueName: "file"))
  var tlsKey: String?

  @Option(
    help: ArgumentHelp("Another name or address for the own authority's certificate. Repeatable.", valueName: "name"))
  var tlsName: [String] = []

  @Option(help: ArgumentHelp("Users beside those of `registry user`: htpasswd lines with bcrypt.", valueName: "file"))
  var htpasswd: String?

  @Option(
    help: ArgumentHelp("What is open to those who do not sign in: none, pull or push. (none)", valueName: "access"))
  var anonymous: String?

  @Flag(name: .customLong("no-create"), help: "A push to a repository that does not exist is refused.")
  var refusesNewRepositories = false

  @Option(
    name: .customLong("external-url"),
    help: ArgumentHelp("How clients reach this registry where it stands behind a proxy.", valueName: "url"))
  var externalURL: String?

  @Option(help: ArgumentHelp("Twelve digits that ECR's answers call the registry by.", valueName: "id"))
  var account: String?

  @Option(help: ArgumentHelp("The one AWS region that clients may sign for; any, where left out.", valueName: "name"))
  var region: String?

  @Option(
    help: ArgumentHelp(
      "Another registry on this server, ACCOUNT/REGION, or ACCOUNT/REGION=PORT for one with a port of its own. Repeatable.",
      valueName: "realm"))
  var realm: [String] = []

  @Option(
    name: .customLong("ecr-domain"),
    help: ArgumentHelp(
      "Tell clients names of AWS's shape, ACCOUNT.dkr.ecr.REGION.DOMAIN; some take no other.", valueName: "domain"))
  var ecrDomain: String?

  @Option(
    help: ArgumentHelp(
      "A registry that pull-through cache rules may name beside those of AWS's list; HOST=ADDRESS reaches it elsewhere. Repeatable.",
      valueName: "host"))
  var upstream: [String] = []

  @Option(
    name: .customLong("upstream-freshness"),
    help: ArgumentHelp("Seconds after which a cached tag is looked for at its upstream again.", valueName: "seconds"))
  var upstreamFreshness: Int64?

  public init() {}

  /// The flags above as settings.
  private var flags: [ConfigurationReader.Flag] {
    var flags = cluster.flags + [
      ConfigurationReader.Flag("listen.addresses", "--listen", listen), .init("tls.names", "--tls-name", tlsName),
      .init("realms.others", "--realm", realm), .init("upstreams.hosts", "--upstream", upstream),
    ]
    flags.removeAll { $0.values.isEmpty }
    for (key, name, value) in [
      ("listen.external-url", "--external-url", externalURL), ("tls.mode", "--tls", tls),
      ("tls.certificate", "--tls-cert", tlsCert), ("tls.key", "--tls-key", tlsKey),
      ("access.htpasswd", "--htpasswd", htpasswd), ("access.anonymous", "--anonymous", anonymous),
      ("repositories.create-on-push", "--no-create", refusesNewRepositories ? "false" : nil),
      ("realms.account", "--account", account), ("realms.region", "--region", region),
      ("realms.ecr-domain", "--ecr-domain", ecrDomain),
      ("upstreams.freshness", "--upstream-freshness", upstreamFreshness.map { "\($0)s" }),
    ] {
      if let value { flags.append(.init(key, name, [value])) }
    }
    return flags
  }

  public mutating func run() async throws {
    let logger = global.logger("registry")
    let root = try global.locations().root
    let (settings, flags) = (settings, flags)
    let configuration = try settings.read(root, flags)
    let addresses = configuration.listeningAddresses
    let store = try ContentStore.open(root, longLived: true, readers: 2)
    let files = try configuration.cluster.files(root, logger)
    let passwords = [files.passwords] + (configuration.access.htpasswd.map { [PasswordFile($0)] } ?? [])
    // A file that cannot be used is told now, not at the first sign-in.
    let userCount = try passwords.reduce(0) { try $0 + $1.users().count }
    let identity = try Self.identity(configuration, files, logger)
    let registry = try configuration.cluster.registry(store, configuration.repositories, logger)
    let console = try Console(registry, cache: files.directory.appending("layers"), logger: logger)
    // The console first: it looks at paths alone, and ECR reads a form before it knows whose it is.
    let server = RegistryServer(
      registry,
      authenticator: Authenticator(passwords: passwords, keys: files.keys, secret: try files.secret(), logger: logger),
      policy: AccessPolicy(anonymous: configuration.access.anonymous), externalURL: configuration.listen.externalURL,
      realms: configuration.realms.table, endpoints: [console.endpoint, ECREndpoint().endpoint], logger: logger)
    let peers = RegistryClient(store: store, configuration: Self.peerConfiguration)
    server.replication.connect(RemoteRegistries(files.remotes, secrets: files.secrets, client: peers))
    let upstreams = RegistryClient(store: store, configuration: Self.upstreamConfiguration)
    server.connect(
      PullThroughCache(
        upstreams, hosts: configuration.upstreams.hosts, secrets: files.secrets,
        freshness: configuration.upstreams.freshness, logger: logger))
    let delivery = WebhookDelivery(registry, realms: configuration.realms.table, metrics: server.metrics)
    delivery.begin()
    try configuration.apply(to: server, delivery)
    let options = try configuration.serveOptions(server.metrics)
    let isEmpty = try userCount == 0 && files.keys.list().isEmpty
    let anonymous = configuration.access.anonymous
    let (usesOwnAuthority, keepsOut) = (
      identity != nil && configuration.tls.certificate == nil, isEmpty && anonymous != .push
    )
    let reload = ConfigurationReload(configuration, server, delivery, options.accessLog, identity) {
      try settings.read(root, flags)
    }
    let signals = StopSignals { reload.run() }
    let served: Result<Void, any Error>
    do {
      try await server.serve(
        on: addresses, tls: identity, grace: configuration.stop.grace.duration, options: options,
        onReady: { bound in
          printError(
            Self.greeting(
              Array(bound.prefix(addresses.count)), root, isSecure: identity != nil, usesOwnAuthority, keepsOut))
        },
        until: { await signals.wait() })
      served = .success(())
    } catch {
      served = .failure(error)
    }
    await delivery.stop()
    try await peers.shutdown()
    try await upstreams.shutdown()
    try served.get()
  }

  /// How other registries are talked to: what this user is signed in to elsewhere is none of a server's business.
  private static var peerConfiguration: RegistryConfiguration {
    var configuration = RegistryConfiguration.default
    configuration.credentials = CredentialStore(path: nil)
    configuration.userAgent = RemoteRegistries.userAgent
    return configuration
  }

  /// A client that pulls is waiting: what does not answer soon does not answer.
  private static var upstreamConfiguration: RegistryConfiguration {
    var configuration = RegistryConfiguration.default
    configuration.credentials = CredentialStore(path: nil)
    configuration.retry.attempts = 2
    configuration.retry.connectAttempts = 1
    configuration.retry.longestWish = .seconds(5)
    return configuration
  }

  private static func identity(
    _ configuration: ServeConfiguration, _ files: RegistryFiles, _ logger: Logger
  ) throws -> TLSIdentity? {
    let tls = configuration.tls
    if configuration.cluster.isShared, tls.mode == .auto, tls.certificate == nil {
      throw Failure(
        "replicas need one certificate: give --tls-cert and --tls-key, or --tls off behind a proxy that has TLS",
        status: 125)
    }
    if let chain = tls.certificate, let key = tls.key {
      return try TLSIdentity(.files(chain: chain, key: key), clients: tls.clients, logger: logger)
    }
    guard tls.mode == .auto else { return nil }
    let external = configuration.listen.externalURL.flatMap { Self.host(of: $0) }
    let names = ServerName.needed(
      listening: configuration.listeningAddresses.map(\.serverName), extra: (external.map { [$0] } ?? []) + tls.names)
    return try TLSIdentity(.authority(files.authority, names: names), clients: tls.clients, logger: logger)
  }

  /// `https://registry.example:5000/` names `registry.example`.
  private static func host(of url: String) -> ServerName? {
    let authority = url.drop { $0 != "/" }.drop { $0 == "/" }.prefix { $0 != "/" }
    return (try? ListenAddress(parsing: String(authority))).flatMap { ServerName($0.host) }
  }

  private static func greeting(
    _ addresses: [ListenAddress], _ root: FilePath, isSecure: Bool, _ usesOwnAuthority: Bool, _ keepsOut: Bool
  ) -> String {
    let urls = addresses.map { address in
      let shown = address.host.isEmpty ? ListenAddress(host: "localhost", port: address.port) : address
      return "\(isSecure ? "https" : "http")://\(shown)"
    }
    var lines = ["registry: serving \(root) at \(urls.joined(separator: ", "))"]
    if usesOwnAuthority, let address = addresses.first {
      let host = address.host.isEmpty ? "localhost:\(address.port)" : address.description
      lines += [
        "registry: its certificate is by its own authority, which clients must trust:",
        "  clipper registry ca > ca.crt",
        "  docker:                    copy it to /etc/docker/certs.d/\(host)/ca.crt",
        "  podman, skopeo, clipper:   copy it to /etc/containers/certs.d/\(host)/ca.crt",
        "  aws, curl, other programs: AWS_CA_BUNDLE=ca.crt, curl --cacert ca.crt, SSL_CERT_FILE=ca.crt",
      ]
    }
    if keepsOut {
      lines.append(
        "registry: nobody can sign in yet; clipper registry user add NAME and clipper registry key create change that")
    }
    if !isSecure, addresses.contains(where: { !$0.isLoopback }) {
      lines.append(
        "registry: without TLS, passwords and images cross the network in the clear; leave it to a proxy that has TLS")
    }
    return lines.joined(separator: "\n")
  }
}

enum TLSMode: String, CaseIterable, Sendable { case auto, off }
