internal import Content
internal import FoundationEssentials
internal import Glibc
public import ImageSpec
internal import Kernel
internal import Layers
internal import Snapshots
internal import SystemPackage

extension Engine {
  /// Makes an image of one layer from a tar archive of a root file system, compressed in any known way.
  ///
  /// - Parameters:
  ///   - descriptor: read to its end.
  ///   - name: nil keeps it without a name.
  ///   - config: defaults for its containers.
  ///   - comment: for the history.
  ///   - created: RFC 3339.
  public func importImage(
    from descriptor: CInt, as name: Reference?, config: ContainerConfig = .init(), comment: String? = nil,
    platform: Platform = .host, created: String
  ) throws -> Image {
    let ingest = try content.ingest()
    let pending = try snapshots.begin(parent: nil)
    let layer: Descriptor
    do {
      // One pass: the archive is stored while it is unpacked.
      let unpacker = try LayerUnpacker(into: pending.fs)
      try readDecompressed(descriptor) { bytes in
        try ingest.append(bytes)
        try unpacker.write(bytes)
      }
      let (diffID, size) = try unpacker.finish()
      _ = try ingest.commit(expecting: diffID, size: size)
      layer = Descriptor(mediaType: .layer, digest: diffID, size: size)
    } catch {
      ingest.discard()
      pending.discard()
      throw error
    }
    if try snapshots.find(chain: [layer.digest]) == nil {
      _ = try pending.commit(keys: [], diffID: layer.digest, layer: layer, size: layer.size)
    } else {
      pending.discard()
    }
    let image = ImageConfig(
      created: created, platform: platform, config: config, diffIDs: [layer.digest],
      history: [History(created: created, comment: comment ?? "imported by clipper")])
    let target = try writeImage(image, layers: [layer])
    if let name { try content.setName(name.tagged, target) } else { try content.keepUnnamed(target) }
    return try self.image(at: target, named: name?.familiar ?? target.digest.description)
  }

  /// Stores a configuration and the manifest for it.
  func writeImage(_ config: ImageConfig, layers: [Descriptor]) throws -> Descriptor {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let configuration = try content.write(Array(try encoder.encode(config)), mediaType: .config)
    let manifest = Manifest(config: configuration, layers: layers)
    return try content.write(Array(try encoder.encode(manifest)), mediaType: .manifest)
  }
}

extension ImageConfig {
  fileprivate init(
    created: String, platform: Platform, config: ContainerConfig, diffIDs: [Digest], history: [History]
  ) {
    self.init(platform: platform, config: config, diffIDs: diffIDs, history: history)
    self.created = created
  }
}
