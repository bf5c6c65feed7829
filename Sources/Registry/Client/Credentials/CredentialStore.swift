internal import Glibc
internal import Kernel
public import SystemPackage

/// Sign-ins for registries, where Docker and podman keep theirs.
///
/// Read from: the credentials given to this process, Docker's `config.json` (and the helpers that it names), and
/// podman's `auth.json`. Written to Docker's file, or to the helper that it names.
public struct CredentialStore: Sendable {
  /// Docker's `config.json`; nil where there is no home.
  public let path: FilePath?
  /// Read after it.
  private let others: [FilePath]
  private let searchPath: String
  /// By `host` or `host/repository`; they win over the files.
  private var given: [String: Credential] = [:]

  public init(path: FilePath?, others: [FilePath] = [], searchPath: String = "/usr/local/bin:/usr/bin:/bin") {
    self.path = path
    self.others = others
    self.searchPath = searchPath
  }

  /// As `DOCKER_CONFIG`, `REGISTRY_AUTH_FILE`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME`, `HOME` and `PATH` say.
  public static func environment(_ environment: [String: String]) -> CredentialStore {
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    var others: [FilePath] = []
    if let file = value("REGISTRY_AUTH_FILE") { others.append(FilePath(file)) }
    let runtime = value("XDG_RUNTIME_DIR") ?? (getuid() == 0 ? "/run" : "/run/user/\(getuid())")
    others.append(FilePath(runtime).appending("containers").appending("auth.json"))
    if getuid() == 0 { others.append("/run/containers/0/auth.json") }
    if let settings = value("XDG_CONFIG_HOME") ?? value("HOME").map({ $0 + "/.config" }) {
      others.append(FilePath(settings).appending("containers").appending("auth.json"))
    }
    return CredentialStore(
      path: dockerDirectory(environment)?.appending("config.json"), others: others,
      searchPath: value("PATH") ?? "/usr/local/bin:/usr/bin:/bin")
  }

  /// `$DOCKER_CONFIG`, or `~/.docker`.
  static func dockerDirectory(_ environment: [String: String]) -> FilePath? {
    if let directory = environment["DOCKER_CONFIG"], !directory.isEmpty { return FilePath(directory) }
    return environment["HOME"].flatMap { $0.isEmpty ? nil : FilePath($0).appending(".docker") }
  }

  /// With more credentials, kept in memory only. Keys are `host` or `host/repository`.
  public func adding(_ credentials: [String: Credential]) -> CredentialStore {
    var copy = self
    for (key, credential) in credentials { copy.given[CredentialFile.normalised(key)] = credential }
    return copy
  }

  /// nil where nothing is known of this host.
  /// - Parameter repository: podman's file may have entries for parts of a host.
  public func lookup(_ host: String, repository: String? = nil) throws -> Credential? {
    if let credential = lookupGiven(host, repository) { return credential }
    for path in (path.map { [$0] } ?? []) + others {
      guard access(path.string, F_OK) == 0 else { continue }
      let file = try CredentialFile(path)
      if let name = file.helperName(for: host) {
        let helper = CredentialHelper(name: name, searchPath: searchPath)
        if let credential = try helper.get(CredentialFile.key(of: host)) { return credential }
      }
      if let credential = try file.entry(for: host, repository: repository) { return credential }
    }
    return nil
  }

  private func lookupGiven(_ host: String, _ repository: String?) -> Credential? {
    guard !given.isEmpty else { return nil }
    var name = CredentialFile.normalised(host) + (repository.map { "/\($0)" } ?? "")
    while true {
      if let credential = given[name] { return credential }
      guard let slash = name.lastIndex(of: "/") else { return nil }
      name = String(name[..<slash])
    }
  }

  /// Where a secret went.
  public enum Place: Hashable, Sendable {
    /// In the file, readable for who can read the file.
    case file(FilePath)
    case helper(String)
  }

  @discardableResult
  public func store(_ host: String, _ credential: Credential) throws -> Place {
    try changing { file in
      if let name = file.helperName(for: host) {
        try CredentialHelper(name: name, searchPath: searchPath).store(CredentialFile.key(of: host), credential)
        file.note(host)
        return .helper(name)
      }
      file.set(credential, for: host)
      return .file(file.path)
    }
  }

  /// False where nothing was stored for this host.
  @discardableResult
  public func erase(_ host: String) throws -> Bool {
    guard let path, access(path.string, F_OK) == 0 else { return false }
    return try changing { file in
      var found = file.remove(host)
      if let name = file.helperName(for: host) {
        let helper = CredentialHelper(name: name, searchPath: searchPath)
        if try helper.get(CredentialFile.key(of: host)) != nil { found = true }
        try helper.erase(CredentialFile.key(of: host))
      }
      return found
    }
  }

  /// One writer at a time: two sign-ins at once must both be in the file afterwards.
  private func changing<Result>(_ change: (inout CredentialFile) throws -> Result) throws -> Result {
    guard let path else { throw CredentialError.noHome }
    let directory = path.removingLastComponent()
    do {
      try makeDirectories(directory, mode: 0o700)
      let folder = try openat2(workingDirectory, directory.string, flags: O_RDONLY | O_DIRECTORY)
      try Errno.retrying { flock(folder.number, LOCK_EX) }
      var file = try CredentialFile(path)
      let result = try change(&file)
      try file.write()
      return result
    } catch let error as Errno {
      throw CredentialError.unwritable(path: path.string, reason: "\(error)")
    }
  }
}

/// Reads `{"auths": …}`, as a Secret of the type kubernetes.io/dockerconfigjson holds it, for `CredentialStore.adding`.
public func credentials(dockerConfigJSON json: [UInt8]) throws -> [String: Credential] {
  let file = try CredentialFile(parsing: json, from: "the secret")
  var found: [String: Credential] = [:]
  for host in file.hosts {
    if let credential = try file.entry(for: host, repository: nil) {
      found[CredentialFile.normalised(host)] = credential
    }
  }
  return found
}
