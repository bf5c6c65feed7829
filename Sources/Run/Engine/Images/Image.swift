internal import Content
internal import FoundationEssentials
public import ImageSpec

/// An image for one platform, as this store has it.
public struct Image: Sendable {
  /// What the name points at: a manifest, or an index.
  public let target: Descriptor
  /// The manifest for the platform.
  public let descriptor: Descriptor
  public let manifest: Manifest
  public let config: ImageConfig
  /// The configuration's digest, which docker calls the image's ID.
  public var id: Digest { manifest.config.digest }
}

extension Engine {
  /// An image by name (`latest` where it has no tag), by name and digest, or by the start of its ID or its manifest's
  /// digest.
  ///
  /// - Parameter platform: of an index; nil takes the host's, or the only one there is.
  /// - Throws: `ImageError`.
  public func image(_ nameOrID: String, platform: Platform? = nil) throws -> Image {
    let target = try imageTarget(nameOrID)
    return try image(at: target, named: nameOrID, platform: platform)
  }

  /// What a name or an ID points at.
  public func imageTarget(_ nameOrID: String) throws -> Descriptor {
    if let reference = try? Reference(parsing: nameOrID) {
      if let descriptor = try content.resolve(reference.tagged) { return descriptor }
      if let digest = reference.digest {
        let named = try content.names().first {
          $0.name.repository == reference.repository && $0.descriptor.digest == digest
        }
        if let named { return named.descriptor }
      }
    }
    let hex = nameOrID.hasPrefix("sha256:") ? nameOrID.dropFirst("sha256:".count) : nameOrID[...]
    guard !hex.isEmpty, hex.utf8.count <= 64, hex.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) else {
      throw ImageError.notFound(nameOrID)
    }
    return try imageTarget(idPrefix: hex, nameOrID)
  }

  private func imageTarget(idPrefix hex: Substring, _ text: String) throws -> Descriptor {
    var found: [Digest: Descriptor] = [:]
    for target in try imageTargets() {
      if target.digest.hex.hasPrefix(hex) {
        found[target.digest] = target
        continue
      }
      // Several names of one image are no ambiguity: the configuration tells.
      guard let image = try? image(at: target, named: text, platform: nil), image.id.hex.hasPrefix(hex) else { continue }
      found[image.id] = found[image.id] ?? target
    }
    guard let first = found.values.first else { throw ImageError.notFound(text) }
    guard found.count == 1 else { throw ImageError.ambiguous(text) }
    return first
  }

  /// Everything that names or keeps an image, each once.
  public func imageTargets() throws -> [Descriptor] {
    var seen: Set<Digest> = []
    var targets: [Descriptor] = []
    for named in try content.names() where seen.insert(named.descriptor.digest).inserted {
      targets.append(named.descriptor)
    }
    for digest in try content.unnamed() where seen.insert(digest).inserted {
      guard let descriptor = try? describe(digest) else { continue }
      targets.append(descriptor)
    }
    return targets
  }

  private func describe(_ digest: Digest) throws -> Descriptor {
    struct Kind: Decodable {
      let mediaType: MediaType?
      let manifests: [Descriptor]?
    }
    let bytes = try content.read(digest)
    let kind = try JSONDecoder().decode(Kind.self, from: Data(bytes))
    let mediaType = kind.mediaType ?? (kind.manifests != nil ? .index : .manifest)
    return Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count))
  }

  /// The image of a manifest, or of the platform's manifest in an index.
  public func image(at target: Descriptor, named name: String, platform: Platform? = nil) throws -> Image {
    var descriptor = target
    // An index may hold indexes: two levels are what tools write.
    for _ in 0..<3 where descriptor.mediaType.isIndex {
      descriptor = try choose(in: descriptor, named: name, platform: platform)
    }
    guard descriptor.mediaType.isManifest else {
      throw ImageError.notAnImage(name, mediaType: descriptor.mediaType.rawValue)
    }
    let manifest: Manifest = try decode(descriptor.digest)
    guard manifest.config.mediaType == .config || manifest.config.mediaType == .dockerConfig else {
      throw ImageError.notAnImage(name, mediaType: manifest.artifactType ?? manifest.config.mediaType.rawValue)
    }
    let config: ImageConfig = try decode(manifest.config.digest)
    if let platform, !platform.runs(config.platform) {
      throw ImageError.noPlatform(name: name, wanted: platform, available: [config.platform])
    }
    return Image(target: target, descriptor: descriptor, manifest: manifest, config: config)
  }

  private func choose(in index: Descriptor, named name: String, platform: Platform?) throws -> Descriptor {
    let document: Index = try decode(index.digest)
    let present = document.manifests.filter { content.contains($0.digest) && $0.platform?.os != "unknown" }
    let wanted = platform ?? .host
    if let match = present.first(where: { $0.platform == wanted }) { return match }
    if let match = present.first(where: { $0.platform.map(wanted.runs) ?? false }) { return match }
    if platform == nil, present.count == 1 { return present[0] }
    if document.manifests.isEmpty { throw ImageError.notAnImage(name, mediaType: "an index without manifests") }
    throw ImageError.noPlatform(name: name, wanted: wanted, available: document.manifests.compactMap(\.platform))
  }

  func decode<Document: Decodable>(_ digest: Digest) throws -> Document {
    let bytes = try content.read(digest)
    do {
      return try JSONDecoder().decode(Document.self, from: Data(bytes))
    } catch let error as DecodingError {
      throw ContentError.malformed(digest, reason: String(describing: error))
    }
  }
}
