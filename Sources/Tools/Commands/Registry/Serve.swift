public import ArgumentParser
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
      `aws ecr get-login-password --endpoint-url URL` (clipper registry key create). Everybody who has signed in may push, \
      pull and delete; --anonymous says what the rest may do. Users and keys that are added or removed count from the next \
      request on.

      Without a certificate the registry makes a certificate authority of its own, which clients must trust: \
      clipper registry ca prints it. Plain HTTP on the same port is answered to this host alone. SIGHUP reads the \
      certificate again, SIGTERM finishes what is under way and stops. An upload goes on where it was after a restart.
      """)

  @OptionGroup var global: GlobalOptions

  @OptionGroup var cluster: ClusterOptions

  @Option(
    help: ArgumentHelp(
      "Where to listen, HOST:PORT; :PORT is every address of this host. Repeatable.", valueName: "address"))
  var listen: [String] = ["127.0.0.1:5000"]

  @Option(
    help: ArgumentHelp(
      "auto: TLS with the given certificate or an own authority's; off: plain HTTP.", valueName: "mode"))
  var tls: TLSMode = .auto

  @Option(help: ArgumentHelp("The server's certificate chain in PEM, its own first.", valueName: "file"))
  var tlsCert: String?

  @Option(help: ArgumentHelp("The certificate's private key in PEM.", valueName: "file"))
  var tlsKey: String?

  @Option(
    help: ArgumentHelp("Another name or address for the own authority's certificate. Repeatable.", valueName: "name"))
  var tlsName: [String] = []

  @Option(help: ArgumentHelp("Users beside those of `registry user`: htpasswd lines with bcrypt.", valueName: "file"))
  var htpasswd: String?

  @Option(help: ArgumentHelp("What is open to those who do not sign in: none, pull or push.", valueName: "access"))
  var anonymous: AnonymousAccess = .none

  @Flag(name: .customLong("no-create"), help: "A push to a repository that does not exist is refused.")
  var refusesNewRepositories = false

  @Option(
    name: .customLong("external-url"),
    help: ArgumentHelp("How clients reach this registry where it stands behind a proxy.", valueName: "url"))
  var externalURL: String?

  @Option(help: ArgumentHelp("Twelve digits that ECR's answers call the registry by.", valueName: "id"))
  var account: String = RealmTable.defaultAccount

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

  public init() {}

  public mutating func validate() throws {
    guard (tlsCert == nil) == (tlsKey == nil) else { throw ValidationError("--tls-cert and --tls-key go together") }
    guard tls == .auto || tlsCert == nil else { throw ValidationError("--tls off has no use for a certificate") }
    guard tlsName.isEmpty || (tls == .auto && tlsCert == nil) else {
      throw ValidationError("--tls-name is for the certificate that the registry makes itself")
    }
    if let externalURL, !externalURL.hasPrefix("http://"), !externalURL.hasPrefix("https://") {
      throw ValidationError("--external-url begins with https:// or http://")
    }
  }

  private func realmTable() throws -> (table: RealmTable, ports: [UInt16]) {
    var declared: [Realm] = []
    var ports: [UInt16: Realm] = [:]
    for text in realm {
      let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let names = halves[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
      guard names.count == 2, let realm = Realm(account: names[0], region: names[1]) else {
        throw Failure(
          "--realm \"\(text)\": an account's id of twelve digits, a slash, and a region such as eu-west-1", status: 125)
      }
      if halves.count == 2 {
        guard let port = UInt16(halves[1]), port > 0, ports[port] == nil else {
          throw Failure("--realm \"\(text)\": \"\(halves[1])\" is no port that is still free", status: 125)
        }
        ports[port] = realm
      }
      declared.append(realm)
    }
    guard let table = RealmTable(account: account, region: region, declared: declared, ports: ports, domain: ecrDomain)
    else {
      throw Failure(
        "--account \"\(account)\" has twelve digits, and --region is a name such as eu-west-1", status: 125)
    }
    return (table, ports.keys.sorted())
  }

  public mutating func run() async throws {
    let addresses: [ListenAddress]
    do { addresses = try listen.map { try ListenAddress(parsing: $0) } } catch {
      throw Failure("\(error)", status: 125)
    }
    let (realms, ports) = try realmTable()
    let host = addresses.first?.host ?? ""
    let listening = addresses + ports.map { ListenAddress(host: host, port: $0) }
    let logger = global.logger("registry")
    let root = try global.locations().root
    let store = try ContentStore.open(root, longLived: true, readers: 2)
    let files = RegistryFiles(root: root)
    let passwords = [files.passwords] + (htpasswd.map { [PasswordFile(FilePath($0))] } ?? [])
    // A file that cannot be used is told now, not at the first sign-in.
    let userCount = try passwords.reduce(0) { try $0 + $1.users().count }
    let identity = try identity(files, listening, logger)
    let registry = try cluster.registry(store, createsOnPush: !refusesNewRepositories, logger)
    let console = try Console(registry, cache: files.directory.appending("layers"), logger: logger)
    // The console first: it looks at paths alone, and ECR reads a form before it knows whose it is.
    let server = RegistryServer(
      registry,
      authenticator: Authenticator(passwords: passwords, keys: files.keys, secret: try files.secret(), logger: logger),
      policy: AccessPolicy(anonymous: anonymous),
      externalURL: externalURL.map { String($0.reversed().drop { $0 == "/" }.reversed()) }, realms: realms,
      endpoints: [console.endpoint, ECREndpoint().endpoint], logger: logger)
    let peers = RegistryClient(store: store, configuration: Self.peerConfiguration)
    server.replication.connect(RemoteRegistries(files.remotes, secrets: files.secrets, client: peers))
    let isEmpty = try userCount == 0 && files.keys.list().isEmpty
    let (usesOwnAuthority, keepsOut) = (identity != nil && tlsCert == nil, isEmpty && anonymous != .push)
    let signals = StopSignals { identity?.reload() }
    try await server.serve(
      on: listening, tls: identity,
      onReady: { bound in
        printError(Self.greeting(bound, root, isSecure: identity != nil, usesOwnAuthority, keepsOut))
      },
      until: { await signals.wait() })
    try await peers.shutdown()
  }

  /// How other registries are talked to: what this user is signed in to elsewhere is none of a server's business.
  private static var peerConfiguration: RegistryConfiguration {
    var configuration = RegistryConfiguration.default
    configuration.credentials = CredentialStore(path: nil)
    configuration.userAgent = RemoteRegistries.userAgent
    return configuration
  }

  private func identity(_ files: RegistryFiles, _ addresses: [ListenAddress], _ logger: Logger) throws -> TLSIdentity? {
    if cluster.isShared, tls == .auto, tlsCert == nil {
      throw Failure(
        "replicas need one certificate: give --tls-cert and --tls-key, or --tls off behind a proxy that has TLS",
        status: 125)
    }
    if let tlsCert, let tlsKey {
      return try TLSIdentity(.files(chain: FilePath(tlsCert), key: FilePath(tlsKey)), logger: logger)
    }
    guard tls == .auto else { return nil }
    var extra: [ServerName] = []
    if let externalURL, let name = Self.host(of: externalURL) { extra.append(name) }
    for text in tlsName {
      guard let name = ServerName(text) else {
        throw Failure("--tls-name \"\(text)\" is neither a name nor an address", status: 125)
      }
      extra.append(name)
    }
    let names = ServerName.needed(listening: addresses.map(\.serverName), extra: extra)
    return try TLSIdentity(.authority(files.authority, names: names), logger: logger)
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

enum TLSMode: String, CaseIterable, ExpressibleByArgument { case auto, off }

extension AnonymousAccess: ExpressibleByArgument {}
