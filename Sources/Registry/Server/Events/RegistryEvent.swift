/// Who asked for something, and by which request.
public struct Origin: Hashable, Sendable, Codable {
  /// As logs and ARNs call the principal.
  public var principal: String
  /// The client's address.
  public var remote: String
  public var requestID: String
  /// Whether another registry's replication did it, or this one's.
  public var replica: Bool?

  public init(principal: String, remote: String = "", requestID: String = "", replica: Bool? = nil) {
    self.principal = principal
    self.remote = remote
    self.requestID = requestID
    self.replica = replica
  }

  /// The registry itself, or a caller that does not say.
  public static let unknown = Origin(principal: "-")
}

/// Something that happened to a repository.
public struct RegistryEvent: Hashable, Sendable, Codable {
  public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    case push, pull, delete, scan
    case createRepository = "create-repository"
    case deleteRepository = "delete-repository"
  }

  public let kind: Kind
  public let realm: Realm
  public let repository: String
  public let digest: String?
  public let tag: String?
  public let mediaType: String?
  /// Bytes of the manifest.
  public let size: Int64?
  public let origin: Origin
  /// Milliseconds since 1970.
  public let time: Int64
  /// What a kind of event adds, such as the counts of a scan's findings.
  public let details: [String: String]

  public init(
    _ kind: Kind, in registry: Registry, repository: String, digest: String? = nil, tag: String? = nil,
    mediaType: String? = nil, size: Int64? = nil, by origin: Origin, details: [String: String] = [:]
  ) {
    self.kind = kind
    realm = registry.realm
    self.repository = repository
    self.digest = digest
    self.tag = tag
    self.mediaType = mediaType
    self.size = size
    self.origin = origin
    time = Registry.now
    self.details = details
  }
}
