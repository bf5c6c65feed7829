import FoundationEssentials
public import ImageSpec
import Metadata
public import Scanning

/// The tables of scans: one row an image, and its findings, which go with it.
enum ScanSchema {
  static let steps = [
    """
    CREATE TABLE registry_scan (
      manifest INTEGER PRIMARY KEY REFERENCES registry_manifest(id) ON DELETE CASCADE,
      status TEXT NOT NULL,
      description TEXT,
      requested INTEGER NOT NULL,
      completed INTEGER,
      advisories INTEGER,
      counts TEXT NOT NULL DEFAULT '{}'
    );
    CREATE TABLE registry_scan_finding (
      manifest INTEGER NOT NULL REFERENCES registry_manifest(id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      body TEXT NOT NULL,
      PRIMARY KEY (manifest, position)
    ) CLUSTERED;
    """
  ]
}

/// How the last scan of an image went.
public struct ScanReport: Hashable, Sendable {
  public enum Status: String, Hashable, Sendable {
    case pending = "PENDING"
    case inProgress = "IN_PROGRESS"
    case complete = "COMPLETE"
    case failed = "FAILED"
    case unsupported = "UNSUPPORTED_IMAGE"
  }

  public let status: Status
  public let description: String?
  /// Milliseconds since 1970.
  public let requested: Int64
  public let completed: Int64?
  /// When what was known of vulnerabilities was loaded: milliseconds since 1970.
  public let advisories: Int64?
  public let counts: [Severity: Int]

  init(_ row: SQLRow) throws {
    status = Status(rawValue: try row["status"]) ?? .failed
    description = try row["description"]
    requested = try row["requested"]
    completed = try row["completed"]
    advisories = try row["advisories"]
    let byName = try JSONDecoder().decode([String: Int].self, from: Data((row["counts"] as String).utf8))
    counts = Dictionary(uniqueKeysWithValues: byName.compactMap { name, count in Severity(rawValue: name).map { ($0, count) } })
  }
}

/// Why an image is not scanned now.
public enum ScanRefusal: Error, Hashable, Sendable {
  /// An index or an artifact: there are no layers of an image to look into.
  case unsupportedImage(MediaType)
  case archived
  /// It was scanned within a day.
  case scannedLately
}

extension Registry {
  /// nil for an image that was never scanned. Throws `manifestUnknown` or `repositoryUnknown`.
  public func scanReport(of digest: Digest, in name: String) throws -> ScanReport? {
    try metadata.read { session in
      try session.row("SELECT * FROM registry_scan WHERE manifest = ?1", [manifestID(session, digest, name)])
        .map(ScanReport.init)
    }
  }

  /// Of several manifests by the numbers of their rows.
  public func scanReports(of manifests: [Int64]) throws -> [Int64: ScanReport] {
    guard !manifests.isEmpty else { return [:] }
    let list = manifests.map(String.init).joined(separator: ", ")
    return try metadata.read { session in
      let rows = try session.rows("SELECT * FROM registry_scan WHERE manifest IN (\(list))")
      return Dictionary(uniqueKeysWithValues: try rows.map { (try $0["manifest"], try ScanReport($0)) })
    }
  }

  /// The worst first, those from the position `start` on, which counts from 0.
  public func scanFindings(of digest: Digest, in name: String, from start: Int = 0, limit: Int) throws -> [Finding] {
    try metadata.read { session in
      try session.values(
        String.self,
        "SELECT body FROM registry_scan_finding WHERE manifest = ?1 AND position >= ?2 ORDER BY position LIMIT ?3",
        [manifestID(session, digest, name), start, limit]
      ).map { try JSONDecoder().decode(Finding.self, from: Data($0.utf8)) }
    }
  }

  /// An SBOM of an image, made of its layers. Throws `ScanError` for what is no image.
  public func billOfMaterials(_ digest: Digest, in name: String, as format: BillFormat, named: String) throws -> [UInt8] {
    let lease = try store.lease()
    defer { lease.release() }
    let manifest = try storedManifest(.digest(digest), in: name)
    guard manifest.mediaType.isManifest else { throw ScanError.unsupportedImage("its type is \(manifest.mediaType)") }
    try fetchImage(digest, of: name)
    let image = try ImageScanner(store).scan(digest, mediaType: manifest.mediaType)
    return try BillOfMaterials(image, name: named).document(format)
  }

  func manifestID(_ session: any SQLSession, _ digest: Digest, _ name: String) throws -> Int64 {
    guard let found = try Self.find(session, .digest(digest), existingID(session, name)) else {
      throw RegistryError.manifestUnknown(digest.description, repository: name)
    }
    return found.id
  }
}
