internal import struct Crypto.SHA256
internal import Dispatch
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Synchronization
internal import SystemPackage

/// Digests of files' content, made on all processors.
struct FileDigests: Sendable {
  let tree: SourceTree
  let known: KnownDigests?

  /// - Parameter files: paths in the tree, with what is known of them.
  /// - Returns: in the same order.
  func digests(of files: [(path: String, entry: SourceEntry)]) throws -> [Digest] {
    let tree = tree
    let now = Int64(time(nil))
    let places = Places(files.count)
    var missing: [Int] = []
    for (index, file) in files.enumerated() {
      if let digest = known?.digest(of: file.entry.identity) {
        places.set(index, digest)
      } else {
        missing.append(index)
      }
    }
    let failure = Mutex<(any Error)?>(nil)
    let wanted = missing
    let chunk = 64
    DispatchQueue.concurrentPerform(iterations: (wanted.count + chunk - 1) / chunk) { number in
      if failure.withLock({ $0 != nil }) { return }
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
      defer { buffer.deallocate() }
      for index in wanted[(number * chunk)..<min(wanted.count, (number + 1) * chunk)] {
        do throws(Errno) { places.set(index, try Self.digest(tree, files[index].path, buffer)) } catch {
          let error = BuildError.system(operation: "read", path: "/" + files[index].path, error)
          return failure.withLock { $0 = $0 ?? error }
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
    let digests = places.all()
    for index in wanted { known?.add(files[index].entry.identity, digests[index], at: now) }
    return digests
  }

  private static func digest(_ tree: SourceTree, _ path: String, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno)
    -> Digest
  {
    let file = try tree.open(path, O_RDONLY)
    var hash = SHA256()
    while true {
      let count = try Errno.retrying { read(file.number, buffer.baseAddress, buffer.count) }
      if count == 0 { break }
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    return Digest(hash: hash.finalize())
  }

  /// Each place is written by one thread, and read when all are done.
  private final class Places: @unchecked Sendable {
    private let pointer: UnsafeMutableBufferPointer<Digest?>

    init(_ count: Int) {
      pointer = .allocate(capacity: count)
      pointer.initialize(repeating: nil)
    }

    deinit {
      pointer.deinitialize()
      pointer.deallocate()
    }

    func set(_ index: Int, _ digest: Digest) { pointer[index] = digest }
    func all() -> [Digest] { pointer.compactMap { $0 } }
  }
}
