internal import ConfigurationFiles
internal import Content
internal import FoundationEssentials
internal import Logging
internal import Metadata
internal import PostgresMetadata
internal import RegistryServer
internal import S3Storage
internal import SystemPackage

/// What the servers of one registry share, where there are several.
struct ClusterSection: Sendable {
  /// nil for the store's own.
  let database: String?
  let storage: S3Location?

  init(_ section: ConfigurationReader.Section) {
    section.also("database", "CLIPPER_REGISTRY_DATABASE")
    section.also("storage", "CLIPPER_REGISTRY_STORAGE")
    // It may hold a password.
    database = section.secret("database")
    let location: String? = section.optional("storage")
    do { storage = try location.map { try S3Location(parsing: $0) } } catch {
      section.refuse("storage", "\(error)")
      storage = nil
    }
    if database != nil, location == nil {
      section.refuse(
        "database", "it needs storage: replicas that share tables, but not blobs, would not find what others have")
    }
  }

  /// Whether other servers may serve the same registry.
  var isShared: Bool { database != nil }

  /// Where users, keys and policies are: below the root, or in the database that replicas share.
  func files(_ root: FilePath, _ logger: Logger) throws -> RegistryFiles {
    guard let database else { return RegistryFiles(root: root) }
    do {
      let documents = try DatabaseDocuments(PostgresMetadata(url: database, connections: 2, logger: logger))
      return RegistryFiles(root: root) { documents.document($0) }
    } catch let error as PostgresError {
      throw Failure("\(error)", status: 125)
    }
  }

  /// The registry of `store` alone, or the shared one, for which `store` has copies only. What is wrong with a server
  /// elsewhere is told now.
  func registry(
    _ store: ContentStore, _ repositories: RepositoriesSection? = nil, _ logger: Logger
  ) throws -> Registry {
    let (createsOnPush, acceptsSparseIndexes) = (
      repositories?.createOnPush ?? true, repositories?.sparseIndexes ?? false
    )
    guard let location = storage else {
      return try Registry(store, createsOnPush: createsOnPush, acceptsSparseIndexes: acceptsSparseIndexes)
    }
    do {
      let metadata: any MetadataDatabase =
        if let database { try PostgresMetadata(url: database, logger: logger) } else { SQLiteMetadata(store) }
      let client = try S3Client(location, environment: ProcessInfo.processInfo.environment)
      let storage = try SharedStorage(client, metadata, scratch: store)
      return try Registry(
        store, metadata: metadata, storage: storage, createsOnPush: createsOnPush,
        acceptsSparseIndexes: acceptsSparseIndexes)
    } catch let error as PostgresError {
      throw Failure("\(error)", status: 125)
    } catch let error as S3Error {
      throw Failure("\(error)", status: 125)
    }
  }
}
