internal import Glibc
internal import Kernel
internal import Snapshots
internal import SystemPackage

/// Where a source goes, looked up and made in the image's files with the new layer on top.
///
/// Directories are made through an overlay mount, which brings up those that are in lower layers; files are then
/// written into the layer's own directory, when the mount is gone.
struct Destination {
  /// Mount of the image's files, the new layer on top.
  let view: CInt
  /// Of directories that are made. Their mode is 0755 whatever --chmod says: docker's builder gives them a file's mode,
  /// with which nobody could reach what is in them.
  let owner: Owner
  /// Directories that were there.
  private var existing: Set<[UInt8]> = []

  init(view: CInt, owner: Owner?) {
    self.view = view
    self.owner = owner ?? .root
  }

  /// The directory that the content of a source directory goes to.
  mutating func directory(_ path: String) throws -> String {
    try makeAll(CanonicalPath(path, in: view))
  }

  /// The place of a file: below `path` where that is a directory, else itself.
  mutating func file(_ path: String, name: String) throws -> (directory: String, name: String) {
    if path.hasSuffix("/") { return (try directory(path), name) }
    let found = try CanonicalPath(path, in: view)
    if found.exists, try kind(found.relative) == S_IFDIR { return (try makeAll(found), name) }
    guard let last = found.components.last else { throw BuildError.destination(path, "is a directory") }
    var parent = found
    parent.components.removeLast()
    parent.missing = max(0, parent.missing - 1)
    return (try makeAll(parent), last)
  }

  /// Makes a directory below one of the above; what is there must be one.
  mutating func subdirectory(_ name: String, of parent: String) throws -> String {
    let path = parent.isEmpty ? name : parent + "/" + name
    if mkdirat(view, path, 0o755) == 0 { return path }
    let error = Errno.current
    guard error == .fileExists else {
      throw BuildError.system(operation: "make the directory", path: "/" + path, error)
    }
    guard try kind(path) == S_IFDIR else {
      throw BuildError.destination("/" + path, "cannot copy a directory over what is none")
    }
    try bringUp(path)
    return path
  }

  /// A file cannot take the place of a directory.
  func checkFree(_ name: String, in directory: String) throws {
    guard existing.contains(Array(directory.utf8)) else { return }
    let path = directory.isEmpty ? name : directory + "/" + name
    if try kind(path) == S_IFDIR { throw BuildError.destination("/" + path, "cannot replace a directory with a file") }
  }

  private mutating func makeAll(_ path: CanonicalPath) throws -> String {
    guard path.missing > 0 else {
      guard try kind(path.relative) == S_IFDIR else {
        throw BuildError.destination("/" + path.path, "is not a directory")
      }
      try bringUp(path.path)
      return path.path
    }
    for missing in path.missingPaths {
      do throws(Errno) {
        try Errno.check(mkdirat(view, missing, 0o755))
        if owner != .root { try Errno.check(fchownat(view, missing, owner.userID, owner.groupID, AT_SYMLINK_NOFOLLOW)) }
      } catch {
        throw BuildError.system(operation: "make the directory", path: "/" + missing, error)
      }
    }
    return path.path
  }

  /// Makes overlayfs copy a directory into the new layer.
  private mutating func bringUp(_ path: String) throws {
    guard existing.insert(Array(path.utf8)).inserted, !path.isEmpty else { return }
    do throws(Errno) {
      let directory = try openat2(view, path, flags: O_RDONLY | O_DIRECTORY, resolve: [.inRoot, .noSymlinks])
      var status = stat()
      try Errno.check(fstat(directory.number, &status))
      try Errno.check(fchmod(directory.number, status.st_mode & 0o7777))
    } catch {
      throw BuildError.system(operation: "change the directory", path: "/" + path, error)
    }
  }

  private func kind(_ path: String) throws -> mode_t? {
    var status = stat()
    guard fstatat(view, path, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      let error = Errno.current
      if error == .noSuchFileOrDirectory { return nil }
      throw BuildError.system(operation: "look at", path: "/" + path, error)
    }
    return status.st_mode & S_IFMT
  }
}
