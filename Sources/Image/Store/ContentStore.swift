internal import Glibc
public import GRDB
internal import ImageSpec
internal import Kernel
public import SystemPackage

/// Blobs by digest, names for them, and what keeps them from being collected.
///
/// Safe for many processes at once: blobs appear by rename, names and holds live in SQLite (WAL), and everything that
/// a process holds while it works is a locked file that ends with it.
///
/// ```
/// <root>/version                 "1"
///        clipper.db              names, holds, and the tables of other modules
///        content/                OCI image layout: oci-layout, index.json, blobs/<algorithm>/<hex>
///        ingests/<key>           a blob being written, locked by its writer
///        leases/<id>             locked while its process works
///        store.lock              guards the making of the root, index.json, and each step of a collection
/// ```
public final class ContentStore: Sendable {
  public let root: FilePath
  /// Other modules keep their tables in it too; see `migrate`.
  public let database: any DatabaseWriter

  static let version = "1"
  let implicitLease: ImplicitLease
  let durability = GroupedWork()
  private let schema: SchemaVersions

  /// Opens the store, and makes it where there is none.
  ///
  /// - Parameters:
  ///   - longLived: a server leaves collection possible while it runs: it takes a `lease()` around each piece of work.
  ///     Without it, all that this process writes is safe until it ends.
  ///   - readers: connections that read side by side; 0 for one connection in all, which opens fastest.
  public static func open(_ root: FilePath, longLived: Bool = false, readers: Int = 0) throws -> ContentStore {
    let path = root.appending("version")
    let found: [UInt8]
    do {
      found = try readFile(path, limit: 64)
    } catch Errno.noSuchFileOrDirectory {
      try make(root)
      found = Array("\(version)\n".utf8)
    } catch {
      throw ContentError.system(operation: "read", path: path, error)
    }
    let text = String(decoding: found, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
    guard text == version else {
      throw ContentError.versionMismatch(root: root, found: text.isEmpty ? "unknown" : text, expected: version)
    }
    return try ContentStore(root: root, longLived: longLived, readers: readers)
  }

  private init(root: FilePath, longLived: Bool, readers: Int) throws {
    self.root = root
    var configuration = Configuration()
    configuration.busyMode = .timeout(30)
    configuration.journalMode = .wal
    configuration.maximumReaderCount = max(1, readers)
    // A command that finds nobody else here reads the whole write-ahead log first: it is kept short.
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 200") }
    let path = root.appending("clipper.db").string
    let database: any DatabaseWriter =
      readers == 0
      ? try DatabaseQueue(path: path, configuration: configuration) : try DatabasePool(path: path, configuration: configuration)
    self.database = database
    schema = try SchemaVersions(database)
    implicitLease = ImplicitLease(directory: root.appending("leases"), enabled: !longLived)
    try migrate("content", Self.tables)
  }

  /// Makes an empty store. Ten processes may do so at once: the first does it, the rest find it done.
  private static func make(_ root: FilePath) throws {
    do {
      try makeDirectories(root, mode: 0o700)
      let lock = try FileLock(root.appending("store.lock"))
      defer { lock.unlock() }
      if access(root.appending("version").string, F_OK) == 0 { return }
      for name in ["content/blobs/sha256", "ingests", "leases"] { try makeDirectories(root.appending(name)) }
      let content = root.appending("content")
      try writeFileAtomically(content.appending("oci-layout"), Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
      try writeFileAtomically(content.appending("index.json"), Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8))
      var configuration = Configuration()
      configuration.journalMode = .wal
      _ = try SchemaVersions(DatabaseQueue(path: root.appending("clipper.db").string, configuration: configuration))
      // Last: who finds it finds the rest.
      try writeFileAtomically(root.appending("version"), Array("\(version)\n".utf8), durable: true)
    } catch let error as Errno {
      throw ContentError.system(operation: "make the store at", path: root, error)
    }
  }

  private static let tables: [@Sendable (Database) throws -> Void] = [
    { database in
      try database.execute(
        sql: """
          CREATE TABLE names (name TEXT PRIMARY KEY, descriptor TEXT NOT NULL, updated INTEGER NOT NULL) WITHOUT ROWID;
          CREATE TABLE holds (owner TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (owner, digest)) WITHOUT ROWID;
          """)
    }
  ]

  /// Brings a module's tables up to date: the steps that have not run yet, in order, in one transaction.
  public func migrate(_ module: String, _ steps: [@Sendable (Database) throws -> Void]) throws {
    try schema.migrate(module, steps, in: database)
  }

  func lock() throws -> FileLock {
    let path = root.appending("store.lock")
    do { return try FileLock(path) } catch { throw ContentError.system(operation: "lock", path: path, error) }
  }
}
