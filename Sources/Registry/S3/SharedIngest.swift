internal import Content
internal import struct Crypto.SHA256
internal import struct Crypto.SHA512
public import ImageSpec
internal import Metadata
internal import NIOCore
public import RegistryServer
internal import Synchronization

extension SharedStorage {
  /// Milliseconds for which a request has an upload to itself after it was last heard of.
  static let lease: Int64 = 60_000

  /// SHA-256 is what replicas tell each other about, whatever the hint; another digest is taken of what was stored.
  public func ingest(_ id: String?, hashing algorithm: Digest.Algorithm) throws -> any BlobIngest {
    guard let id else { return SharedIngest(self, id: Self.randomID(), state: nil) }
    let now = Self.now
    let row = try metadata.write { session in
      try session.row(
        """
        INSERT INTO registry_ingest (id, holder, until, received, parts) VALUES (?1, ?2, ?3, 0, '')
        ON CONFLICT (id) DO UPDATE SET holder = ?2, until = ?3
          WHERE registry_ingest.until < ?4 OR registry_ingest.holder = ?2
        RETURNING received, digest, upload, parts, tail
        """, [id, holder, now + Self.lease, now])
    }
    guard let row else { throw RegistryError.uploadBusy(id) }
    return SharedIngest(self, id: id, state: try IngestState(row))
  }
}

/// What the database knows of an upload.
struct IngestState: Sendable {
  /// Bytes in the parts and in the tail.
  var received: Int64 = 0
  /// Of these bytes, where it is known.
  var digest: String?
  /// The multipart upload's ID.
  var upload: String?
  /// Entity tags.
  var parts: [String] = []
  /// The object that has what follows the parts.
  var tail: String?

  init() {}

  init(_ row: SQLRow) throws {
    received = try row["received"]
    digest = try row["digest"]
    upload = try row["upload"]
    parts = (try row["parts"] as String).split(separator: "\n").map(String.init)
    tail = try row["tail"]
  }
}

/// A blob on its way into the storage. Small ones are one object; larger ones come in parts, of which a few are in memory.
///
/// Between two requests all bytes are in the storage: the last ones, too few for a part, as an object of their own, which
/// is the blob if nothing follows.
final class SharedIngest: BlobIngest, @unchecked Sendable {
  private let storage: SharedStorage
  private let id: String
  /// False for an upload of a single request as long as nothing of it is in the storage: no row tells of it then.
  private var isRecorded: Bool
  private var state: IngestState
  private(set) var offset: Int64

  /// Bytes that follow the parts, where they are in memory.
  private var tail = ByteBuffer()
  private var isTailLoaded: Bool
  private var sending: [(part: S3Client.SentPart, size: Int)] = []
  /// Bytes of `state.parts`; known once the tail is loaded.
  private var partBytes: Int64
  /// Of all bytes; nil where an earlier request's state is not known here.
  private var hash: SHA256?
  private var renewal = ContinuousClock.now + .seconds(20)
  private var isOver = false

  /// What S3 demands of every part but the last. (Amazon S3, Multipart upload limits)
  private static let smallestPart = 5 << 20
  private static let partsAtOnce = 2

  init(_ storage: SharedStorage, id: String, state: IngestState?) {
    self.storage = storage
    self.id = id
    isRecorded = state != nil
    self.state = state ?? IngestState()
    offset = self.state.received
    isTailLoaded = self.state.tail == nil
    partBytes = offset
    hash = offset == 0 ? SHA256() : storage.hashes.take(id, received: offset)
  }

  private var client: S3Client { storage.client }

  /// Of the object that the parts make.
  private var key: String { storage.key(id) }

  /// 10,000 parts are allowed: the later ones are larger, so that a blob may have half a terabyte.
  private var partSize: Int { state.parts.count + sending.count < 1000 ? 8 << 20 : 64 << 20 }

  // MARK: writing

  func append(_ bytes: UnsafeRawBufferPointer) throws {
    try loadTail()
    var rest = bytes
    while !rest.isEmpty {
      let count = min(rest.count, max(partSize - tail.readableBytes, 1))
      tail.writeBytes(UnsafeRawBufferPointer(rebasing: rest[..<count]))
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      if tail.readableBytes >= partSize { try sendPart() }
    }
    hash?.update(bufferPointer: bytes)
    offset += Int64(bytes.count)
    if isRecorded, .now > renewal { try renew() }
  }

  private func loadTail() throws {
    guard !isTailLoaded, let object = state.tail else { return }
    guard let bytes = try client.get(storage.key(object), limit: 8 << 20) else {
      throw S3Error.unusable("the last bytes of the upload \(id) are gone from \(client.location.shown)")
    }
    tail = bytes
    partBytes = offset - Int64(bytes.readableBytes)
    isTailLoaded = true
  }

  private func sendPart() throws {
    if state.upload == nil {
      state.upload = try client.beginMultipart(key)
      // Who removes what is left of an upload must know it.
      if isRecorded { try renew() } else { try record() }
    }
    guard let upload = state.upload else { return }
    while sending.count >= Self.partsAtOnce { try finishPart() }
    let part = client.sendPart(key, upload: upload, number: state.parts.count + sending.count + 1, tail)
    sending.append((part, tail.readableBytes))
    tail = ByteBuffer()
  }

  private func finishPart() throws {
    let (part, size) = sending.removeFirst()
    state.parts.append(try client.finishPart(part))
    partBytes += Int64(size)
  }

  /// Writes down how far the upload came, which is what is left of it when this process dies now.
  private func renew() throws {
    while !sending.isEmpty { try finishPart() }
    var recorded = state
    if partBytes >= state.received {
      recorded.received = partBytes
      recorded.digest = nil
      recorded.tail = nil
    }
    try save(recorded, until: SharedStorage.now + SharedStorage.lease)
    renewal = .now + .seconds(20)
  }

  /// Makes an upload of a single request known while it has parts, of which a process that is killed leaves some.
  private func record() throws {
    let (id, upload, holder) = (id, state.upload, storage.holder)
    try storage.metadata.write { session in
      try session.execute(
        "INSERT INTO registry_ingest (id, holder, until, received, upload, parts) VALUES (?1, ?2, ?3, 0, ?4, '')",
        [id, holder, SharedStorage.now + SharedStorage.lease, upload])
    }
    isRecorded = true
    renewal = .now + .seconds(20)
  }

  private func save(_ new: IngestState, until: Int64) throws {
    let (storage, id, old) = (storage, id, state.tail)
    try storage.metadata.write { session in
      let saved = try session.execute(
        """
        UPDATE registry_ingest SET until = ?1, received = ?2, digest = ?3, upload = ?4, parts = ?5, tail = ?6
        WHERE id = ?7 AND holder = ?8
        """,
        [until, new.received, new.digest, new.upload, new.parts.joined(separator: "\n"), new.tail, id, storage.holder])
      // Another replica thought this one dead, and goes on in its place.
      guard saved > 0 else { throw RegistryError.uploadBusy(id) }
      if let old, old != new.tail { try SharedStorage.discard(old, upload: nil, in: session) }
    }
    state = new
  }

  func suspend() throws {
    guard isRecorded, !isOver else { return }
    var new = state
    if offset > state.received {
      if state.upload != nil, tail.readableBytes >= Self.smallestPart { try sendPart() }
      while !sending.isEmpty { try finishPart() }
      new = state
      new.tail = try storeTail()
      new.received = offset
      new.digest = hash.map { S3Signature.hexadecimal($0.finalize()) }
    }
    if let hash { storage.hashes.put(id, received: offset, hash) }
    try save(new, until: 0)
  }

  private func storeTail() throws -> String? {
    guard tail.readableBytes > 0 else { return nil }
    let object = newObject()
    try client.put(storage.key(object), tail)
    return object
  }

  /// A name that nobody else uses, not even another replica that believes to have this upload.
  private func newObject() -> String { "\(id)-\(SharedStorage.randomID().prefix(12))" }

  // MARK: the end

  func commit(expecting digest: Digest) throws -> Int64 {
    do {
      let object = try makeObject(expecting: digest)
      try storage.metadata.write { session in
        try storage.record(digest, object, size: offset, in: session)
        if isRecorded { try session.execute("DELETE FROM registry_ingest WHERE id = ?1", [id]) }
        // Of an upload in parts, the bytes that were its tail at one time.
        if let tail = state.tail, tail != object { try SharedStorage.discard(tail, upload: nil, in: session) }
      }
      isOver = true
      return offset
    } catch {
      try? discard()
      throw error
    }
  }

  /// The object that has all bytes, whose digest was looked at.
  private func makeObject(expecting digest: Digest) throws -> String {
    let isKnown = try isVerified(digest)
    guard let upload = state.upload else {
      if let tail = state.tail, !isTailLoaded {
        if !isKnown { try verify(tail, digest) }
        return tail
      }
      // All of it is in memory.
      if !isKnown { try Self.check(ContentStore.digest(of: Array(tail.readableBytesView), digest.algorithm), digest) }
      if let known = state.tail, state.received == offset { return known }
      let object = newObject()
      try client.put(storage.key(object), tail)
      return object
    }
    try loadTail()
    if tail.readableBytes > 0 { try sendPart() }
    while !sending.isEmpty { try finishPart() }
    try client.completeMultipart(key, upload: upload, parts: state.parts, size: offset)
    state.upload = nil
    if !isKnown { try verify(id, digest) }
    return id
  }

  /// False where the bytes have to be read to know. Throws where they are others.
  private func isVerified(_ digest: Digest) throws -> Bool {
    guard digest.algorithm == .sha256 else { return false }
    if let hash {
      try Self.check(Digest(hash: hash.finalize()), digest)
      return true
    }
    guard let known = state.digest, offset == state.received else { return false }
    try Self.check(Digest(parsing: "sha256:\(known)"), digest)
    return true
  }

  private static func check(_ actual: Digest, _ expected: Digest) throws {
    guard actual == expected else { throw ContentError.digestMismatch(expected: expected, actual: actual) }
  }

  /// Reads an object back. It is thrown away where it is not what was expected.
  private func verify(_ object: String, _ digest: Digest) throws {
    do {
      switch digest.algorithm {
      case .sha256:
        var hash = SHA256()
        try client.read(storage.key(object), size: offset) { hash.update(bufferPointer: $0) }
        try Self.check(Digest(hash: hash.finalize()), digest)
      case .sha512:
        var hash = SHA512()
        try client.read(storage.key(object), size: offset) { hash.update(bufferPointer: $0) }
        try Self.check(Digest(.sha512, hash: hash.finalize()), digest)
      }
    } catch {
      try? storage.metadata.write { try SharedStorage.discard(object, upload: nil, in: $0) }
      throw error
    }
  }

  func discard() throws {
    guard !isOver else { return }
    isOver = true
    // What arrives after the upload's end would stay. (Amazon S3 API, AbortMultipartUpload)
    while !sending.isEmpty { try? finishPart() }
    let (id, state, isRecorded) = (id, state, isRecorded)
    try storage.metadata.write { session in
      if isRecorded { try session.execute("DELETE FROM registry_ingest WHERE id = ?1", [id]) }
      if let upload = state.upload { try SharedStorage.discard(id, upload: upload, in: session) }
      if let tail = state.tail { try SharedStorage.discard(tail, upload: nil, in: session) }
    }
  }
}

/// Hashes of uploads that this process wrote last: the next request often comes to it again, and then nothing has to be
/// read back.
final class KnownHashes: Sendable {
  private struct State {
    var hashes: [String: (received: Int64, hash: SHA256)] = [:]
    var order: [String] = []
  }

  private let state = Mutex(State())

  func put(_ id: String, received: Int64, _ hash: SHA256) {
    state.withLock { state in
      if state.hashes.updateValue((received, hash), forKey: id) == nil { state.order.append(id) }
      if state.order.count > 1024 { state.hashes[state.order.removeFirst()] = nil }
    }
  }

  /// nil where another replica has written since.
  func take(_ id: String, received: Int64) -> SHA256? {
    state.withLock { state in
      guard let found = state.hashes.removeValue(forKey: id) else { return nil }
      state.order.removeAll { $0 == id }
      return found.received == received ? found.hash : nil
    }
  }
}
