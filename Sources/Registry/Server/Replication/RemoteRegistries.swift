import DistributionSpec
import FoundationEssentials
import ImageSpec
public import RegistryClient
import Synchronization

/// Where a registry on another server is.
public struct RemoteRegistry: Codable, Hashable, Sendable {
  /// `host[:port]`, with a path after it that is put before repositories' names.
  public var endpoint: String
  /// The secret that signs in there; nil for none.
  public var secret: String?

  public init(endpoint: String, secret: String?) {
    self.endpoint = endpoint
    self.secret = secret
  }
}

/// The registries on other servers that replication may name, in a file beside the access keys.
public final class RemoteRegistryFile: Sendable {
  private let file: WatchedDocument<[String: RemoteRegistry]>

  public init(_ document: any SharedDocument) {
    let place = document.place
    file = WatchedDocument(document, absent: [:]) { bytes in
      do { return try JSONDecoder().decode([String: RemoteRegistry].self, from: Data(bytes)) } catch {
        throw AccessError.unreadable(place, "it is not the JSON of registries: \(error)")
      }
    }
  }

  public func find(_ realm: Realm) throws -> RemoteRegistry? { try file.current()[realm.description] }

  /// By `ACCOUNT/REGION`, in order.
  public func list() throws -> [(realm: String, registry: RemoteRegistry)] {
    try file.current().sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  public func set(_ realm: Realm, _ registry: RemoteRegistry) throws { try edit(realm, registry) }

  /// Returns false where there is none.
  public func remove(_ realm: Realm) throws -> Bool {
    guard try find(realm) != nil else { return false }
    try edit(realm, nil)
    return true
  }

  private func edit(_ realm: Realm, _ registry: RemoteRegistry?) throws {
    try file.edit { registries in
      var registries = registries
      registries[realm.description] = registry
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
      return (Array(try encoder.encode(registries)), ())
    }
  }
}

/// Registries on other servers, and the client that pushes to them.
public final class RemoteRegistries: Sendable {
  /// Says to another registry that a push is a replication's, which goes no further from there.
  public static let userAgent = "clipper-replication/1"

  private let file: RemoteRegistryFile
  private let secrets: UpstreamSecretFile
  private let client: RegistryClient

  /// `client` is over the registry's own store, and calls itself `userAgent`.
  public init(_ file: RemoteRegistryFile, secrets: UpstreamSecretFile, client: RegistryClient) {
    self.file = file
    self.secrets = secrets
    self.client = client
  }

  func destination(_ realm: Realm) throws -> RemoteRegistry? { try file.find(realm) }

  func copy(_ copy: Replication.Copy, from source: Registry) async throws {
    guard let remote = try file.find(copy.destination) else {
      throw ReplicationError.unknownDestination(copy.destination)
    }
    let digest = try Digest(parsing: copy.digest)
    let stored = try source.storedManifest(.digest(digest), in: copy.repository)
    let tag = try copy.tag.flatMap { try source.isTagged($0, digest, in: copy.repository) ? $0 : nil }
    let target = try Reference(parsing: "\(remote.endpoint)/\(copy.repository)").with(
      tag: tag, digest: tag == nil ? digest : nil)
    let host = String(remote.endpoint.prefix { $0 != "/" })
    let client = try remote.secret.map { try self.client.using([host: secrets.credential($0)]) } ?? client
    // The client sends what this machine's store has; while the lease lives, that is all of the image.
    let lease = try source.store.lease()
    defer { lease.release() }
    try source.fetchImage(digest, of: copy.repository)
    try await client.mirror(
      Descriptor(mediaType: stored.mediaType, digest: digest, size: stored.size), to: target)
  }
}
