internal import Content
internal import FoundationEssentials
public import ImageSpec
public import Snapshots

/// What a build has made.
public struct BuildResult: Sendable {
  let stage: BuiltStage
  /// Without layers.
  let config: ImageConfig
  let epoch: Int64?

  /// The files, unpacked where they are not; nil is an image without any.
  public func snapshot(_ snapshots: SnapshotStore) throws -> Snapshot? { try stage.files.snapshot(snapshots) }
}

/// An image in the store.
public struct CommittedImage: Sendable {
  public let manifest: Descriptor
  /// The configuration's digest, which docker calls the image's ID.
  public let id: Digest
}

extension Solver {
  /// Writes the image: its layers as archives, its configuration, its manifest; then gives it its names. Without one it
  /// is kept unnamed.
  public func commit(_ result: BuildResult, names: [Reference]) async throws -> CommittedImage {
    try await log.step("exporting to image") { step in
      try await onThread { [environment, log] in
        log.status(step, "exporting layers")
        let image = try Self.write(result, environment)
        log.status(step, "writing image \(image.id)")
        if names.isEmpty { try environment.content.keepUnnamed(image.manifest) }
        for name in names {
          // Naming it anew would say that it has changed.
          if try environment.content.resolve(name.tagged) != image.manifest {
            try environment.content.setName(name.tagged, image.manifest)
          }
          log.status(step, "naming to \(name.tagged)")
        }
        return image
      }
    }
  }

  /// Writes the image without naming or keeping it: it stays as long as this process protects it.
  public func write(_ result: BuildResult) async throws -> CommittedImage {
    try await onThread { [environment] in try Self.write(result, environment) }
  }

  private static func write(_ result: BuildResult, _ environment: BuildEnvironment) throws -> CommittedImage {
    let content = environment.content
    var layers: [Descriptor] = []
    var diffIDs: [Digest] = []
    for layer in result.stage.layers {
      switch layer {
      case .image(var descriptor, let diffID):
        _ = try content.retain(descriptor.digest)
        descriptor.mediaType = descriptor.mediaType.asOCI
        layers.append(descriptor)
        diffIDs.append(diffID)
      case .snapshot(let snapshot):
        let (diffID, descriptor) = try environment.snapshots.layer(of: snapshot)
        layers.append(descriptor)
        diffIDs.append(diffID)
      }
    }
    var config = result.config
    config.rootfs = RootFS(diffIDs: diffIDs)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let configuration = try write(Array(try encoder.encode(config)), .config, content)
    let manifest = Manifest(config: configuration, layers: layers)
    let written = try write(Array(try encoder.encode(manifest)), .manifest, content)
    return CommittedImage(manifest: written, id: configuration.digest)
  }

  /// A document of a cached build is there already: nothing has to reach the disk.
  private static func write(_ bytes: [UInt8], _ type: MediaType, _ content: ContentStore) throws -> Descriptor {
    let digest = ContentStore.digest(of: bytes)
    if try content.retain(digest) { return Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count)) }
    return try content.write(bytes, mediaType: type)
  }
}

extension MediaType {
  /// Docker's layers under their names in an OCI manifest: the bytes are the same.
  var asOCI: MediaType {
    switch self {
    case .dockerLayer: .layer
    case .dockerLayerGzip: .layerGzip
    case .dockerLayerZstd: .layerZstd
    default: self
    }
  }
}
