import Content
import ImageSpec
import Metadata

/// Blobs in this machine's store, which has images of its own beside the registry's.
///
/// A hold in the store and the row that stands for it are two transactions. So holds come before rows and go after them:
/// a crash in between keeps too much, never too little.
final class FileStorage: BlobStorage {
  private let store: ContentStore
  private let metadata: any MetadataDatabase
  private let change: ChangeLock

  init(_ store: ContentStore, _ metadata: any MetadataDatabase) throws {
    self.store = store
    self.metadata = metadata
    change = try ChangeLock(store.root.appending("registry.lock"))
  }

  var isShared: Bool { false }

  func open(_ digest: Digest) throws -> BlobFile { BlobFile(try store.open(digest)) }

  func read(_ digest: Digest, limit: Int) throws -> [UInt8] { try store.read(digest, limit: limit) }

  func fetch(_ digest: Digest) throws {
    guard try store.retain(digest) else { throw ContentError.notFound(digest) }
  }

  func ingest(_ id: String?, hashing algorithm: Digest.Algorithm) throws -> any BlobIngest {
    FileIngest(try store.ingest(id.map { "registry-\($0)" }, hashing: algorithm))
  }

  /// Bytes that blobs leave on the disk: what deletes something has to be written down too.
  private static let reserve: Int64 = 16 << 20

  func room() throws -> Int64? { max(0, try store.room() - Self.reserve) }

  func keeping<Result>(_ body: () throws -> Result) throws -> Result {
    let lease = try store.lease()
    defer { lease.release() }
    return try body()
  }

  func retain(_ digest: Digest) throws -> Bool { try store.retain(digest) }

  func hold<Result: Sendable>(
    _ digests: [Digest], owner: String, isKept: (any SQLSession, Digest) throws -> Bool,
    write: (any SQLSession) throws -> Result
  ) throws -> Result {
    try change.withLock {
      try store.hold(digests, owner: owner)
      do {
        return try metadata.write(write)
      } catch {
        // Where the rows are not written, what is new is let go again.
        for digest in digests where try !metadata.read({ try isKept($0, digest) }) {
          try store.release(digest, owner: owner)
        }
        throw error
      }
    }
  }

  func release(owner: String, delete: (any SQLSession) throws -> [Digest]) throws {
    try change.withLock {
      try store.release(metadata.write(delete), owner: owner)
    }
  }

  func releaseAll<Result: Sendable>(owner: String, delete: (any SQLSession) throws -> Result) throws -> Result {
    try change.withLock {
      let result = try metadata.write(delete)
      try store.release(owner: owner)
      return result
    }
  }

  /// The store's own collection: its images count too.
  func collect(dryRun: Bool, released: [String: Set<Digest>]) throws -> RemovedBlobs {
    let collection = try store.collect(dryRun: dryRun, released: released)
    var removed = RemovedBlobs()
    removed.blobs = collection.blobs.map { ($0.digest, $0.size) }
    removed.bytes = collection.bytes
    removed.uploads = collection.ingests
    return removed
  }

  func makeDurable() throws { try store.makeDurable() }

  func check() throws { try store.checkWritable() }
}

/// An ingest of the store.
private final class FileIngest: BlobIngest {
  private let ingest: Ingest

  init(_ ingest: Ingest) { self.ingest = ingest }

  var offset: Int64 { ingest.offset }
  func append(_ bytes: UnsafeRawBufferPointer) throws { try ingest.append(bytes) }
  func suspend() { ingest.suspend() }
  func commit(expecting digest: Digest) throws -> Int64 { try ingest.commit(expecting: digest).size }
  func discard() { ingest.discard() }
}
