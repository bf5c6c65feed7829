internal import Glibc
internal import Kernel
internal import SystemPackage

/// Makes the entries of an archive below a directory.
final class TreeWriter: TarConsumer {
  private let root: RootDirectory
  private let base: [[UInt8]]
  private let options: UnpackOptions

  /// The file whose content arrives.
  private var file: CInt = -1
  private var current: TarEntry?
  /// Directories' times are set at the end: each entry inside changes them.
  private var directoryTimes: [(components: [[UInt8]], entry: TarEntry)] = []

  private static let whiteoutPrefix = Array(".wh.".utf8)
  private static let opaqueName = Array(".wh..wh..opq".utf8)
  private static let privatePrefix = Array(".wh..wh.".utf8)
  private static let opaqueAttribute = "trusted.overlay.opaque"

  init(root: RootDirectory, base: [[UInt8]], options: UnpackOptions) {
    self.root = root
    self.base = base
    self.options = options
  }

  deinit { if file >= 0 { close(file) } }

  func begin(_ entry: TarEntry) throws {
    guard let inner = components(of: entry.name) else { throw LayerError.escapes(entry: entry.displayName) }
    let components = base + inner
    guard let last = components.last else {
      // The root itself: only its attributes.
      if entry.kind == .directory { directoryTimes.append((components, entry)) }
      return
    }
    let parent = try root.parent(of: components, entry: entry.displayName)
    if options.whiteouts, last.starts(with: Self.whiteoutPrefix) {
      return try whiteOut(last, in: parent, components, entry)
    }
    switch entry.kind {
    case .directory: try makeDirectory(last, in: parent, components, entry)
    case .file: try makeFile(last, in: parent, entry)
    case .symbolicLink:
      try make(last, in: parent, entry) { name throws(Errno) in
        try RootDirectory.named(entry.linkName) { target throws(Errno) in
          try Errno.check(symlinkat(target, parent, name))
        }
      }
      try setAttributes(last, in: parent, entry)
    case .hardLink: try makeHardLink(last, components, entry)
    case .characterDevice, .blockDevice, .fifo:
      guard options.devices || entry.kind == .fifo else {
        throw LayerError.unsupported(entry: entry.displayName, "a device node in this archive")
      }
      let type: mode_t = entry.kind == .characterDevice ? S_IFCHR : entry.kind == .blockDevice ? S_IFBLK : S_IFIFO
      // 0/0 would be a whiteout to overlayfs: it hides a file of a lower layer, which only `.wh.` may.
      if entry.kind == .characterDevice, entry.deviceMajor == 0, entry.deviceMinor == 0, options.whiteouts {
        throw LayerError.unsupported(entry: entry.displayName, "the device 0/0")
      }
      try make(last, in: parent, entry) { name throws(Errno) in
        try Errno.check(
          mknodat(parent, name, type | entry.mode, deviceNumber(major: entry.deviceMajor, minor: entry.deviceMinor)))
      }
      try setAttributes(last, in: parent, entry)
    }
  }

  func content(_ bytes: UnsafeRawBufferPointer) throws {
    guard file >= 0, let entry = current else { return }
    do { try writeAll(file, bytes) } catch {
      throw LayerError.system(operation: "write", entry: entry.displayName, error)
    }
  }

  func end() throws {
    guard file >= 0, let entry = current else { return }
    defer {
      close(file)
      file = -1
      current = nil
    }
    do throws(Errno) {
      let (userID, groupID) = owner(of: entry)
      if userID != 0 || groupID != 0 { try Errno.check(fchown(file, userID, groupID)) }
      // After the owner: a change of owner clears set-user-ID and file capabilities.
      try Errno.check(fchmod(file, entry.mode))
      for (name, value) in entry.attributes where Self.isKept(name) {
        do throws(Errno) { try setExtendedAttribute(file, name, value) } catch { try Self.tolerate(name, error) }
      }
      try Errno.check(futimens(file, Self.times(entry)))
    } catch {
      throw LayerError.system(operation: "set the attributes of", entry: entry.displayName, error)
    }
  }

  func finish() throws {
    // Deepest first, for the same reason.
    for (components, entry) in directoryTimes.reversed() {
      if let last = components.last {
        // A later entry may have replaced it: then there is nothing to set.
        root.withExisting(components.dropLast()) { parent in
          let name = (last + [0]).map { CChar(bitPattern: $0) }
          _ = utimensat(parent, name, Self.times(entry), AT_SYMLINK_NOFOLLOW)
        }
      } else {
        let (userID, groupID) = owner(of: entry)
        do throws(Errno) {
          try Errno.check(fchown(root.descriptor, userID, groupID))
          try Errno.check(fchmod(root.descriptor, entry.mode))
          try Errno.check(futimens(root.descriptor, Self.times(entry)))
        } catch {
          throw LayerError.system(operation: "set the attributes of", entry: entry.displayName, error)
        }
      }
    }
    directoryTimes = []
  }

  // MARK: - Kinds of entries

  private func whiteOut(_ name: [UInt8], in parent: CInt, _ components: [[UInt8]], _ entry: TarEntry) throws {
    if name == Self.opaqueName {
      do throws(Errno) {
        // The parent's descriptor may be pathOnly, which takes no attributes.
        let directory = try openat2(parent, "." as String, flags: O_RDONLY | O_DIRECTORY)
        try setExtendedAttribute(directory.number, Self.opaqueAttribute, Array("y".utf8))
      } catch {
        throw LayerError.system(operation: "make opaque for", entry: entry.displayName, error)
      }
      return
    }
    // Names that aufs kept for itself. (image-spec, layer.md, Whiteouts)
    if name.starts(with: Self.privatePrefix) { return }
    let hidden = Array(name.dropFirst(Self.whiteoutPrefix.count))
    guard !hidden.isEmpty, hidden != [UInt8(ascii: ".")], hidden != Array("..".utf8) else {
      throw LayerError.escapes(entry: entry.displayName)
    }
    do throws(Errno) {
      try RootDirectory.named(hidden) { name throws(Errno) in
        if mknodat(parent, name, S_IFCHR, 0) == 0 { return }
        // What the same layer brings stays: a whiteout hides lower layers only. (image-spec, layer.md, Whiteouts)
        guard Errno.current == .fileExists else { throw Errno.current }
        var status = stat()
        try Errno.check(fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW))
        guard status.st_mode & S_IFMT == S_IFDIR else { return }
        let directory = try openat2(parent, String(cString: name), flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try setExtendedAttribute(directory.number, Self.opaqueAttribute, Array("y".utf8))
      }
    } catch {
      throw LayerError.system(operation: "white out", entry: entry.displayName, error)
    }
  }

  private func makeDirectory(_ name: [UInt8], in parent: CInt, _ components: [[UInt8]], _ entry: TarEntry) throws {
    do throws(Errno) {
      let directory = try RootDirectory.named(name) { name throws(Errno) in
        var opaque = false
        if mkdirat(parent, name, 0o700) != 0 {
          guard Errno.current == .fileExists else { throw Errno.current }
          var status = stat()
          try Errno.check(fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW))
          if status.st_mode & S_IFMT != S_IFDIR {
            // A directory in the place of what this layer has whited out shows nothing of the lower ones.
            opaque = status.st_mode & S_IFMT == S_IFCHR && status.st_rdev == 0
            root.invalidate()
            try Errno.check(unlinkat(parent, name, 0))
            try Errno.check(mkdirat(parent, name, 0o700))
          }
        }
        let directory = OwnedDescriptor(
          try Errno.check(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)))
        if opaque { try setExtendedAttribute(directory.number, Self.opaqueAttribute, Array("y".utf8)) }
        return directory.release()
      }
      let owned = OwnedDescriptor(directory)
      let (userID, groupID) = owner(of: entry)
      try Errno.check(fchown(owned.number, userID, groupID))
      try Errno.check(fchmod(owned.number, entry.mode))
      for (name, value) in entry.attributes where Self.isKept(name) {
        do throws(Errno) { try setExtendedAttribute(owned.number, name, value) } catch { try Self.tolerate(name, error) }
      }
    } catch {
      throw LayerError.system(operation: "make the directory", entry: entry.displayName, error)
    }
    directoryTimes.append((components, entry))
  }

  private func makeFile(_ name: [UInt8], in parent: CInt, _ entry: TarEntry) throws {
    try make(name, in: parent, entry) { [self] name throws(Errno) in
      file = try Errno.check(openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600))
    }
    current = entry
  }

  private func makeHardLink(_ name: [UInt8], _ target: [[UInt8]], _ entry: TarEntry) throws {
    guard let inner = components(of: entry.linkName), let linked = inner.last else {
      throw LayerError.escapes(entry: entry.displayName)
    }
    // `parent` keeps one directory open: hold the target's by a descriptor of our own.
    let targetParent: CInt
    do throws(Errno) {
      let directory = Array((base + inner.dropLast()).joined(separator: [UInt8(ascii: "/")]))
      targetParent = try RootDirectory.open(
        root.descriptor, directory.isEmpty ? [UInt8(ascii: ".")] : directory, flags: pathOnly | O_DIRECTORY
      ).release()
    } catch {
      throw LayerError.missingLinkTarget(entry: entry.displayName, target: String(decoding: entry.linkName, as: UTF8.self))
    }
    defer { close(targetParent) }
    if target == base + inner { return }
    let parent = try root.parent(of: target, entry: entry.displayName)
    do throws(Errno) {
      // Looked at first: what is in the link's place goes only when there is something to link to.
      var status = stat()
      try RootDirectory.named(linked) { linked throws(Errno) in
        _ = try Errno.check(fstatat(targetParent, linked, &status, AT_SYMLINK_NOFOLLOW))
      }
    } catch {
      throw LayerError.missingLinkTarget(entry: entry.displayName, target: String(decoding: entry.linkName, as: UTF8.self))
    }
    try make(name, in: parent, entry) { name throws(Errno) in
      try RootDirectory.named(linked) { linked throws(Errno) in
        try Errno.check(linkat(targetParent, linked, parent, name, 0))
      }
    }
  }

  /// Makes one entry that is not a directory; what is in its place goes first.
  private func make(
    _ name: [UInt8], in parent: CInt, _ entry: TarEntry, _ body: (UnsafePointer<CChar>) throws(Errno) -> Void
  ) throws {
    do throws(Errno) {
      try RootDirectory.named(name) { pointer throws(Errno) in
        do throws(Errno) { try body(pointer) } catch {
          guard error == .fileExists else { throw error }
          try removeEntry(parent, pointer)
          try body(pointer)
        }
      }
    } catch {
      throw LayerError.system(operation: "make", entry: entry.displayName, error)
    }
    // A link may now stand where a directory on a cached way was.
    if entry.kind == .symbolicLink { root.invalidate() }
  }

  private func removeEntry(_ parent: CInt, _ name: UnsafePointer<CChar>) throws(Errno) {
    if unlinkat(parent, name, 0) == 0 { return }
    guard Errno.current == .isDirectory || Errno.current == .notPermitted else { throw Errno.current }
    let path = FilePath("/proc/self/fd/\(parent)").appending(String(cString: name))
    try removeTree(path)
    root.invalidate()
  }

  // MARK: - Attributes

  private func setAttributes(_ name: [UInt8], in parent: CInt, _ entry: TarEntry) throws {
    do throws(Errno) {
      try RootDirectory.named(name) { name throws(Errno) in
        let (userID, groupID) = owner(of: entry)
        try Errno.check(fchownat(parent, name, userID, groupID, AT_SYMLINK_NOFOLLOW))
        // A link has no mode; the node was made with the process's mask applied.
        if entry.kind != .symbolicLink { try Errno.check(fchmodat(parent, name, entry.mode, 0)) }
        try Errno.check(utimensat(parent, name, Self.times(entry), AT_SYMLINK_NOFOLLOW))
      }
    } catch {
      throw LayerError.system(operation: "set the attributes of", entry: entry.displayName, error)
    }
  }

  private func owner(of entry: TarEntry) -> (UInt32, UInt32) {
    options.owner.map { ($0.userID, $0.groupID) } ?? (entry.userID, entry.groupID)
  }

  /// overlayfs's own attributes in an archive could redirect a directory to anything below it (CVE-2023-0386's way).
  private static func isKept(_ name: String) -> Bool {
    name == "security.capability" || name.hasPrefix("user.") && !name.hasPrefix("user.overlay.")
  }

  /// File systems without user attributes lose them, as docker's do; capabilities are never lost silently.
  private static func tolerate(_ name: String, _ error: Errno) throws(Errno) {
    guard name.hasPrefix("user."), error == .notSupported || error == .notPermitted else { throw error }
  }

  private static func times(_ entry: TarEntry) -> [timespec] {
    let time = timespec(tv_sec: Int(entry.modified), tv_nsec: Int(entry.modifiedNanoseconds))
    return [time, time]
  }
}
