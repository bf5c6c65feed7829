internal import Glibc
public import Logging
public import Metadata

/// A registry's tables in PostgreSQL, where several machines share them.
///
/// A transaction that writes is SERIALIZABLE and runs again where the server gives up on it; one that reads has one
/// snapshot. Both go on over a new connection when the server was restarted. All functions block.
public struct PostgresMetadata: MetadataDatabase {
  private let pool: ConnectionPool
  /// Host, port and database, to be shown.
  public let server: String

  /// Connects once, so that what is wrong is told now.
  ///
  /// - Parameters:
  ///   - url: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=FILE`, with all of libpq's
  ///     parameters; what it leaves out comes from libpq's environment variables and password file. (libpq, 34.1.1)
  ///   - connections: at most so many at once.
  /// - Throws: `PostgresError`.
  public init(url: String, connections: Int = 16, logger: Logger) throws {
    let settings = try ConnectionSettings(url: url)
    server = settings.server
    pool = try ConnectionPool(settings, limit: max(1, connections), logger: logger)
  }

  public func read<Result>(_ body: (any SQLSession) throws -> Result) throws -> Result {
    try transaction(.read, body)
  }

  public func write<Result>(_ body: (any SQLSession) throws -> Result) throws -> Result {
    try transaction(.write, body)
  }

  /// Nobody tells of others' changes: what a cache holds is looked up by what cannot change.
  public func watch() throws -> (any MetadataWatch)? { nil }

  /// Replicas that start at once wait for one another.
  public func migrate(_ module: String, _ steps: [String]) throws {
    try pool.withConnection { connection in
      // Not SERIALIZABLE: what comes after the lock must see what the one before has done.
      try connection.script(
        """
        BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(\(Self.migrationLock));
        CREATE TABLE IF NOT EXISTS schema_version (module TEXT COLLATE "C" PRIMARY KEY, version BIGINT NOT NULL)
        """)
      do {
        try run(steps, of: module, connection)
        try connection.script("COMMIT")
      } catch {
        try? connection.script("ROLLBACK")
        throw error
      }
    }
  }

  /// "clipper" in ASCII: a number that no other program's lock is likely to have.
  private static let migrationLock = 0x63_6c_69_70_70_65_72

  private func run(_ steps: [String], of module: String, _ connection: Connection) throws {
    let known = try connection.run([
      .statement("SELECT version FROM schema_version WHERE module = ?1", [.text(module)])
    ])
    let version: Int = try known[0].rows.first?["version"] ?? 0
    guard version <= steps.count else {
      throw PostgresError.unsuitable(
        server: server, "a newer version of this program has used it (tables of \(module), version \(version))")
    }
    guard version < steps.count else { return }
    for step in steps[version...] { try connection.script(DataDefinition.translated(step)) }
    _ = try connection.run([
      .statement(
        """
        INSERT INTO schema_version (module, version) VALUES (?1, ?2)
        ON CONFLICT (module) DO UPDATE SET version = ?2
        """, [.text(module), .integer(Int64(steps.count))])
    ])
  }

  // MARK: transactions

  private static let conflictAttempts = 40
  private static let lossAttempts = 3

  /// Runs a transaction, again where that is safe: it had no effect yet, and is likely to have one the next time.
  private func transaction<Result>(_ kind: TransactionKind, _ body: (any SQLSession) throws -> Result) throws -> Result
  {
    var conflicts = 0
    var losses = 0
    while true {
      do {
        return try pool.withConnection { try Self.attempt($0, kind, body) }
      } catch {
        guard let known = error as? PostgresError else { throw error }
        if known.isConflict {
          conflicts += 1
          guard conflicts < Self.conflictAttempts else { throw PostgresError.contended(attempts: conflicts) }
          Self.pause(conflicts)
        } else if known.isLoss, losses < Self.lossAttempts {
          losses += 1
        } else {
          throw error
        }
      }
    }
  }

  /// Those that met once must not meet again: each waits a time of its own, at most 250 ms.
  private static func pause(_ conflicts: Int) {
    usleep(UInt32.random(in: 500...min(250_000, 2000 << UInt32(min(conflicts, 7)))))
  }

  private static func attempt<Result>(
    _ connection: Connection, _ kind: TransactionKind, _ body: (any SQLSession) throws -> Result
  ) throws -> Result {
    let session = PostgresSession(connection, kind)
    let result: Result
    do {
      result = try body(session)
    } catch {
      session.rollback()
      throw error
    }
    try session.commit()
    return result
  }
}

private enum TransactionKind {
  case read, write

  var begin: String {
    switch self {
    case .read: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    case .write: "BEGIN ISOLATION LEVEL SERIALIZABLE"
    }
  }
}

/// A transaction. It begins with its first statement, in the same message to the server.
private final class PostgresSession: SQLSession {
  private let connection: Connection
  private let kind: TransactionKind
  private var hasBegun = false

  init(_ connection: Connection, _ kind: TransactionKind) {
    self.connection = connection
    self.kind = kind
  }

  func rows(_ sql: String, _ arguments: [any SQLConvertible]) throws -> [SQLRow] { try run(sql, arguments).rows }

  func execute(_ sql: String, _ arguments: [any SQLConvertible]) throws -> Int { try run(sql, arguments).changes }

  private func run(_ sql: String, _ arguments: [any SQLConvertible]) throws(PostgresError) -> Connection.Answer {
    let statement = Connection.Command.statement(sql, arguments.map(\.sqlValue))
    guard !hasBegun else { return try connection.run([statement])[0] }
    hasBegun = true
    return try connection.run([.control(kind.begin), statement])[1]
  }

  func commit() throws(PostgresError) {
    guard hasBegun else { return }
    do {
      _ = try connection.run([.control("COMMIT")])
    } catch {
      guard error.isLoss else { throw error }
      // What was read is as good as before.
      if kind == .read { return }
      throw PostgresError.commitUnknown("\(error)")
    }
  }

  func rollback() {
    guard hasBegun, !connection.isBroken else { return }
    _ = try? connection.run([.control("ROLLBACK")])
  }
}
