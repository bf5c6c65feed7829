internal import FoundationEssentials
internal import Metadata

/// Writes records as they are read, some hundred in a transaction.
final class AdvisoryLoader {
  static let batchSize = 500

  private let metadata: any MetadataDatabase
  private let source: Int64
  private var batch: [Advisory] = []
  private(set) var loaded = AdvisoryDatabase.Loaded()
  private(set) var newest = ""

  init(_ metadata: any MetadataDatabase, source: Int64) {
    self.metadata = metadata
    self.source = source
  }

  /// A file of one record, of a list of them, or of what OSV's interface answers (`vulns`). Throws `AdvisoryError`.
  func add(_ content: [UInt8], from file: String) throws {
    do {
      let document: JSON
      do { document = try JSON(parsing: content) } catch { throw AdvisoryParser.Failure.malformed(error.description) }
      for record in document.array ?? document["vulns"]?.array ?? [document] {
        try add(AdvisoryParser.advisory(record))
      }
    } catch let failure as AdvisoryParser.Failure {
      throw AdvisoryError.malformed(record: file, reason: failure.description)
    }
  }

  private func add(_ advisory: Advisory) throws {
    if advisory.withdrawn != nil {
      loaded.withdrawn += 1
      return
    }
    // A record of a CVE alone still tells how bad it is.
    guard !advisory.affected.isEmpty || !advisory.vectors.isEmpty && advisory.id.hasPrefix("CVE-") else {
      loaded.ignored += 1
      return
    }
    loaded.records += 1
    newest = max(newest, advisory.modified)
    batch.append(advisory)
    if batch.count == Self.batchSize { try flush() }
  }

  func flush() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    func encoded(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    let rows = try batch.map { advisory in
      (name: advisory.id, body: try encoded(advisory), affected: try advisory.affected.map { ($0, try encoded($0)) })
    }
    batch = []
    try metadata.write { session in
      for row in rows {
        let id = try session.value(
          Int64.self, "INSERT INTO scan_advisory (source, name, body) VALUES (?1, ?2, ?3) RETURNING id",
          [source, row.name, row.body])
        for (package, body) in row.affected {
          try session.execute(
            "INSERT INTO scan_affected (advisory, name, ecosystem, body) VALUES (?1, ?2, ?3, ?4)",
            [id, package.name, package.ecosystem, body])
        }
      }
    }
  }
}
