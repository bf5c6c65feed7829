/// The answer of `/v2/<name>/tags/list`. (distribution-spec, Listing Tags)
public struct TagList: Hashable, Sendable, Codable {
  public var name: String
  /// In lexical order. Some registries send null for none.
  public var tags: [String]

  public init(name: String, tags: [String]) {
    self.name = name
    self.tags = tags
  }

  enum CodingKeys: String, CodingKey { case name, tags }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decodeIfPresent(String.self, forKey: .name) ?? ""
    tags = try container.decodeIfPresent([String].self, forKey: .tags) ?? []
  }
}

/// The answer of `/v2/_catalog`. (docker distribution's API, Listing Repositories)
public struct Catalog: Hashable, Sendable, Codable {
  public var repositories: [String]

  public init(repositories: [String]) { self.repositories = repositories }

  enum CodingKeys: String, CodingKey { case repositories }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    repositories = try container.decodeIfPresent([String].self, forKey: .repositories) ?? []
  }
}

/// Names of the protocol's own header fields, in lower case.
public enum Header {
  public static let dockerContentDigest = "docker-content-digest"
  public static let dockerUploadUUID = "docker-upload-uuid"
  public static let dockerAPIVersion = "docker-distribution-api-version"
  /// `registry/2.0`: what older Docker clients look for in the answer to `/v2/`.
  public static let dockerAPIVersionValue = "registry/2.0"
  /// Digest of the manifest that a pushed manifest's `subject` names. (distribution-spec 1.1, Pushing Manifests with Subject)
  public static let ociSubject = "oci-subject"
  /// Filters that a referrers answer has applied.
  public static let ociFiltersApplied = "oci-filters-applied"
  /// A tag that a pushed manifest was given by a `tag` parameter. (distribution-spec 1.2, Pushing Manifests)
  public static let ociTag = "oci-tag"
  /// The least size of a chunk in bytes that the registry takes.
  public static let ociChunkMinLength = "oci-chunk-min-length"
}
