/// A media type, kept as written; the known ones have names. (image-spec, media-types.md; Docker's schema 2)
public struct MediaType: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
  public let rawValue: String

  public init(rawValue: String) { self.rawValue = rawValue }
  public init(_ rawValue: String) { self.rawValue = rawValue }
  public init(from decoder: any Decoder) throws { rawValue = try decoder.singleValueContainer().decode(String.self) }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
  public var description: String { rawValue }

  public static let index = MediaType("application/vnd.oci.image.index.v1+json")
  public static let manifest = MediaType("application/vnd.oci.image.manifest.v1+json")
  public static let config = MediaType("application/vnd.oci.image.config.v1+json")
  public static let empty = MediaType("application/vnd.oci.empty.v1+json")
  public static let layer = MediaType("application/vnd.oci.image.layer.v1.tar")
  public static let layerGzip = MediaType("application/vnd.oci.image.layer.v1.tar+gzip")
  public static let layerZstd = MediaType("application/vnd.oci.image.layer.v1.tar+zstd")

  public static let dockerManifestList = MediaType("application/vnd.docker.distribution.manifest.list.v2+json")
  public static let dockerManifest = MediaType("application/vnd.docker.distribution.manifest.v2+json")
  public static let dockerConfig = MediaType("application/vnd.docker.container.image.v1+json")
  public static let dockerLayer = MediaType("application/vnd.docker.image.rootfs.diff.tar")
  public static let dockerLayerGzip = MediaType("application/vnd.docker.image.rootfs.diff.tar.gzip")
  public static let dockerLayerZstd = MediaType("application/vnd.docker.image.rootfs.diff.tar.zstd")

  public var isIndex: Bool { self == .index || self == .dockerManifestList }
  public var isManifest: Bool { self == .manifest || self == .dockerManifest }
  public var isLayer: Bool {
    rawValue.hasPrefix("application/vnd.oci.image.layer.") || rawValue.hasPrefix("application/vnd.docker.image.rootfs.")
  }

  /// What a client that takes every kind of manifest sends in `Accept`.
  public static let manifests: [MediaType] = [.manifest, .index, .dockerManifest, .dockerManifestList]
}
