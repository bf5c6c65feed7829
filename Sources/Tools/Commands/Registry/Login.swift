public import ArgumentParser
internal import Content
internal import Engine
internal import Glibc
internal import ImageSpec
internal import RegistryClient

public struct LoginCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "login", abstract: "Sign in to a registry.",
    discussion: "The password is tried at once, and then kept where Docker keeps it: in config.json, or with the credential "
      + "helper that this file names. Without a host, Docker Hub is meant.")

  @OptionGroup var global: GlobalOptions

  @Option(name: .shortAndLong, help: "User name.")
  var username: String?

  @Option(name: .shortAndLong, help: "Password. Others on this machine may see it: better use --password-stdin.")
  var password: String?

  @Flag(help: "Read the password from standard input.")
  var passwordStdin = false

  @Argument(help: "The registry: host or host:port.")
  var host: String = Reference.defaultDomain

  public init() {}

  public mutating func validate() throws {
    if password != nil, passwordStdin { throw ValidationError("--password and --password-stdin are mutually exclusive") }
    if passwordStdin, username == nil { throw ValidationError("Must provide --username with --password-stdin") }
  }

  public mutating func run() async throws {
    let host = try RegistryHost.parse(host)
    let store = try ContentStore.open(global.locations().root)
    let client = RegistryClient(store: store, configuration: .showingWarnings)
    do {
      try await signIn(host, client, RegistryConfiguration.default.credentials)
    } catch {
      try await client.shutdown()
      throw error
    }
    try await client.shutdown()
  }

  private func signIn(_ host: String, _ client: RegistryClient, _ credentials: CredentialStore) async throws {
    if username == nil, password == nil, let known = try credentials.lookup(host) {
      printOutput("Authenticating with existing credentials...\n")
      do {
        try await client.login(host: host, credential: known)
        printOutput("Login Succeeded\n")
        return
      } catch RegistryClientError.unauthorized where Terminal.inputIsTerminal {
        printError("the stored credentials are no longer taken")
      }
    }
    let credential = try ask()
    try await client.login(host: host, credential: credential)
    if case .file(let path) = try credentials.store(host, credential) {
      printError("WARNING! Your password is stored unencrypted in \(path); a credential helper (credsStore) avoids that.")
    }
    printOutput("Login Succeeded\n")
  }

  private func ask() throws -> Credential {
    if password != nil { printError("WARNING! Using --password via the CLI is insecure. Use --password-stdin.") }
    let name = try username ?? Self.prompt("Username: ")
    guard !name.isEmpty else { throw Failure("the user name is empty") }
    let secret: String
    if let password {
      secret = password
    } else if passwordStdin {
      secret = Self.readPassword()
    } else {
      try Self.requireTerminal()
      secret = String(cString: getpass("Password: "))
    }
    guard !secret.isEmpty else { throw Failure("the password is empty") }
    return Credential(username: name, password: secret)
  }

  private static func requireTerminal() throws {
    guard Terminal.inputIsTerminal else {
      throw Failure("Cannot perform an interactive login from a non TTY device: give --username and --password-stdin")
    }
  }

  private static func prompt(_ question: String) throws -> String {
    try requireTerminal()
    printOutput(question)
    return readLine() ?? ""
  }

  /// Standard input to its end, without the end of its last line.
  private static func readPassword() -> String {
    var text = ""
    while let line = readLine(strippingNewline: false) { text += line }
    while let last = text.unicodeScalars.last, last == "\n" || last == "\r" { text.unicodeScalars.removeLast() }
    return text
  }
}

/// A registry as `login`, `logout` and `search` take it.
enum RegistryHost {
  /// `https://HOST/v1/` is `HOST`; Docker Hub's other names are `docker.io`.
  static func parse(_ text: String) throws -> String {
    var rest = text[...]
    for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
    let host = String(rest.prefix { $0 != "/" })
    if ["index.docker.io", "registry-1.docker.io", "docker.io"].contains(host) { return Reference.defaultDomain }
    // A name of one word is a host here, as in `localhost`; a path after it makes the parser take it for one.
    let probe = host.contains(".") || host.contains(":") || host == "localhost" ? host : host + ":443"
    guard (try? Reference(parsing: "\(probe)/x"))?.domain == probe else {
      throw Failure("\"\(text)\" is not a registry: write host or host:port")
    }
    return host
  }
}

extension RegistryConfiguration {
  /// Warnings of registries go to standard error.
  static var showingWarnings: RegistryConfiguration {
    var configuration = RegistryConfiguration.default
    configuration.onWarning = { printError("WARNING: \($0)") }
    return configuration
  }
}
