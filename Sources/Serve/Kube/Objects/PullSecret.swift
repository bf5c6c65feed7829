internal import FoundationEssentials

/// A user's name and password for a registry.
public struct PullCredential: Sendable, Hashable {
  /// `host` or `host/repository`.
  public var host: String
  public var username: String
  public var password: String
}

/// Reads Secrets of the types that imagePullSecrets name.
enum PullSecret {
  static let types = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"]

  struct Malformed: Error, CustomStringConvertible {
    let description: String
  }

  private struct Entry: Decodable {
    var username: String?
    var password: String?
    var auth: String?
  }

  private struct Configuration: Decodable {
    var auths: [String: Entry]?
  }

  static func credentials(type: String, data: [String: [UInt8]]) throws -> [PullCredential] {
    let entries: [String: Entry]
    do {
      if type == "kubernetes.io/dockercfg" {
        entries = try JSONDecoder().decode([String: Entry].self, from: Data(data[".dockercfg"] ?? []))
      } else {
        entries = try JSONDecoder().decode(Configuration.self, from: Data(data[".dockerconfigjson"] ?? [])).auths ?? [:]
      }
    } catch {
      throw Malformed(description: "of the type \(type) is not Docker's configuration in JSON ({\"auths\": {HOST: {\"auth\": …}}})")
    }
    return try entries.sorted { $0.key < $1.key }.map { key, entry in
      let (username, password) = try userAndPassword(of: entry, host: key)
      return PullCredential(host: host(of: key), username: username, password: password)
    }
  }

  /// `auth` wins over the two fields, as in Docker.
  private static func userAndPassword(of entry: Entry, host: String) throws -> (String, String) {
    guard let auth = entry.auth, !auth.isEmpty else {
      guard let username = entry.username, let password = entry.password else {
        throw Malformed(description: "has neither auth nor username and password for \"\(host)\"")
      }
      return (username, password)
    }
    guard let decoded = Data(base64Encoded: auth), let text = String(validating: decoded, as: UTF8.self),
      let colon = text.firstIndex(of: ":")
    else { throw Malformed(description: "has an auth for \"\(host)\" that is not base64 of USER:PASSWORD") }
    return (String(text[..<colon]), String(text[text.index(after: colon)...]))
  }

  /// The host, or host and repository. `https://index.docker.io/v1/` is Docker Hub.
  private static func host(of key: String) -> String {
    var key = key[...]
    for scheme in ["https://", "http://"] where key.hasPrefix(scheme) { key = key.dropFirst(scheme.count) }
    var parts = key.split(separator: "/").map(String.init)
    guard let first = parts.first else { return "" }
    if ["index.docker.io", "registry-1.docker.io"].contains(first) { parts[0] = "docker.io" }
    // The versions of the API that docker writes behind a host.
    if parts.count == 2, ["v1", "v2"].contains(parts[1]) { parts.removeLast() }
    return parts.joined(separator: "/")
  }
}
