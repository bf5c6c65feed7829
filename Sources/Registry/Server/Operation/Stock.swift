import Content
import Metadata
import Synchronization

/// How much a registry has, for `/metrics`.
struct Stock: Sendable {
  var repositories: Int64 = 0
  var manifests: Int64 = 0
  var tags: Int64 = 0
  /// Different ones, however many repositories have them.
  var blobs: Int64 = 0
  var bytes: Int64 = 0
  /// By kind: what is owed, and what failed for good.
  var jobs: [(kind: String, owed: Int64, failed: Int64)] = []
  /// Copies that replication owes, and for how many seconds it has owed the oldest.
  var owedCopies: Int64 = 0
  var replicationLag: Int64 = 0

  func write(to text: inout MetricsText) {
    let figures: [(String, String, Int64)] = [
      ("repositories", "Repositories.", repositories), ("manifests", "Images, indexes and artifacts.", manifests),
      ("tags", "Tags.", tags), ("blobs", "Different blobs that repositories have.", blobs),
      ("blob_bytes", "Bytes of these blobs.", bytes),
      ("replication_pending", "Copies of images that have not arrived at their destinations.", owedCopies),
      ("replication_lag_seconds", "How long ago the oldest of these was pushed.", replicationLag),
    ]
    for (name, help, value) in figures {
      text.family("clipper_registry_" + name, "gauge", help)
      text.sample("clipper_registry_" + name, [], "\(value)")
    }
    text.family("clipper_registry_jobs", "gauge", "Work that is owed, and what failed for good.")
    for job in jobs {
      text.sample("clipper_registry_jobs", [("kind", job.kind), ("state", "owed")], "\(job.owed)")
      text.sample("clipper_registry_jobs", [("kind", job.kind), ("state", "failed")], "\(job.failed)")
    }
  }
}

extension Registry {
  /// Looks at every row: to be asked for at most once in a while.
  func stock() throws -> Stock {
    try metadata.read { session in
      func number(_ sql: String) throws -> Int64 { try session.value(Int64.self, sql) ?? 0 }
      let lag = try Replication.lag(session)
      return Stock(
        repositories: try number("SELECT COUNT(*) FROM registry_repository"),
        manifests: try number("SELECT COUNT(*) FROM registry_manifest"),
        tags: try number("SELECT COUNT(*) FROM registry_tag"),
        blobs: try number("SELECT COUNT(DISTINCT digest) FROM registry_blob"),
        bytes: try number(
          "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM (SELECT MAX(size) AS size FROM registry_blob GROUP BY digest) AS blobs"),
        jobs: try jobs.counts(session), owedCopies: Int64(lag.copies), replicationLag: lag.oldest / 1000)
    }
  }
}

/// The last figures, and when they were taken.
final class StockTaking: Sendable {
  private let last = Mutex<(stock: Stock, until: ContinuousClock.Instant)?>(nil)
  private static let lifetime = Duration.seconds(60)

  var current: Stock? { last.withLock { $0.flatMap { $0.until > .now ? $0.stock : nil } } }
  func took(_ stock: Stock) { last.withLock { $0 = (stock, .now + Self.lifetime) } }
}

extension RegistryServer {
  /// nil where the database does not answer: the rest is worth showing all the same.
  func stockFigures() async -> Stock? {
    if let known = stockTaking.current { return known }
    do {
      let stock = try await blocking { try self.registry.stock() }
      stockTaking.took(stock)
      return stock
    } catch {
      logger.error("cannot count what the registry has", metadata: ["error": "\(error)"])
      return nil
    }
  }

  /// What every registry needs to work.
  /// Counts what happens to repositories.
  func countEvents() {
    let metrics = metrics
    registry.events.subscribe(Set(RegistryEvent.Kind.allCases)) { metrics.count($0.kind) }
  }

  func addOwnChecks() {
    let registry = registry
    readiness.add("database") { try registry.checkWritable() }
    readiness.add("storage") { try registry.storage.check() }
  }
}

extension Registry {
  /// Throws where the database cannot be written: the disk is full or read-only, or another process holds it for long.
  func checkWritable() throws {
    _ = try metadata.write { try $0.execute("UPDATE registry_change SET number = number", []) }
  }
}
