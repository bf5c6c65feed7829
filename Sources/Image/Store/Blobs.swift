internal import struct Crypto.SHA256
internal import struct Crypto.SHA512
internal import Glibc
public import ImageSpec
public import Kernel
public import SystemPackage

extension ContentStore {
  /// `<root>/content/blobs/<algorithm>/<hex>`
  public func path(of digest: Digest) -> FilePath {
    root.appending("content").appending("blobs").appending(digest.algorithm.rawValue).appending(digest.hex)
  }

  public func contains(_ digest: Digest) -> Bool { access(path(of: digest).string, F_OK) == 0 }

  /// True where the blob is here; it then stays for as long as a lease that began before this call.
  public func retain(_ digest: Digest) throws -> Bool {
    try implicitLease.take()
    // The lock keeps a collection from removing it between its last look and ours.
    let path = root.appending("store.lock")
    let lock: FileLock
    do { lock = try FileLock(path, shared: true) } catch {
      throw ContentError.system(operation: "lock", path: path, error)
    }
    defer { lock.unlock() }
    return utimensat(AT_FDCWD, self.path(of: digest).string, nil, 0) == 0
  }

  /// Size in bytes.
  public func size(of digest: Digest) throws -> Int64 {
    var status = stat()
    guard stat(path(of: digest).string, &status) == 0 else { throw failure("read", digest) }
    return Int64(status.st_size)
  }

  /// The blob, open for reading.
  public func open(_ digest: Digest) throws -> OwnedDescriptor {
    do { return try openat2(AT_FDCWD, path(of: digest).string, flags: O_RDONLY) } catch {
      throw error == .noSuchFileOrDirectory
        ? ContentError.notFound(digest) : ContentError.system(operation: "open", path: path(of: digest), error)
    }
  }

  /// A whole blob of at most `limit` bytes, its digest verified.
  public func read(_ digest: Digest, limit: Int = 8 << 20) throws -> [UInt8] {
    let file = try open(digest)
    let bytes: [UInt8]
    do { bytes = try readAll(file.number, limit: limit) } catch {
      if error == .fileTooLarge { throw ContentError.tooLarge(digest, size: try size(of: digest), limit: Int64(limit)) }
      throw ContentError.system(operation: "read", path: path(of: digest), error)
    }
    let actual = Self.digest(of: bytes, digest.algorithm)
    guard actual == digest else { throw ContentError.digestMismatch(expected: digest, actual: actual) }
    return bytes
  }

  /// Stores bytes, and describes them.
  public func write(_ bytes: [UInt8], mediaType: MediaType) throws -> Descriptor {
    let digest = Self.digest(of: bytes)
    if try !retain(digest) {
      let ingest = try ingest()
      do {
        try ingest.append(bytes)
        _ = try ingest.commit(expecting: digest)
      } catch {
        ingest.discard()
        throw error
      }
    }
    return Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count))
  }

  public static func digest(of bytes: [UInt8], _ algorithm: Digest.Algorithm = .sha256) -> Digest {
    switch algorithm {
    case .sha256: Digest(.sha256, hash: SHA256.hash(data: bytes))
    case .sha512: Digest(.sha512, hash: SHA512.hash(data: bytes))
    }
  }

  private func failure(_ operation: String, _ digest: Digest) -> ContentError {
    let error = Errno.current
    return error == .noSuchFileOrDirectory
      ? .notFound(digest) : .system(operation: operation, path: path(of: digest), error)
  }
}
