internal import FoundationEssentials
internal import Glibc
public import Metadata
public import SystemPackage

/// What is known of vulnerabilities: records in OSV's format, by the source that they were loaded from.
///
/// ```
/// scan_source     one load of a source; it counts from the moment that it is complete
/// scan_advisory   a record
/// scan_affected   what a record says of one package
/// ```
/// A source is loaded in many small transactions, so that a registry goes on meanwhile, and takes the place of the load
/// before in one.
public struct AdvisoryDatabase: Sendable {
  let metadata: any MetadataDatabase

  public init(_ metadata: any MetadataDatabase) throws {
    self.metadata = metadata
    try metadata.migrate("registry-advisories", [Self.tables])
  }

  private static let tables = """
    CREATE TABLE scan_source (
      id ID,
      name TEXT NOT NULL,
      is_complete INTEGER NOT NULL,
      started INTEGER NOT NULL,
      loaded INTEGER NOT NULL,
      records INTEGER NOT NULL,
      newest TEXT NOT NULL
    );
    CREATE TABLE scan_advisory (
      id ID,
      source INTEGER NOT NULL REFERENCES scan_source(id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      body TEXT NOT NULL
    );
    CREATE INDEX scan_advisory_source ON scan_advisory (source);
    CREATE INDEX scan_advisory_name ON scan_advisory (name);
    CREATE TABLE scan_affected (
      id ID,
      advisory INTEGER NOT NULL REFERENCES scan_advisory(id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      ecosystem TEXT NOT NULL,
      body TEXT NOT NULL
    );
    CREATE INDEX scan_affected_advisory ON scan_affected (advisory);
    CREATE INDEX scan_affected_name ON scan_affected (name);
    """

  /// A source that is loaded.
  public struct Source: Hashable, Sendable {
    public let name: String
    /// Milliseconds since 1970.
    public let loaded: Int64
    public let records: Int
    /// When the newest of its records was modified: RFC 3339.
    public let newest: String
  }

  /// What became of the records of a load.
  public struct Loaded: Hashable, Sendable {
    public internal(set) var records = 0
    public internal(set) var withdrawn = 0
    /// Of packages that images are not searched for.
    public internal(set) var ignored = 0
  }

  public func sources() throws -> [Source] {
    try metadata.read { session in
      try session.rows("SELECT * FROM scan_source WHERE is_complete = 1 ORDER BY name").map { row in
        Source(
          name: try row["name"], loaded: try row["loaded"], records: try row["records"], newest: try row["newest"])
      }
    }
  }

  /// Loads files as one source, in the place of what it had. Throws `AdvisoryError`, and then nothing is changed.
  public func load(_ files: [FilePath], as name: String) throws -> Loaded {
    try sweep()
    let id = try begin(name)
    do {
      let loader = AdvisoryLoader(metadata, source: id)
      for file in files {
        try AdvisoryFiles.each(file) { name, content in try loader.add(content, from: name) }
      }
      try loader.flush()
      guard loader.loaded.records > 0 else { throw AdvisoryError.empty(source: name) }
      try complete(id, name, loader)
      try sweep()
      return loader.loaded
    } catch {
      try? delete(id)
      throw error
    }
  }

  /// Returns false where there is no such source.
  public func remove(_ name: String) throws -> Bool {
    let removed = try metadata.write { session in
      try session.execute(
        "UPDATE scan_source SET is_complete = 0, started = 0 WHERE name = ?1 AND is_complete = 1", [name])
    }
    try sweep()
    return removed > 0
  }

  private func begin(_ name: String) throws -> Int64 {
    try metadata.write { session in
      try session.value(
        Int64.self,
        """
        INSERT INTO scan_source (name, is_complete, started, loaded, records, newest) VALUES (?1, 0, ?2, 0, 0, '')
        RETURNING id
        """, [name, Self.now]) ?? 0
    }
  }

  private func complete(_ id: Int64, _ name: String, _ loader: AdvisoryLoader) throws {
    try metadata.write { session in
      // Marked as a load that ended long ago, the one before is swept away.
      try session.execute(
        "UPDATE scan_source SET is_complete = 0, started = 0 WHERE name = ?1 AND is_complete = 1", [name])
      try session.execute(
        "UPDATE scan_source SET is_complete = 1, loaded = ?2, records = ?3, newest = ?4 WHERE id = ?1",
        [id, Self.now, loader.loaded.records, loader.newest])
    }
  }

  /// Milliseconds after which a load that is not complete was given up by its process.
  private static let givenUp: Int64 = 24 * 3_600_000

  /// Deletes what loads left that were replaced or given up.
  private func sweep() throws {
    let stale = try metadata.read { session in
      try session.values(
        Int64.self, "SELECT id FROM scan_source WHERE is_complete = 0 AND started < ?1", [Self.now - Self.givenUp])
    }
    for id in stale { try delete(id) }
  }

  private func delete(_ id: Int64) throws {
    while true {
      let deleted = try metadata.write { session in
        try session.execute(
          "DELETE FROM scan_advisory WHERE id IN (SELECT id FROM scan_advisory WHERE source = ?1 ORDER BY id LIMIT ?2)",
          [id, AdvisoryLoader.batchSize])
      }
      if deleted == 0 { break }
    }
    _ = try metadata.write { try $0.execute("DELETE FROM scan_source WHERE id = ?1", [id]) }
  }

  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}
