import FoundationEssentials
public import Logging
public import Metadata
import Synchronization

/// Work that outlives the process which owes it: a row each, in the registry's database.
///
/// A job is done at least once. Whoever takes one has it leased for a while, and extends that while it works; a job whose
/// process died is taken up by the next, so that all servers on one database share the work. One that fails is tried
/// again, later each time, and in the end stays with its error for `failed` to show.
public final class Jobs: Sendable {
  public typealias Work = @Sendable (_ payload: String) async throws -> Void

  private let metadata: any MetadataDatabase
  private let kinds = Mutex<[String: Kind]>([:])
  private let waker = Mutex<AsyncStream<Void>.Continuation?>(nil)
  private let isReadOnly = Mutex<(@Sendable () throws -> Bool)?>(nil)

  private struct Kind {
    let atOnce: Int
    let inReadOnlyMode: Bool
    let work: Work
    var running = 0
  }

  /// Milliseconds.
  private static let lease: Int64 = 60_000
  /// With the pauses between them, a day: so long another registry may be away.
  private static let attempts = 36
  public static let atOnce = 4
  /// A job that is due at this time is not tried any more.
  private static let never = Int64.max

  init(_ metadata: any MetadataDatabase) { self.metadata = metadata }

  private func wake() { waker.withLock { _ = $0?.yield() } }

  /// Says how jobs of a kind are done, and how many of them at a time at most, so that long ones leave room for others.
  /// Those that change something wait while the registry is read-only. Called before the server begins.
  public func register(
    _ kind: String, atOnce: Int = Jobs.atOnce, inReadOnlyMode: Bool = false, _ work: @escaping Work
  ) {
    kinds.withLock { $0[kind] = Kind(atOnce: atOnce, inReadOnlyMode: inReadOnlyMode, work: work) }
  }

  /// Says when jobs have to wait. Called before the server begins.
  func hold(while isReadOnly: @escaping @Sendable () throws -> Bool) {
    self.isReadOnly.withLock { $0 = isReadOnly }
  }

  /// Owes a job, in the transaction of what it is owed for. `due` is in milliseconds since 1970; now where left out.
  public func enqueue(
    _ kind: String, _ payload: some Encodable, due: Int64? = nil, in session: any SQLSession
  ) throws {
    let now = Registry.now
    try session.execute(
      "INSERT INTO registry_job (kind, payload, created, due) VALUES (?1, ?2, ?3, ?4)",
      [kind, String(decoding: try JSONEncoder().encode(payload), as: UTF8.self), now, due ?? now])
    // It may be looked for before the transaction is through; then the next look finds it.
    wake()
  }

  public func enqueue(_ kind: String, _ payload: some Encodable, due: Int64? = nil) throws {
    try metadata.write { try enqueue(kind, payload, due: due, in: $0) }
    wake()
  }

  /// How many jobs of a kind are owed, those that failed for good left out.
  public func pending(_ kind: String) throws -> Int {
    try metadata.read { session in
      try session.value(
        Int.self, "SELECT COUNT(*) FROM registry_job WHERE kind = ?1 AND due < ?2", [kind, Self.never]) ?? 0
    }
  }

  /// How many jobs of each kind are owed, and how many failed for good.
  func counts(_ session: any SQLSession) throws -> [(kind: String, owed: Int64, failed: Int64)] {
    try session.rows(
      """
      SELECT kind, COUNT(*) AS jobs, COUNT(CASE WHEN due = ?1 THEN 1 END) AS failed FROM registry_job
      GROUP BY kind ORDER BY kind
      """, [Self.never]
    ).map { row in
      let failed: Int64 = try row["failed"]
      return (try row["kind"], try row["jobs"] - failed, failed)
    }
  }

  /// Jobs that failed for good: their payloads and errors, the latest first.
  public func failed(_ kind: String, limit: Int = 100) throws -> [(payload: String, failure: String)] {
    try metadata.read { session in
      try session.rows(
        "SELECT payload, failure FROM registry_job WHERE kind = ?1 AND due = ?2 ORDER BY id DESC LIMIT ?3",
        [kind, Self.never, limit]
      ).map { (try $0["payload"], (try $0["failure"] as String?) ?? "") }
    }
  }

  /// Does jobs until its task is cancelled. `blocking` runs what waits for the database.
  func run(
    logger: Logger, blocking: @escaping @Sendable (@escaping @Sendable () throws -> Claim?) async throws -> Claim?
  ) async {
    let (wakeUps, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    waker.withLock { $0 = continuation }
    wake()
    await withTaskGroup(of: Void.self) { group in
      let ticker = Task {
        while !Task.isCancelled {
          try? await Task.sleep(for: .seconds(2))
          wake()
        }
      }
      defer { ticker.cancel() }
      var running = 0
      for await _ in wakeUps {
        if Task.isCancelled { break }
        while !Task.isCancelled {
          if running >= Self.atOnce {
            await group.next()
            running -= 1
          }
          let claim: Claim?
          do { claim = try await blocking { try self.claim() } } catch {
            logger.error("jobs cannot be taken", metadata: ["error": "\(error)"])
            break
          }
          guard let claim else { break }
          running += 1
          group.addTask { await self.perform(claim, logger, blocking) }
        }
      }
      group.cancelAll()
    }
  }

  /// Does what is due now, one after the other, and returns when nothing is: for commands and tests.
  public func drain(logger: Logger) async throws {
    while let claim = try claim() { await perform(claim, logger) { try $0() } }
  }

  struct Claim: Sendable {
    let id: Int64
    let kind: String
    let payload: String
    let attempts: Int
  }

  private func claim() throws -> Claim? {
    let isHeld = try isReadOnly.withLock { $0 }?() ?? false
    let names = kinds.withLock { kinds in
      kinds.filter { $0.value.running < $0.value.atOnce && ($0.value.inReadOnlyMode || !isHeld) }.keys.sorted()
    }
    guard !names.isEmpty else { return nil }
    let now = Registry.now
    let places = names.indices.map { "?\($0 + 3)" }.joined(separator: ", ")
    // Nothing is written where nothing is due.
    let due = """
      SELECT id FROM registry_job WHERE due <= ?1 AND leased <= ?1 AND ?2 > 0 AND kind IN (\(places))
      ORDER BY due LIMIT 1
      """
    let arguments: [any SQLConvertible] = [now, now + Self.lease] + names
    guard try metadata.read({ try $0.row(due, arguments) }) != nil else { return nil }
    let claim = try metadata.write { session in
      try session.row(
        """
        UPDATE registry_job SET leased = ?2, attempts = attempts + 1 WHERE id IN (\(due))
        RETURNING id, kind, payload, attempts
        """, arguments
      ).map { Claim(id: try $0["id"], kind: try $0["kind"], payload: try $0["payload"], attempts: try $0["attempts"]) }
    }
    if let claim { kinds.withLock { $0[claim.kind]?.running += 1 } }
    return claim
  }

  private func perform(
    _ claim: Claim, _ logger: Logger,
    _ blocking: @escaping @Sendable (@escaping @Sendable () throws -> Claim?) async throws -> Claim?
  ) async {
    guard let work = kinds.withLock({ $0[claim.kind]?.work }) else { return }
    defer {
      kinds.withLock { $0[claim.kind]?.running -= 1 }
      // Another of its kind may have waited for this one.
      wake()
    }
    let extending = Task {
      while !Task.isCancelled {
        try await Task.sleep(for: .milliseconds(Self.lease / 3))
        _ = try? await blocking {
          try self.update(claim, "leased = ?2", [Registry.now + Self.lease])
          return nil
        }
      }
    }
    defer { extending.cancel() }
    do {
      try await work(claim.payload)
      _ = try await blocking {
        try self.metadata.write { try $0.execute("DELETE FROM registry_job WHERE id = ?1", [claim.id]) }
        return nil
      }
    } catch {
      // Ended together with the server: the lease runs out, and the next one does it.
      if Task.isCancelled { return }
      if error is ReadOnlyRefusal {
        // It goes on where it was once changes are taken again, as if this had been no attempt.
        _ = try? await blocking {
          try self.update(claim, "attempts = attempts - 1, leased = 0", [])
          return nil
        }
        return
      }
      let isLast = claim.attempts >= Self.attempts || error is any PermanentJobFailure
      logger.warning(
        "a job failed",
        metadata: ["kind": "\(claim.kind)", "attempt": "\(claim.attempts)", "error": "\(error)", "last": "\(isLast)"])
      let due = isLast ? Self.never : Registry.now + Self.delay(claim.attempts)
      let text = "\(error)"
      _ = try? await blocking {
        try self.update(claim, "due = ?2, leased = 0, failure = ?3", [due, String(text.prefix(2000))])
        return nil
      }
    }
  }

  private func update(_ claim: Claim, _ what: String, _ arguments: [any SQLConvertible]) throws {
    try metadata.write { try $0.execute("UPDATE registry_job SET \(what) WHERE id = ?1", [claim.id] + arguments) }
  }

  /// 1 s, 2 s, 4 s … an hour at most, in milliseconds.
  private static func delay(_ attempts: Int) -> Int64 { min(3_600_000, 500 << Int64(min(attempts, 24))) }
}

/// An error after which a job is not tried again.
public protocol PermanentJobFailure: Error {}
