import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What is opened with the caller's rights before the container's process exists: in a user namespace it could no
/// longer reach sources of mounts, and the shared propagation of a volume is that of the host's mount.
struct Preparation {
  /// Trees of bind mounts and whole file systems by the mount's index; attached nowhere yet.
  var trees: [Int: OpenFile] = [:]
  /// The overlay, or the tree of root.path.
  var root: OpenFile?
  /// Overlay by mount(2) in the container's mount namespace, where fsconfig cannot say it.
  var overlay: OverlayRoot?
  /// Namespaces to join, in the order of joining.
  var joined: [(LinuxNamespace.Kind, OpenFile)] = []
  var seccomp: SeccompProgram?
  /// The runtime's own program, for Clipper's init and to refuse its execution.
  var ownProgram: OpenFile

  init(_ bundle: Bundle, seccompCache: FilePath?, process: ContainerProcess?) throws {
    ownProgram = try OwnProgram.open()
    for namespace in bundle.config.linux?.namespaces ?? [] {
      guard let path = namespace.path, !path.isEmpty else { continue }
      joined.append((namespace.type, try Self.openNamespace(namespace.type, path)))
    }
    // The user namespace first: it owns what makes the others joinable. The mount namespace last: it changes what paths
    // mean.
    joined.sort { $0.0 != $1.0 && ($0.0 == .user || $1.0 == .mount) }
    try checkSettings(bundle.config.linux?.sysctl ?? [:])
    var mappings = MountMappings(bundle, joined: joined.first { $0.0 == .user }?.1)
    // The user namespace that this process is in cannot be joined once more. (setns(2))
    if let (kind, file) = joined.first, kind == .user, UserNamespaces.isOwn(file.number) { joined.removeFirst() }
    try prepareRoot(bundle)
    if geteuid() == 0 { try openTrees(bundle, &mappings) }
    if let process { seccomp = try SeccompProgram.make(bundle, process, cache: seccompCache) }
  }

  /// (runtime-spec, config-linux.md, Namespaces)
  private static func openNamespace(_ kind: LinuxNamespace.Kind, _ path: String) throws -> OpenFile {
    let file = try attempt("open the \(kind.rawValue) namespace \(path)") { () throws(Errno) in
      // Not blocking: the path could be a pipe's.
      try openat2(workingDirectory, path, flags: O_RDONLY | O_NONBLOCK)
    }
    guard (try? Namespaces.kind(of: file.number)) == Names.namespace(kind) else {
      throw RuntimeError.configuration(
        property: "linux.namespaces", problem: "has \(path), which is no \(kind.rawValue) namespace")
    }
    return OpenFile(file)
  }

  /// Settings of a namespace that is joined, and is the host's after all, would be the host's.
  private func checkSettings(_ settings: [String: String]) throws {
    guard !settings.isEmpty else { return }
    for (kind, file) in joined {
      guard let key = settings.keys.first(where: { KernelSetting($0).namespace == kind }) else { continue }
      if try attempt("look at the \(kind.rawValue) namespace", .other, { () throws(Errno) in
        try Names.isOwn(kind, file.number)
      }) {
        throw RuntimeError.configuration(
          property: "linux.sysctl", problem: "has \(key), and the \(kind.rawValue) namespace to join is the host's")
      }
    }
  }

  private mutating func prepareRoot(_ bundle: Bundle) throws {
    if let overlay = try OverlayRoot(bundle) {
      guard geteuid() == 0 else {
        self.overlay = overlay
        return
      }
      if overlay.upper == nil, !overlay.lower.contains(":") {
        // An overlay of one directory is not one: the directory itself, read-only.
        root = OpenFile(
          try attempt("bind \(overlay.directory)/\(overlay.lower)", .rootfs) { () throws(Errno) in
            let tree = try Mounts.copy(
              workingDirectory, overlay.directory.appending(overlay.lower).string, recursive: false)
            try Mounts.change(tree.number, set: .readOnly)
            return tree
          })
        return
      }
      if let mounted = try overlay.mount() { root = OpenFile(mounted) } else { self.overlay = overlay }
      return
    }
    guard geteuid() == 0 else { return }
    do { root = OpenFile(try Preparation.openRoot(bundle)) } catch RuntimeError.call(_, .notPermitted, _) {
      // Root of a user namespace without a mount namespace of its own: the container's process has one.
    }
  }

  static func openRoot(_ bundle: Bundle) throws -> OwnedDescriptor {
    let path = bundle.rootPath
    return try attempt("bind the root file system \(path)", .rootfs) { () throws(Errno) in
      let tree = try Mounts.copy(workingDirectory, path.string, recursive: true)
      guard try status(of: tree.number).isDirectory else { throw .notDirectory }
      return tree
    }
  }

  private mutating func openTrees(_ bundle: Bundle, _ mappings: inout MountMappings) throws {
    for (index, mount) in (bundle.config.mounts ?? []).enumerated() {
      let options = try MountOptions(mount)
      guard let recursive = options.bind, !options.remount else { continue }
      let tree: OwnedDescriptor
      do { tree = try Preparation.openTree(mount, recursive: recursive, bundle) } catch RuntimeError.call(
        _, .notPermitted, _)
      {
        // As for the root.
        continue
      }
      try mappings.apply(to: tree.number, mount, options)
      trees[index] = OpenFile(tree)
    }
  }

  static func openTree(_ mount: ContainerMount, recursive: Bool, _ bundle: Bundle) throws -> OwnedDescriptor {
    guard let source = mount.source, !source.isEmpty else {
      throw RuntimeError.configuration(
        property: "mounts", problem: "has the bind mount \(mount.destination) without a source")
    }
    let path = FilePath(source).isAbsolute ? FilePath(source) : bundle.path.appending(FilePath(source).components)
    do throws(Errno) { return try Mounts.copy(workingDirectory, path.string, recursive: recursive) } catch {
      // What is mounted there came along from another user namespace and hides what is below it for good.
      // (mount_namespaces(7), Restrictions on mount namespaces)
      let reason =
        error == .invalidArgument && !recursive
        ? " (in a user namespace a directory is bound together with what is mounted in it: use rbind)" : ""
      throw RuntimeError.call(doing: "bind \(path) for \(mount.destination)\(reason)", error, .mount)
    }
  }
}

extension OverlayRoot {
  /// A detached mount; nil where it takes mount(2), because the list of directories is longer than fsconfig takes and
  /// the kernel has no `lowerdir+` (before Linux 6.5).
  func mount() throws -> OwnedDescriptor? {
    // One that this user cannot get to is left for good.
    let here: OpenFile?
    do throws(Errno) { here = OpenFile(try openat2(workingDirectory, ".", flags: pathOnly | O_DIRECTORY)) } catch {
      guard error == .permissionDenied else {
        throw RuntimeError.call(doing: "open the working directory", error, .other)
      }
      here = nil
    }
    // Relative directories make the list short.
    try attempt("enter \(directory)", .rootfs) { () throws(Errno) in try Errno.check(chdir(directory.string)) }
    defer { if let here { fchdir(here.number) } else { chdir("/") } }
    let context: OwnedDescriptor
    do throws(Errno) { context = try Mounts.begin("overlay") } catch {
      // Root of a user namespace without a mount namespace of its own: the container's process has one.
      if error == .notPermitted { return nil }
      throw RuntimeError.call(doing: "begin an overlay", error, .rootfs)
    }
    do throws(Errno) {
      try Mounts.set(context.number, "source", "overlay")
      let layers = lower.split(separator: ":").map { String($0) }
      if lower.utf8.count < 256 {
        if !layers.isEmpty { try Mounts.set(context.number, "lowerdir", lower) }
      } else {
        do throws(Errno) {
          for layer in layers { try Mounts.set(context.number, "lowerdir+", layer) }
        } catch {
          if error == .invalidArgument { return nil }
          throw error
        }
      }
      if let upper, let work {
        // With an empty lower list the upper directory alone is the root.
        if layers.isEmpty { return try Mounts.copy(workingDirectory, upper, recursive: false) }
        guard upper.utf8.count < 256, work.utf8.count < 256 else { return nil }
        try Mounts.set(context.number, "upperdir", upper)
        try Mounts.set(context.number, "workdir", work)
      }
      // What one layer holds must not depend on those below it: a build makes an archive of the upper directory.
      if UserNamespaces.isInitial {
        try Mounts.set(context.number, "redirect_dir", "off")
      } else {
        // It redirects nothing, and takes no word about it.
        try Mounts.set(context.number, flag: "userxattr")
      }
      try Mounts.set(context.number, "index", "off")
      return try Mounts.finish(context.number, upper == nil ? .readOnly : [])
    } catch {
      let messages = Mounts.messages(context.number)
      throw RuntimeError.call(
        doing: "mount the overlay of \(lower) in \(directory)\(messages.isEmpty ? "" : " (\(messages))")", error,
        .rootfs)
    }
  }

  /// The same by mount(2), on a directory of this mount namespace.
  func mount(on target: String, userNamespace: Bool) throws {
    var data = "lowerdir=\(lower)"
    if let upper, let work { data += ",upperdir=\(upper),workdir=\(work)" }
    // Layers of a user namespace cannot have the attributes that the machine's root alone may set; with those that users
    // may set nothing is redirected, and saying so is an error.
    data += userNamespace || !UserNamespaces.isInitial ? ",index=off,userxattr" : ",index=off,redirect_dir=off"
    guard data.utf8.count < 4096 else {
      throw RuntimeError.unsupported(
        "a root of so many layers (\(data.utf8.count) bytes of names)",
        reason: "this kernel takes 4095; Linux 6.5 takes more")
    }
    try attempt("enter \(directory)", .rootfs) { () throws(Errno) in try Errno.check(chdir(directory.string)) }
    try attempt("mount the overlay of \(lower) in \(directory)", .rootfs) { () throws(Errno) in
      try Mounts.mount("overlay", source: "overlay", on: target, flags: upper == nil ? 1 : 0, data: data)
    }
  }
}
