public import ImageSpec
public import SystemPackage

/// A directory with the files of one layer, on top of its parent's.
public struct Snapshot: Sendable, Hashable {
  public let id: Int64
  public let parent: Int64?
  /// Topmost first, relative to `SnapshotStore.directory`: the lower directories of an overlay mount.
  public let lowerDirectories: [String]
  /// Digest of the layer's uncompressed archive, where it is known.
  public let diffID: Digest?
  /// The layer's archive in the content store, as it was recorded; it may have been collected since.
  public let layer: Descriptor?
  /// Chain ID of this layer and those below, where all diff IDs are known. (image-spec, config.md, Layer ChainID)
  public let chainID: Digest?
  /// Bytes of the layer's uncompressed archive, where it is known.
  public let size: Int64?
}

public enum SnapshotError: Error, CustomStringConvertible {
  /// An unpacked layer is not what the image's configuration says.
  case diffIDMismatch(layer: Digest, expected: Digest, actual: Digest)
  /// A manifest and its configuration do not agree.
  case layerCountMismatch(layers: Int, diffIDs: Int)
  case missing(id: Int64)
  case system(operation: String, path: FilePath, Errno)

  public var description: String {
    switch self {
    case .diffIDMismatch(let layer, let expected, let actual):
      "layer \(layer) unpacks to \(actual), but the image's configuration names \(expected); the image is damaged"
    case .layerCountMismatch(let layers, let diffIDs):
      "the image has \(layers) layers and \(diffIDs) diff IDs; the image is damaged"
    case .missing(let id): "snapshot \(id) is gone; unpack the image again"
    case .system(let operation, let path, let error):
      error == .noSpace
        ? "\(operation) \(path): no space left on device; free some (clipper system prune) and try again"
        : "\(operation) \(path): \(error)"
    }
  }
}
