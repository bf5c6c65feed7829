/// What a descriptor points at: type, digest and size. (image-spec, descriptor.md)
public struct Descriptor: Hashable, Sendable, Codable {
  public var mediaType: MediaType
  public var digest: Digest
  /// Size of the content in bytes.
  public var size: Int64
  public var urls: [String]?
  public var annotations: [String: String]?
  public var platform: Platform?
  public var artifactType: String?

  public init(
    mediaType: MediaType, digest: Digest, size: Int64, urls: [String]? = nil, annotations: [String: String]? = nil,
    platform: Platform? = nil, artifactType: String? = nil
  ) {
    self.mediaType = mediaType
    self.digest = digest
    self.size = size
    self.urls = urls
    self.annotations = annotations
    self.platform = platform
    self.artifactType = artifactType
  }
}

/// An image manifest: one config and the layers, lowest first. (image-spec, manifest.md)
public struct Manifest: Hashable, Sendable, Codable {
  public var schemaVersion: Int
  public var mediaType: MediaType?
  public var artifactType: String?
  public var config: Descriptor
  public var layers: [Descriptor]
  public var subject: Descriptor?
  public var annotations: [String: String]?

  public init(
    mediaType: MediaType = .manifest, artifactType: String? = nil, config: Descriptor, layers: [Descriptor],
    subject: Descriptor? = nil, annotations: [String: String]? = nil
  ) {
    schemaVersion = 2
    self.mediaType = mediaType
    self.artifactType = artifactType
    self.config = config
    self.layers = layers
    self.subject = subject
    self.annotations = annotations
  }
}

/// An image index (a Docker manifest list has the same shape). (image-spec, image-index.md)
public struct Index: Hashable, Sendable, Codable {
  public var schemaVersion: Int
  public var mediaType: MediaType?
  public var artifactType: String?
  public var manifests: [Descriptor]
  public var subject: Descriptor?
  public var annotations: [String: String]?

  public init(
    mediaType: MediaType = .index, manifests: [Descriptor], subject: Descriptor? = nil,
    annotations: [String: String]? = nil
  ) {
    schemaVersion = 2
    self.mediaType = mediaType
    self.manifests = manifests
    self.subject = subject
    self.annotations = annotations
  }
}
