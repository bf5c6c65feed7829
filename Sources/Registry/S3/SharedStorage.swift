public import Content
internal import struct Crypto.SymmetricKey
internal import Glibc
public import ImageSpec
public import Metadata
internal import NIOCore
public import RegistryServer
internal import Synchronization

/// Blobs in object storage, which replicas share together with the database.
///
/// ```
/// registry_content   a digest that is there, its object, and when it was last taken into use
/// registry_ingest    an upload: who writes it, its parts so far, and the object with its last bytes
/// registry_garbage   an object or an unfinished upload that nothing refers to any more
/// <prefix>registry.json            which database the objects belong to
/// <prefix>data/<2 letters>/<id>    an object
/// ```
/// No key is ever used for a second object. What a collection removes it first takes out of `registry_content`, in a
/// transaction that cannot stand beside one which takes the digest into use: a push then hears that the blob is not there
/// and sends it again, under another key. So an object may be removed at any time after that.
public final class SharedStorage: BlobStorage {
  let client: S3Client
  let metadata: any MetadataDatabase
  /// This machine's own, for copies that are read as files. Nothing in it is needed later.
  let scratch: ContentStore
  private let hot = HotBlobs()
  let hashes = KnownHashes()
  /// This process among the replicas.
  let holder: String

  static let steps = [
    """
    CREATE TABLE registry_content (
      digest TEXT PRIMARY KEY,
      object TEXT NOT NULL,
      size INTEGER NOT NULL,
      touched INTEGER NOT NULL
    );
    CREATE INDEX registry_content_touched ON registry_content (touched);
    CREATE TABLE registry_ingest (
      id TEXT PRIMARY KEY,
      holder TEXT NOT NULL,
      until INTEGER NOT NULL,
      received INTEGER NOT NULL,
      digest TEXT,
      upload TEXT,
      parts TEXT NOT NULL,
      tail TEXT
    );
    CREATE TABLE registry_garbage (
      object TEXT PRIMARY KEY,
      upload TEXT,
      since INTEGER NOT NULL
    );
    CREATE TABLE registry_storage (identity TEXT PRIMARY KEY);
    """
  ]

  /// Looks whether the bucket is there, may be written, and belongs to this database. Throws `S3Error`.
  public init(_ client: S3Client, _ metadata: any MetadataDatabase, scratch: ContentStore) throws {
    self.client = client
    self.metadata = metadata
    self.scratch = scratch
    holder = Self.randomID()
    try metadata.migrate("registry-storage", Self.steps)
    try claim()
  }

  static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  static func randomID() -> String {
    S3Signature.hexadecimal(SymmetricKey(size: .bits128).withUnsafeBytes { Array($0) })
  }

  /// Of an object. The letters in front spread the keys over what the storage divides them into.
  func key(_ id: String) -> String { "\(client.location.prefix)data/\(id.prefix(2))/\(id)" }

  // MARK: whose it is

  /// Two databases with one bucket would each remove what the other needs; one database with another bucket would find
  /// nothing of what it has.
  private func claim() throws {
    let mine = try metadata.write { session in
      if let known = try session.value(String.self, "SELECT identity FROM registry_storage") { return known }
      let made = Self.randomID()
      try session.execute("INSERT INTO registry_storage (identity) VALUES (?1)", [made])
      return made
    }
    let marker = client.location.prefix + "registry.json"
    let text = #"{"registry":"\#(mine)"}"#
    if try client.putIfAbsent(marker, ByteBuffer(string: text)) { return }
    guard let found = try client.get(marker, limit: 4096) else {
      throw S3Error.unusable("\(client.location.shown) has an object \(marker) that cannot be read")
    }
    guard String(buffer: found) == text else {
      throw S3Error.unusable(
        "\(client.location.shown) belongs to another registry's database; choose another prefix, or that database")
    }
  }

  /// An object that was taken is kept, and PostgreSQL commits no sooner than its disk has it.
  public func makeDurable() {}

  public func check() throws {
    guard try client.size(client.location.prefix + "registry.json") != nil else {
      throw S3Error.unusable("\(client.location.shown) has lost its object registry.json")
    }
  }

  // MARK: reading

  public var isShared: Bool { true }

  struct Stored: Sendable {
    let object: String
    let size: Int64
  }

  func find(_ digest: Digest) throws -> Stored {
    let found = try metadata.read { session in
      try session.row("SELECT object, size FROM registry_content WHERE digest = ?1", [digest.description])
    }
    guard let found else { throw ContentError.notFound(digest) }
    return Stored(object: try found["object"], size: try found["size"])
  }

  public func open(_ digest: Digest) throws -> BlobFile {
    let stored = try find(digest)
    return BlobFile(SharedBlob(client: client, key: key(stored.object)))
  }

  public func read(_ digest: Digest, limit: Int) throws -> [UInt8] {
    if let known = hot.find(digest) { return known }
    let stored = try find(digest)
    guard stored.size <= limit else { throw ContentError.tooLarge(digest, size: stored.size, limit: Int64(limit)) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(stored.size))
    do { try client.read(key(stored.object), size: stored.size) { bytes += $0 } } catch let error as S3Error {
      // Collected since it was found.
      throw error.isMissing ? ContentError.notFound(digest) : error
    }
    let actual = ContentStore.digest(of: bytes, digest.algorithm)
    guard actual == digest else { throw ContentError.digestMismatch(expected: digest, actual: actual) }
    hot.insert(digest, bytes)
    return bytes
  }

  public func fetch(_ digest: Digest) throws {
    if try scratch.retain(digest) { return }
    let stored = try find(digest)
    let ingest = try scratch.ingest()
    do {
      try client.read(key(stored.object), size: stored.size) { try ingest.append($0) }
      try ingest.commit(expecting: digest, size: stored.size)
    } catch {
      ingest.discard()
      throw error
    }
  }

  public func room() -> Int64? { nil }

  // MARK: taking into use

  public func keeping<Result>(_ body: () throws -> Result) throws -> Result { try body() }

  public func retain(_ digest: Digest) throws -> Bool { try metadata.write { try Self.touch($0, digest) } }

  private static func touch(_ session: any SQLSession, _ digest: Digest) throws -> Bool {
    try session.execute("UPDATE registry_content SET touched = ?1 WHERE digest = ?2", [now, digest.description]) > 0
  }

  public func hold<Result: Sendable>(
    _ digests: [Digest], owner: String, isKept: (any SQLSession, Digest) throws -> Bool,
    write: (any SQLSession) throws -> Result
  ) throws -> Result {
    try metadata.write { session in
      for digest in digests where try !Self.touch(session, digest) { throw ContentError.notFound(digest) }
      return try write(session)
    }
  }

  /// What nothing refers to any more is seen by the collection.
  public func release(owner: String, delete: (any SQLSession) throws -> [Digest]) throws {
    _ = try metadata.write(delete)
  }

  public func releaseAll<Result: Sendable>(owner: String, delete: (any SQLSession) throws -> Result) throws -> Result {
    try metadata.write(delete)
  }

  /// Says that an object is a blob now. Where the blob is there already, the object is not needed.
  func record(_ digest: Digest, _ object: String, size: Int64, in session: any SQLSession) throws {
    try session.execute(
      """
      INSERT INTO registry_content (digest, object, size, touched) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT (digest) DO UPDATE SET touched = ?4
      """, [digest.description, object, size, Self.now])
    let kept = try session.value(
      String.self, "SELECT object FROM registry_content WHERE digest = ?1", [digest.description])
    if kept != object { try Self.discard(object, upload: nil, in: session) }
  }

  /// Owes the removal of an object, or of an upload that is not finished.
  static func discard(_ object: String, upload: String?, in session: any SQLSession) throws {
    try session.execute(
      "INSERT INTO registry_garbage (object, upload, since) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
      [object, upload, now])
  }
}

/// A blob on its way from the storage to a client.
private struct SharedBlob: RemoteBlob {
  let client: S3Client
  let key: String

  /// Seconds; a client follows at once.
  private static let linkLifetime = 600

  var link: String? {
    client.location.redirects ? client.presignedURL(key, seconds: Self.linkLifetime) : nil
  }

  func send(_ range: Range<Int64>, _ body: (ByteBuffer) async throws -> Void) async throws {
    guard !range.isEmpty else { return }
    for try await buffer in try await client.stream(key, range) { try await body(buffer) }
  }
}

/// Small blobs that are asked for again and again, such as manifests: what a digest names never changes.
private final class HotBlobs: Sendable {
  private struct State {
    var blobs: [Digest: (bytes: [UInt8], used: UInt64)] = [:]
    var size = 0
    var clock: UInt64 = 0
  }

  private let state = Mutex(State())
  private static let capacity = 16 << 20

  func find(_ digest: Digest) -> [UInt8]? {
    state.withLock { state in
      guard let found = state.blobs[digest]?.bytes else { return nil }
      state.clock += 1
      state.blobs[digest]?.used = state.clock
      return found
    }
  }

  func insert(_ digest: Digest, _ bytes: [UInt8]) {
    guard bytes.count <= Self.capacity / 16 else { return }
    state.withLock { state in
      guard state.blobs[digest] == nil else { return }
      state.clock += 1
      state.blobs[digest] = (bytes, state.clock)
      state.size += bytes.count
      while state.size > Self.capacity, let oldest = state.blobs.min(by: { $0.value.used < $1.value.used }) {
        state.blobs[oldest.key] = nil
        state.size -= oldest.value.bytes.count
      }
    }
  }
}
