import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Paths that a container must not see or change. (runtime-spec, config-linux.md, Masked Paths, Readonly Paths)
struct PathRestrictions {
  let tree: RootTree

  /// Every directory is covered by the same empty read-only tmpfs: one superblock to make and to take away.
  func mask(_ paths: [String]) throws {
    var cover: OpenFile?
    var null: OpenFile?
    for path in paths {
      guard let place = try find(path) else { continue }
      if try attempt("look at \(path)", .mount, { () throws(Errno) in try status(of: place.number).isDirectory }) {
        let mount: OpenFile
        if let cover {
          mount = OpenFile(
            try attempt("cover \(path)", .mount) { () throws(Errno) in try Mounts.copy(cover.number, recursive: false) }
          )
        } else {
          mount = OpenFile(
            try attempt("make an empty file system", .mount) { () throws(Errno) in try emptyDirectory() })
        }
        try attempt("cover \(path)", .mount) { () throws(Errno) in try Mounts.attach(mount.number, to: place.number) }
        if cover == nil { cover = mount }
      } else {
        let source = try null ?? hostNull()
        null = source
        try attempt("cover \(path)", .mount) { () throws(Errno) in
          let copy = try Mounts.copy(source.number, recursive: false)
          try Mounts.attach(copy.number, to: place.number)
        }
      }
    }
  }

  func makeReadOnly(_ paths: [String]) throws {
    for path in paths {
      guard let place = try find(path) else { continue }
      try attempt("make \(path) read-only", .mount) { () throws(Errno) in
        let copy = try Mounts.copy(place.number, recursive: true)
        try Mounts.change(copy.number, set: .readOnly, recursive: true)
        try Mounts.attach(copy.number, to: place.number)
      }
    }
  }

  /// nil where it is not there, which is fine.
  private func find(_ path: String) throws -> OpenFile? {
    guard path.hasPrefix("/") else {
      throw RuntimeError.configuration(
        property: "linux.maskedPaths", problem: "and readonlyPaths have \"\(path)\", which is not absolute")
    }
    do throws(Errno) {
      return OpenFile(try tree.open(path))
    } catch {
      if error == .noSuchFileOrDirectory || error == .notDirectory { return nil }
      throw RuntimeError.call(doing: "open \(path) in the container", error, .mount)
    }
  }

  private func emptyDirectory() throws(Errno) -> OwnedDescriptor {
    let context = try Mounts.begin("tmpfs")
    try Mounts.set(context.number, "nr_blocks", "1")
    try Mounts.set(context.number, "nr_inodes", "1")
    return try Mounts.finish(context.number, [.readOnly, .noSetID, .noDevices, .noExecute])
  }

  /// The host's /dev/null, which must be the real one: the container's could be a link to anything. (CVE-2025-31133)
  private func hostNull() throws -> OpenFile {
    let file = try attempt("open the host's /dev/null", .mount) { () throws(Errno) in
      try openat2(workingDirectory, "/dev/null", flags: pathOnly, resolve: .noSymlinks)
    }
    let found = try attempt("look at the host's /dev/null", .mount) { () throws(Errno) in try status(of: file.number) }
    guard found.isCharacterDevice, found.st_rdev == deviceNumber(major: 1, minor: 3) else {
      throw RuntimeError.start(
        StartFailure(kind: .mount, message: "the host's /dev/null is not the device 1:3; nothing is masked with it"))
    }
    return OpenFile(file)
  }
}
