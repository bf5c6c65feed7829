import Glibc
import Kernel
public import Logging
public import Metadata
import PostgresMetadata
public import SystemPackage

/// Which database registries of tests keep their tables in: SQLite, or PostgreSQL where CLIPPER_TEST_DATABASE says
/// "postgres". So the same suites run against both.
public enum TestDatabase {
  public static let usesPostgres = getenv("CLIPPER_TEST_DATABASE").map { String(cString: $0) } == "postgres"

  /// Of the registry in a directory: a new one, or the one that it had before. nil where that is the store's own.
  public static func metadata(_ root: FilePath) throws -> (any MetadataDatabase)? {
    guard usesPostgres, let server = try PostgresServer.shared() else { return nil }
    let note = note(root)
    let url: String
    if let known = try? readFile(note, limit: 4096) {
      url = String(decoding: known, as: UTF8.self)
    } else {
      url = try server.makeDatabase()
      try writeFileAtomically(note, Array(url.utf8))
    }
    return try PostgresMetadata(
      url: url, connections: 4, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
  }

  private static func note(_ root: FilePath) -> FilePath { root.appending("test-database") }

  /// Removes the directory of a registry, and its database.
  public static func remove(_ root: FilePath) throws {
    if let url = try? readFile(note(root), limit: 4096) {
      try PostgresServer.shared()?.drop(String(decoding: url, as: UTF8.self))
    }
    try removeTree(root)
  }
}
