internal import DockerfileSyntax
internal import Glibc
internal import Kernel
internal import SystemPackage

/// The files that a COPY takes from: the context without what its ignore file names, a stage's, or an image's.
/// Whatever links say, nothing outside is reached.
final class SourceTree: Sendable {
  private let root: OwnedDescriptor
  let ignore: IgnoreFile
  /// The context's files belong to nobody: who made them on this host means nothing in an image.
  let isContext: Bool

  init(_ root: consuming OwnedDescriptor, ignore: IgnoreFile = IgnoreFile(), isContext: Bool) {
    self.root = root
    self.ignore = ignore
    self.isContext = isContext
  }

  var descriptor: CInt { root.number }

  // MARK: - Names

  /// What a source names: one file or directory, or as many as its wildcards match.
  ///
  /// - Throws: `BuildError.notFound`; not for wildcards that match nothing.
  func matches(_ pattern: String) throws -> [SourceMatch] {
    guard Glob.hasWildcards(pattern) else {
      guard let match = try match(unescaped(pattern)) else {
        throw BuildError.notFound(source: pattern, ignored: try isThere(unescaped(pattern)))
      }
      return [match]
    }
    let parts = pattern.split(separator: "/").map(String.init)
    let plain = parts.prefix { !Glob.hasWildcards($0) }
    let base = try CanonicalPath(plain.map(unescaped).joined(separator: "/"), in: descriptor)
    guard base.exists else { return [] }
    var found = [base.path]
    for part in parts.dropFirst(plain.count) {
      let glob = try Glob(part)
      var next: [String] = []
      for directory in found {
        for name in try names(directory) where glob.matches(name) {
          next.append(directory.isEmpty ? name : directory + "/" + name)
        }
      }
      found = next
    }
    return try found.compactMap { try match($0) }
  }

  private func unescaped(_ text: String) -> String {
    guard text.contains("\\") else { return text }
    var result = ""
    var isEscaped = false
    for character in text {
      if character == "\\", !isEscaped {
        isEscaped = true
        continue
      }
      isEscaped = false
      result.append(character)
    }
    return result
  }

  private func names(_ directory: String) throws -> [String] {
    do throws(Errno) {
      let opened = try open(directory, O_RDONLY | O_DIRECTORY)
      return try directoryEntries(opened.number).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    } catch {
      // A wildcard in the middle also matches files, which nothing is below.
      if error == .notDirectory || error == .noSuchFileOrDirectory { return [] }
      throw BuildError.system(operation: "read", path: directory, error)
    }
  }

  private func match(_ path: String) throws -> SourceMatch? {
    let found = try CanonicalPath(path, in: descriptor)
    guard found.exists, !ignores(path), !ignores(found.path) else { return nil }
    var status = stat()
    guard fstatat(descriptor, found.relative, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    return SourceMatch(
      name: name, path: found.path,
      entry: try SourceEntry(relative: "", status, link: nil))
  }

  /// An ignored directory is still there for what is excepted below it.
  private func ignores(_ path: String) -> Bool {
    guard !ignore.isEmpty, !path.isEmpty, ignore.ignores(path) else { return false }
    guard ignore.hasExceptions, let opened = try? open(path, O_RDONLY | O_DIRECTORY) else { return true }
    var entries: [SourceEntry] = []
    try? walk(opened.number, path, "", parent(of: path + "/."), [], into: &entries)
    return entries.isEmpty
  }

  private func isThere(_ path: String) throws -> Bool { try CanonicalPath(path, in: descriptor).exists }

  private func parent(of path: String) -> IgnoreFile.Parent {
    var parent = IgnoreFile.Parent()
    var prefix = ""
    for part in path.split(separator: "/").dropLast() {
      prefix += prefix.isEmpty ? String(part) : "/" + part
      parent = ignore.ignores(prefix, parent: parent).info
    }
    return parent
  }

  /// A place that was found before, without links on the way: one that has appeared since is not followed.
  func open(_ path: String, _ flags: CInt) throws(Errno) -> OwnedDescriptor {
    try openat2(
      descriptor, path.isEmpty ? "." : path, flags: flags | O_NOFOLLOW, resolve: [.beneath, .noSymlinks, .noMagicLinks])
  }

  // MARK: - Content

  /// All that is below a directory, each after its parent, ordered by name; of a file, itself.
  func entries(of match: SourceMatch) throws -> [SourceEntry] {
    guard match.entry.kind == .directory else { return [match.entry] }
    var entries: [SourceEntry] = []
    do throws(Errno) {
      let opened = try open(match.path, O_RDONLY | O_DIRECTORY)
      let parent = match.path.isEmpty ? IgnoreFile.Parent() : parent(of: match.path + "/.")
      try walk(opened.number, match.path, "", parent, [], into: &entries)
    } catch {
      throw BuildError.system(operation: "read", path: "/" + match.path, error)
    }
    return entries
  }

  /// - Parameter waiting: ignored directories above, which are there if something below them is.
  private func walk(
    _ directory: CInt, _ path: String, _ relative: String, _ parent: IgnoreFile.Parent, _ waiting: [SourceEntry],
    into entries: inout [SourceEntry]
  ) throws(Errno) {
    var waiting = waiting
    for name in try directoryEntries(directory).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      var status = stat()
      if fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 {
        // It went away while the directory was read.
        if Errno.current == .noSuchFileOrDirectory { continue }
        throw Errno.current
      }
      var info = IgnoreFile.Parent()
      var isIgnored = false
      if !ignore.isEmpty {
        (isIgnored, info) = ignore.ignores(path.isEmpty ? name : path + "/" + name, parent: parent)
      }
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      if isIgnored, !isDirectory || !ignore.hasExceptions { continue }
      // Sockets are not files that an image could have. (tar(5))
      if status.st_mode & S_IFMT == S_IFSOCK { continue }
      let inner = relative.isEmpty ? name : relative + "/" + name
      let isLink = status.st_mode & S_IFMT == S_IFLNK
      let entry = try SourceEntry(relative: inner, status, link: isLink ? Self.target(directory, name) : nil)
      if !isIgnored {
        entries += waiting
        waiting = []
        entries.append(entry)
      }
      if isDirectory {
        let opened = try openat2(directory, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let before = entries.count
        let inside = path.isEmpty ? name : path + "/" + name
        try walk(opened.number, inside, inner, info, isIgnored ? waiting + [entry] : [], into: &entries)
        // Those that waited are in front of what was found.
        if isIgnored, entries.count > before { waiting = [] }
      }
    }
  }

  private static func target(_ directory: CInt, _ name: String) throws(Errno) -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes {
      readlinkat(directory, name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    guard count >= 0 else { throw Errno.current }
    return String(decoding: buffer[..<count], as: UTF8.self)
  }
}

/// A file or directory that a COPY names.
struct SourceMatch: Sendable {
  /// The last component as it was named: links keep their own name.
  var name: String
  /// Where it is, without links.
  var path: String
  var entry: SourceEntry

  /// Path in the tree of an entry below it.
  func path(of entry: SourceEntry) -> String {
    entry.relative.isEmpty ? path : path.isEmpty ? entry.relative : path + "/" + entry.relative
  }
}

struct SourceEntry: Sendable {
  enum Kind: Sendable { case file, directory, symlink, fifo, characterDevice, blockDevice }

  /// What tells whether a file has changed.
  struct Identity: Hashable, Sendable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    var modified: Int64
    var changed: Int64
  }

  /// Relative to the directory that is copied.
  var relative: String
  var kind: Kind
  var mode: UInt32
  var owner: Owner
  var link: String?
  var device: UInt64
  var linkCount: UInt64
  var identity: Identity
  var modifiedSeconds: Int
  var modifiedNanoseconds: Int

  var size: Int64 { identity.size }

  init(relative: String, _ status: stat, link: String?) throws(Errno) {
    self.relative = relative
    self.link = link
    switch status.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .directory
    case S_IFLNK: kind = .symlink
    case S_IFIFO: kind = .fifo
    case S_IFCHR: kind = .characterDevice
    case S_IFBLK: kind = .blockDevice
    default: throw .notSupported
    }
    mode = status.st_mode & 0o7777
    owner = Owner(userID: status.st_uid, groupID: status.st_gid)
    device = UInt64(status.st_rdev)
    linkCount = UInt64(status.st_nlink)
    modifiedSeconds = status.st_mtim.tv_sec
    modifiedNanoseconds = status.st_mtim.tv_nsec
    identity = Identity(status)
  }
}

extension SourceEntry.Identity {
  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    changed = Int64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_ctim.tv_nsec)
  }
}
