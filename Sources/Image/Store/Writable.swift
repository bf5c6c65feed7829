extension ContentStore {
  /// Throws where a blob could not be stored now: the file system is read-only, full or away.
  public func checkWritable() throws {
    let ingest = try ingest()
    defer { ingest.discard() }
    try ingest.append([0])
  }
}
