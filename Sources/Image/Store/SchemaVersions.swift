import GRDB
internal import Synchronization

/// How many steps of each module's schema have run: table `schema(module, version)`, read once when a store is opened.
final class SchemaVersions: Sendable {
  private let versions: Mutex<[String: Int]>

  init(_ database: any DatabaseWriter) throws {
    do {
      versions = Mutex(try database.read(Self.read))
    } catch let error as DatabaseError where error.resultCode == .SQLITE_ERROR {  // no such table
      try database.write { database in
        try database.execute(
          sql: "CREATE TABLE IF NOT EXISTS schema (module TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID")
      }
      versions = Mutex(try database.read(Self.read))
    }
  }

  private static func read(_ database: Database) throws -> [String: Int] {
    var versions: [String: Int] = [:]
    for row in try Row.fetchAll(database, sql: "SELECT module, version FROM schema") { versions[row[0]] = row[1] }
    return versions
  }

  func migrate(_ module: String, _ steps: [@Sendable (Database) throws -> Void], in database: any DatabaseWriter) throws {
    if versions.withLock({ $0[module] ?? 0 }) >= steps.count { return }
    try database.write { database in
      // Another process may have come first: ask again inside the transaction.
      let done = try Int.fetchOne(database, sql: "SELECT version FROM schema WHERE module = ?", arguments: [module]) ?? 0
      for step in steps.dropFirst(done) { try step(database) }
      try database.execute(
        sql: "INSERT OR REPLACE INTO schema (module, version) VALUES (?, ?)", arguments: [module, max(done, steps.count)])
    }
    versions.withLock { $0[module] = steps.count }
  }
}
