internal import Content
public import ImageSpec
internal import Snapshots

/// What `rmi` did, in order.
public enum ImageRemoval: Sendable, Hashable {
  case untagged(Reference)
  case deleted(Digest)
}

/// What a collection removed, or would remove.
public struct CollectionReport: Sendable {
  public var blobs: [Digest] = []
  public var snapshots = 0
  public var ingests = 0
  /// Bytes of all of it.
  public var bytes: Int64 = 0
}

extension Engine {
  /// Gives an image another name.
  public func tag(_ source: String, as target: String) throws {
    let reference = try Reference(parsing: target)
    guard reference.digest == nil else { throw ImageError.input("\(target): refusing to create a tag with a digest reference") }
    try content.setName(reference.tagged, imageTarget(source))
  }

  /// Removes a name, or with an ID the image with all its names; what nothing else needs goes with the last one.
  ///
  /// - Parameter force: also removes what a container uses, and an image of several names by its ID.
  public func removeImage(_ nameOrID: String, force: Bool = false) throws -> [ImageRemoval] {
    let image = try image(nameOrID)
    let names = try names(of: image)
    let byName = (try? Reference(parsing: nameOrID)).flatMap { reference in names.first { $0 == reference.tagged } }
    let doomed = byName.map { [$0] } ?? names
    if byName == nil, names.count > 1, !force { throw ImageError.severalNames(id: nameOrID) }
    let isLast = doomed.count == names.count
    if isLast, !force {
      let users = try content.held(byOwnersWith: "container/")
        .filter { $0.digest == image.target.digest || $0.digest == image.descriptor.digest }
      if let user = users.first {
        throw ImageError.inUse(name: nameOrID, container: String(user.owner.dropFirst("container/".count)))
      }
    }
    var removed: [ImageRemoval] = []
    for name in doomed where try content.removeName(name) { removed.append(.untagged(name)) }
    if isLast {
      _ = try content.forgetUnnamed(image.target.digest)
      _ = try collect()
      if !content.contains(image.target.digest) { removed.append(.deleted(image.id)) }
    }
    return removed
  }

  /// Removes images that have no name, and with `all` those that no container uses; then what nothing needs.
  ///
  /// - Parameter buildCache: false removes the results of build steps, too.
  public func pruneImages(
    all: Bool, buildCache: Bool = true, dryRun: Bool = false
  ) throws -> (removed: [ImageRemoval], report: CollectionReport) {
    let used = Set(try content.held(byOwnersWith: "container/").map(\.digest))
    var removed: [ImageRemoval] = []
    for summary in try images() where all || summary.names.isEmpty {
      if used.contains(summary.image.target.digest) || used.contains(summary.image.descriptor.digest) { continue }
      for name in summary.names {
        if try dryRun || content.removeName(name) { removed.append(.untagged(name)) }
      }
      if !dryRun { _ = try content.forgetUnnamed(summary.image.target.digest) }
      removed.append(.deleted(summary.image.id))
    }
    return (removed, try collect(buildCache: buildCache, dryRun: dryRun))
  }

  /// Removes content and unpacked layers that no image, container or repository needs, and what dead processes left.
  ///
  /// - Parameter buildCache: false removes the results of build steps, too.
  public func collect(buildCache: Bool = true, dryRun: Bool = false) throws -> CollectionReport {
    var chains: Set<Digest> = []
    for target in try imageTargets() {
      guard let image = try? image(at: target, named: target.digest.description) else { continue }
      var chain: [Digest] = []
      for diffID in image.config.rootfs.diffIDs {
        chain.append(diffID)
        chains.insert(SnapshotStore.chainID(chain))
      }
    }
    var report = CollectionReport()
    let unpacked = try snapshots.collect(keeping: chains, buildCache: buildCache, dryRun: dryRun)
    report.snapshots = unpacked.removed
    report.bytes = unpacked.bytes
    let collection = try content.collect(dryRun: dryRun)
    report.blobs = collection.removed
    report.ingests = collection.ingests
    report.bytes += collection.bytes
    return report
  }
}
