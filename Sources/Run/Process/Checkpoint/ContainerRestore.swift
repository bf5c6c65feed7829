import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Makes a container from images: place and cgroup as at a start, the processes by criu. What fails leaves nothing.
struct ContainerRestore {
  let context: VerbContext
  let id: String
  let bundle: Bundle
  let flags: CheckpointFlags
  /// TYPE:NAME
  var profile: String?
  var mountContext: String?

  struct Restored {
    let container: Container
    /// The master of the container's terminal.
    let terminal: OpenFile?
  }

  init(context: VerbContext, id: String, bundle: Bundle, flags: CheckpointFlags) {
    self.context = context
    self.id = id
    self.bundle = bundle
    self.flags = flags
  }

  /// After `leaveMountNamespace`.
  func run() throws -> Restored {
    let external = ExternalResources(bundle: bundle)
    try external.check()
    var start = ContainerStart(root: context.root, id: id, log: context.log)
    start.requiresCgroup = context.requiresCgroup
    start.usesCgroup = context.usesCgroup
    let unit = context.usesSystemd ? try SystemdUnit(bundle, id: id) : nil
    let directory = try context.root.make(id)
    var cgroup: Cgroup?
    let record: ConfigRecord
    do { record = try ConfigRecord(in: directory) } catch {
      rmdir(directory.string)
      throw error
    }
    do {
      try record.write(bundle.text)
      let place = start.cgroupPlace(bundle)
      if unit == nil { cgroup = try place.make() }
      let root = try attachRoot()
      // 3 is criu's socket.
      let inherited = zip(try joinedNamespaces() + ExternalResources.streams(from: flags.images.number), CInt(4)...)
        .map { (key: $0.key, file: $0.file, number: $1) }
      let criu = try Criu(named: context.criu, descriptors: inherited.map { ($0.file.number, $0.number) }, log: flags.logFile)
      // What criu makes is born in the cgroup that criu is in.
      if let unit { cgroup = try place.make(unit, around: criu.pid) } else { try cgroup?.add(criu.pid) }
      var options = try options(external, root: root, cgroup: cgroup)
      for entry in inherited { options.inherit(entry.key, entry.number) }
      let restored = try restore(criu, options) { pid in
        let made = Container(directory: directory, saved: try start.saved(pid, bundle, cgroup, unit, nil))
        try made.save()
        return made
      }
      return withExtendedLifetime(record) { restored }
    } catch {
      if let cgroup {
        try? cgroup.kill()
        if let unit { try? SystemdManager(user: unit.user).stop(unit) }
        try? cgroup.remove()
      }
      if record.isThere { try? context.root.remove(id) }
      throw error
    }
  }

  private func restore(_ criu: Criu, _ options: CriuOptions, saved: (pid_t) throws -> Container) throws -> Restored {
    var terminal: OpenFile?
    var container: Container?
    _ = try criu.run(.restore, options) { point, pid, descriptors in
      switch point {
      case "setup-namespaces":
        let state = RuntimeState(id: id, status: .creating, pid: pid, bundle: bundle.path.string,
          annotations: bundle.config.annotations)
        try Hooks.run(bundle.config.hooks?.prestart, "prestart", state: state)
        try Hooks.run(bundle.config.hooks?.createRuntime, "createRuntime", state: state)
      case "post-restore": container = try saved(pid)
      case "orphan-pts-master":
        if let master = descriptors.first {
          terminal = OpenFile(
            try attempt("keep the terminal") { () throws(Errno) in
              OwnedDescriptor(try Errno.check(fcntl(master, F_DUPFD_CLOEXEC, 0)))
            })
        }
      default: break
      }
    }
    guard let container else { throw RuntimeError.state("criu has not said which process it restored") }
    return Restored(container: container, terminal: terminal)
  }

  /// Mounts that end with this process. What is opened before is of the namespace that is left: criu could not mount
  /// there.
  static func leaveMountNamespace() throws {
    try attempt("make a mount namespace for criu", .mount) { () throws(Errno) in
      try Namespaces.unshare(.mount)
      try Mounts.propagate("/", .private, recursive: true)
    }
  }

  /// Over its own place: criu wants a mount point. Not below the state directory, whose removal would go into it.
  private func attachRoot() throws -> FilePath {
    let place = bundle.rootPath
    let root = try Preparation(bundle, seccompCache: nil, process: nil).root ?? OpenFile(Preparation.openRoot(bundle))
    try attempt("attach the root file system", .rootfs) { () throws(Errno) in
      let target = try openat2(workingDirectory, place.string, flags: pathOnly | O_DIRECTORY)
      try Mounts.attach(root.number, to: target.number)
    }
    return place
  }

  private func joinedNamespaces() throws -> [(key: String, file: OpenFile)] {
    try ExternalResources.namespaces.compactMap { entry in
      guard let path = bundle.namespace(entry.0)?.path, !path.isEmpty else { return nil }
      let file = try attempt("open the \(entry.0.rawValue) namespace \(path)") { () throws(Errno) in
        try openat2(workingDirectory, path, flags: O_RDONLY)
      }
      return (entry.key, OpenFile(file))
    }
  }

  private func options(_ external: ExternalResources, root: FilePath, cgroup: Cgroup?) throws -> CriuOptions {
    var options = try flags.options()
    options.set(.root, root.string)
    options.set(.restoresSibling)
    options.set(.orphanMaster)
    for name in try external.mountsToRestore() { options.set(.external, name) }
    if let cgroup {
      var place = ProtocolMessage()
      // Of the version 2 tree only, which has no name: where others are, the processes stay in their roots.
      place.add(1, "")
      place.add(2, cgroup.name)
      options.set(.cgroupRoot, place)
    }
    if let profile { options.set(.securityProfile, profile) }
    if let mountContext { options.set(.securityContext, mountContext) }
    return options
  }
}
