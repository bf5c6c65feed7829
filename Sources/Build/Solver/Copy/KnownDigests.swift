internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Synchronization
internal import SystemPackage

/// Digests of a context's files as an earlier build found them: a file that is still the same inode, with the same
/// size and times, is not read again.
///
/// ```
/// <root>/builds/digests/<name>   records of 72 bytes: device, inode, size, modified, changed (each 8 bytes, native),
///                                SHA-256
/// ```
final class KnownDigests: Sendable {
  private struct State {
    var digests: [SourceEntry.Identity: [UInt8]] = [:]
    var used: Set<SourceEntry.Identity> = []
    var isChanged = false
  }

  private let path: FilePath
  private let state: Mutex<State>

  private static let magic = Array("clipper digests 1\n".utf8)
  private static let recordSize = 72

  init(_ path: FilePath) {
    self.path = path
    var digests: [SourceEntry.Identity: [UInt8]] = [:]
    if let bytes = try? readFile(path, limit: 256 << 20), bytes.starts(with: Self.magic) {
      bytes.withUnsafeBytes { bytes in
        var offset = Self.magic.count
        digests.reserveCapacity((bytes.count - offset) / Self.recordSize)
        while offset + Self.recordSize <= bytes.count {
          func number(_ index: Int) -> UInt64 {
            bytes.loadUnaligned(fromByteOffset: offset + index * 8, as: UInt64.self)
          }
          let identity = SourceEntry.Identity(
            device: number(0), inode: number(1), size: Int64(bitPattern: number(2)),
            modified: Int64(bitPattern: number(3)),
            changed: Int64(bitPattern: number(4)))
          digests[identity] = Array(bytes[(offset + 40)..<(offset + 72)])
          offset += Self.recordSize
        }
      }
    }
    state = Mutex(State(digests: digests))
  }

  func digest(of identity: SourceEntry.Identity) -> Digest? {
    state.withLock { state in
      guard let hash = state.digests[identity] else { return nil }
      state.used.insert(identity)
      return Digest(hash: hash)
    }
  }

  /// - Parameter now: when the file began to be read. One that changed just before may change again with the same
  ///   times.
  func add(_ identity: SourceEntry.Identity, _ digest: Digest, at now: Int64) {
    guard max(identity.modified, identity.changed) / 1_000_000_000 + 2 <= now else { return }
    var hash: [UInt8] = []
    hash.reserveCapacity(32)
    var rest = digest.hex.utf8[...]
    while let high = rest.popFirst(), let low = rest.popFirst() { hash.append(Self.value(high) << 4 | Self.value(low)) }
    let bytes = hash
    state.withLock { state in
      state.digests[identity] = bytes
      state.used.insert(identity)
      state.isChanged = true
    }
  }

  private static func value(_ digit: UInt8) -> UInt8 { digit < 0x3a ? digit - 0x30 : digit - 0x57 }

  /// Keeps what this build has used. It only saves time: that it cannot be written is no error.
  func save() {
    let bytes: [UInt8]? = state.withLock { state in
      guard state.isChanged else { return nil }
      var bytes = Self.magic
      bytes.reserveCapacity(bytes.count + state.used.count * Self.recordSize)
      for identity in state.used {
        guard let hash = state.digests[identity] else { continue }
        for number in [
          identity.device, identity.inode, UInt64(bitPattern: identity.size), UInt64(bitPattern: identity.modified),
          UInt64(bitPattern: identity.changed),
        ] { withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) } }
        bytes += hash
      }
      return bytes
    }
    guard let bytes else { return }
    try? makeDirectories(path.removingLastComponent(), mode: 0o700)
    try? writeFileAtomically(path, bytes, mode: 0o600)
  }
}
