internal import FoundationEssentials
public import ImageSpec

extension ContentStore {
  /// What a manifest or an index names directly: a manifest's config and layers, an index's manifests.
  public func children(of descriptor: Descriptor) throws -> [Descriptor] {
    guard descriptor.mediaType.isIndex || descriptor.mediaType.isManifest else { return [] }
    return try children(of: descriptor.digest)
  }

  /// The same where the media type is not known: content that is no manifest has no children.
  func children(of digest: Digest) throws -> [Descriptor] {
    guard try size(of: digest) <= Self.manifestLimit else { return [] }
    let bytes = try read(digest, limit: Self.manifestLimit)
    guard bytes.first == UInt8(ascii: "{") else { return [] }
    guard let document = try? JSONDecoder().decode(ManifestOrIndex.self, from: Data(bytes)) else { return [] }
    return (document.config.map { [$0] } ?? []) + (document.layers ?? []) + (document.manifests ?? [])
  }

  /// Largest manifest that is read. (distribution-spec, Pushing Manifests: at least 4 MiB)
  public static let manifestLimit = 8 << 20

  private struct ManifestOrIndex: Decodable {
    let config: Descriptor?
    let layers: [Descriptor]?
    let manifests: [Descriptor]?
  }

  /// Retains what a name is to reach. The digest of what is missing, nil where all is here.
  func retainReachable(from descriptor: Descriptor) throws -> Digest? {
    guard try retain(descriptor.digest) else { return descriptor.digest }
    let children = try children(of: descriptor)
    guard descriptor.mediaType.isIndex else {
      // Layers that may not be distributed are fetched from elsewhere.
      return try children.first { try !retain($0.digest) && ($0.urls ?? []).isEmpty }?.digest
    }
    // Of an index, the platforms that were pulled.
    var missing: Digest?
    var complete = children.isEmpty
    for child in children {
      if let absent = try retainReachable(from: child) {
        missing = missing ?? absent
      } else {
        complete = true
      }
    }
    return complete ? nil : missing
  }
}
