import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Mounts below the container's root, made in the container's mount namespace before it is entered.
struct MountSetup {
  let bundle: Bundle
  let tree: RootTree
  let trees: [Int: OpenFile]
  let cgroups: CgroupTree?
  /// The container's.
  let own: Cgroup?
  /// What was asked for and could not be had.
  private(set) var warnings: [String] = []
  /// Mounts that are read-only only after they have been filled with devices.
  private var closedLater: [OpenFile] = []
  /// The devpts instance, for the console.
  private(set) var terminals: OpenFile?
  /// Directories that were bound: what the host has, or others as well.
  private var bound: [stat] = []

  init(_ bundle: Bundle, _ tree: RootTree, _ trees: [Int: OpenFile], _ cgroups: CgroupTree?, own: Cgroup?) {
    self.bundle = bundle
    self.tree = tree
    self.trees = trees
    self.cgroups = cgroups
    self.own = own
  }

  mutating func run() throws {
    for (index, mount) in (bundle.config.mounts ?? []).enumerated() { try add(mount, index) }
  }

  /// Whether /dev, whatever way it came there, is a directory that was bound: nothing is made or replaced in it, it
  /// would be the host's. (CVE-2026-41579)
  func bindsDevices() throws -> Bool {
    guard !bound.isEmpty else { return false }
    do throws(Errno) {
      let directory = try tree.open("/dev")
      let found = try status(of: directory.number)
      return bound.contains { $0.st_dev == found.st_dev && $0.st_ino == found.st_ino }
    } catch {
      if error == .noSuchFileOrDirectory { return false }
      throw RuntimeError.call(doing: "look at /dev in the container", error, .mount)
    }
  }

  /// After the devices were made.
  func close() throws {
    for mount in closedLater {
      try attempt("make /dev read-only", .mount) { () throws(Errno) in try Mounts.change(mount.number, set: .readOnly) }
    }
  }

  private mutating func add(_ mount: ContainerMount, _ index: Int) throws {
    var mount = mount
    // (runtime-spec, config.md, Mounts: a relative destination begins at /)
    if !mount.destination.hasPrefix("/") { mount.destination = "/" + mount.destination }
    var options = try MountOptions(mount)
    let isDevices = FilePath(mount.destination).lexicallyNormalized().string == "/dev"
    if options.remount {
      try remount(mount, options)
      return
    }
    if options.bind != nil {
      let source: OpenFile
      if let prepared = trees[index] {
        source = prepared
      } else {
        source = OpenFile(try openTree(mount, options))
      }
      try attach(source, mount, options, isBind: true)
      return
    }
    // Devices are made in it first.
    let closing = isDevices && options.set.contains(.readOnly)
    if closing { options.set.subtract(.readOnly) }
    if DirectMount.isNeeded(options) {
      let made = try DirectMount(tree: tree, mount: mount, options: options).make(label: label(mount.type ?? "")) {
        try checkProc($0, mount.destination, $1)
      }
      if options.copyUp, mount.type == "tmpfs" { try copyUp(mount.destination, made.number) }
      try propagate(made, options, mount.destination)
      if closing { closedLater.append(made) }
      return
    }
    let made = OpenFile(try make(mount, options))
    if mount.type == "devpts" { terminals = made }
    if options.copyUp, mount.type == "tmpfs" { try copyUp(mount.destination, made.number) }
    try attach(made, mount, options, isBind: false)
    if closing { closedLater.append(made) }
  }

  /// A new file system that is attached nowhere yet.
  private func make(_ mount: ContainerMount, _ options: MountOptions) throws -> OwnedDescriptor {
    let type = mount.type ?? "none"
    switch type {
    case "cgroup", "cgroup2": return try makeCgroup(mount, options)
    case "none", "bind":
      throw RuntimeError.configuration(
        property: "mounts", problem: "has \(mount.destination) with neither a type nor the option bind or rbind")
    default: return try make(type, mount, options)
    }
  }

  private func make(_ type: String, _ mount: ContainerMount, _ options: MountOptions) throws -> OwnedDescriptor {
    let context: OwnedDescriptor
    do throws(Errno) { context = try Mounts.begin(type) } catch {
      if error == .notPermitted, let host = try bindHosts(type, mount, options) { return host }
      throw RuntimeError.call(doing: "begin the file system \(type) for \(mount.destination)", error, .mount)
    }
    var step = ""
    do throws(Errno) {
      if let source = mount.source, !source.isEmpty { try Mounts.set(context.number, "source", source) }
      for flag in options.flags where flag != "silent" {
        step = flag
        try Mounts.set(context.number, flag: flag)
      }
      for (key, value) in options.data {
        step = "\(key)=\(value)"
        try Mounts.set(context.number, key, value)
      }
      if let label = label(type) {
        step = "context=\(label)"
        try Mounts.set(context.number, "context", label)
      }
      step = ""
      return try Mounts.finish(context.number, options.set)
    } catch {
      if error == .notPermitted, let host = try bindHosts(type, mount, options) { return host }
      if let plain = withoutUnmappedGroup(type, options, error) { return try make(type, mount, plain) }
      let messages = Mounts.messages(context.number)
      let option = step.isEmpty ? "" : " with the option \(step)"
      throw RuntimeError.call(
        doing: "mount \(type) on \(mount.destination)\(option)\(messages.isEmpty ? "" : " (\(messages))")", error,
        .mount)
    }
  }

  private func label(_ type: String) -> String? {
    guard let label = bundle.config.linux?.mountLabel, !label.isEmpty,
      ["tmpfs", "devpts", "mqueue", "overlay"].contains(type)
    else { return nil }
    return label
  }

  /// The container's own part of the tree with a cgroup namespace of its own, else the host's.
  private func makeCgroup(_ mount: ContainerMount, _ options: MountOptions) throws -> OwnedDescriptor {
    guard let cgroups else {
      // A host of version 1 alone has nothing to show.
      var empty = mount
      empty.type = "tmpfs"
      var options = options
      options.set.insert(.readOnly)
      options.data = []
      return try make("tmpfs", empty, options)
    }
    if bundle.namespace(.cgroup) != nil {
      var plain = options
      plain.data = []
      plain.flags = []
      do { return try make("cgroup2", mount, plain) } catch RuntimeError.call(_, .notPermitted, _) {}
    }
    // Mounting it anew in the first cgroup namespace would change the options of the host's mount.
    let container = bundle.namespace(.cgroup) == nil ? nil : own?.path
    let path = container ?? cgroups.mount
    var attributes = options.set
    // The host's groups, which the user outside may be allowed to write to, are not this root's. (CVE-2023-25809)
    if container == nil, bundle.hasUserNamespace || bundle.namespace(.cgroup) != nil { attributes.insert(.readOnly) }
    return try attempt("bind \(path) on \(mount.destination)", .mount) { () throws(Errno) in
      let tree = try Mounts.copy(workingDirectory, path.string, recursive: false)
      try Mounts.change(tree.number, set: attributes)
      return tree
    }
  }

  private mutating func attach(_ source: OpenFile, _ mount: ContainerMount, _ options: MountOptions, isBind: Bool)
    throws
  {
    let path = mount.destination
    if isBind { try change(source, options, path) }
    let sourceStatus = try attempt("look at the source of \(path)", .mount) { () throws(Errno) in
      try status(of: source.number)
    }
    if isBind, sourceStatus.isDirectory { bound.append(sourceStatus) }
    // /proc and /sys as links in an image would put the real ones elsewhere. (CVE-2019-19921)
    let ordinary = mount.type == "proc" || mount.type == "sysfs"
    let target = try attempt("make the mount point \(path)", .mount) { () throws(Errno) in
      try tree.openMaking(path, sourceStatus.isDirectory ? .directory : .file, resolve: ordinary ? .noSymlinks : [])
    }
    if try attempt("look at \(path)", .mount, { () throws(Errno) in try status(of: target.number).isDirectory })
      != sourceStatus.isDirectory
    {
      throw RuntimeError.start(
        StartFailure(
          kind: .mount,
          message:
            "cannot mount a \(sourceStatus.isDirectory ? "directory on the file" : "file on the directory") \(path): "
            + "are you trying to mount a directory onto a file (or vice-versa)?"))
    }
    try checkProc(target.number, path, source.number)
    try attempt("mount on \(path)", .mount) { () throws(Errno) in try Mounts.attach(source.number, to: target.number) }
    try propagate(source, options, path)
  }

  private mutating func change(_ mount: OpenFile, _ options: MountOptions, _ path: String) throws {
    var kept: [String] = []
    try attempt("set the options of the mount \(path)", .mount) { () throws(Errno) in
      if !options.recursiveSet.isEmpty || !options.recursiveClear.isEmpty {
        try Mounts.change(mount.number, set: options.recursiveSet, clear: options.recursiveClear, recursive: true)
      }
      if !options.set.isEmpty || !options.clear.isEmpty {
        do throws(Errno) { try Mounts.change(mount.number, set: options.set, clear: options.clear) } catch {
          guard error == .notPermitted else { throw error }
          kept = try keepLocked(mount.number, options)
        }
      }
    }
    guard !kept.isEmpty else { return }
    warnings.append("the mount \(path) stays \(kept.joined(separator: ",")), as this user has it from the host")
  }

  /// After attaching: a mount that is to be shared shares with the host's until then, never with ours.
  private func propagate(_ mount: OpenFile, _ options: MountOptions, _ path: String) throws {
    guard let (propagation, recursive) = options.propagation ?? standardPropagation else { return }
    try attempt("set the propagation of the mount \(path)", .mount) { () throws(Errno) in
      try Mounts.change(mount.number, propagation: propagation, recursive: recursive)
    }
  }

  /// A volume follows the root, as in other runtimes, and is on its own where nothing is said. nil leaves it as it is
  /// on the host.
  private var standardPropagation: (MountPropagation, recursive: Bool)? {
    switch bundle.config.linux?.rootfsPropagation {
    case "shared": nil
    case "rshared": (.shared, true)
    case "slave", "rslave": (.slave, true)
    default: (.private, true)
    }
  }

  /// Nothing but a proc file system is mounted on /proc, and inside of it only what a container may see faked: a file
  /// that the runtime or the kernel's checks rely on must be the kernel's. (CVE-2019-16884, CVE-2023-27561)
  private func checkProc(_ target: CInt, _ path: String, _ source: CInt) throws {
    let covers = FilePath(path).lexicallyNormalized().string == "/proc"
    let (isProc, isRoot) = try attempt("look at the file system of \(path)", .mount) { () throws(Errno) in
      let isProc = try Mounts.fileSystemType(target) == Mounts.procFileSystem
      return (isProc, covers || isProc ? try ProcFS.isRoot(target) : false)
    }
    // By whatever links the path leads there.
    if covers || isRoot {
      guard try attempt("look at the source of \(path)", .mount, { () throws(Errno) in try ProcFS.isRoot(source) })
      else {
        throw RuntimeError.start(
          StartFailure(kind: .mount, message: "\(path) cannot be covered by anything but the file system proc"))
      }
      return
    }
    guard isProc else { return }
    let place = try place(target)
    guard place.hasPrefix("/proc/"), !Self.coverable.contains(String(place.dropFirst(6))) else { return }
    throw RuntimeError.start(
      StartFailure(kind: .mount, message: "\(path) is inside /proc, where nothing may be mounted"))
  }

  /// Where a descriptor is, from the container's root on.
  private func place(_ descriptor: CInt) throws -> String {
    let root = RootTree.path(of: tree.root.number)
    let place = RootTree.path(of: descriptor)
    let prefix = root == "/" ? "" : root
    guard !root.isEmpty, place.hasPrefix(prefix + "/") else {
      throw RuntimeError.start(
        StartFailure(kind: .mount, message: "cannot find out where in the container's root \(place) is"))
    }
    return String(place.dropFirst(prefix.count))
  }

  /// As runc and lxcfs agree.
  private static let coverable: Set<String> = [
    "cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "net/dev",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
  ]

  private func remount(_ mount: ContainerMount, _ options: MountOptions) throws {
    let place = try attempt("open the mount \(mount.destination)", .mount) { () throws(Errno) in
      try tree.open(mount.destination)
    }
    if options.bind == nil, !options.flags.isEmpty || !options.data.isEmpty {
      try attempt("change the file system on \(mount.destination)", .mount) { () throws(Errno) in
        let context = try Mounts.pick(place.number)
        for flag in options.flags where flag != "silent" { try Mounts.set(context.number, flag: flag) }
        for (key, value) in options.data { try Mounts.set(context.number, key, value) }
        try Mounts.reconfigure(context.number)
      }
    }
    try attempt("change the mount \(mount.destination)", .mount) { () throws(Errno) in
      try Mounts.change(place.number, set: options.set, clear: options.clear)
      if !options.recursiveSet.isEmpty || !options.recursiveClear.isEmpty {
        try Mounts.change(place.number, set: options.recursiveSet, clear: options.recursiveClear, recursive: true)
      }
    }
  }

  private func copyUp(_ path: String, _ target: CInt) throws {
    let source: OpenFile
    do throws(Errno) { source = OpenFile(try tree.open(path, flags: O_RDONLY | O_DIRECTORY)) } catch {
      if error == .noSuchFileOrDirectory { return }
      throw RuntimeError.call(doing: "open \(path) in the image", error, .mount)
    }
    // A detached mount's descriptor is a place only.
    let directory = try attempt("open the new \(path)", .mount) { () throws(Errno) in
      try openat2(target, ".", flags: O_RDONLY | O_DIRECTORY)
    }
    try attempt("fill \(path) with what the image has there", .mount) { () throws(Errno) in
      try TreeCopy.copy(source.number, to: directory.number)
    }
  }
}
