import Content
public import ImageSpec

extension RegistryClient {
  /// The key of the store's ingest that a blob is written to while it is fetched.
  public static func ingestKey(_ digest: Digest) -> String { "pull-\(digest)" }

  /// A blob of a repository into the store; one that is there is not asked for again. What a download that broke left is
  /// gone on with.
  public func fetch(_ blob: Descriptor, from name: Reference, progress: TransferProgress? = nil) async throws {
    try await fetchBlob(
      blob, from: name, what: "blob \(blob.digest.short) of \(name.familiarRepository)", progress: progress)
  }
}
