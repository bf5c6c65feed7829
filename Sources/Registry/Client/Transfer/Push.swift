internal import AsyncHTTPClient
internal import Content
internal import DistributionSpec
internal import FoundationEssentials
public import ImageSpec
internal import NIOCore
internal import NIOHTTP1

extension RegistryClient {
  /// Sends an image with all that belongs to it; its manifest goes last, so that the name never shows a part.
  ///
  /// Layers that are kept uncompressed travel, and from then on are kept, as gzip: names that pointed at the local
  /// manifest point at the pushed one afterwards, so that both sides know the image by one digest.
  ///
  /// - Returns: what `target` points at now.
  public func push(
    _ source: Reference, to target: Reference, progress: TransferProgress? = nil
  ) async throws -> Descriptor {
    guard let local = try store.resolve(source.tagged) else { throw RegistryClientError.noSuchImage(source.familiar) }
    return try await push(local, to: target, progress: progress)
  }

  /// The same for a manifest or index that may have no name.
  public func push(
    _ local: Descriptor, to target: Reference, progress: TransferProgress? = nil
  ) async throws -> Descriptor {
    let target = target.tagged
    let lease = try store.lease()
    defer { lease.release() }
    let chosen = try complete(local, name: target)
    let pushed = try await pushManifest(chosen, to: target, at: ManifestReference(target), progress)
    if chosen == local, pushed.digest != local.digest { try repoint(local, to: pushed) }
    return pushed
  }

  /// What of a name can be sent: an index with all its manifests, or the one image of it that is here.
  private func complete(_ descriptor: Descriptor, name: Reference) throws -> Descriptor {
    guard descriptor.mediaType.isIndex else { return descriptor }
    let children = try store.children(of: descriptor)
    let missing = try children.filter { try !isComplete($0) }
    if missing.isEmpty { return descriptor }
    let images = children.filter { child in !missing.contains(child) && child.platform?.os != "unknown" }
    guard images.count == 1 else {
      throw RegistryClientError.incompleteIndex(
        name: name.familiar, missing: missing.map { $0.platform?.description ?? $0.digest.description })
    }
    return Descriptor(mediaType: images[0].mediaType, digest: images[0].digest, size: images[0].size)
  }

  private func isComplete(_ descriptor: Descriptor) throws -> Bool {
    guard try store.retain(descriptor.digest) else { return false }
    return try store.children(of: descriptor).allSatisfy { try isComplete($0) || !($0.urls ?? []).isEmpty }
  }

  /// The names that stood for the manifest before its layers were compressed.
  private func repoint(_ old: Descriptor, to new: Descriptor) throws {
    for named in try store.names() where named.descriptor.digest == old.digest && named.name.digest == nil {
      try store.setName(named.name, new)
    }
  }

  // MARK: Manifests

  private func pushManifest(
    _ descriptor: Descriptor, to target: Reference, at reference: ManifestReference?, _ progress: TransferProgress?
  ) async throws -> Descriptor {
    let bytes = try store.read(descriptor.digest, limit: Self.manifestLimit)
    let sent: (descriptor: Descriptor, bytes: [UInt8])
    if descriptor.mediaType.isIndex {
      sent = try await pushChildren(of: descriptor, bytes, to: target, progress)
    } else if descriptor.mediaType.isManifest {
      sent = try await pushContent(of: descriptor, bytes, to: target, progress)
    } else {
      throw RegistryClientError.unsupportedManifest(name: target.familiar, mediaType: descriptor.mediaType.rawValue)
    }
    // A digest in the target's name may be that of the manifest before its layers were compressed.
    if case .digest(let digest)? = reference, digest != sent.descriptor.digest {
      throw RegistryClientError.digestMismatch(
        host: target.domain, what: "manifest \(target.familiar)", expected: digest, actual: sent.descriptor.digest)
    }
    try await put(sent.descriptor, sent.bytes, to: target, at: reference ?? .digest(sent.descriptor.digest), progress)
    return sent.descriptor
  }

  private func pushChildren(
    of descriptor: Descriptor, _ bytes: [UInt8], to target: Reference, _ progress: TransferProgress?
  ) async throws -> (descriptor: Descriptor, bytes: [UInt8]) {
    var index = try decode(Index.self, bytes, host: Host(target), what: "index \(descriptor.digest)")
    var changed = false
    for position in index.manifests.indices {
      let child = index.manifests[position]
      guard child.mediaType.isIndex || child.mediaType.isManifest else { continue }
      let pushed = try await pushManifest(child, to: target, at: nil, progress)
      if pushed.digest != child.digest {
        index.manifests[position].digest = pushed.digest
        index.manifests[position].size = pushed.size
        changed = true
      }
    }
    return changed ? try rewritten(index, descriptor) : (descriptor, bytes)
  }

  private func pushContent(
    of descriptor: Descriptor, _ bytes: [UInt8], to target: Reference, _ progress: TransferProgress?
  ) async throws -> (descriptor: Descriptor, bytes: [UInt8]) {
    let host = Host(target)
    var manifest = try decode(Manifest.self, bytes, host: host, what: "manifest \(descriptor.digest)")
    for layer in manifest.layers { progress?(.started(layer, .layer)) }
    progress?(.started(manifest.config, .config))
    // Asked for first: a registry that does not let us in should not cost a compression.
    _ = try await base(host)
    manifest.layers = try await pushLayers(manifest.layers, manifest.config, to: target, progress)
    try records.note(
      [manifest.config.digest] + manifest.layers.map(\.digest), on: host, repository: target.path)
    let original = try decode(Manifest.self, bytes, host: host, what: "manifest \(descriptor.digest)")
    return manifest.layers == original.layers ? (descriptor, bytes) : try rewritten(manifest, descriptor)
  }

  /// Sends config and layers side by side; while some are on their way, the next is compressed.
  private func pushLayers(
    _ layers: [Descriptor], _ config: Descriptor, to target: Reference, _ progress: TransferProgress?
  ) async throws -> [Descriptor] {
    var sent: [Descriptor] = []
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.pushPart(config, as: config.digest, to: target, what: "the configuration", progress)
      }
      var running = 1
      var seen: Set<Digest> = []
      for layer in layers {
        // Content that only its maker may distribute is not ours to push.
        if try !store.retain(layer.digest), !(layer.urls ?? []).isEmpty {
          sent.append(layer)
          continue
        }
        let travelling = try travelling(layer, progress: progress)
        sent.append(travelling)
        guard seen.insert(travelling.digest).inserted else { continue }
        if running >= max(1, configuration.concurrency) {
          try await group.next()
          running -= 1
        }
        group.addTask {
          try await self.pushPart(
            travelling, as: layer.digest, to: target, what: "layer \(travelling.digest.short)", progress)
        }
        running += 1
      }
      try await group.waitForAll()
    }
    return sent
  }

  private func pushPart(
    _ blob: Descriptor, as name: Digest, to target: Reference, what: String, _ progress: TransferProgress?
  ) async throws {
    let notices = DownloadNotices(progress: progress, digest: name)
    switch try await pushBlob(blob, to: target, what: "\(what) of \(target.familiar)", notices: notices) {
    case .sent: progress?(.finished(name))
    case .existed: progress?(.exists(name))
    case .mounted(let from): progress?(.mounted(name, from: from))
    }
  }

  private func rewritten(
    _ document: some Encodable, _ old: Descriptor
  ) throws -> (descriptor: Descriptor, bytes: [UInt8]) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let bytes = Array(try encoder.encode(document))
    return (try store.write(bytes, mediaType: old.mediaType), bytes)
  }

  func put(
    _ descriptor: Descriptor, _ bytes: [UInt8], to target: Reference, at reference: ManifestReference,
    _ progress: TransferProgress?
  ) async throws {
    let host = Host(target)
    let what = "manifest \(target.familiar)"
    var request = try await request(
      host, .manifest(name: target.path, reference: reference), scopes: [.push(target.path)], what: what)
    request.method = .PUT
    request.headers.add(name: "content-type", value: descriptor.mediaType.rawValue)
    request.body = { .bytes(ByteBuffer(bytes: bytes)) }
    progress?(.started(descriptor, .manifest))
    let answer = try await transport.send(
      request, onRetry: DownloadNotices(progress: progress, digest: descriptor.digest).onRetry)
    guard (200...204).contains(answer.status) else { throw await transport.failure(answer, host: host, what: what) }
    if let header = answer.headers.first(name: Header.dockerContentDigest), let taken = try? Digest(parsing: header),
      taken.algorithm == descriptor.digest.algorithm, taken != descriptor.digest
    {
      throw RegistryClientError.digestMismatch(host: host.name, what: what, expected: descriptor.digest, actual: taken)
    }
    await answer.drain()
    progress?(.finished(descriptor.digest))
  }
}
