import FoundationEssentials
public import ImageSpec
import Logging
import Metadata
import NIOPosix
import Scanning

/// Scans the images of a server's realms: when they are asked for, pushed, or when more is known.
///
/// A scan is a job, so that one which a server owed when it died is done by the next.
public final class ImageScans: Sendable {
  private static let job = "scan"
  private static let renewalJob = "scan-renewal"
  /// Milliseconds within which an image is scanned once. (Amazon ECR, Image scanning)
  private static let interval: Int64 = 24 * 3_600_000

  private let registry: Registry
  private let threads: NIOThreadPool

  private struct Order: Codable {
    let realm: Realm
    let repository: String
    let digest: String
    /// When it was asked for: a later order takes its place.
    let requested: Int64
  }

  init(_ registry: Registry, threads: NIOThreadPool) {
    self.registry = registry
    self.threads = threads
  }

  /// Begins to do scans that are owed, and to owe one for each push that a rule says so for.
  func begin() {
    // Scanning takes a processor: what else the registry owes does not wait for it.
    // The server that owns it goes first: what it did not come to is then still owed.
    registry.jobs.register(Self.job, atOnce: 1) { [weak self] payload in
      guard let self else { throw CancellationError() }
      let order = try JSONDecoder().decode(Order.self, from: Data(payload.utf8))
      try await threads.runIfActive { try self.scan(order) }
    }
    registry.jobs.register(Self.renewalJob, atOnce: 1) { [weak self] _ in
      guard let self else { throw CancellationError() }
      try await threads.runIfActive { try self.renew() }
    }
    registry.events.recordWithin([.push]) { [weak self] event, session in try self?.pushed(event, session) }
  }

  /// Owes the scans of images that are scanned continuously, because of what was loaded now.
  public static func enqueueRenewal(_ registry: Registry) throws { try registry.jobs.enqueue(renewalJob, "") }

  /// Owes a scan. Throws `ScanRefusal`, `manifestUnknown` or `repositoryUnknown`.
  public func start(_ digest: Digest, in name: String, of registry: Registry) throws {
    try registry.metadata.write { session in
      guard let manifest = try Registry.find(session, .digest(digest), registry.existingID(session, name)) else {
        throw RegistryError.manifestUnknown(digest.description, repository: name)
      }
      guard Self.isImage(manifest) else { throw ScanRefusal.unsupportedImage(manifest.mediaType) }
      guard manifest.storageClass == .standard else { throw ScanRefusal.archived }
      guard try !wasScannedLately(session, manifest.id) else { throw ScanRefusal.scannedLately }
      try order(session, manifest, name, registry, .inProgress)
    }
  }

  private static func isImage(_ manifest: StoredManifest) -> Bool {
    let configs = [MediaType.config.rawValue, MediaType.dockerConfig.rawValue]
    return manifest.mediaType.isManifest && manifest.artifactType.map(configs.contains) ?? true
  }

  /// One that failed may be tried again.
  private func wasScannedLately(_ session: any SQLSession, _ manifest: Int64) throws -> Bool {
    guard let report = try session.row("SELECT * FROM registry_scan WHERE manifest = ?1", [manifest]).map(ScanReport.init)
    else { return false }
    return report.status != .failed && report.requested > Registry.now - Self.interval
  }

  private func order(
    _ session: any SQLSession, _ manifest: StoredManifest, _ name: String, _ registry: Registry, _ status: ScanReport.Status
  ) throws {
    let now = Registry.now
    try session.execute(
      """
      INSERT INTO registry_scan (manifest, status, requested) VALUES (?1, ?2, ?3)
      ON CONFLICT (manifest) DO UPDATE SET status = ?2, description = NULL, requested = ?3
      """, [manifest.id, status.rawValue, now])
    let order = Order(realm: registry.realm, repository: name, digest: manifest.digest.description, requested: now)
    try registry.jobs.enqueue(Self.job, order, in: session)
  }

  private func pushed(_ event: RegistryEvent, _ session: any SQLSession) throws {
    let registry = registry.at(event.realm)
    guard let mediaType = event.mediaType, MediaType(mediaType).isManifest, let digest = event.digest,
      let repository = try registry.repositoryID(session, event.repository),
      try registry.scanFrequency(session, event.repository, repository).frequency != .manual,
      let manifest = try Registry.find(session, .digest(Digest(parsing: digest)), repository), Self.isImage(manifest),
      try !wasScannedLately(session, manifest.id)
    else { return }
    try order(session, manifest, event.repository, registry, .pending)
  }

  // MARK: the work

  private func scan(_ order: Order) throws {
    let registry = registry.at(order.realm)
    let digest = try Digest(parsing: order.digest)
    let lease = try registry.store.lease()
    defer { lease.release() }
    // What was deleted meanwhile, or ordered anew, needs no scan.
    guard let manifest = try manifest(registry, digest, order.repository),
      try registry.metadata.write({ session in
        try session.execute(
          "UPDATE registry_scan SET status = ?2 WHERE manifest = ?1 AND requested = ?3",
          [manifest.id, ScanReport.Status.inProgress.rawValue, order.requested])
      }) == 1
    else { return }
    try registry.fetchImage(digest, of: order.repository)
    do {
      let image = try ImageScanner(registry.store).scan(digest, mediaType: manifest.mediaType)
      let known = try registry.advisories.sources().map(\.loaded).max()
      try record(registry, manifest, order, try registry.advisories.findings(for: image), known)
    } catch ScanError.unsupportedImage(let reason) {
      try end(registry, manifest, order, .unsupported, reason)
    } catch let error as ScanError {
      // The image is what it is: another try would end the same.
      try end(registry, manifest, order, .failed, error.description)
    }
  }

  private func manifest(_ registry: Registry, _ digest: Digest, _ name: String) throws -> StoredManifest? {
    do { return try registry.storedManifest(.digest(digest), in: name) } catch let error as RegistryError {
      switch error {
      case .manifestUnknown, .repositoryUnknown: return nil
      default: throw error
      }
    }
  }

  private func record(
    _ registry: Registry, _ manifest: StoredManifest, _ order: Order, _ findings: [Finding], _ known: Int64?
  ) throws {
    let counts = Dictionary(grouping: findings, by: \.severity.rawValue).mapValues(\.count)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
    let bodies = try findings.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
    let isRecorded = try registry.metadata.write { session in
      let changed = try session.execute(
        """
        UPDATE registry_scan SET status = ?2, description = ?3, completed = ?4, advisories = ?5, counts = ?6
        WHERE manifest = ?1 AND requested = ?7
        """,
        [
          manifest.id, ScanReport.Status.complete.rawValue, "The scan was completed successfully.", Registry.now, known,
          Registry.json(counts), order.requested,
        ])
      guard changed == 1 else { return false }
      try session.execute("DELETE FROM registry_scan_finding WHERE manifest = ?1", [manifest.id])
      for (position, body) in bodies.enumerated() {
        try session.execute(
          "INSERT INTO registry_scan_finding (manifest, position, body) VALUES (?1, ?2, ?3)",
          [manifest.id, position, body])
      }
      return true
    }
    if isRecorded { publish(registry, manifest, order, .complete, counts) }
  }

  private func end(
    _ registry: Registry, _ manifest: StoredManifest, _ order: Order, _ status: ScanReport.Status, _ why: String
  ) throws {
    let changed = try registry.metadata.write { session in
      try session.execute(
        "UPDATE registry_scan SET status = ?2, description = ?3 WHERE manifest = ?1 AND requested = ?4",
        [manifest.id, status.rawValue, String(why.prefix(1000)), order.requested])
    }
    if changed == 1 { publish(registry, manifest, order, status, [:]) }
  }

  private func publish(
    _ registry: Registry, _ manifest: StoredManifest, _ order: Order, _ status: ScanReport.Status, _ counts: [String: Int]
  ) {
    registry.events.publish(
      RegistryEvent(
        .scan, in: registry, repository: order.repository, digest: order.digest, mediaType: manifest.mediaType.rawValue,
        size: manifest.size, by: .unknown,
        details: counts.mapValues(String.init).merging(["status": status.rawValue]) { $1 }))
  }

  // MARK: what is scanned continuously

  private static let renewedAtOnce = 200

  /// Orders a scan for each image of a repository that is scanned continuously.
  private func renew() throws {
    let realms = try registry.metadata.read { session in
      try session.rows("SELECT account, region FROM registry_setting WHERE kind = ?1", [SettingKind.scanning.rawValue])
        .map { (account: try $0["account"] as String, region: try $0["region"] as String) }
    }
    for (account, region) in realms {
      guard let realm = account.isEmpty ? .main : Realm(account: account, region: region) else { continue }
      let registry = registry.at(realm)
      guard try registry.scanningConfiguration().kind == .enhanced else { continue }
      var last: String?
      while let names = try Optional(registry.repositories(after: last, limit: Self.renewedAtOnce).map(\.name)), !names.isEmpty {
        for name in names where try registry.scanningConfiguration().rule(for: name)?.frequency == .continuous {
          try renew(name, registry)
        }
        last = names.last
      }
    }
  }

  private func renew(_ name: String, _ registry: Registry) throws {
    var last: Int64 = 0
    while true {
      let manifests = try registry.manifests(in: name, after: last, limit: Self.renewedAtOnce)
      guard let end = manifests.last else { return }
      try registry.metadata.write { session in
        for manifest in manifests where Self.isImage(manifest) && manifest.storageClass == .standard {
          // One that was deleted since it was listed has no row to order for.
          guard try Registry.find(session, .digest(manifest.digest), registry.existingID(session, name)) != nil else { continue }
          try order(session, manifest, name, registry, .pending)
        }
      }
      last = end.id
    }
  }
}
