public import ImageSpec

/// How much of an image is looked at. What goes beyond ends the scan with an error that says so: a scan that left things
/// out would call a bad image good.
public struct ScanLimits: Hashable, Sendable {
  /// Entries of all layers.
  public var entries = 5_000_000
  /// Bytes of all layers, decompressed.
  public var bytes: Int64 = 64 << 30
  /// Decompressed bytes for each compressed one of a layer, beyond the first 64 MiB. gzip reaches 1,032 with zeros.
  public var ratio: Int64 = 400
  /// Bytes of a text file that is read, such as a lock file.
  public var textBytes = 32 << 20
  /// Bytes of a database or an archive that is read.
  public var spooledBytes: Int64 = 1 << 30
  /// Files that tell of packages.
  public var files = 200_000
  /// Packages of all files.
  public var packages = 500_000

  public init() {}

  static let freeRatioBytes: Int64 = 64 << 20
}

/// Why an image was not scanned to its end.
public enum ScanError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No image of layers that could be looked into: an index, an artifact.
  case unsupportedImage(String)
  case layerMissing(Digest)
  case tooManyEntries(limit: Int)
  case tooManyBytes(limit: Int64)
  case compressedTooWell(layer: Digest, ratio: Int64)
  case fileTooLarge(path: String, limit: Int64)
  case tooManyFiles(limit: Int)
  case tooManyPackages(limit: Int)
  case layerBroken(Digest, reason: String)

  public var description: String {
    switch self {
    case .unsupportedImage(let reason): "this is no image that can be scanned: \(reason)"
    case .layerMissing(let digest): "the layer \(digest) is not in the store"
    case .tooManyEntries(let limit): "the layers have more than \(limit) entries"
    case .tooManyBytes(let limit): "the layers have more than \(limit) bytes"
    case .compressedTooWell(let layer, let ratio):
      "the layer \(layer) has more than \(ratio) bytes for each byte that it is compressed to"
    case .fileTooLarge(let path, let limit): "\"\(path.prefix(200))\" has more than \(limit) bytes"
    case .tooManyFiles(let limit): "more than \(limit) files tell of packages"
    case .tooManyPackages(let limit): "the image has more than \(limit) packages"
    case .layerBroken(let layer, let reason): "the layer \(layer) is broken: \(reason)"
    }
  }
}
