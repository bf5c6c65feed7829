internal import BuildGraph
internal import Content
internal import DockerfileSyntax
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Layers
internal import Snapshots
internal import SystemPackage

/// COPY and ADD: what they take, and how it gets into a layer.
struct CopyStep: Sendable {
  /// One source, looked up.
  enum Source: Sendable {
    case tree(SourceMatch, [SourceEntry], [Digest?])
    case archive(SourceMatch, Digest)
    case file(name: String, content: [UInt8])
    case download(RemoteFile, isArchive: Bool)
  }

  let operation: CopyOperation
  let tree: SourceTree?
  let sources: [Source]

  /// Looks up what the operation names.
  ///
  /// - Parameter hash: without it, files are not read; then there is no content key.
  init(
    _ operation: CopyOperation, tree: SourceTree?, remote: [RemoteFile], known: KnownDigests?, hash: Bool = true
  ) throws {
    self.operation = operation
    self.tree = tree
    var sources: [Source] = []
    var remote = remote[...]
    for source in operation.sources {
      switch source {
      case .path(let pattern):
        guard let tree else { continue }
        for match in try tree.matches(pattern) {
          sources.append(try Self.look(at: match, in: tree, operation, known, hash))
        }
      case .file(let name, let content): sources.append(.file(name: name, content: Array(content.utf8)))
      case .url:
        guard let file = remote.popFirst() else { continue }
        let opened = try file.open()
        sources.append(.download(file, isArchive: try operation.unpacksRemote && Archive.isOne(opened.number)))
      }
    }
    self.sources = sources
  }

  private static func look(
    at match: SourceMatch, in tree: SourceTree, _ operation: CopyOperation, _ known: KnownDigests?, _ hash: Bool
  ) throws -> Source {
    let entries = try tree.entries(of: match)
    if operation.unpacks, match.entry.kind == .file {
      let file = try opening("read", "/" + match.path) { () throws(Errno) in try tree.open(match.path, O_RDONLY) }
      if try Archive.isOne(file.number) {
        let digest = try FileDigests(tree: tree, known: known).digests(of: [(match.path, match.entry)])
        return .archive(match, digest[0])
      }
    }
    guard hash else { return .tree(match, entries, []) }
    let files = entries.filter { $0.kind == .file }.map { (match.path(of: $0), $0) }
    var digests = try FileDigests(tree: tree, known: known).digests(of: files)[...]
    return .tree(match, entries, entries.map { $0.kind == .file ? digests.popFirst() : nil })
  }

  // MARK: - Key

  /// What the sources are, for the cache.
  func contentKey() throws -> String {
    var key = ContentKey()
    for source in sources {
      switch source {
      case .tree(let match, let entries, let digests):
        // Of a directory only the content is copied: its name is nothing.
        key.begin(match.entry.kind == .directory ? "directory" : "file \(match.name)")
        for (entry, digest) in zip(entries, digests) { add(entry, digest, &key) }
      case .archive(_, let digest): key.begin("archive \(digest)")
      case .file(let name, let content):
        key.begin("heredoc \(name)")
        key.add(path: name, .file(ContentStore.digest(of: content)), mode: 0o644, owner: nil)
      case .download(let file, let isArchive):
        key.begin("\(isArchive ? "archive" : "download") \(file.name) \(file.modified ?? 0)")
        key.add(path: file.name, .file(file.digest), mode: 0o600, owner: nil)
      }
    }
    return key.finish()
  }

  private func add(_ entry: SourceEntry, _ digest: Digest?, _ key: inout ContentKey) {
    let kind: ContentKey.Kind
    switch entry.kind {
    case .file:
      guard let digest else { return }
      kind = .file(digest)
    case .directory: kind = .directory
    case .symlink: kind = .symlink(target: entry.link ?? "")
    case .fifo: kind = .fifo
    case .characterDevice: kind = .device(kind: "c", number: entry.device)
    case .blockDevice: kind = .device(kind: "b", number: entry.device)
    }
    let owner = tree?.isContext ?? true ? nil : (entry.owner.userID, entry.owner.groupID)
    key.add(path: entry.relative, kind, mode: entry.kind == .symlink ? 0 : entry.mode, owner: owner)
  }

  // MARK: - Making the layer

  /// Writes everything into a new layer on top of `parent`.
  ///
  /// - Returns: false where a file is not any more what it was when the sources were looked up.
  func write(into pending: PendingSnapshot, on parent: Snapshot?, _ snapshots: SnapshotStore, epoch: Int64?) throws
    -> Bool
  {
    let owner: Owner?
    if let text = operation.owner {
      let view = try snapshots.openView(parent)
      owner = try ImageUsers(root: view.number).owner(text)
    } else {
      owner = nil
    }
    let layer = try opening("open", pending.fs.string) { () throws(Errno) in
      try openat2(workingDirectory, pending.fs.string, flags: O_RDONLY | O_DIRECTORY)
    }
    let attributes = CopiedAttributes(owner: owner, mode: operation.mode, epoch: epoch)
    var isSame = true
    for source in sources {
      // A view of its own: what the last source brought may be links on the way of the next.
      var place = Place(
        view: try snapshots.openView(parent, upper: pending.fs, work: pending.work), layer: layer.number, owner: owner)
      if try !place.write(source, self, attributes) { isSame = false }
    }
    return isSame
  }
}

/// One source on its way into a layer.
private struct Place: ~Copyable {
  private var view: OwnedDescriptor?
  private let layer: CInt
  private var destination: Destination

  init(view: consuming OwnedDescriptor, layer: CInt, owner: Owner?) {
    destination = Destination(view: view.number, owner: owner)
    self.view = consume view
    self.layer = layer
  }

  mutating func write(_ source: CopyStep.Source, _ step: CopyStep, _ attributes: CopiedAttributes) throws -> Bool {
    let path = step.operation.destination
    switch source {
    case .tree(let match, let entries, _):
      guard let tree = step.tree else { return true }
      if match.entry.kind == .directory {
        return try copyDirectory(match, entries, to: path, tree, attributes)
      } else {
        let (directory, name) = try destination.file(path, name: match.name)
        try destination.checkFree(name, in: directory)
        view = nil
        let (parent, last) = split(match.path)
        let item = FileCopying.Item(source: last, target: name, entry: match.entry)
        return try FileCopying(tree: tree, layer: layer, attributes: attributes)
          .copy([FileCopying.Batch(source: parent, target: directory, items: [item])])
      }
    case .archive(let match, _):
      guard let tree = step.tree else { return true }
      let file = try opening("read", "/" + match.path) { () throws(Errno) in try tree.open(match.path, O_RDONLY) }
      try unpack(file.number, named: match.path, to: path, attributes)
      var status = stat()
      return fstat(file.number, &status) == 0 && SourceEntry.Identity(status) == match.entry.identity
    case .download(let file, let isArchive):
      let opened = try file.open()
      if isArchive {
        try unpack(opened.number, named: file.name, to: path, attributes)
        return true
      }
      let content = CopiedAttributes(owner: attributes.owner ?? .root, mode: attributes.mode, epoch: attributes.epoch)
      try writeFile(file.name, to: path, mode: 0o600, modified: file.modified, content) {
        output, buffer throws(Errno) in
        try copyFile(from: opened.number, to: output, size: file.size, buffer: buffer)
      }
    case .file(let name, let content):
      try writeFile(name, to: path, mode: 0o644, modified: nil, attributes) { output, _ throws(Errno) in
        try writeAll(output, content)
      }
    }
    return true
  }

  private func split(_ path: String) -> (parent: String, name: String) {
    let parts = path.split(separator: "/")
    return (parts.dropLast().joined(separator: "/"), parts.last.map(String.init) ?? "")
  }

  private mutating func copyDirectory(
    _ match: SourceMatch, _ entries: [SourceEntry], to path: String, _ tree: SourceTree, _ attributes: CopiedAttributes
  ) throws -> Bool {
    let base = try destination.directory(path)
    // Entries come with each directory before what is in it.
    var directories: [(path: String, entry: SourceEntry)] = []
    var batches: [String: Int] = [:]
    var ordered: [FileCopying.Batch] = []
    for entry in entries {
      let (parent, name) = split(entry.relative)
      let target = parent.isEmpty ? base : base.isEmpty ? parent : base + "/" + parent
      if entry.kind == .directory {
        directories.append((try destination.subdirectory(name, of: target), entry))
        continue
      }
      try destination.checkFree(name, in: target)
      let item = FileCopying.Item(source: name, target: name, entry: entry)
      if let index = batches[parent] {
        ordered[index].items.append(item)
      } else {
        batches[parent] = ordered.count
        let source = match.path.isEmpty ? parent : parent.isEmpty ? match.path : match.path + "/" + parent
        ordered.append(FileCopying.Batch(source: source, target: target, items: [item]))
      }
    }
    // From here on the layer's own directory is written: overlayfs must not be looking.
    view = nil
    let isSame = try FileCopying(tree: tree, layer: layer, attributes: attributes).copy(ordered)
    for (path, entry) in directories.reversed() {
      do throws(Errno) {
        let owner = attributes.owner(of: entry, isContext: tree.isContext)
        try Errno.check(fchownat(layer, path, owner.userID, owner.groupID, AT_SYMLINK_NOFOLLOW))
        try Errno.check(fchmodat(layer, path, attributes.mode(of: entry), 0))
        try Errno.check(utimensat(layer, path, attributes.times(of: entry), AT_SYMLINK_NOFOLLOW))
      } catch {
        throw BuildError.system(operation: "set the attributes of", path: "/" + path, error)
      }
    }
    return isSame
  }

  private mutating func unpack(_ file: CInt, named name: String, to path: String, _ attributes: CopiedAttributes) throws
  {
    let base = try destination.directory(path)
    guard let root = view.take() else { return }
    let owner = attributes.owner.map { UnpackOptions.Owner(userID: $0.userID, groupID: $0.groupID) }
    let unpacker = try LayerUnpacker(root: root, subdirectory: base, options: .archive(owner: owner))
    do {
      try Archive.read(file) { try unpacker.write($0) }
      _ = try unpacker.finish()
    } catch {
      throw BuildError.badArchive("unpack \(name): \(error)")
    }
  }

  private mutating func writeFile(
    _ name: String, to path: String, mode: UInt32, modified: Int64?, _ attributes: CopiedAttributes,
    _ body: (CInt, UnsafeMutableRawBufferPointer) throws(Errno) -> Void
  ) throws {
    let (directory, name) = try destination.file(path, name: name)
    try destination.checkFree(name, in: directory)
    view = nil
    let place = directory.isEmpty ? name : directory + "/" + name
    do throws(Errno) {
      if unlinkat(layer, place, 0) != 0, Errno.current != .noSuchFileOrDirectory { throw Errno.current }
      let output = try openat2(
        layer, place, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, resolve: [.beneath, .noSymlinks])
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
      defer { buffer.deallocate() }
      try body(output.number, buffer)
      if let owner = attributes.owner { try Errno.check(fchown(output.number, owner.userID, owner.groupID)) }
      try Errno.check(fchmod(output.number, attributes.mode?.applied(to: mode, isDirectory: false) ?? mode))
      if let date = attributes.epoch ?? modified {
        let time = timespec(tv_sec: Int(date), tv_nsec: 0)
        try Errno.check(futimens(output.number, [time, time]))
      }
    } catch {
      throw BuildError.system(operation: "write", path: "/" + place, error)
    }
  }
}

/// Tar archives, compressed or not, that ADD unpacks.
enum Archive {
  /// Whether a file begins as one, whatever its name is. (Dockerfile reference, ADD)
  static func isOne(_ file: CInt) throws -> Bool {
    var prefix = [UInt8](repeating: 0, count: 64 << 10)
    let count = pread(file, &prefix, prefix.count, 0)
    guard count > 0 else { return false }
    prefix.removeLast(prefix.count - count)
    let compression = Compression.detect(prefix)
    if compression == .none { return isHeader(prefix) }
    var plain: [UInt8] = []
    guard let decompressor = try? Decompressor(compression) else { return false }
    // The prefix ends in the middle of the stream: only its end would be an error.
    try? prefix.withUnsafeBytes { bytes in
      try decompressor.write(bytes) { piece in if plain.count < 512 { plain.append(contentsOf: piece.prefix(512)) } }
    }
    return isHeader(plain)
  }

  /// The checksum of the first header is right. (tar(5))
  static func isHeader(_ block: [UInt8]) -> Bool {
    guard block.count >= 512 else { return false }
    let digits = block[148..<156].drop { $0 == 0x20 }.prefix { (0x30...0x37).contains($0) }
    guard !digits.isEmpty, let written = Int(String(decoding: digits, as: UTF8.self), radix: 8) else { return false }
    var sum = 0
    for index in 0..<512 { sum += (148..<156).contains(index) ? 0x20 : Int(block[index]) }
    return sum == written
  }

  static func read(_ file: CInt, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = try Errno.retrying { Glibc.read(file, &buffer, buffer.count) }
      if count == 0 { return }
      try buffer.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
  }
}
