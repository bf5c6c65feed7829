import FoundationEssentials
public import Metadata
import Synchronization

/// Documents in the registry's database, where several servers of one registry share them.
///
/// ```
/// registry_document   a name, the content in base64, and a number that grows with each change
/// ```
/// A change counts at every server within a second: so often does each ask for the numbers, all at once, rather than with
/// each request.
public final class DatabaseDocuments: Sendable {
  private let metadata: any MetadataDatabase
  private let versions = Mutex<(known: [String: Int64], asked: ContinuousClock.Instant)?>(nil)

  private static let steps = [
    """
    CREATE TABLE registry_document (
      name TEXT PRIMARY KEY,
      content TEXT NOT NULL,
      version INTEGER NOT NULL
    );
    """
  ]

  public init(_ metadata: any MetadataDatabase) throws {
    try metadata.migrate("registry-documents", Self.steps)
    self.metadata = metadata
  }

  public func document(_ name: String) -> any SharedDocument { DatabaseDocument(name: name, documents: self) }

  fileprivate func version(_ name: String) throws -> Int64? {
    if let fresh = versions.withLock({ $0 }), fresh.asked > .now - .seconds(1) { return fresh.known[name] }
    let asked = ContinuousClock.now
    let known = try metadata.read { session in
      try session.rows("SELECT name, version FROM registry_document").reduce(into: [String: Int64]()) { known, row in
        known[try row["name"]] = try row["version"]
      }
    }
    versions.withLock { $0 = (known, asked) }
    return known[name]
  }

  fileprivate func read(_ name: String) throws -> [UInt8]? { try metadata.read { try Self.content(name, $0) } }

  private static func content(_ name: String, _ session: any SQLSession) throws -> [UInt8]? {
    let text = try session.value(String.self, "SELECT content FROM registry_document WHERE name = ?1", [name])
    guard let text else { return nil }
    guard let data = Data(base64Encoded: text) else {
      throw AccessError.unreadable(DatabaseDocument.place(name), "it is not base64")
    }
    return Array(data)
  }

  fileprivate func edit<Result>(
    _ name: String, _ edit: ([UInt8]?) throws -> (bytes: [UInt8], result: Result)
  ) throws -> Result {
    let result = try metadata.write { session in
      let (bytes, result) = try edit(try Self.content(name, session))
      guard bytes.count <= sharedDocumentLimit else {
        throw AccessError.unwritable(
          DatabaseDocument.place(name), "it would have \(bytes.count) bytes, more than \(sharedDocumentLimit)")
      }
      try session.execute(
        """
        INSERT INTO registry_document (name, content, version) VALUES (?1, ?2, 1)
        ON CONFLICT (name) DO UPDATE SET content = ?2, version = registry_document.version + 1
        """, [name, Data(bytes).base64EncodedString()])
      return result
    }
    versions.withLock { $0 = nil }
    return result
  }
}

private struct DatabaseDocument: SharedDocument {
  let name: String
  let documents: DatabaseDocuments

  static func place(_ name: String) -> String { "\(name) in the registry's database" }

  var place: String { Self.place(name) }
  func stamp() throws -> DocumentStamp? { try documents.version(name).map { DocumentStamp(version: $0) } }
  func read() throws -> [UInt8]? { try documents.read(name) }
  func edit<Result>(_ edit: ([UInt8]?) throws -> (bytes: [UInt8], result: Result)) throws -> Result {
    try documents.edit(name, edit)
  }
}
