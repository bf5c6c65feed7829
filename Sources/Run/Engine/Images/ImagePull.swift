internal import Content
public import ImageSpec
public import RegistryClient
public import Snapshots
internal import Synchronization

/// When an image is fetched from its registry. (docker run --pull)
public enum PullPolicy: String, Sendable, CaseIterable { case always, missing, never }

extension Engine {
  /// Fetches an image and unpacks its layers while they arrive.
  ///
  /// - Parameter credentials: by host, in place of the configured ones.
  public func pull(
    _ name: Reference, platform: Platform = .host, progress: TransferProgress? = nil,
    credentials: [String: Credential] = [:]
  ) async throws -> Image {
    let unpacking = PullUnpacking(snapshots)
    let client = credentials.isEmpty ? registry : registry.using(credentials)
    let target = try await client.pull(
      name.tagged, platform: platform, tap: { try unpacking.tap($0, $1, $2) }, progress: progress)
    let image = try image(at: target, named: name.familiar, platform: platform)
    _ = try snapshots.unpack(image, with: unpacking)
    return image
  }

  /// The local image, fetched before where the policy says so.
  public func ensureImage(
    _ name: String, pull policy: PullPolicy = .missing, platform: Platform? = nil, progress: TransferProgress? = nil,
    credentials: [String: Credential] = [:]
  ) async throws -> Image {
    if policy != .always {
      do { return try image(name, platform: platform) } catch let error as ImageError {
        switch error {
        case .notFound, .noPlatform: if policy == .never { throw error }
        default: throw error
        }
      }
    }
    return try await pull(
      Reference(parsing: name), platform: platform ?? .host, progress: progress, credentials: credentials)
  }

  /// The snapshot of an image's layers, unpacked where they are not. nil for an image without layers.
  public func unpack(_ image: Image) throws -> Snapshot? {
    if let found = try snapshots.find(chain: image.config.rootfs.diffIDs) { return found }
    return try snapshots.unpack(image.manifest, image.config)
  }
}

/// Unpackings of the images of one pull: one, but for an index with several.
private final class PullUnpacking: Sendable {
  private let snapshots: SnapshotStore
  private let unpackings = Mutex<[Digest: ImageUnpacking]>([:])

  init(_ snapshots: SnapshotStore) { self.snapshots = snapshots }

  func unpacking(_ manifest: Manifest, _ config: ImageConfig) throws -> ImageUnpacking {
    try unpackings.withLock { unpackings in
      if let known = unpackings[manifest.config.digest] { return known }
      let unpacking = try ImageUnpacking(snapshots, manifest, config)
      unpackings[manifest.config.digest] = unpacking
      return unpacking
    }
  }

  func tap(_ manifest: Manifest, _ config: ImageConfig, _ layer: Int) throws -> (any LayerTap)? {
    let unpacking = try unpacking(manifest, config)
    return unpacking.needs(layer) ? SnapshotTap(try unpacking.unpacker(of: layer)) : nil
  }
}

private struct SnapshotTap: LayerTap {
  private let unpacking: LayerUnpacking

  init(_ unpacking: LayerUnpacking) { self.unpacking = unpacking }
  func write(_ bytes: UnsafeRawBufferPointer) throws { try unpacking.write(bytes) }
  func finish() throws { try unpacking.finish() }
  func cancel() { unpacking.cancel() }
}

extension SnapshotStore {
  fileprivate func unpack(_ image: Image, with unpacking: PullUnpacking) throws -> Snapshot? {
    try unpacking.unpacking(image.manifest, image.config).finish()
  }
}
