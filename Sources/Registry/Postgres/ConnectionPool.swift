internal import Dispatch
internal import Glibc
internal import Logging
internal import Synchronization

/// Connections to one server, at most a number of them, made when they are needed.
final class ConnectionPool: Sendable {
  private struct Idle {
    let connection: Connection
    let since: ContinuousClock.Instant
  }

  private let settings: ConnectionSettings
  private let limit: Int
  private let logger: Logger
  private let permits: DispatchSemaphore
  private let idle = Mutex<[Idle]>([])

  /// Seconds that a connection may be waited for.
  private static let patience = 20
  private static let idleTime = Duration.seconds(300)

  /// Connects once, without patience.
  init(_ settings: ConnectionSettings, limit: Int, logger: Logger) throws {
    self.settings = settings
    self.limit = limit
    self.logger = logger
    permits = DispatchSemaphore(value: limit)
    giveBack(try Connection(settings))
  }

  /// Lends a connection. One that broke is not taken back.
  func withConnection<Result>(_ body: (Connection) throws -> Result) throws -> Result {
    guard permits.wait(timeout: .now() + .seconds(Self.patience)) == .success else {
      throw PostgresError.busy(connections: limit)
    }
    defer { permits.signal() }
    let connection = try take() ?? open()
    defer { giveBack(connection) }
    return try body(connection)
  }

  /// The one that was used last; those that nobody has used for long are closed.
  private func take() -> Connection? {
    idle.withLock { idle in
      let old = ContinuousClock.now - Self.idleTime
      idle.removeAll { $0.since < old }
      return idle.popLast()?.connection
    }
  }

  private func giveBack(_ connection: Connection) {
    connection.trim()
    if connection.isBroken {
      // The server went away, and with it most likely what the others are connected to.
      idle.withLock { $0 = [] }
    } else {
      idle.withLock { $0.append(Idle(connection: connection, since: .now)) }
    }
  }

  /// A server that restarts, or another that takes its place, is waited for.
  private func open() throws(PostgresError) -> Connection {
    var delay: UInt32 = 100
    for attempt in 1... {
      do {
        return try Connection(settings)
      } catch {
        guard attempt < 6, case .cannotConnect = error else { throw error }
        logger.warning("no connection to the database", metadata: ["attempt": "\(attempt)", "error": "\(error)"])
        usleep(delay * 1000)
        delay *= 2
      }
    }
    throw .busy(connections: limit)
  }
}
