internal import Content
internal import DistributionSpec
public import ImageSpec

extension RegistryClient {
  /// Sends a manifest or index with all that it names, to the byte: digests on both sides are the same afterwards, which a
  /// push that compresses layers does not promise.
  ///
  /// Layers that are kept elsewhere and not here are left out. `target` names a tag, or the digest of `root`.
  public func mirror(_ root: Descriptor, to target: Reference) async throws {
    let lease = try store.lease()
    defer { lease.release() }
    try await mirror(root, to: target, at: ManifestReference(target), depth: 0)
  }

  private func mirror(_ root: Descriptor, to target: Reference, at reference: ManifestReference, depth: Int)
    async throws
  {
    let host = Host(target)
    guard depth < 16 else {
      throw RegistryClientError.malformed(
        host: host.name, what: "index \(root.digest)", reason: "it is nested too deep")
    }
    let bytes = try store.read(root.digest, limit: Self.manifestLimit)
    var blobs: [Descriptor] = []
    if root.mediaType.isIndex {
      let index = try decode(Index.self, bytes, host: host, what: "index \(root.digest)")
      for child in index.manifests {
        if child.mediaType.isIndex || child.mediaType.isManifest {
          try await mirror(child, to: target, at: .digest(child.digest), depth: depth + 1)
        } else {
          blobs.append(child)
        }
      }
    } else {
      let manifest = try decode(Manifest.self, bytes, host: host, what: "manifest \(root.digest)")
      blobs = [manifest.config] + manifest.layers
    }
    var seen: Set<Digest> = []
    for blob in blobs where seen.insert(blob.digest).inserted {
      guard try store.retain(blob.digest) else { continue }
      _ = try await pushBlob(
        blob, to: target, what: "blob \(blob.digest.short) of \(target.familiar)",
        notices: DownloadNotices(progress: nil, digest: blob.digest))
    }
    try await put(root, bytes, to: target, at: reference, nil)
  }
}
