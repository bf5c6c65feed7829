internal import Logging
internal import Metadata
internal import NIOPosix
internal import RegistryServer
internal import Synchronization

/// What happened in the registry lately, for the page that tells it: a table of bounded size.
///
/// Events are gathered in memory and written together, off the threads that push and pull: this is for people, and a
/// crash may take the last seconds of it along. Pulls of the same image by the same principal count once a minute.
final class Activity: Sendable {
  struct Entry: Sendable {
    let id: Int64
    let kind: String
    let repository: String
    let digest: String?
    let tag: String?
    let principal: String
    /// Milliseconds since 1970.
    let time: Int64
  }

  private struct Pull: Hashable {
    let realm: Realm
    let repository: String
    let digest: String?
    let tag: String?
    let principal: String
  }

  private struct State {
    var waiting: [RegistryEvent] = []
    var pulls: [Pull: Int64] = [:]
    var isWriting = false
  }

  private let metadata: any MetadataDatabase
  private let logger: Logger
  private let state = Mutex(State())
  private let writer = NIOThreadPool(numberOfThreads: 1)

  /// Entries that are kept, of all realms together.
  private let capacity: Int64
  private static let waitingLimit = 4096
  private static let pullLimit = 8192

  init(_ registry: Registry, capacity: Int64 = 20_000, logger: Logger) throws {
    metadata = registry.metadata
    self.capacity = capacity
    self.logger = logger
    try metadata.migrate(
      "registry-activity",
      [
        """
        CREATE TABLE registry_activity (
          id ID,
          account TEXT NOT NULL,
          region TEXT NOT NULL,
          kind TEXT NOT NULL,
          repository TEXT NOT NULL,
          digest TEXT,
          tag TEXT,
          principal TEXT NOT NULL,
          time INTEGER NOT NULL
        );
        CREATE INDEX registry_activity_realm ON registry_activity (account, region, id);
        CREATE INDEX registry_activity_repository ON registry_activity (account, region, repository, id);
        """
      ])
    writer.start()
    registry.events.subscribe(Set(RegistryEvent.Kind.allCases)) { [weak self] in self?.note($0) }
  }

  deinit { writer.shutdownGracefully { _ in } }

  private func note(_ event: RegistryEvent) {
    let begins = state.withLock { state in
      if event.kind == .pull {
        let pull = Pull(
          realm: event.realm, repository: event.repository, digest: event.digest, tag: event.tag,
          principal: event.origin.principal)
        if let last = state.pulls[pull], event.time < last + 60_000 { return false }
        if state.pulls.count >= Self.pullLimit { state.pulls.removeAll(keepingCapacity: true) }
        state.pulls[pull] = event.time
      }
      // Where the database is slower than what happens, the page does without some of it.
      guard state.waiting.count < Self.waitingLimit else { return false }
      state.waiting.append(event)
      defer { state.isWriting = true }
      return !state.isWriting
    }
    guard begins else { return }
    writer.submit { state in
      guard case .active = state else { return }
      self.write()
    }
  }

  /// Writes what waits, until nothing does.
  private func write() {
    while true {
      let events = state.withLock { state in
        let events = state.waiting
        state.waiting = []
        if events.isEmpty { state.isWriting = false }
        return events
      }
      if events.isEmpty { return }
      do { try metadata.write { try insert(events, $0) } } catch {
        logger.warning("activity cannot be written", metadata: ["error": "\(error)"])
      }
    }
  }

  private func insert(_ events: [RegistryEvent], _ session: any SQLSession) throws {
    var last: Int64 = 0
    for event in events {
      last =
        try session.value(
          Int64.self,
          """
          INSERT INTO registry_activity (account, region, kind, repository, digest, tag, principal, time)
          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id
          """,
          [
            event.realm.account, event.realm.region, event.kind.rawValue, event.repository, event.digest, event.tag,
            event.origin.principal, event.time,
          ]) ?? last
    }
    try session.execute("DELETE FROM registry_activity WHERE id <= ?1", [last - capacity])
  }

  /// The latest entries of a realm, or of one repository, those before the one with the ID `last`.
  func latest(_ realm: Realm, repository: String?, before last: Int64 = .max, limit: Int) throws -> [Entry] {
    try metadata.read { session in
      let filter = repository == nil ? "" : "AND repository = ?5"
      let arguments: [any SQLConvertible] =
        [realm.account, realm.region, last, limit] + (repository.map { [$0 as any SQLConvertible] } ?? [])
      return try session.rows(
        """
        SELECT * FROM registry_activity WHERE account = ?1 AND region = ?2 AND id < ?3 \(filter)
        ORDER BY id DESC LIMIT ?4
        """, arguments
      ).map {
        Entry(
          id: try $0["id"], kind: try $0["kind"], repository: try $0["repository"], digest: try $0["digest"],
          tag: try $0["tag"], principal: try $0["principal"], time: try $0["time"])
      }
    }
  }
}
