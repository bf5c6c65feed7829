/// The database that a registry keeps its tables in: SQLite in the store on one machine, PostgreSQL where several share it.
///
/// Statements are written once, in what both understand. Parameters are `?1`, `?2`; columns are INTEGER (64 bits) or TEXT
/// (ordered by bytes); `id ID` declares a primary key that the database counts up and never gives out twice; `) CLUSTERED;`
/// ends a table that is kept in the order of its primary key where the database can; `ON CONFLICT` and `RETURNING` are there, `INSERT OR …`, GLOB, JSON functions and row numbers are not.
public protocol MetadataDatabase: Sendable {
  /// A consistent view, which nothing is written in.
  func read<Result>(_ body: (any SQLSession) throws -> Result) throws -> Result
  /// One transaction, as if no other ran beside it. Where the database gives up on one for the sake of another, `body` runs
  /// again: it has no effect but through the session. An error takes back what was done.
  @discardableResult
  func write<Result>(_ body: (any SQLSession) throws -> Result) throws -> Result
  /// Brings a module's tables up to date: the steps that have not run yet, in order, in one transaction.
  func migrate(_ module: String, _ steps: [String]) throws
  /// Tells of changes that others made; nil where that costs as much as reading what may have changed.
  func watch() throws -> (any MetadataWatch)?
}

/// A transaction.
public protocol SQLSession {
  func rows(_ sql: String, _ arguments: [any SQLConvertible]) throws -> [SQLRow]
  /// Returns how many rows were inserted, changed or deleted.
  @discardableResult
  func execute(_ sql: String, _ arguments: [any SQLConvertible]) throws -> Int
}

extension SQLSession {
  public func rows(_ sql: String) throws -> [SQLRow] { try rows(sql, []) }

  @discardableResult
  public func execute(_ sql: String) throws -> Int { try execute(sql, []) }

  /// The first row.
  public func row(_ sql: String, _ arguments: [any SQLConvertible] = []) throws -> SQLRow? {
    try rows(sql, arguments).first
  }

  /// The first column of the first row; nil where there is none, or NULL.
  public func value<Value: SQLReadable>(
    _ type: Value.Type, _ sql: String, _ arguments: [any SQLConvertible] = []
  ) throws -> Value? {
    try rows(sql, arguments).first?.first()
  }

  /// The first column of every row.
  public func values<Value: SQLReadable>(
    _ type: Value.Type, _ sql: String, _ arguments: [any SQLConvertible] = []
  ) throws -> [Value] {
    try rows(sql, arguments).compactMap { try $0.first() }
  }

  /// Whether the query has a row.
  public func exists(_ sql: String, _ arguments: [any SQLConvertible]) throws -> Bool {
    try rows("\(sql) LIMIT 1", arguments).isEmpty == false
  }
}

/// Sees the commits of other connections and processes at next to no cost.
public protocol MetadataWatch: Sendable {
  /// Runs `body` where something was committed since `version`, with the state as it is now; nil where nothing was.
  /// nil as `version` runs it in any case.
  func follow<Result>(
    since version: Int64?, _ body: (any SQLSession) throws -> Result
  ) throws -> (version: Int64, result: Result)?
}
