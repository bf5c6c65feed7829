public import Content
import GRDB
import SystemPackage

/// A registry's tables in the store's own database, `clipper.db`.
public struct SQLiteMetadata: MetadataDatabase {
  private let store: ContentStore

  public init(_ store: ContentStore) { self.store = store }

  public func read<Result>(_ body: (any SQLSession) throws -> Result) throws -> Result {
    try Self.translating { try store.database.read { try body(SQLiteSession(database: $0)) } }
  }

  public func write<Result>(_ body: (any SQLSession) throws -> Result) throws -> Result {
    try Self.translating { try store.database.write { try body(SQLiteSession(database: $0)) } }
  }

  /// What passes by itself, or with more room on the disk.
  private static func translating<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as DatabaseError {
      switch error.resultCode {
      case .SQLITE_FULL: throw MetadataError.full("\(error)")
      case .SQLITE_BUSY, .SQLITE_IOERR, .SQLITE_READONLY, .SQLITE_CANTOPEN:
        throw MetadataError.unavailable("\(error)")
      default: throw error
      }
    }
  }

  public func migrate(_ module: String, _ steps: [String]) throws {
    try store.migrate(
      module,
      steps.map { step in { @Sendable database in try database.execute(sql: Self.translated(step)) } })
  }

  public func watch() throws -> (any MetadataWatch)? {
    try SQLiteWatch(path: store.root.appending("clipper.db").string)
  }

  private static func translated(_ step: String) -> String {
    step.replacing(" ID,", with: " INTEGER PRIMARY KEY AUTOINCREMENT,").replacing(") CLUSTERED;", with: ") WITHOUT ROWID;")
  }
}

private struct SQLiteSession: SQLSession {
  let database: Database

  func rows(_ sql: String, _ arguments: [any SQLConvertible]) throws -> [SQLRow] {
    let statement = try database.cachedStatement(sql: sql)
    let columns = statement.columnNames
    let cursor = try Row.fetchCursor(statement, arguments: Self.bound(arguments))
    var rows: [SQLRow] = []
    while let row = try cursor.next() {
      rows.append(SQLRow(columns: columns, values: row.databaseValues.map(Self.value)))
    }
    return rows
  }

  func execute(_ sql: String, _ arguments: [any SQLConvertible]) throws -> Int {
    try database.cachedStatement(sql: sql).execute(arguments: Self.bound(arguments))
    return database.changesCount
  }

  private static func bound(_ arguments: [any SQLConvertible]) -> StatementArguments {
    StatementArguments(
      arguments.map { argument -> DatabaseValue in
        switch argument.sqlValue {
        case .null: .null
        case .integer(let number): number.databaseValue
        case .text(let text): text.databaseValue
        }
      })
  }

  private static func value(_ value: DatabaseValue) -> SQLValue {
    switch value.storage {
    case .int64(let number): .integer(number)
    case .string(let text): .text(text)
    // No table has such a column: reading it as anything fails.
    case .null, .double, .blob: .null
    }
  }
}

/// SQLite's data version: it differs once another connection has committed, and asking takes a microsecond or two.
private final class SQLiteWatch: MetadataWatch {
  private let connection: DatabaseQueue

  init(path: String) throws {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.label = "registry-watch"
    connection = try DatabaseQueue(path: path, configuration: configuration)
  }

  func follow<Result>(
    since version: Int64?, _ body: (any SQLSession) throws -> Result
  ) throws -> (version: Int64, result: Result)? {
    try connection.unsafeRead { database in
      let now = try Int64.fetchOne(try database.cachedStatement(sql: "PRAGMA data_version")) ?? 0
      return now == version ? nil : (now, try body(SQLiteSession(database: database)))
    }
  }
}
