import FoundationEssentials
import ImageSpec
import Logging
import Metadata
import NIOPosix
import Synchronization

/// Copies what is pushed to other realms of this server, and to other registries. (Amazon ECR, Private image replication)
///
/// A push owes the copies in its own transaction, as jobs: none is lost, whatever happens to the server. What a
/// replication pushed is not replicated again; what is deleted stays in the destinations.
public final class Replication: Sendable {
  /// One image on its way to one destination.
  struct Copy: Codable, Hashable, Sendable {
    let source: Realm
    let repository: String
    let digest: String
    let tag: String?
    let destination: Realm

    var key: [any SQLConvertible] {
      [source.account, source.region, repository, digest, destination.account, destination.region]
    }
  }

  let main: Registry
  private let realms: RealmTable
  private let threads: NIOThreadPool
  /// What a realm may do to a repository of a registry of this server.
  typealias Permission =
    @Sendable (_ source: Realm, _ repository: String, _ destination: Registry) throws -> ReplicationRights
  private let permission = Mutex<Permission?>(nil)
  private let remote = Mutex<RemoteRegistries?>(nil)

  private static let job = "replicate"

  /// What waits for a disk runs on `threads`.
  init(_ registry: Registry, _ realms: RealmTable, _ threads: NIOThreadPool) {
    main = registry.at(.main)
    self.realms = realms
    self.threads = threads
    main.events.recordWithin([.push]) { [weak self] event, session in
      // One hop: what came by replication goes no further.
      guard let main = self?.main, event.origin.replica != true, let digest = event.digest else { return }
      let source = main.at(event.realm)
      guard let rules = try source.setting(session, .replication, as: ReplicationRules.self) else { return }
      for destination in rules.destinations(of: event.repository) {
        let copy = Copy(
          source: event.realm, repository: event.repository, digest: digest, tag: event.tag, destination: destination)
        try Self.begin(session, copy)
        try main.jobs.enqueue(Self.job, copy, in: session)
      }
    }
    main.events.recordWithin([.delete]) { event, session in
      // A tag that goes leaves the image.
      guard event.tag == nil else { return }
      try Self.forget(session, event.digest, event.repository, event.realm)
    }
    main.jobs.register(Self.job) { [weak self] payload in
      guard let self else { return }
      try await self.perform(try JSONDecoder().decode(Copy.self, from: Data(payload.utf8)))
    }
  }

  /// Without it nothing is copied on this server.
  func permit(_ permission: @escaping Permission) { self.permission.withLock { $0 = permission } }

  /// Lets rules name registries on other servers. Called before the server begins.
  public func connect(_ registries: RemoteRegistries) { remote.withLock { $0 = registries } }

  /// Whether a rule of `realm` may name a destination, and if not, why.
  public func refusal(of destination: Realm, from realm: Realm) throws -> String? {
    if let local = realms.find(account: destination.account, region: destination.region) {
      return local == realm ? "a registry cannot be replicated to itself" : nil
    }
    if try remote.withLock({ $0 })?.destination(destination) != nil { return nil }
    return "the registry \(destination) is neither on this server nor known to it by `clipper registry replication set`"
  }

  private func perform(_ copy: Copy) async throws {
    do {
      if let local = realms.find(account: copy.destination.account, region: copy.destination.region) {
        let destination = main.at(local)
        try await threads.runIfActive { try self.copyHere(copy, to: destination) }
      } else {
        guard let remote = remote.withLock({ $0 }) else { throw ReplicationError.unknownDestination(copy.destination) }
        try await remote.copy(copy, from: main.at(copy.source))
      }
      try main.metadata.write { try Self.note($0, copy, .complete) }
    } catch RegistryError.manifestUnknown, RegistryError.repositoryUnknown {
      // Deleted before its turn came: nothing is owed any more.
      try main.metadata.write { try Self.forget($0, copy.digest, copy.repository, copy.source) }
    } catch {
      try main.metadata.write { try Self.note($0, copy, .failed, failure: String("\(error)".prefix(1000))) }
      throw error
    }
  }

  /// Between realms of this server: references move, no bytes do.
  private func copyHere(_ copy: Copy, to destination: Registry) throws {
    let rights = try permission.withLock({ $0 })?(copy.source, copy.repository, destination)
    func refusal(_ action: String) -> ReplicationError {
      .notPermitted(destination.realm, repository: copy.repository, action: action)
    }
    guard let rights, rights.mayReplicate else { throw refusal("ecr:ReplicateImage") }
    let source = main.at(copy.source)
    let digest = try Digest(parsing: copy.digest)
    let tags = try copy.tag.map { try source.isTagged($0, digest, in: copy.repository) ? [$0] : [] } ?? []
    _ = try source.storedManifest(.digest(digest), in: copy.repository)
    if rights.mayCreate {
      _ = try destination.makeRepository(copy.repository, for: .replication)
    } else if try !destination.repositoryExists(copy.repository) {
      throw refusal("ecr:CreateRepository")
    }
    try source.copyImage(digest, of: copy.repository, to: destination, tags: tags)
  }
}

enum ReplicationError: Error, CustomStringConvertible {
  case unknownDestination(Realm)
  /// The policy of the destination's account does not let this one in.
  case notPermitted(Realm, repository: String, action: String)
  /// An index within an index within … deeper than is followed.
  case nestedTooDeep(Digest)

  var description: String {
    switch self {
    case .unknownDestination(let realm):
      "the registry \(realm) is not known to this server: clipper registry replication set \(realm) --endpoint HOST"
    case .notPermitted(let realm, let repository, let action):
      "the registry policy of \(realm) does not allow \(action) on \(repository) from this account"
    case .nestedTooDeep(let digest): "the index \(digest) is nested too deep"
    }
  }
}
