public import Engine
internal import Glibc
internal import Kernel
public import SystemPackage

/// The directories and mounts of one pod's volumes.
///
/// ```
/// <root>/kube/pods/<pod>/volumes/<volume>      files of ConfigMaps and Secrets, emptyDir
/// <run>/kube/<pod>/memory/<volume>             a tmpfs that several containers share
/// <run>/kube/<pod>/subpaths/<container>/<n>    a subPath, bound: no container can point it elsewhere (CVE-2021-25741)
/// ```
public struct PodVolumes: Sendable {
  public let pod: PodPlan
  let kept: FilePath
  let mounted: FilePath

  public init(pod: PodPlan, root: FilePath, run: FilePath) {
    self.init(pod: pod.engineName, plan: pod, root: root, run: run)
  }

  private init(pod name: String, plan: PodPlan, root: FilePath, run: FilePath) {
    pod = plan
    kept = Self.directories(name, root: root, run: run).kept
    mounted = Self.directories(name, root: root, run: run).mounted
  }

  private static func directories(_ name: String, root: FilePath, run: FilePath) -> (kept: FilePath, mounted: FilePath) {
    (root.appending("kube").appending("pods").appending(name), run.appending("kube").appending(name))
  }

  private enum Prepared {
    case directory(String, readOnly: Bool)
    case tmpfs(size: Int64?)
    case named(String, directory: String, readOnly: Bool)
  }

  /// Makes what the pod's volumes need, and gives each container's mounts.
  ///
  /// - Parameters:
  ///   - facts: the pod's, for files of the downward API.
  ///   - volume: makes the named volume where it is missing, and gives its directory.
  ///   - variables: a container's, for subPathExpr.
  public func prepare(
    facts: PodFacts, objects: Surroundings, volume: (String) throws -> String,
    variables: (ContainerSpec) -> [String: String]
  ) throws -> [String: [MountOption]] {
    var prepared: [String: Prepared] = [:]
    let containers = pod.spec.initContainers + pod.spec.containers
    for source in pod.spec.volumes {
      prepared[source.name] = try failing(source.name) {
        try prepare(source, facts: facts, objects: objects, containers: containers, volume: volume)
      }
    }
    var mounts: [String: [MountOption]] = [:]
    for container in containers {
      let values = container.volumeMounts.contains(where: \.expandsSubPath) ? variables(container) : [:]
      mounts[container.name] = try container.volumeMounts.enumerated().compactMap { index, mount in
        guard let volume = prepared[mount.name] else { return nil }
        return try failing(mount.name) { try option(mount, volume, container: container.name, index: index, values) }
      }
    }
    return mounts
  }

  /// Unmounts and removes all of it.
  public static func remove(pod name: String, root: FilePath, run: FilePath) throws {
    let (kept, mounted) = directories(name, root: root, run: run)
    try unmountAll(below: mounted)
    try removeTree(mounted)
    try removeTree(kept)
  }

  private func failing<Value>(_ volume: String, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as Errno {
      throw KubeError.volume(pod: pod.name, volume: volume, why: "\(error)")
    } catch let error as VolumeFault {
      throw KubeError.volume(pod: pod.name, volume: volume, why: error.why)
    }
  }

  private func prepare(
    _ source: Volume, facts: PodFacts, objects: Surroundings, containers: [ContainerSpec], volume: (String) throws -> String
  ) throws -> Prepared {
    let directory = kept.appending("volumes").appending(source.name)
    let group = pod.spec.security.fsGroup
    switch source.source {
    case .files(let files):
      try makeDirectories(kept, mode: 0o711)
      try makeDirectories(directory)
      for file in files.planned(pod: facts, containers: containers, surroundings: objects) {
        try write(file, in: directory, group: group)
      }
      return .directory(directory.string, readOnly: true)
    case .emptyDirectory:
      try makeDirectories(kept, mode: 0o711)
      try makeDirectories(directory)
      try own(directory.string, mode: 0o777, group: group)
      return .directory(directory.string, readOnly: false)
    case .memory(let size):
      let uses = containers.flatMap { $0.volumeMounts.filter { $0.name == source.name } }
      if uses.count <= 1, uses.allSatisfy({ $0.subPath == nil }) { return .tmpfs(size: size) }
      let place = mounted.appending("memory").appending(source.name)
      try makeDirectories(place, mode: 0o711)
      try mountMemory(place, size: size, group: group)
      return .directory(place.string, readOnly: false)
    case .hostPath(let path, let type):
      try HostPathRule.check(path, type)
      return .directory(path, readOnly: false)
    case .claim(let name, let readOnly):
      let volumeName = PodPlan.engineName(namespace: pod.namespace, pod: name)
      let directory = try volume(volumeName)
      if let group {
        try VolumeOwnership(group: group, onlyOnMismatch: pod.spec.security.fsGroupChangePolicy == .onRootMismatch)
          .apply(to: directory)
      }
      let isReadOnly = readOnly || objects.claim(name, in: pod.namespace)?.readOnly == true
      return .named(volumeName, directory: directory, readOnly: isReadOnly)
    }
  }

  private func write(_ file: PlannedFile, in directory: FilePath, group: UInt32?) throws {
    let path = directory.pushing(FilePath(file.path))
    try makeDirectories(path.removingLastComponent())
    // A group that is to read a file of the volume can. (Kubernetes, pkg/volume/util/atomic_writer and SetVolumeOwnership)
    let mode = file.mode | (group == nil ? 0 : 0o440)
    try writeFileAtomically(path, file.bytes, mode: 0o600)
    try own(path.string, mode: mode, group: group, isDirectory: false)
  }

  private func own(_ path: String, mode: UInt32, group: UInt32?, isDirectory: Bool = true) throws {
    if let group { try Errno.check(chown(path, 0, group)) }
    // After the owner, who resets the bits. New files in a directory of the group's are the group's.
    try Errno.check(chmod(path, mode | (isDirectory && group != nil ? 0o2000 : 0)))
  }

  private func mountMemory(_ place: FilePath, size: Int64?, group: UInt32?) throws {
    var options = "mode=\(group == nil ? "0777" : "2777")"
    if let size { options += ",size=\(size)" }
    if let group { options += ",gid=\(group)" }
    let result = mount("tmpfs", place.string, "tmpfs", UInt(MS_NOSUID) | UInt(MS_NODEV), options)
    try Errno.check(result)
  }

  // MARK: mounts of a container

  private func option(
    _ mount: VolumeMount, _ volume: Prepared, container: String, index: Int, _ variables: [String: String]
  ) throws -> MountOption {
    var option: MountOption
    let subPath = mount.subPath.map { mount.expandsSubPath ? expandVariables($0, variables) : $0 }
    if let subPath, !isInside(subPath) { throw VolumeFault(why: "its subPath \"\(subPath)\" leads out of it") }
    switch (volume, subPath) {
    case (.tmpfs(let size), _):
      option = MountOption(kind: .tmpfs, target: mount.mountPath)
      option.size = size
      option.mode = 0o777
      if let group = pod.spec.security.fsGroup {
        option.mode = 0o2777
        option.options = ["gid=\(group)"]
      }
    case (.directory(let path, let isFixed), nil):
      option = MountOption(kind: .bind, source: path, target: mount.mountPath)
      option.readOnly = isFixed
    case (.named(let name, _, let isFixed), nil):
      option = MountOption(kind: .volume, source: name, target: mount.mountPath)
      option.readOnly = isFixed
      option.copyUp = false
    case (.directory(let path, let isFixed), let subPath?), (.named(_, let path, let isFixed), let subPath?):
      let place = mounted.appending("subpaths").appending(container).appending(String(index))
      option = MountOption(kind: .bind, source: place.string, target: mount.mountPath)
      option.readOnly = isFixed
      try bind(subPath, of: path, creating: !isFixed, at: place)
    }
    option.readOnly = option.readOnly || mount.readOnly
    switch mount.propagation {
    case .none: break
    case .hostToContainer: option.propagation = "rslave"
    case .bidirectional: option.propagation = "rshared"
    }
    return option
  }

  /// Binds what `subPath` is now at a place of the host's, so that a link that a container puts there later leads nowhere.
  private func bind(_ subPath: String, of volume: String, creating: Bool, at place: FilePath) throws {
    let parts = subPath.split(separator: "/").filter { $0 != "." }.map(String.init)
    var current = try OpenFile(volume, flags: pathOnly | O_DIRECTORY)
    for (index, part) in parts.enumerated() {
      let shown = parts[...index].joined(separator: "/")
      do {
        current = try open(part, below: current, creating: creating)
      } catch Errno.noSuchFileOrDirectory {
        throw VolumeFault(why: "it has no \"\(shown)\"")
      } catch Errno.tooManySymbolicLinkLevels {
        throw VolumeFault(why: "\"\(shown)\" is a link, which a subPath may not follow")
      }
    }
    if try current.status().st_mode & S_IFMT == S_IFDIR {
      try makeDirectories(place, mode: 0o711)
    } else {
      try makeDirectories(place.removingLastComponent(), mode: 0o711)
      try writeFileAtomically(place, [])
    }
    try Errno.check(mount("/proc/self/fd/\(current.number)", place.string, nil, UInt(MS_BIND) | UInt(MS_REC), nil))
  }

  /// An entry of a directory, made as a directory like the one that it is in where it is missing.
  private func open(_ name: String, below directory: OpenFile, creating: Bool) throws -> OpenFile {
    func open() throws -> OpenFile {
      let found = try OpenFile(directory.number, name, flags: pathOnly | O_NOFOLLOW, resolve: [.beneath])
      // A path-only descriptor can be of the link itself.
      if try found.status().st_mode & S_IFMT == S_IFLNK { throw Errno.tooManySymbolicLinkLevels }
      return found
    }
    do { return try open() } catch Errno.noSuchFileOrDirectory where creating {
      let outer = try directory.status()
      if mkdirat(directory.number, name, 0o755) != 0, Errno.current != .fileExists { throw Errno.current }
      let made = try open()
      let path = "/proc/self/fd/\(made.number)"
      try Errno.check(chown(path, outer.st_uid, outer.st_gid))
      try Errno.check(chmod(path, outer.st_mode & 0o7777))
      return made
    }
  }

  private static func unmountAll(below directory: FilePath) throws {
    guard let table = try? readFile("/proc/self/mountinfo") else { return }
    let prefix = directory.string + "/"
    let points = String(decoding: table, as: UTF8.self).split(separator: "\n").compactMap { line -> String? in
      let fields = line.split(separator: " ")
      guard fields.count > 4 else { return nil }
      // Names of pods, volumes and containers need no escapes; a root with blanks has them.
      let point = String(fields[4]).replacing("\\040", with: " ").replacing("\\011", with: "\t").replacing("\\134", with: "\\")
      return point.hasPrefix(prefix) ? point : nil
    }
    for point in points.reversed() { try Errno.check(umount2(point, CInt(MNT_DETACH))) }
  }
}

/// Why a volume cannot be used, without the pod's and the volume's names.
struct VolumeFault: Error {
  let why: String
}

/// What the types of a hostPath promise. (Kubernetes, concepts/storage/volumes, hostPath)
enum HostPathRule {
  static func check(_ path: String, _ type: HostPathType) throws {
    var status = stat()
    let exists = stat(path, &status) == 0
    if !exists, Errno.current != .noSuchFileOrDirectory { throw VolumeFault(why: "\(path): \(Errno.current)") }
    let kind = status.st_mode & S_IFMT
    switch type {
    case .unchecked, .directoryOrCreate:
      guard exists else { return try makeDirectories(FilePath(path)) }
      if type == .directoryOrCreate { try require(kind == S_IFDIR, path, "a directory") }
    case .fileOrCreate:
      guard exists else {
        _ = try openat2(workingDirectory, path, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o644)
        return
      }
      try require(kind == S_IFREG, path, "a file")
    case .directory: try require(exists && kind == S_IFDIR, path, "a directory")
    case .file: try require(exists && kind == S_IFREG, path, "a file")
    case .socket: try require(exists && kind == S_IFSOCK, path, "a socket")
    case .characterDevice: try require(exists && kind == S_IFCHR, path, "a character device")
    case .blockDevice: try require(exists && kind == S_IFBLK, path, "a block device")
    }
  }

  private static func require(_ holds: Bool, _ path: String, _ what: String) throws {
    guard holds else { throw VolumeFault(why: "\(path) is not \(what) of this host") }
  }
}

/// Gives a volume to fsGroup. (Kubernetes, pkg/volume/volume_linux.go, SetVolumeOwnership)
struct VolumeOwnership {
  var group: UInt32
  /// Leaves the volume as it is where its root has the group and the bits already.
  var onlyOnMismatch: Bool

  func apply(to directory: String) throws {
    let root = try OpenFile(directory, flags: O_RDONLY | O_DIRECTORY)
    let status = try root.status()
    if onlyOnMismatch, status.st_gid == group, status.st_mode & 0o2770 == 0o2770 { return }
    try applyBelow(root, depth: 0)
    try Errno.check(fchown(root.number, uid_t.max, group))
    try Errno.check(fchmod(root.number, status.st_mode & 0o7777 | 0o2770))
  }

  private func applyBelow(_ directory: OpenFile, depth: Int) throws {
    guard depth < 256 else { throw VolumeFault(why: "it is nested deeper than 256 directories") }
    for name in try directoryEntries(directory.number) {
      var status = stat()
      try Errno.check(fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW))
      try Errno.check(fchownat(directory.number, name, uid_t.max, group, AT_SYMLINK_NOFOLLOW))
      switch status.st_mode & S_IFMT {
      case S_IFDIR:
        let inner = try OpenFile(
          directory.number, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
          resolve: [.beneath, .noSymlinks, .noCrossDevice])
        try applyBelow(inner, depth: depth + 1)
        try Errno.check(fchmod(inner.number, status.st_mode & 0o7777 | 0o2770))
      case S_IFREG:
        let file = try OpenFile(
          directory.number, name, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK, resolve: [.beneath, .noSymlinks])
        try Errno.check(fchmod(file.number, status.st_mode & 0o7777 | 0o660))
      default: break
      }
    }
  }
}
