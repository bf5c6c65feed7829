import FoundationEssentials
public import RegistryClient

/// What signs in to another registry.
public struct UpstreamSecret: Codable, Hashable, Sendable {
  public var username: String
  /// A password, or an access token in its place.
  public var password: String

  public init(username: String, password: String) {
    self.username = username
    self.password = password
  }
}

/// Secrets for other registries, by name, in a file that only its owner reads: what AWS keeps in Secrets Manager.
public final class UpstreamSecretFile: Sendable {
  private let file: WatchedDocument<[String: UpstreamSecret]>

  public init(_ document: any SharedDocument) {
    let place = document.place
    file = WatchedDocument(document, absent: [:]) { bytes in
      do { return try JSONDecoder().decode([String: UpstreamSecret].self, from: Data(bytes)) } catch {
        throw AccessError.unreadable(place, "it is not the JSON of secrets: \(error)")
      }
    }
  }

  /// Letters, digits and `/ _ + = . @ -`, as in Secrets Manager.
  public static func isName(_ name: String) -> Bool {
    (1...256).contains(name.utf8.count)
      && name.unicodeScalars.allSatisfy { scalar in
        scalar.isASCII
          && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            || "/_+=.@-".unicodeScalars.contains(scalar))
      }
  }

  /// In order.
  public func names() throws -> [String] { try file.current().keys.sorted() }

  /// The secret that a name means, or an ARN of Secrets Manager, which has six characters after the name.
  public func find(_ name: String) throws -> UpstreamSecret? {
    let known = try file.current()
    guard name.hasPrefix("arn:") else { return known[name] }
    let parts = name.split(separator: ":", maxSplits: 6, omittingEmptySubsequences: false)
    guard parts.count == 7, parts[5] == "secret" else { return nil }
    if let found = known[String(parts[6])] { return found }
    guard let dash = parts[6].lastIndex(of: "-"), parts[6].distance(from: dash, to: parts[6].endIndex) == 7 else {
      return nil
    }
    return known[String(parts[6][..<dash])]
  }

  /// Throws `UpstreamSecretError` where there is none.
  public func credential(_ name: String) throws -> Credential {
    guard let secret = try find(name) else { throw UpstreamSecretError.unknown(name) }
    return Credential(username: secret.username, password: secret.password)
  }

  public func set(_ name: String, _ secret: UpstreamSecret) throws { try edit(name, secret) }

  /// Returns false where there is none.
  public func remove(_ name: String) throws -> Bool {
    guard try file.current()[name] != nil else { return false }
    try edit(name, nil)
    return true
  }

  private func edit(_ name: String, _ secret: UpstreamSecret?) throws {
    try file.edit { secrets in
      var secrets = secrets
      secrets[name] = secret
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
      return (Array(try encoder.encode(secrets)), ())
    }
  }
}

public enum UpstreamSecretError: Error, Hashable, Sendable, CustomStringConvertible {
  case unknown(String)

  public var description: String {
    switch self {
    case .unknown(let name): "no secret has the name \(name): clipper registry secret set makes it"
    }
  }
}
