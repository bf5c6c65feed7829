internal import Glibc
public import SystemPackage

/// How a client reaches registries.
public struct RegistryConfiguration: Sendable {
  public var credentials: CredentialStore
  /// Layers that are transferred side by side.
  public var concurrency = 4
  public var retry = RetryPolicy()
  public var timeouts = Timeouts()
  /// Hosts (`host` or `host:port`) whose certificate is not looked at and that may speak plain HTTP.
  public var insecureHosts: Set<String> = []
  /// Folders that hold `<host>/*.crt` (CAs) and `<host>/*.cert` with `*.key` (for the client).
  public var certificateDirectories: [FilePath] = []
  /// Replaces the system's CAs: the file that SSL_CERT_FILE names.
  public var certificateFile: FilePath?
  public var proxy = ProxyRules()
  /// Which images may be pulled.
  public var imagePolicy = ImagePolicy(path: nil)
  /// Takes what registries warn of, each warning once, when the client is shut down; nil drops it.
  public var onWarning: (@Sendable (RegistryWarning) -> Void)?
  /// Sent as User-Agent.
  public var userAgent = "clipper/1"

  public struct Timeouts: Sendable {
    /// Seconds to connect and to agree on TLS.
    public var connect = 15
    /// Seconds without a byte from the other side, after which a connection counts as lost.
    public var idle = 120

    public init() {}
  }

  public init(credentials: CredentialStore) { self.credentials = credentials }

  /// What the environment asks for: credentials as Docker and podman keep them, `CLIPPER_INSECURE_REGISTRIES` (hosts,
  /// separated by commas), `SSL_CERT_FILE`, `HTTPS_PROXY`, `NO_PROXY`, and the usual `certs.d` folders.
  public static var `default`: RegistryConfiguration { environment(ProcessEnvironment.current) }

  public static func environment(_ environment: [String: String]) -> RegistryConfiguration {
    var configuration = RegistryConfiguration(credentials: .environment(environment))
    configuration.insecureHosts = Set(
      (environment["CLIPPER_INSECURE_REGISTRIES"] ?? "").split { $0 == "," || $0 == " " }.map { String($0) })
    configuration.certificateFile = environment["SSL_CERT_FILE"].flatMap { $0.isEmpty ? nil : FilePath($0) }
    configuration.proxy = ProxyRules(environment: environment)
    configuration.imagePolicy = .environment(environment)
    var directories: [FilePath] = ["/etc/docker/certs.d", "/etc/containers/certs.d"]
    if let home = environment["HOME"], !home.isEmpty {
      let settings = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : FilePath($0) } ?? FilePath(home).appending(".config")
      directories.append(settings.appending("clipper").appending("certs.d"))
      directories.append(settings.appending("containers").appending("certs.d"))
    }
    if let docker = CredentialStore.dockerDirectory(environment) { directories.append(docker.appending("certs.d")) }
    configuration.certificateDirectories = directories
    return configuration
  }
}

/// The variables of this process.
enum ProcessEnvironment {
  static var current: [String: String] {
    var variables: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let line = String(cString: text)
      if let equals = line.firstIndex(of: "=") {
        variables[String(line[..<equals])] = String(line[line.index(after: equals)...])
      }
      entry += 1
    }
    return variables
  }
}

/// Which hosts are reached through a proxy. (curl's rules for HTTPS_PROXY and NO_PROXY)
public struct ProxyRules: Sendable {
  var host: String?
  var port = 3128
  /// base64 of `user:password`.
  var authorization: String?
  private var exceptions: [String] = []

  public init() {}

  public init(environment: [String: String]) {
    guard let url = ["HTTPS_PROXY", "https_proxy"].compactMap({ environment[$0] }).first(where: { !$0.isEmpty }) else { return }
    var rest = url[...]
    if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
    rest = rest.prefix { $0 != "/" }
    if let at = rest.lastIndex(of: "@") {
      authorization = Base64.encode(Array(rest[..<at].utf8))
      rest = rest[rest.index(after: at)...]
    }
    if let colon = rest.lastIndex(of: ":"), let number = Int(rest[rest.index(after: colon)...]) {
      port = number
      rest = rest[..<colon]
    }
    host = rest.isEmpty ? nil : String(rest)
    let list = ["NO_PROXY", "no_proxy"].compactMap { environment[$0] }.first ?? ""
    exceptions = list.split { $0 == "," || $0 == " " }.map { $0.lowercased() }
  }

  /// `host` without its port.
  func covers(_ host: String) -> Bool {
    guard self.host != nil, !Host.isLoopback(host) else { return false }
    let host = host.lowercased()
    return !exceptions.contains { entry in
      let name = entry.hasPrefix("*.") ? entry.dropFirst(2) : entry.hasPrefix(".") ? entry.dropFirst() : entry[...]
      return entry == "*" || host == name || host.hasSuffix("." + name)
    }
  }
}
