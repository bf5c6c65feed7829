internal import Glibc
internal import Kernel
public import SystemPackage

/// Writes an overlay's upper directory as the tar archive of a layer: sorted by name, whiteouts as image-spec has them
/// (layer.md), times in whole seconds, so that the same tree gives the same bytes.
///
/// - Parameter write: gets the archive in pieces, and must not keep them.
/// - Returns: the archive's size in bytes.
public func writeLayer(of directory: FilePath, to write: @escaping (UnsafeRawBufferPointer) throws -> Void) throws -> Int64 {
  try writeTree(of: directory, as: .layer, to: write)
}

/// What a tree means to `writeTree`.
public enum TreeKind: Sendable {
  /// An overlay's upper directory: its whiteouts are written as a layer's.
  case layer
  /// A plain directory.
  case plain
}

/// Writes a directory, without an entry for itself, as a tar archive.
public func writeTree(
  of directory: FilePath, as kind: TreeKind, to write: @escaping (UnsafeRawBufferPointer) throws -> Void
) throws -> Int64 {
  let opened: OwnedDescriptor
  do { opened = try openat2(workingDirectory, directory.string, flags: O_RDONLY | O_DIRECTORY) } catch {
    throw LayerError.system(operation: "open", entry: directory.string, error)
  }
  return try writeTree(of: opened.number, as: kind, to: write)
}

/// The same of an open directory, which stays open.
public func writeTree(
  of directory: CInt, as kind: TreeKind, to write: @escaping (UnsafeRawBufferPointer) throws -> Void
) throws -> Int64 {
  var size: Int64 = 0
  let walk = TreeReader(kind) { bytes in
    size += Int64(bytes.count)
    try write(bytes)
  }
  try walk.directory(directory, prefix: [])
  try walk.finish()
  return size
}

/// Adds what is at `path` below an open directory to an archive as `name`, a directory with all that is in it.
///
/// - Parameter followLink: a link as the last component is followed, inside `root`.
public func writeEntry(
  at path: String, in root: CInt, as name: String, followLink: Bool = false, to writer: TarWriter
) throws {
  let flags = pathOnly | (followLink ? 0 : O_NOFOLLOW)
  let found: OwnedDescriptor
  do throws(Errno) {
    found = try RootDirectory.open(root, Array(path.utf8), flags: flags)
  } catch {
    throw LayerError.system(operation: "open", entry: path, error)
  }
  try TreeReader(.plain, writer).entry(Array(name.utf8), at: found.number, name: "", status: nil)
}

private final class TreeReader {
  private struct Inode: Hashable {
    let device: UInt
    let number: UInt
  }

  private let kind: TreeKind
  private let writer: TarWriter
  private var links: [Inode: [UInt8]] = [:]

  init(_ kind: TreeKind, _ output: @escaping (UnsafeRawBufferPointer) throws -> Void) {
    self.kind = kind
    writer = TarWriter(output)
  }

  init(_ kind: TreeKind, _ writer: TarWriter) {
    self.kind = kind
    self.writer = writer
  }

  func finish() throws { try writer.finish() }

  func directory(_ descriptor: CInt, prefix: [UInt8]) throws {
    for name in try names(in: descriptor, prefix).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      let path = prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
      try (name + [0]).withUnsafeBufferPointer { bytes in
        try bytes.withMemoryRebound(to: CChar.self) { pointer in
          try entry(path, at: descriptor, name: pointer.baseAddress!, status: nil)
        }
      }
    }
  }

  /// One entry; an empty name means the descriptor itself.
  func entry(_ path: [UInt8], at directory: CInt, name: UnsafePointer<CChar>, status known: stat?) throws {
    var status = stat()
    do throws(Errno) {
      try Errno.check(fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW | emptyPath))
    } catch { throw failure("read", path, error) }
    let type = status.st_mode & S_IFMT
    if kind == .layer, type == S_IFCHR, status.st_rdev == 0 { return try whiteout(path) }
    guard type != S_IFSOCK else { return }
    var entry = TarEntry(kind: .file, name: path, mode: status.st_mode & 0o7777)
    entry.userID = status.st_uid
    entry.groupID = status.st_gid
    entry.modified = Int64(status.st_mtim.tv_sec)
    if type != S_IFDIR, status.st_nlink > 1 {
      let inode = Inode(device: UInt(status.st_dev), number: UInt(status.st_ino))
      if let first = links[inode] {
        entry.kind = .hardLink
        entry.linkName = first
        return try writer.begin(entry)
      }
      links[inode] = path
    }
    switch type {
    case S_IFREG: try file(&entry, directory, name, status)
    case S_IFDIR: try subdirectory(&entry, directory, name)
    case S_IFLNK:
      entry.kind = .symbolicLink
      entry.mode = 0o777
      entry.linkName = try linkTarget(directory, name, path)
      try writer.begin(entry)
    case S_IFCHR, S_IFBLK:
      entry.kind = type == S_IFCHR ? .characterDevice : .blockDevice
      entry.deviceMajor = deviceMajor(status.st_rdev)
      entry.deviceMinor = deviceMinor(status.st_rdev)
      try writer.begin(entry)
    default:
      entry.kind = .fifo
      try writer.begin(entry)
    }
  }

  private func whiteout(_ path: [UInt8]) throws {
    let slash = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
    try writer.begin(
      TarEntry(kind: .file, name: path[..<slash] + Array(".wh.".utf8) + path[slash...], mode: 0))
  }

  private func file(_ entry: inout TarEntry, _ directory: CInt, _ name: UnsafePointer<CChar>, _ status: stat) throws {
    let opened: OwnedDescriptor
    do throws(Errno) { opened = try open(directory, name, O_RDONLY | O_NOFOLLOW) } catch {
      throw failure("open", entry.name, error)
    }
    entry.size = Int64(status.st_size)
    entry.attributes = try attributes(opened.number, entry.name)
    try writer.begin(entry)
    if entry.size > 0 { try writer.copy(from: opened.number, named: entry.displayName) }
  }

  private func subdirectory(_ entry: inout TarEntry, _ directory: CInt, _ name: UnsafePointer<CChar>) throws {
    let opened: OwnedDescriptor
    do throws(Errno) { opened = try open(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) } catch {
      throw failure("open", entry.name, error)
    }
    entry.kind = .directory
    entry.attributes = try attributes(opened.number, entry.name)
    try writer.begin(entry)
    if kind == .layer, isOpaque(opened.number) {
      try writer.begin(TarEntry(kind: .file, name: entry.name + Array("/.wh..wh..opq".utf8), mode: 0))
    }
    try self.directory(opened.number, prefix: entry.name)
  }

  /// The entry, or with an empty name what an O_PATH descriptor stands for.
  private func open(_ directory: CInt, _ name: UnsafePointer<CChar>, _ flags: CInt) throws(Errno) -> OwnedDescriptor {
    if name.pointee == 0 {
      return try openat2(workingDirectory, "/proc/self/fd/\(directory)", flags: flags & ~O_NOFOLLOW)
    }
    return OwnedDescriptor(try Errno.check(openat(directory, name, flags | O_CLOEXEC)))
  }

  private func linkTarget(_ directory: CInt, _ name: UnsafePointer<CChar>, _ path: [UInt8]) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes {
      readlinkat(directory, name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    guard count >= 0 else { throw failure("read the link", path, .current) }
    return Array(buffer[..<count])
  }

  private func isOpaque(_ descriptor: CInt) -> Bool {
    (try? extendedAttribute(descriptor, "trusted.overlay.opaque")) == [UInt8(ascii: "y")]
  }

  private func attributes(_ descriptor: CInt, _ path: [UInt8]) throws -> [String: [UInt8]] {
    do throws(Errno) {
      var attributes: [String: [UInt8]] = [:]
      for name in try extendedAttributeNames(descriptor)
      where name == "security.capability" || name.hasPrefix("user.") && !name.hasPrefix("user.overlay.") {
        attributes[name] = try extendedAttribute(descriptor, name)
      }
      return attributes
    } catch {
      throw failure("read the attributes of", path, error)
    }
  }

  private func names(in descriptor: CInt, _ path: [UInt8]) throws -> [[UInt8]] {
    let number = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else { throw failure("read", path, .current) }
    guard let stream = fdopendir(number) else {
      let error = Errno.current
      close(number)
      throw failure("read", path, error)
    }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: UInt8.self, capacity: 256) { Array(UnsafeBufferPointer(start: $0, count: strlen(pointer))) }
      }
      if name != [UInt8(ascii: ".")], name != Array("..".utf8) { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw failure("read", path, .current) }
    return names
  }

  private func failure(_ operation: String, _ path: [UInt8], _ error: Errno) -> LayerError {
    .system(operation: operation, entry: String(decoding: path, as: UTF8.self), error)
  }
}
