import ImageSpec
import Metadata

/// A repository that everybody may pull from, and what its page in a gallery says. (Amazon ECR Public)
public struct PublicRepository: Codable, Hashable, Sendable {
  public struct Catalog: Codable, Hashable, Sendable {
    public var description: String?
    public var architectures: [String]?
    public var operatingSystems: [String]?
    /// A PNG image in base64.
    public var logo: String?
    public var about: String?
    public var usage: String?

    public init() {}
  }

  /// nil where nobody has said anything.
  public var catalog: Catalog?

  public init(catalog: Catalog?) { self.catalog = catalog }
}

extension SettingKind {
  /// Of a repository: it is public.
  public static let publicRepository = SettingKind("public")
  /// Of a realm: what the public part of its registry is called.
  public static let publicRegistryName = SettingKind("public-registry-name")
}

/// A tag with what it names.
public struct TagDetail: Hashable, Sendable {
  public let tag: String
  /// When it was set, in milliseconds since 1970.
  public let updated: Int64
  public let manifest: StoredManifest
}

extension Registry {
  /// Those that are public, in order of names, those after `last`.
  public func publicRepositories(after last: String? = nil, limit: Int) throws -> [Repository] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT r.* FROM registry_repository r JOIN registry_repository_setting s ON s.repository = r.id AND s.kind = ?1
        WHERE r.account = ?2 AND r.region = ?3 AND r.name > ?4 ORDER BY r.name LIMIT ?5
        """, [SettingKind.publicRepository.rawValue, realm.account, realm.region, last ?? "", limit]
      ).map(Repository.init)
    }
  }

  /// nil where the repository is not public, or not there.
  public func publicRepository(_ name: String) throws -> PublicRepository? {
    try metadata.read { session in
      guard let id = try repositoryID(session, name) else { return nil }
      return try repositorySetting(session, .publicRepository, of: id, as: PublicRepository.self)
    }
  }

  /// Tags in lexical order, those after `last`.
  public func tagDetails(_ name: String, after last: String? = nil, limit: Int) throws -> [TagDetail] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT m.*, t.name AS tag, t.updated AS tag_updated
        FROM registry_tag t JOIN registry_manifest m ON m.id = t.manifest
        WHERE t.repository = ?1 AND t.name > ?2 ORDER BY t.name LIMIT ?3
        """, [existingID(session, name), last ?? "", limit]
      ).map { TagDetail(tag: try $0["tag"], updated: try $0["tag_updated"], manifest: try StoredManifest($0)) }
    }
  }
}
