import Content
public import ImageSpec
import Metadata
import NIOCore
import Synchronization

/// The uploads under way: an ID that the client goes on with, and an ingest of the storage that has the bytes.
///
/// Sessions stand in the database and bytes in the storage, so an upload goes on after a restart, or with shared storage
/// at another replica. In memory are only those in use, as opening an ingest again means hashing what it has. All
/// functions block.
public final class Uploads: Sendable {
  private final class Session: Sendable {
    let id: String
    let realm: Realm
    let repository: String
    /// What the client said that it will be; after a restart, nobody knows.
    let algorithm: Digest.Algorithm
    let state: Mutex<State>

    init(id: String, realm: Realm, repository: String, algorithm: Digest.Algorithm = .sha256) {
      self.id = id
      self.realm = realm
      self.repository = repository
      self.algorithm = algorithm
      state = Mutex(State())
    }

    struct State {
      var ingest: (any BlobIngest)?
      var isBusy = false
      var lastUse = ContinuousClock.now
    }
  }

  private let main: Registry
  private let sessions = Mutex<[String: Session]>([:])

  /// Of all realms of a registry.
  public init(_ registry: Registry) { main = registry.at(.main) }

  /// Begins an upload and returns its ID. `algorithm` is a hint: a digest of the other one costs a second reading.
  public func begin(
    in repository: String, of registry: Registry, hashing algorithm: Digest.Algorithm = .sha256
  ) throws -> String {
    if try !registry.takesPush(to: repository) {
      throw RegistryError.repositoryUnknown(repository)
    }
    var generator = SystemRandomNumberGenerator()
    let id = Self.hex(generator.next()) + Self.hex(generator.next())
    let now = Registry.now
    try main.metadata.write { session in
      try session.execute(
        "INSERT INTO registry_upload (id, account, region, repository, started, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        [id, registry.realm.account, registry.realm.region, repository, now])
    }
    sessions.withLock {
      $0[id] = Session(id: id, realm: registry.realm, repository: repository, algorithm: algorithm)
    }
    return id
  }

  private static func hex(_ number: UInt64) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  /// Takes an upload for one request. Throws `uploadUnknown`, or `uploadBusy` while another request has it.
  /// Every way out of the request ends in the writer's `release`, `finish` or `discard`.
  func open(_ id: String, in repository: String, of registry: Registry) throws -> UploadWriter {
    let session = try find(id, repository, registry.realm)
    let ingest = try session.state.withLock { state in
      guard !state.isBusy else { throw RegistryError.uploadBusy(id) }
      state.isBusy = true
      return state.ingest
    }
    do {
      let ingest = try ingest ?? main.storage.ingest(id, hashing: session.algorithm)
      session.state.withLock { $0.ingest = ingest }
      return UploadWriter(ingest: ingest, id: id, registry: registry, repository: repository, uploads: self)
    } catch {
      session.state.withLock { $0.isBusy = false }
      throw error
    }
  }

  /// A blob that comes in one request and needs no session.
  func openAnonymous(
    in repository: String, of registry: Registry, hashing algorithm: Digest.Algorithm
  ) throws -> UploadWriter {
    if try !registry.takesPush(to: repository) {
      throw RegistryError.repositoryUnknown(repository)
    }
    return UploadWriter(
      ingest: try main.storage.ingest(nil, hashing: algorithm), id: nil, registry: registry, repository: repository,
      uploads: self)
  }

  private func find(_ id: String, _ repository: String, _ realm: Realm) throws -> Session {
    // Another replica may have ended it since; while a request here has it, there is no need to ask.
    if let known = sessions.withLock({ $0[id] }), !main.storage.isShared || known.state.withLock({ $0.isBusy }) {
      // An upload of another repository is as unknown as one that never was.
      guard known.repository == repository, known.realm == realm else { throw RegistryError.uploadUnknown(id) }
      return known
    }
    let isRecorded = try main.metadata.read { session in
      try session.exists(
        "SELECT 1 FROM registry_upload WHERE id = ?1 AND account = ?2 AND region = ?3 AND repository = ?4",
        [id, realm.account, realm.region, repository])
    }
    guard isRecorded else { throw RegistryError.uploadUnknown(id) }
    return sessions.withLock { sessions in
      if let known = sessions[id] { return known }
      let session = Session(id: id, realm: realm, repository: repository)
      sessions[id] = session
      return session
    }
  }

  fileprivate func release(_ id: String) throws {
    // Whatever fails: the client may try again.
    defer { unlock(id) }
    if main.storage.isShared { try suspend(id) }
    try main.metadata.write { session in
      try session.execute("UPDATE registry_upload SET updated = ?1 WHERE id = ?2", [Registry.now, id])
    }
  }

  /// So that another replica finds all of it.
  private func suspend(_ id: String) throws {
    guard let session = sessions.withLock({ $0[id] }) else { return }
    let ingest = session.state.withLock { state in
      defer { state.ingest = nil }
      return state.ingest
    }
    try ingest?.suspend()
  }

  fileprivate func checkRoom(for count: Int) throws {
    guard try Int64(count) <= main.storage.room() ?? .max else { throw StorageFull() }
  }

  fileprivate func unlock(_ id: String) {
    sessions.withLock { $0[id] }?.state.withLock { state in
      state.isBusy = false
      state.lastUse = .now
    }
  }

  fileprivate func forget(_ id: String) throws {
    _ = sessions.withLock { $0.removeValue(forKey: id) }
    try main.metadata.write { try $0.execute("DELETE FROM registry_upload WHERE id = ?1", [id]) }
  }

  /// Makes an upload a blob of its repository.
  fileprivate func finish(_ writer: UploadWriter, expecting digest: Digest) throws -> Int64 {
    try main.storage.keeping { try finishKept(writer, expecting: digest) }
  }

  private func finishKept(_ writer: UploadWriter, expecting digest: Digest) throws -> Int64 {
    let size: Int64
    do {
      size = try writer.ingest.commit(expecting: digest)
    } catch {
      // The ingest is gone either way; so is the upload.
      if let id = writer.id { try forget(id) }
      if case ContentError.digestMismatch(let expected, let actual) = error {
        throw RegistryError.digestMismatch(expected: expected, actual: actual)
      }
      throw error
    }
    // Linked before the session ends: a crash in between leaves an upload that expires, not a blob without a link.
    do { try writer.registry.linkBlob(digest, size: size, in: writer.repository) } catch {
      // A quota, say. Nothing is left that could go on.
      if let id = writer.id { try? forget(id) }
      throw error
    }
    if let id = writer.id { try forget(id) }
    return size
  }

  // MARK: upkeep

  /// Ends uploads that nobody wrote to for `age` milliseconds, and removes their bytes. Returns how many.
  @discardableResult
  public func expire(olderThan age: Int64 = 24 * 3_600_000) throws -> Int {
    let old = try main.metadata.read { session in
      try session.rows(
        "SELECT id, account, region, repository FROM registry_upload WHERE updated < ?1", [Registry.now - age]
      ).map { row in
        (
          id: try row["id"] as String, repository: try row["repository"] as String,
          realm: try Realm(row)
        )
      }
    }
    var ended = 0
    for upload in old {
      // One that is being written to is not old.
      guard let writer = try? open(upload.id, in: upload.repository, of: main.at(upload.realm)) else { continue }
      try writer.discard()
      ended += 1
    }
    return ended
  }

  /// Closes the files of uploads that were quiet for a while; they are opened again when they go on.
  public func suspendIdle(for limit: Duration = .seconds(120)) {
    let idle = sessions.withLock { Array($0.values) }
    for session in idle {
      let isGone = session.state.withLock { state in
        guard !state.isBusy, state.lastUse < .now - limit else { return false }
        try? state.ingest?.suspend()
        state.ingest = nil
        // Whoever has found this session just now must look again.
        state.isBusy = true
        return true
      }
      if isGone { sessions.withLock { if $0[session.id] === session { $0[session.id] = nil } } }
    }
  }

  public func suspendAll() { suspendIdle(for: .zero) }
}

/// One request's hold of an upload.
final class UploadWriter: Sendable {
  fileprivate let ingest: any BlobIngest
  let id: String?
  fileprivate let registry: Registry
  let repository: String
  private let uploads: Uploads

  fileprivate init(ingest: any BlobIngest, id: String?, registry: Registry, repository: String, uploads: Uploads) {
    self.ingest = ingest
    self.id = id
    self.registry = registry
    self.repository = repository
    self.uploads = uploads
  }

  /// Bytes received so far.
  var offset: Int64 { ingest.offset }

  func append(_ buffers: [ByteBuffer]) throws {
    let total = buffers.reduce(0) { $0 + $1.readableBytes }
    try uploads.checkRoom(for: total)
    guard buffers.count > 1, total / buffers.count < 64 << 10 else {
      for buffer in buffers { try buffer.withUnsafeReadableBytes { try ingest.append($0) } }
      return
    }
    // TLS comes in records of 16 KiB: copying them together is cheaper than a system call for each.
    var joined = ByteBufferAllocator().buffer(capacity: total)
    for buffer in buffers { joined.writeImmutableBuffer(buffer) }
    try joined.withUnsafeReadableBytes { try ingest.append($0) }
  }

  /// Leaves the upload to the next request; one without a session ends.
  func release() throws {
    if let id { try uploads.release(id) } else { try ingest.discard() }
  }

  /// Makes the bytes a blob, and returns its size. A wrong digest ends the upload.
  func finish(expecting digest: Digest) throws -> Int64 { try uploads.finish(self, expecting: digest) }

  /// Ends the upload and removes its bytes.
  func discard() throws {
    do { try ingest.discard() } catch {
      if let id { uploads.unlock(id) }
      throw error
    }
    if let id { try uploads.forget(id) }
  }
}
