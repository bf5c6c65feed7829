import DistributionSpec
import ImageSpec

extension Origin {
  /// Pushes that a replication made here.
  static let replication = Origin(principal: "replication", replica: true)
}

extension Registry {
  /// Whether a tag still names what it named when the work was planned: a later push brings its own.
  func isTagged(_ tag: String, _ digest: Digest, in name: String) throws -> Bool {
    try manifests([.tag(tag)], in: name)[0]?.digest == digest
  }

  /// Gives a repository of another realm an image of this one, with all that it names. The repository has to be there.
  func copyImage(_ digest: Digest, of name: String, to destination: Registry, tags: [String]) throws {
    // From here on no collection takes what is about to be linked.
    try storage.keeping { try copy(digest, name, destination, tags, depth: 0) }
  }

  /// Makes an image, with all that it names, content of this machine's store. The caller's lease keeps it there.
  func fetchImage(_ digest: Digest, of name: String, depth: Int = 0) throws {
    guard storage.isShared else { return }
    guard depth < 16 else { throw ReplicationError.nestedTooDeep(digest) }
    let stored = try storedManifest(.digest(digest), in: name)
    let bytes = try storage.read(digest, limit: ManifestDocument.sizeLimit)
    try storage.fetch(digest)
    let document = try ManifestDocument(parsing: bytes, contentType: stored.mediaType)
    for child in document.children where child.mediaType.isIndex || child.mediaType.isManifest {
      try fetchImage(child.digest, of: name, depth: depth + 1)
    }
    for blob in document.blobs + document.children where try self.blob(blob.digest, in: name) != nil {
      try storage.fetch(blob.digest)
    }
  }

  private func copy(_ digest: Digest, _ name: String, _ destination: Registry, _ tags: [String], depth: Int) throws {
    guard depth < 16 else { throw ReplicationError.nestedTooDeep(digest) }
    let stored = try storedManifest(.digest(digest), in: name)
    let bytes = try storage.read(digest, limit: ManifestDocument.sizeLimit)
    let document = try ManifestDocument(parsing: bytes, contentType: stored.mediaType)
    let manifests = document.children.filter { $0.mediaType.isIndex || $0.mediaType.isManifest }
    for child in manifests { try copy(child.digest, name, destination, [], depth: depth + 1) }
    for blob in document.blobs + document.children where !manifests.contains(blob) {
      // One that is foreign may be missing here too.
      guard let linked = try self.blob(blob.digest, in: name), try storage.retain(blob.digest) else { continue }
      try destination.linkBlob(blob.digest, size: linked.size, in: name)
    }
    _ = try destination.putManifest(
      bytes, contentType: stored.mediaType, in: name, tags: tags, expected: digest, by: .replication)
  }
}
