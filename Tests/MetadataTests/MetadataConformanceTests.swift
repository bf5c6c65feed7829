import Content
import Glibc
import Kernel
import Logging
import Metadata
import PostgresMetadata
import SystemPackage
import TestDirectories
import TestServices
import Testing

/// A database of each kind, new and empty.
enum Kind: String, CaseIterable, CustomTestStringConvertible {
  case sqlite, postgres

  /// Those that this machine has.
  static var here: [Kind] { PostgresServer.isInstalled ? allCases : [.sqlite] }

  var testDescription: String { rawValue }

  func run(_ body: (any MetadataDatabase) throws -> Void) throws {
    switch self {
    case .sqlite:
      let root = try makeTestDirectory("metadata-test")
      defer { try? removeTree(root) }
      try body(SQLiteMetadata(ContentStore.open(root, longLived: true, readers: 2)))
    case .postgres:
      let server = try #require(try PostgresServer.shared())
      let url = try server.makeDatabase()
      defer { server.drop(url) }
      try body(PostgresMetadata(url: url, connections: 8, logger: Logger(label: "test")))
    }
  }

  /// With a table `item (id, name, size)`.
  func runWithTable(_ body: (any MetadataDatabase) throws -> Void) throws {
    try run { (database) throws in
      try database.migrate("test", [table])
      try body(database)
    }
  }
}

private let table = """
  CREATE TABLE item (
    id ID,
    name TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL DEFAULT 0,
    note TEXT
  );
  CREATE INDEX item_size ON item (size);
  """

/// What the registry relies on is the same in every database.
@Suite struct MetadataConformanceTests {
  @Test(arguments: Kind.here) func valuesComeBackAsTheyWere(_ kind: Kind) throws {
    try kind.runWithTable { (database) throws in
      let name = "ü'\"?1 \\ $1 -- \u{1F433}"
      let id = try database.write { (session) throws in
        try session.value(
          Int64.self, "INSERT INTO item (name, size, note) VALUES (?1, ?2, ?3) RETURNING id",
          [name, Int64.max, nil as String?])
      }
      let row = try #require(
        try database.read { try $0.row("SELECT * FROM item WHERE name = ?1 AND id = ?2", [name, id]) })
      #expect(try row["name"] as String == name)
      #expect(try row["size"] as Int64 == .max)
      #expect(try row["note"] as String? == nil)
      #expect(try database.read { try $0.exists("SELECT 1 FROM item WHERE size = ?1", [Int64.max]) })
      #expect(
        try database.read { try $0.value(Bool.self, "SELECT EXISTS (SELECT 1 FROM item WHERE size = ?1)", [1]) }
          == false)
      #expect(try database.read { try $0.value(Int64.self, "SELECT SUM(size) FROM item") } == .max)
    }
  }

  /// The same parameter twice, one of them compared with NULL: as an optional filter is written.
  @Test(arguments: Kind.here) func parametersMayBeNullAnywhere(_ kind: Kind) throws {
    try kind.runWithTable { (database) throws in
      try database.write { (session) throws in
        for name in ["a", "b"] { try session.execute("INSERT INTO item (name, note) VALUES (?1, ?1)", [name]) }
      }
      let sql = "SELECT name FROM item WHERE (?1 IS NULL OR note = ?1) ORDER BY name LIMIT ?2"
      #expect(try database.read { try $0.values(String.self, sql, [nil as String?, 10]) } == ["a", "b"])
      #expect(try database.read { try $0.values(String.self, sql, ["b", 10]) } == ["b"])
    }
  }

  @Test(arguments: Kind.here) func textIsOrderedByItsBytes(_ kind: Kind) throws {
    try kind.runWithTable { (database) throws in
      let names = ["a", "B", "_", "ä", "Z", "a-b", "aB", "0"]
      try database.write { (session) throws in
        for name in names { try session.execute("INSERT INTO item (name) VALUES (?1)", [name]) }
      }
      let sorted = names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
      #expect(try database.read { try $0.values(String.self, "SELECT name FROM item ORDER BY name") } == sorted)
      #expect(
        try database.read {
          try $0.values(String.self, "SELECT name FROM item WHERE name > ?1 ORDER BY name LIMIT 1", ["Z"])
        } == ["_"])
    }
  }

  @Test(arguments: Kind.here) func changesAreCounted(_ kind: Kind) throws {
    try kind.runWithTable { (database) throws in
      try database.write { (session) throws in
        #expect(try session.execute("INSERT INTO item (name) VALUES (?1)", ["a"]) == 1)
        #expect(try session.execute("INSERT INTO item (name) VALUES (?1) ON CONFLICT DO NOTHING", ["a"]) == 0)
        #expect(
          try session.execute(
            "INSERT INTO item (name, size) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET size = ?2 WHERE item.size <> ?2",
            ["a", 5]) == 1)
        #expect(try session.execute("UPDATE item SET size = 7 WHERE name = ?1", ["none"]) == 0)
        #expect(try session.execute("DELETE FROM item") == 1)
      }
    }
  }

  @Test(arguments: Kind.here) func anErrorTakesBackWhatWasDone(_ kind: Kind) throws {
    struct Refused: Error {}
    try kind.runWithTable { (database) throws in
      #expect(throws: Refused.self) {
        try database.write { (session) throws in
          try session.execute("INSERT INTO item (name) VALUES (?1)", ["a"])
          throw Refused()
        }
      }
      // A statement that fails, too; and the database goes on.
      #expect(throws: (any Error).self) {
        try database.write { (session) throws in
          try session.execute("INSERT INTO item (name) VALUES (?1)", ["b"])
          try session.execute("INSERT INTO item (name) VALUES (?1)", ["b"])
        }
      }
      #expect(try database.read { try $0.value(Int.self, "SELECT COUNT(*) FROM item") } == 0)
    }
  }

  @Test(arguments: Kind.here) func readersWriteNothing(_ kind: Kind) throws {
    try kind.runWithTable { (database) throws in
      #expect(throws: (any Error).self) {
        try database.read { _ = try $0.execute("INSERT INTO item (name) VALUES (?1)", ["a"]) }
      }
      #expect(try database.read { try $0.value(Int.self, "SELECT COUNT(*) FROM item") } == 0)
    }
  }

  /// Two that read the same and write from it: one of them sees the other's result.
  @Test(arguments: Kind.here) func writersDoNotLoseOneAnothersChanges(_ kind: Kind) async throws {
    try await Self.inParallel(kind) { (database) throws in
      try database.write { (session) throws in
        let size = try session.value(Int64.self, "SELECT size FROM item WHERE name = ?1", ["n"]) ?? 0
        try session.execute("UPDATE item SET size = ?1 WHERE name = ?2", [size + 1, "n"])
      }
    }
  }

  private static func inParallel(_ kind: Kind, _ step: @escaping @Sendable (any MetadataDatabase) throws -> Void)
    async throws
  {
    try kind.runWithTable { (database) throws in
      try database.write { try $0.execute("INSERT INTO item (name) VALUES (?1)", ["n"]) }
      let failures = Failures()
      // Threads, not tasks: what they call blocks.
      let threads = (0..<6).map { _ in
        BlockingThread {
          do { for _ in 0..<15 { try step(database) } } catch { failures.add("\(error)") }
        }
      }
      for thread in threads { thread.join() }
      #expect(failures.all.isEmpty)
      #expect(try database.read { try $0.value(Int64.self, "SELECT size FROM item") } == 90)
    }
  }

  @Test(arguments: Kind.here) func aReaderSeesOneState(_ kind: Kind) throws {
    try kind.runWithTable { (database) throws in
      try database.write { try $0.execute("INSERT INTO item (name) VALUES (?1)", ["a"]) }
      try database.read { (session) throws in
        #expect(try session.value(Int.self, "SELECT COUNT(*) FROM item") == 1)
        let other = BlockingThread { try? database.write { _ = try $0.execute("INSERT INTO item (name) VALUES (?1)", ["b"]) } }
        other.join()
        #expect(try session.value(Int.self, "SELECT COUNT(*) FROM item") == 1)
      }
      #expect(try database.read { try $0.value(Int.self, "SELECT COUNT(*) FROM item") } == 2)
    }
  }

  @Test(arguments: Kind.here) func stepsRunOnce(_ kind: Kind) throws {
    try kind.run { (database) throws in
      let more = "ALTER TABLE item ADD COLUMN extra TEXT NOT NULL DEFAULT 'x'"
      try database.migrate("test", [table])
      try database.migrate("test", [table, more])
      // As each replica does when it starts.
      let threads = (0..<4).map { _ in BlockingThread { try? database.migrate("test", [table, more]) } }
      for thread in threads { thread.join() }
      try database.write { try $0.execute("INSERT INTO item (name) VALUES (?1)", ["a"]) }
      #expect(try database.read { try $0.value(String.self, "SELECT extra FROM item") } == "x")
    }
  }
}
