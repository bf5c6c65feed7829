internal import BuildGraph
internal import Dispatch
internal import Glibc
internal import Kernel
internal import Synchronization
internal import SystemPackage

/// What files look like after they are copied.
struct CopiedAttributes: Sendable {
  /// nil keeps the source's.
  var owner: Owner?
  var mode: FileModeChange?
  /// Seconds since 1970 in place of every date; nil keeps the source's.
  var epoch: Int64?

  func owner(of entry: SourceEntry, isContext: Bool) -> Owner { owner ?? (isContext ? .root : entry.owner) }

  func mode(of entry: SourceEntry) -> UInt32 {
    mode?.applied(to: entry.mode, isDirectory: entry.kind == .directory) ?? entry.mode
  }

  func times(of entry: SourceEntry) -> [timespec] {
    let time =
      epoch.map { timespec(tv_sec: Int($0), tv_nsec: 0) }
      ?? timespec(tv_sec: entry.modifiedSeconds, tv_nsec: entry.modifiedNanoseconds)
    return [time, time]
  }
}

/// Writes what is no directory into a new layer, on all processors.
struct FileCopying: Sendable {
  /// One file, named in its directories.
  struct Item: Sendable {
    var source: String
    var target: String
    var entry: SourceEntry
  }

  /// Files of one directory that go to one directory.
  struct Batch: Sendable {
    var source: String
    var target: String
    var items: [Item]
  }

  let tree: SourceTree
  /// The layer's own directory.
  let layer: CInt
  let attributes: CopiedAttributes

  private static let bufferSize = 256 << 10

  /// - Returns: false where a file is not any more what it was when it was looked at.
  func copy(_ batches: [Batch]) throws -> Bool {
    let failure = Mutex<(any Error)?>(nil)
    let pieces = batches.flatMap { batch in
      stride(from: 0, to: batch.items.count, by: 128).map { start in
        Batch(
          source: batch.source, target: batch.target,
          items: Array(batch.items[start..<min(batch.items.count, start + 128)]))
      }
    }
    let links = Links()
    let isSame = Mutex(true)
    DispatchQueue.concurrentPerform(iterations: pieces.count) { index in
      if failure.withLock({ $0 != nil }) { return }
      do {
        if try !copy(pieces[index], links) { isSame.withLock { $0 = false } }
      } catch { failure.withLock { $0 = $0 ?? error } }
    }
    if let error = failure.withLock({ $0 }) { throw error }
    try links.make(in: layer)
    return isSame.withLock { $0 }
  }

  private func copy(_ batch: Batch, _ links: Links) throws -> Bool {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 4096)
    defer { buffer.deallocate() }
    let source = try opening("read", "/" + batch.source) { () throws(Errno) in
      try tree.open(batch.source, pathOnly | O_DIRECTORY)
    }
    let target = try opening("open", "/" + batch.target) { () throws(Errno) in
      try openat2(
        layer, batch.target.isEmpty ? "." : batch.target, flags: O_RDONLY | O_DIRECTORY,
        resolve: [.beneath, .noSymlinks])
    }
    var isSame = true
    for item in batch.items {
      do throws(Errno) {
        if item.entry.linkCount > 1, item.entry.kind == .file,
          !links.isFirst(item.entry.identity, batch.target.isEmpty ? item.target : batch.target + "/" + item.target)
        {
          continue
        }
        if try !copy(item, from: source.number, to: target.number, buffer) { isSame = false }
      } catch {
        throw BuildError.system(
          operation: "copy \(batch.source.isEmpty ? "" : "/" + batch.source)/\(item.source) to",
          path: "/" + (batch.target.isEmpty ? "" : batch.target + "/") + item.target, error)
      }
    }
    return isSame
  }

  private func copy(
    _ item: Item, from source: CInt, to target: CInt, _ buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Bool {
    let entry = item.entry
    let owner = attributes.owner(of: entry, isContext: tree.isContext)
    switch entry.kind {
    case .directory: return true
    case .file:
      let input = OwnedDescriptor(
        try Errno.check(openat(source, item.source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)))
      let output = OwnedDescriptor(
        try replacing(target, item.target) {
          openat(target, item.target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        })
      try copyFile(from: input.number, to: output.number, size: entry.size, buffer: buffer)
      if owner != .root { try Errno.check(fchown(output.number, owner.userID, owner.groupID)) }
      // After the owner: a change of owner clears set-user-ID and capabilities.
      try Errno.check(fchmod(output.number, attributes.mode(of: entry)))
      if !tree.isContext { try Self.copyAttributes(from: input.number, to: output.number) }
      try Errno.check(futimens(output.number, attributes.times(of: entry)))
      var status = stat()
      try Errno.check(fstat(input.number, &status))
      return SourceEntry.Identity(status) == entry.identity
    case .symlink:
      _ = try replacing(target, item.target) { symlinkat(entry.link ?? "", target, item.target) }
    case .fifo: _ = try replacing(target, item.target) { mknodat(target, item.target, S_IFIFO | 0o600, 0) }
    case .characterDevice, .blockDevice:
      let type = entry.kind == .characterDevice ? S_IFCHR : S_IFBLK
      // Overlayfs would take 0/0 as a whiteout.
      guard type == S_IFBLK || entry.device != 0 else { throw .notSupported }
      _ = try replacing(target, item.target) { mknodat(target, item.target, type | 0o600, dev_t(entry.device)) }
    }
    try Errno.check(fchownat(target, item.target, owner.userID, owner.groupID, AT_SYMLINK_NOFOLLOW))
    if entry.kind != .symlink { try Errno.check(fchmodat(target, item.target, attributes.mode(of: entry), 0)) }
    try Errno.check(utimensat(target, item.target, attributes.times(of: entry), AT_SYMLINK_NOFOLLOW))
    return true
  }

  /// Makes an entry; one that an earlier source of the same step made goes first.
  private func replacing(_ directory: CInt, _ name: String, _ make: () -> CInt) throws(Errno) -> CInt {
    let first = make()
    if first >= 0 { return first }
    guard Errno.current == .fileExists else { throw Errno.current }
    try Errno.check(unlinkat(directory, name, 0))
    return try Errno.check(make())
  }

  /// File capabilities and a user's own attributes. (xattr(7))
  static func copyAttributes(from source: CInt, to target: CInt) throws(Errno) {
    for name in try extendedAttributeNames(source)
    where name == "security.capability" || name.hasPrefix("user.") && !name.hasPrefix("user.overlay.") {
      guard let value = try extendedAttribute(source, name) else { continue }
      try setExtendedAttribute(target, name, value)
    }
  }

  /// Names of one file: the first is copied, the others are linked to it when all copies are made.
  private final class Links: Sendable {
    private struct State {
      var first: [SourceEntry.Identity: String] = [:]
      var others: [(target: String, name: String)] = []
    }

    private let state = Mutex(State())

    func isFirst(_ identity: SourceEntry.Identity, _ path: String) -> Bool {
      state.withLock { state in
        guard let first = state.first[identity] else {
          state.first[identity] = path
          return true
        }
        state.others.append((first, path))
        return false
      }
    }

    func make(in layer: CInt) throws {
      for (target, name) in state.withLock({ $0.others }) {
        if linkat(layer, target, layer, name, 0) == 0 { continue }
        if Errno.current == .fileExists, unlinkat(layer, name, 0) == 0, linkat(layer, target, layer, name, 0) == 0 {
          continue
        }
        throw BuildError.system(operation: "link", path: "/" + name, .current)
      }
    }
  }
}
