internal import FoundationEssentials
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import SystemPackage

/// Docker's `config.json` or podman's `auth.json`: `auths`, `credsStore`, `credHelpers`. Keys that are not about
/// credentials are kept as they are.
struct CredentialFile {
  let path: FilePath
  private var document: [String: JSONValue]

  private static let limit = 4 << 20

  /// A file that is not there is an empty one.
  init(_ path: FilePath) throws {
    self.path = path
    do {
      let bytes = try readFile(path, limit: Self.limit)
      guard bytes.contains(where: { $0 > 0x20 }) else {
        document = [:]
        return
      }
      guard case .object(let members) = try JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else {
        throw CredentialError.unreadable(path: path.string, reason: "it is not a JSON object")
      }
      document = members
    } catch Errno.noSuchFileOrDirectory {
      document = [:]
    } catch let error as Errno {
      throw CredentialError.unreadable(path: path.string, reason: "\(error)")
    } catch is DecodingError {
      throw CredentialError.unreadable(path: path.string, reason: "it is not JSON")
    }
  }

  /// Of a Secret of the type kubernetes.io/dockerconfigjson.
  init(parsing json: [UInt8], from path: FilePath) throws {
    self.path = path
    guard case .object(let members)? = try? JSONDecoder().decode(JSONValue.self, from: Data(json)) else {
      throw CredentialError.unreadable(path: path.string, reason: "it is not a JSON object")
    }
    document = members
  }

  // MARK: Helpers

  /// The helper of one host, else the one for all, else nil.
  func helperName(for host: String) -> String? {
    let special = document["credHelpers"]?.members.first { Self.normalised($0.key) == Self.normalised(host) }?.value
      .text
    let name = special ?? document["credsStore"]?.text
    return name.flatMap { $0.isEmpty ? nil : $0 }
  }

  // MARK: Entries

  /// The entry of the host, or of the longest part of `host/repository` that has one.
  func entry(for host: String, repository: String?) throws -> Credential? {
    let auths = document["auths"]?.members ?? [:]
    var byKey: [String: JSONValue] = [:]
    // An entry by the plain name wins over one by a URL: that is the newer form.
    for (key, value) in auths.sorted(by: { $0.key.contains("://") && !$1.key.contains("://") }) {
      byKey[Self.normalised(key)] = value
    }
    var name = Self.normalised(host) + (repository.map { "/\($0)" } ?? "")
    while true {
      if let value = byKey[name], let credential = try credential(value, key: name) { return credential }
      guard let slash = name.lastIndex(of: "/") else { return nil }
      name = String(name[..<slash])
    }
  }

  var hosts: [String] { (document["auths"]?.members ?? [:]).keys.sorted() }

  private func credential(_ value: JSONValue, key: String) throws -> Credential? {
    var username = value["username"]?.text ?? ""
    var password = value["password"]?.text ?? ""
    if let auth = value["auth"]?.text, !auth.isEmpty {
      guard let text = Base64.decodeText(auth), let colon = text.firstIndex(of: ":") else {
        throw CredentialError.unreadable(path: path.string, reason: "auth of \(key) is not base64 of USER:PASSWORD")
      }
      username = String(text[..<colon])
      password = String(text[text.index(after: colon)...])
    }
    if let token = value["identitytoken"]?.text, !token.isEmpty {
      return Credential(username: username, secret: .identityToken(token))
    }
    if let token = value["registrytoken"]?.text, !token.isEmpty {
      return Credential(username: username, secret: .registryToken(token))
    }
    return username.isEmpty && password.isEmpty ? nil : Credential(username: username, password: password)
  }

  // MARK: Changes

  mutating func set(_ credential: Credential, for host: String) {
    var entry: [String: JSONValue] = [:]
    switch credential.secret {
    case .password(let password):
      entry["auth"] = .string(Base64.encode(Array("\(credential.username):\(password)".utf8)))
    case .identityToken(let token):
      entry["auth"] = .string(Base64.encode(Array("\(credential.username):".utf8)))
      entry["identitytoken"] = .string(token)
    case .registryToken(let token): entry["registrytoken"] = .string(token)
    }
    remove(host)
    setEntry(.object(entry), for: host)
  }

  /// Where a helper has the secret, Docker notes the host with an empty entry.
  mutating func note(_ host: String) {
    remove(host)
    setEntry(.object([:]), for: host)
  }

  private mutating func setEntry(_ entry: JSONValue, for host: String) {
    var auths = document["auths"]?.members ?? [:]
    auths[Self.key(of: host)] = entry
    document["auths"] = .object(auths)
  }

  /// True where there was an entry.
  @discardableResult
  mutating func remove(_ host: String) -> Bool {
    var auths = document["auths"]?.members ?? [:]
    let keys = auths.keys.filter { Self.normalised($0) == Self.normalised(host) }
    for key in keys { auths[key] = nil }
    if !keys.isEmpty { document["auths"] = .object(auths) }
    return !keys.isEmpty
  }

  /// Replaces the file, for its owner's eyes only.
  func write() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    do {
      try makeDirectories(path.removingLastComponent(), mode: 0o700)
      try writeFileAtomically(
        target(), Array(encoder.encode(JSONValue.object(document))) + [0x0a], mode: 0o600, durable: true)
    } catch let error as Errno {
      throw CredentialError.unwritable(path: path.string, reason: "\(error)")
    }
  }

  /// A link stays one: what it points at is replaced.
  private func target() -> FilePath {
    guard let resolved = realpath(path.string, nil) else { return path }
    defer { free(resolved) }
    return FilePath(String(cString: resolved))
  }

  // MARK: Keys

  /// What Docker calls a host in its file and towards helpers.
  static func key(of host: String) -> String { host == Reference.defaultDomain ? "https://index.docker.io/v1/" : host }

  /// `https://index.docker.io/v1/` and its kin are `docker.io`; else without scheme, `/v1/`, `/v2/` and slashes at the end.
  static func normalised(_ key: String) -> String {
    var rest = key[...]
    for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
    while rest.hasSuffix("/") { rest.removeLast() }
    for version in ["/v1", "/v2"] where rest.hasSuffix(version) { rest = rest.dropLast(version.count) }
    let host = rest.prefix { $0 != "/" }
    let tail = rest[host.endIndex...]
    return (["index.docker.io", "registry-1.docker.io"].contains(host) ? Reference.defaultDomain : String(host)) + tail
  }
}
