internal import CKernel
internal import struct Crypto.SHA256
internal import struct Crypto.SHA512
internal import Glibc
public import ImageSpec
public import Kernel
internal import SystemPackage

/// A blob being written: hashed on the way, and visible as content only when it is committed.
///
/// One writer at a time; it is locked by the process that has it open.
public final class Ingest: @unchecked Sendable {
  public let key: String
  /// Bytes written so far.
  public private(set) var offset: Int64 = 0

  private let store: ContentStore
  private let path: FilePath
  private var file: CInt
  /// One of the two: that of the digest which is expected.
  private var sha256: SHA256?
  private var sha512: SHA512?
  private var flushed: Int64 = 0
  /// Of one that is written past the page cache.
  private var uncached: UncachedFile?

  /// Bytes between two requests to the kernel to begin writing out, so that the last flush has little left to do.
  private static let flushInterval: Int64 = 8 << 20

  init(store: ContentStore, key: String, path: FilePath, hashing algorithm: Digest.Algorithm = .sha256) throws {
    self.store = store
    self.key = key
    self.path = path
    switch algorithm {
    case .sha256: sha256 = SHA256()
    case .sha512: sha512 = SHA512()
    }
    do { file = try Self.openLocked(path) } catch {
      throw ContentError.system(operation: "write", path: path, error)
    }
    guard file >= 0 else { throw ContentError.ingestBusy(key) }
    do { try resume() } catch {
      close(file)
      file = -1
      throw ContentError.system(operation: "read", path: path, error)
    }
  }

  deinit { if file >= 0 { close(file) } }

  /// -1 where another writer has the file. A collection that comes between opening and locking takes the file for a dead
  /// writer's and removes it: then it is made anew.
  private static func openLocked(_ path: FilePath) throws(Errno) -> CInt {
    while true {
      let file = try openat2(AT_FDCWD, path.string, flags: O_RDWR | O_CREAT, mode: 0o600).release()
      let isLocked = flock(file, LOCK_EX | LOCK_NB) == 0
      var opened = stat()
      var named = stat()
      let isNamed =
        fstat(file, &opened) == 0 && stat(path.string, &named) == 0 && opened.st_ino == named.st_ino
        && opened.st_dev == named.st_dev
      if isLocked, isNamed { return file }
      close(file)
      if isNamed, path.lastComponent?.string.hasPrefix(ContentStore.anonymous) != true { return -1 }
    }
  }

  /// From here on nothing goes through the page cache; it then cannot be suspended or replayed.
  func skipCache() { uncached = UncachedFile(file) }

  private func hash(_ bytes: UnsafeRawBufferPointer) {
    sha256?.update(bufferPointer: bytes)
    sha512?.update(bufferPointer: bytes)
  }

  /// Hashes what an earlier writer left.
  private func resume() throws(Errno) {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = try Errno.retrying { read(file, &buffer, buffer.count) }
      if count == 0 { break }
      buffer.withUnsafeBytes { hash(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      offset += Int64(count)
    }
    flushed = offset
  }

  public func append(_ bytes: UnsafeRawBufferPointer) throws {
    if let uncached {
      do { try uncached.append(bytes) } catch { throw ContentError.system(operation: "write", path: path, error) }
      hash(bytes)
      offset += Int64(bytes.count)
      return
    }
    do { try writeAll(file, bytes) } catch {
      // A part may be in the file and not in the hash: cut it off, so that a later writer goes on where we were.
      ftruncate(file, off_t(offset))
      lseek(file, off_t(offset), SEEK_SET)
      throw ContentError.system(operation: "write", path: path, error)
    }
    hash(bytes)
    offset += Int64(bytes.count)
    if offset - flushed >= Self.flushInterval {
      beginWriteout(file, offset: flushed, length: offset - flushed)
      flushed = offset
    }
  }

  public func append(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try append($0) }
  }

  /// Starts over with nothing written.
  public func restart() throws {
    guard ftruncate(file, 0) == 0, lseek(file, 0, SEEK_SET) == 0 else {
      throw ContentError.system(operation: "truncate", path: path, .current)
    }
    if sha256 != nil { sha256 = SHA256() } else { sha512 = SHA512() }
    offset = 0
    flushed = 0
  }

  /// Reads back what was written so far, from the start, in pieces.
  public func replay(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    var position: Int64 = 0
    while position < offset {
      let wanted = min(Int64(buffer.count), offset - position)
      let count: Int
      do { count = try Errno.retrying { pread(file, &buffer, Int(wanted), off_t(position)) } } catch {
        throw ContentError.system(operation: "read", path: path, error)
      }
      guard count > 0 else { throw ContentError.system(operation: "read", path: path, .ioError) }
      try buffer.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      position += Int64(count)
    }
  }

  /// Makes the bytes durable and visible under their digest. A wrong digest or size discards them.
  @discardableResult
  public func commit(expecting expected: Digest? = nil, size: Int64? = nil) throws -> (digest: Digest, size: Int64) {
    if let size, size != offset {
      discard()
      throw ContentError.sizeMismatch(expected: size, actual: offset)
    }
    if let uncached {
      do { try uncached.finish() } catch {
        discard()
        throw ContentError.system(operation: "write", path: path, error)
      }
      self.uncached = nil
    }
    let digest = try finalDigest(expected?.algorithm)
    if let expected, expected != digest {
      discard()
      throw ContentError.digestMismatch(expected: expected, actual: digest)
    }
    let target = store.path(of: digest)
    do {
      if try store.retain(digest) {
        discard()
        return (digest, offset)
      }
      try Errno.check(fdatasync(file))
      try Errno.check(fchmod(file, 0o444))
      // What keeps it from a collection is its time of change: a resumed ingest may be old.
      try Errno.check(futimens(file, nil))
      if digest.algorithm == .sha512 { try makeDirectories(target.removingLastComponent()) }
      try Errno.check(rename(path.string, target.string))
    } catch let error as Errno {
      discard()
      throw ContentError.system(operation: "store", path: target, error)
    }
    close(file)
    file = -1
    return (digest, offset)
  }

  /// Of the algorithm that is asked for, else of the one that was hashed on the way.
  private func finalDigest(_ algorithm: Digest.Algorithm?) throws -> Digest {
    if let sha256, algorithm != .sha512 { return Digest(hash: sha256.finalize()) }
    if let sha512, algorithm != .sha256 { return Digest(.sha512, hash: sha512.finalize()) }
    // The other one: what was written is read again.
    if algorithm == .sha512 {
      var hash = SHA512()
      try replay { hash.update(bufferPointer: $0) }
      return Digest(.sha512, hash: hash.finalize())
    }
    var hash = SHA256()
    try replay { hash.update(bufferPointer: $0) }
    return Digest(hash: hash.finalize())
  }

  /// Throws the bytes away.
  public func discard() {
    guard file >= 0 else { return }
    unlink(path.string)
    close(file)
    file = -1
  }

  /// Keeps the bytes for a later `ingest(key)`.
  public func suspend() {
    guard file >= 0 else { return }
    close(file)
    file = -1
  }
}

extension ContentStore {
  /// A new ingest, or with a key the one that an earlier writer suspended or left behind.
  ///
  /// - Parameter algorithm: of the digest that it will be committed with; another one costs a second reading.
  public func ingest(_ key: String? = nil, hashing algorithm: Digest.Algorithm = .sha256) throws -> Ingest {
    try implicitLease.take()
    if let key { return try Ingest(store: self, key: key, path: ingestPath(key), hashing: algorithm) }
    return try anonymousIngest(algorithm)
  }

  /// Bytes that may still be written where blobs are, as far as the file system can tell.
  public func room() throws -> Int64 {
    var facts = statvfs()
    let path = root.appending("ingests")
    guard statvfs(path.string, &facts) == 0 else {
      throw ContentError.system(operation: "look for room at", path: path, .current)
    }
    // One that does not count says that it has no blocks at all. (libfuse, statfs)
    guard facts.f_blocks > 0 else { return .max }
    let (bytes, isMore) = Int64(clamping: facts.f_bavail).multipliedReportingOverflow(
      by: Int64(clamping: facts.f_frsize))
    return isMore ? .max : bytes
  }

  /// A new ingest of something big that nobody is about to read: it stays out of the page cache.
  public func uncachedIngest() throws -> Ingest {
    try implicitLease.take()
    let ingest = try anonymousIngest()
    ingest.skipCache()
    return ingest
  }

  private func anonymousIngest(_ algorithm: Digest.Algorithm = .sha256) throws -> Ingest {
    let name = Self.anonymous + String(UInt64.random(in: 0...UInt64.max), radix: 36)
    return try Ingest(
      store: self, key: name, path: root.appending("ingests").appending(name), hashing: algorithm)
  }

  public func ingestExists(_ key: String) -> Bool { access(ingestPath(key).string, F_OK) == 0 }

  /// What was written so far of an ingest that somebody writes, for reading along; nil where there is none (any more).
  public func openIngest(_ key: String) throws -> OwnedDescriptor? {
    do { return try openat2(AT_FDCWD, ingestPath(key).string, flags: O_RDONLY) } catch Errno.noSuchFileOrDirectory {
      return nil
    } catch {
      throw ContentError.system(operation: "read", path: ingestPath(key), error)
    }
  }

  /// Removes the ingest of a key that nobody writes; one that is not there is fine.
  public func discardIngest(_ key: String) throws {
    guard ingestExists(key) else { return }
    try Ingest(store: self, key: key, path: ingestPath(key)).discard()
  }

  /// Prefix of ingests without a key, which nobody can take up again.
  static let anonymous = "anonymous-"

  /// A key may hold any text: what a file name may not is written as `%` and two digits.
  private func ingestPath(_ key: String) -> FilePath {
    var name = ""
    for byte in key.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"):
        name.unicodeScalars.append(Unicode.Scalar(byte))
      default: name += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
    return root.appending("ingests").appending("key-" + name)
  }
}
