internal import ArgumentParser
internal import ConfigurationFiles

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

  init() {}

  var flags: [ConfigurationReader.Flag] {
    [("cluster.database", "--database", database), ("cluster.storage", "--storage", storage)].compactMap {
      key, name, value in value.map { .init(key, name, [$0]) }
    }
  }
}
