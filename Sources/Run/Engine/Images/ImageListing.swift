internal import Content
public import ImageSpec
internal import Snapshots

/// An image in a listing, with all its names.
public struct ImageSummary: Sendable {
  public let image: Image
  public let names: [Reference]
  /// Bytes of all layers, uncompressed where they have been unpacked or built here.
  public let size: Int64
  public let containers: Int

  /// The same image with some of its names.
  public func named(_ names: [Reference]) -> ImageSummary {
    ImageSummary(image: image, names: names, size: size, containers: containers)
  }
}

extension Engine {
  /// All images, the newest first. What is no image (signatures, charts) is left out.
  public func images() throws -> [ImageSummary] {
    var names: [Digest: [Reference]] = [:]
    for named in try content.names() { names[named.descriptor.digest, default: []].append(named.name) }
    let sizes = try layerSizes()
    var uses: [Digest: Int] = [:]
    for hold in try content.held(byOwnersWith: "container/") { uses[hold.digest, default: 0] += 1 }
    let summaries = try imageTargets().compactMap { target -> ImageSummary? in
      guard let image = try? image(at: target, named: target.digest.description) else { return nil }
      return ImageSummary(
        image: image, names: names[target.digest] ?? [], size: size(of: image, sizes),
        containers: (uses[target.digest] ?? 0) + (target.digest == image.descriptor.digest ? 0 : uses[image.descriptor.digest] ?? 0))
    }
    return summaries.sorted { left, right in
      let (first, second) = (left.image.config.created ?? "", right.image.config.created ?? "")
      return first == second ? left.image.id < right.image.id : first > second
    }
  }

  public func names(of image: Image) throws -> [Reference] {
    try content.names().filter { $0.descriptor.digest == image.target.digest }.map(\.name)
  }

  /// Bytes of all layers, as `ImageSummary.size`.
  public func size(of image: Image) throws -> Int64 { size(of: image, try layerSizes()) }

  /// Bytes of each layer, lowest first.
  public func layerSizes(of image: Image) throws -> [Int64] {
    let sizes = try layerSizes()
    return zip(image.manifest.layers, image.config.rootfs.diffIDs).map { sizes[$1] ?? $0.size }
  }

  private func size(of image: Image, _ sizes: [Digest: Int64]) -> Int64 {
    zip(image.manifest.layers, image.config.rootfs.diffIDs).reduce(0) { $0 + (sizes[$1.1] ?? $1.0.size) }
  }

  private func layerSizes() throws -> [Digest: Int64] {
    var sizes: [Digest: Int64] = [:]
    for (snapshot, _) in try snapshots.all() {
      if let diffID = snapshot.diffID, let size = snapshot.size { sizes[diffID] = size }
    }
    return sizes
  }
}
