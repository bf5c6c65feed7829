internal import Content
internal import DistributionSpec
public import ImageSpec
internal import Synchronization

extension RegistryClient {
  /// Brings an image into the store under its name: its manifest for `platform`, and of an index the index too.
  ///
  /// Layers come side by side; what an interrupted pull left is taken up again. The name is set last.
  ///
  /// - Parameter tap: gets each layer's bytes while they come.
  /// - Returns: what the name points at: of an index, the index.
  public func pull(
    _ name: Reference, platform: Platform = .host, tap: LayerTapProvider? = nil, progress: TransferProgress? = nil
  ) async throws -> Descriptor {
    let name = name.tagged
    let lease = try store.lease()
    defer { lease.release() }
    let notices = DownloadNotices(progress: progress, digest: ContentStore.digest(of: []))

    let top = try await topManifest(name, notices.onRetry)
    try keep(top)
    progress?(.started(top.descriptor, .manifest))
    let image = try await imageManifest(top, name, platform, notices.onRetry)
    try await checkPolicy(name, [top.descriptor.digest, image.descriptor.digest])
    let host = Host(name)
    let manifest = try decode(Manifest.self, image.bytes, host: host, what: "manifest \(name.familiar)")
    guard manifest.config.mediaType == .config || manifest.config.mediaType == .dockerConfig,
      manifest.artifactType == nil
    else {
      throw RegistryClientError.unsupportedManifest(
        name: name.familiar, mediaType: "the artifact \((manifest.artifactType ?? manifest.config.mediaType.rawValue))")
    }
    let config = try await fetchConfig(manifest, name, platform, progress)
    try await fetchLayers(manifest, config, name, tap, progress)
    try records.note([manifest.config.digest] + manifest.layers.map(\.digest), on: host, repository: name.path)
    try store.setName(name, top.descriptor)
    progress?(.finished(top.descriptor.digest))
    return top.descriptor
  }

  /// The manifest or index of the name; from the store where the registry says that it has not changed.
  private func topManifest(_ name: Reference, _ onRetry: RetryNotice?) async throws -> FetchedManifest {
    if let digest = name.digest, let known = try stored(digest, like: try store.resolve(name)) { return known }
    if name.digest == nil, let local = try store.resolve(name), let current = try await head(name, onRetry: onRetry),
      current.digest == local.digest, let known = try stored(local.digest, like: local)
    {
      return known
    }
    return try await fetchManifest(name, ManifestReference(name), onRetry: onRetry)
  }

  private func stored(_ digest: Digest, like descriptor: Descriptor?) throws -> FetchedManifest? {
    guard let descriptor, descriptor.digest == digest, try store.retain(digest) else { return nil }
    return FetchedManifest(
      descriptor: Descriptor(mediaType: descriptor.mediaType, digest: digest, size: descriptor.size),
      bytes: try store.read(digest, limit: Self.manifestLimit))
  }

  private func imageManifest(
    _ top: FetchedManifest, _ name: Reference, _ platform: Platform, _ onRetry: RetryNotice?
  ) async throws -> FetchedManifest {
    guard top.descriptor.mediaType.isIndex else { return top }
    let index = try decode(Index.self, top.bytes, host: Host(name), what: "index \(name.familiar)")
    let chosen = try Self.choose(platform, from: index, name: name)
    if let known = try stored(chosen.digest, like: chosen) { return known }
    let fetched = try await fetchManifest(name, .digest(chosen.digest), expected: chosen, onRetry: onRetry)
    guard fetched.descriptor.mediaType.isManifest else {
      throw RegistryClientError.malformed(
        host: name.domain, what: "index \(name.familiar)",
        reason: "\(chosen.digest) is not a manifest but \(fetched.descriptor.mediaType)")
    }
    try keep(fetched)
    return fetched
  }

  private func keep(_ manifest: FetchedManifest) throws {
    if try store.retain(manifest.descriptor.digest) { return }
    let ingest = try store.ingest()
    do {
      try ingest.append(manifest.bytes)
      try ingest.commit(expecting: manifest.descriptor.digest)
    } catch {
      ingest.discard()
      throw error
    }
  }

  private func fetchConfig(
    _ manifest: Manifest, _ name: Reference, _ platform: Platform, _ progress: TransferProgress?
  ) async throws -> ImageConfig {
    let descriptor = manifest.config
    let what = "the configuration of \(name.familiar)"
    guard descriptor.size <= Int64(Self.manifestLimit) else {
      throw RegistryClientError.tooLarge(host: name.domain, what: what, limit: Int64(Self.manifestLimit))
    }
    progress?(.started(descriptor, .config))
    try await fetchBlob(descriptor, from: name, what: what, progress: progress)
    let bytes = try store.read(descriptor.digest, limit: Self.manifestLimit)
    let config = try decode(ImageConfig.self, bytes, host: Host(name), what: what)
    guard config.rootfs.diffIDs.count == manifest.layers.count else {
      throw RegistryClientError.malformed(
        host: name.domain, what: what,
        reason: "it names \(config.rootfs.diffIDs.count) layers, the manifest \(manifest.layers.count)")
    }
    // Some images do not say what they are for; a variant is a matter of taste, as Docker has it.
    guard config.architecture.isEmpty || (platform.os == config.os && platform.architecture == config.architecture)
    else {
      throw RegistryClientError.wrongPlatform(
        name: name.familiar, wanted: platform, available: [config.platform.description])
    }
    return config
  }

  private func fetchLayers(
    _ manifest: Manifest, _ config: ImageConfig, _ name: Reference, _ tap: LayerTapProvider?,
    _ progress: TransferProgress?
  ) async throws {
    for layer in manifest.layers { progress?(.started(layer, .layer)) }
    var seen: Set<Digest> = []
    var first: [Int] = []
    var again: [Int] = []
    for index in manifest.layers.indices {
      if seen.insert(manifest.layers[index].digest).inserted { first.append(index) } else { again.append(index) }
    }
    // A layer that comes twice is downloaded once, and given to its second tap from the store.
    for indices in [first, again] {
      try await sideBySide(indices) { index in
        let layer = manifest.layers[index]
        try await self.fetchBlob(
          layer, from: name, what: "layer \(layer.digest.short) of \(name.familiar)", progress: progress,
          makeTap: { try tap?(manifest, config, index) })
      }
    }
  }

  /// At most `concurrency` at a time; the first failure ends all.
  func sideBySide<Item: Sendable>(_ items: [Item], _ work: @escaping @Sendable (Item) async throws -> Void) async throws
  {
    try await withThrowingTaskGroup(of: Void.self) { group in
      var running = 0
      for item in items {
        if running == max(1, configuration.concurrency) {
          try await group.next()
          running -= 1
        }
        group.addTask { try await work(item) }
        running += 1
      }
      try await group.waitForAll()
    }
  }
}
