internal import Glibc
internal import Kernel
internal import SystemPackage

/// Files and directories that the runtime makes only to mount something on them: a RUN leaves none in its layer.
struct MountPoints {
  /// What the image has not, topmost first, and the directory that each first one is made in.
  private var missing: [String] = []
  private var parents: [(path: String, mode: UInt32, owner: Owner)] = []

  /// - Parameter view: the image's files before the step.
  init(_ destinations: [String], in view: CInt) throws {
    for destination in destinations {
      // The rest of a path that is below another mount never reaches the layer.
      guard let place = try? CanonicalPath(destination, in: view), place.missing > 0 else { continue }
      for path in place.missingPaths where !missing.contains(path) { missing.append(path) }
      let parent = place.components.dropLast(place.missing).joined(separator: "/")
      guard !parent.isEmpty, !parents.contains(where: { $0.path == parent }) else { continue }
      var status = stat()
      guard fstatat(view, parent, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
      parents.append(
        (parent, status.st_mode & 0o7777, Owner(userID: status.st_uid, groupID: status.st_gid)))
    }
  }

  /// Takes away what is still as it was made: empty.
  func remove(from layer: FilePath) throws {
    let root = try opening("open", layer.string) { () throws(Errno) in
      try openat2(Kernel.workingDirectory, layer.string, flags: O_RDONLY | O_DIRECTORY)
    }
    for path in missing.reversed() {
      guard let (parent, name) = place(path, in: root.number) else { continue }
      let directory = OwnedDescriptor(parent)
      var status = stat()
      guard fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
      switch status.st_mode & S_IFMT {
      // Not empty: the step has put something there.
      case S_IFDIR: unlinkat(directory.number, name, AT_REMOVEDIR)
      case S_IFREG where status.st_size == 0: unlinkat(directory.number, name, 0)
      default: break
      }
    }
    // A directory that is in the layer only because something was made in it.
    for parent in parents {
      guard let (above, name) = place(parent.path, in: root.number) else { continue }
      let directory = OwnedDescriptor(above)
      var status = stat()
      guard fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFDIR,
        status.st_mode & 0o7777 == parent.mode, status.st_uid == parent.owner.userID,
        status.st_gid == parent.owner.groupID,
        !isOpaque(directory.number, name)
      else { continue }
      unlinkat(directory.number, name, AT_REMOVEDIR)
    }
  }

  private func isOpaque(_ directory: CInt, _ name: String) -> Bool {
    guard let opened = try? openat2(directory, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return true }
    return (try? extendedAttribute(opened.number, "trusted.overlay.opaque")) != .some(nil)
  }

  /// The directory of a path in the layer, opened; nil where the layer has none.
  private func place(_ path: String, in root: CInt) -> (CInt, String)? {
    let parts = path.split(separator: "/")
    guard let name = parts.last else { return nil }
    let parent = parts.dropLast().joined(separator: "/")
    let opened = try? openat2(
      root, parent.isEmpty ? "." : parent, flags: O_RDONLY | O_DIRECTORY, resolve: [.beneath, .noSymlinks]
    ).release()
    return opened.map { ($0, String(name)) }
  }
}
