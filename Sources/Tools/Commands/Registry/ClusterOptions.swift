public import ArgumentParser
internal import Content
internal import Engine
internal import FoundationEssentials
internal import Logging
internal import Metadata
internal import PostgresMetadata
internal import RegistryServer
internal import S3Storage

/// Where a registry's tables and blobs are when several servers share them.
struct ClusterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The PostgreSQL database that replicas share, postgres://USER@HOST/NAME?sslmode=verify-full; or "
        + "CLIPPER_REGISTRY_DATABASE.", valueName: "url"))
  var database: String?

  @Option(
    help: ArgumentHelp(
      "The object storage that replicas share, s3://BUCKET/PREFIX?endpoint=URL&region=NAME; or "
        + "CLIPPER_REGISTRY_STORAGE. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS's files.",
      valueName: "url"))
  var storage: String?

  private func value(_ option: String?, _ variable: String) -> String? {
    option ?? ProcessInfo.processInfo.environment[variable].flatMap { $0.isEmpty ? nil : $0 }
  }

  private var databaseURL: String? { value(database, "CLIPPER_REGISTRY_DATABASE") }
  private var storageURL: String? { value(storage, "CLIPPER_REGISTRY_STORAGE") }

  /// Whether other servers may serve the same registry.
  var isShared: Bool { databaseURL != nil }

  /// The registry of `store` alone, or the shared one, for which `store` has copies only. What is wrong with a server
  /// elsewhere is told now.
  func registry(_ store: ContentStore, createsOnPush: Bool, _ logger: Logger) throws -> Registry {
    guard databaseURL != nil || storageURL != nil else { return try Registry(store, createsOnPush: createsOnPush) }
    do {
      guard let storageURL else {
        throw Failure(
          "--database needs --storage: replicas that share tables, but not blobs, would not find what others have",
          status: 125)
      }
      let location = try S3Location(parsing: storageURL)
      let metadata: any MetadataDatabase =
        if let databaseURL {
          try PostgresMetadata(url: databaseURL, logger: logger)
        } else {
          SQLiteMetadata(store)
        }
      let client = try S3Client(location, environment: ProcessInfo.processInfo.environment)
      let storage = try SharedStorage(client, metadata, scratch: store)
      return try Registry(store, metadata: metadata, storage: storage, createsOnPush: createsOnPush)
    } catch let error as PostgresError {
      throw Failure("\(error)", status: 125)
    } catch let error as S3Error {
      throw Failure("\(error)", status: 125)
    }
  }
}
