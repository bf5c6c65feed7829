import Content
public import ImageSpec
public import Metadata

/// Where the bytes of blobs are: the store of this machine, or object storage that several machines share.
///
/// All functions block and are safe from any thread.
public protocol BlobStorage: Sendable {
  /// Whether other machines may go on with an upload that this one began.
  var isShared: Bool { get }

  /// A blob, to be sent. Throws `ContentError.notFound`.
  func open(_ digest: Digest) throws -> BlobFile
  /// A whole blob of at most `limit` bytes. Throws `ContentError.notFound` and `tooLarge`.
  func read(_ digest: Digest, limit: Int) throws -> [UInt8]
  /// Makes the blob one of this machine's store, for what reads files; there it stays while a lease that began before
  /// lives. Throws `ContentError.notFound`.
  func fetch(_ digest: Digest) throws

  /// A blob being written, which goes on where an earlier request left it where `id` names an upload. Throws
  /// `RegistryError.uploadBusy` while another request has it.
  /// `algorithm` is a hint: of the digest that it will be committed with.
  func ingest(_ id: String?, hashing algorithm: Digest.Algorithm) throws -> any BlobIngest
  /// Bytes for which there is room; nil where that cannot be told.
  func room() throws -> Int64?

  /// Runs `body`, which takes blobs into use and writes the rows that say so: meanwhile no collection removes any.
  func keeping<Result>(_ body: () throws -> Result) throws -> Result
  /// True where the blob is there; within `keeping` it then stays.
  func retain(_ digest: Digest) throws -> Bool
  /// Writes rows with which `owner` has digests. Nothing is written where the storage has lost one of them.
  func hold<Result: Sendable>(
    _ digests: [Digest], owner: String, isKept: (any SQLSession, Digest) throws -> Bool,
    write: (any SQLSession) throws -> Result
  ) throws -> Result
  /// Deletes rows; `delete` returns the digests that `owner` does not have any more.
  func release(owner: String, delete: (any SQLSession) throws -> [Digest]) throws
  /// Deletes rows with which an owner had anything at all.
  func releaseAll<Result: Sendable>(owner: String, delete: (any SQLSession) throws -> Result) throws -> Result

  /// Removes what nobody has any more, a few blobs at a time while others are pushed. Returns what it was.
  ///
  /// `released` are digests, by owner, that a dry run is to think away.
  func collect(dryRun: Bool, released: [String: Set<Digest>]) throws -> RemovedBlobs
  /// Makes what was written before survive a loss of power, blobs and rows. To be called before it is acknowledged.
  func makeDurable() throws
  /// Throws where nothing can be written.
  func check() throws
}

/// What a collection removed, or would remove.
public struct RemovedBlobs: Sendable {
  public var blobs: [(digest: Digest, size: Int64)] = []
  public var digests: [Digest] { blobs.map(\.digest) }
  /// Bytes of these, and of uploads.
  public var bytes: Int64 = 0
  /// Uploads that nobody went on with.
  public var uploads = 0

  public init() {}
}

/// A blob being written, by one request at a time.
public protocol BlobIngest: AnyObject, Sendable {
  /// Bytes received so far.
  var offset: Int64 { get }
  func append(_ bytes: UnsafeRawBufferPointer) throws
  /// Leaves the bytes to a later request, which may come to another machine.
  func suspend() throws
  /// Makes the bytes a blob, and returns its size. A wrong digest discards them: `ContentError.digestMismatch`.
  func commit(expecting digest: Digest) throws -> Int64
  func discard() throws
}

extension BlobStorage {
  public func collect(dryRun: Bool) throws -> RemovedBlobs { try collect(dryRun: dryRun, released: [:]) }

  /// Stores bytes whose digest is known to be theirs. To be called within `keeping`.
  func write(_ bytes: [UInt8], _ digest: Digest) throws {
    if try retain(digest) { return }
    let ingest = try ingest(nil, hashing: digest.algorithm)
    do {
      try bytes.withUnsafeBytes { try ingest.append($0) }
      _ = try ingest.commit(expecting: digest)
    } catch {
      try? ingest.discard()
      throw error
    }
  }
}
