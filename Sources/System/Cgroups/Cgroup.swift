import Glibc
public import Kernel
public import SystemPackage

/// One directory of the cgroup v2 tree. (Documentation/admin-guide/cgroup-v2.rst)
public struct Cgroup: Hashable, Sendable {
  public let tree: CgroupTree
  public let path: FilePath

  public init(tree: CgroupTree, path: FilePath) {
    self.tree = tree
    self.path = path
  }

  /// As `linux.cgroupsPath` says it: from the mount on.
  public var name: String { String(path.string.dropFirst(tree.mount.string.count)) }

  public var exists: Bool { access(path.string, F_OK) == 0 }

  /// Makes the directory and those above it, and hands the controllers down that `limits` need.
  public func create(for limits: CgroupLimits = .init()) throws(CgroupError) {
    let needed = limits.controllers
    for (controller, limit) in needed.sorted(by: { $0.key < $1.key }) where !tree.controllers.contains(controller) {
      throw .controllerMissing(controller, limit: limit, reason: .versionOne)
    }
    // The common case is one call.
    if mkdir(path.string, 0o755) != 0, Errno.current != .fileExists {
      let error = Errno.current
      guard error == .noSuchFileOrDirectory else { throw .file(path, doing: "make the cgroup", error) }
      do { try makeDirectories(path) } catch { throw .file(path, doing: "make the cgroup", error) }
    }
    guard !needed.isEmpty else { return }
    let present = words(path.appending("cgroup.controllers"))
    guard !Set(needed.keys).isSubset(of: present) else { return }
    try delegate(Set(needed.keys))
    let now = words(path.appending("cgroup.controllers"))
    for (controller, limit) in needed.sorted(by: { $0.key < $1.key }) where !now.contains(controller) {
      throw .controllerMissing(controller, limit: limit, reason: .notDelegated(path.removingLastComponent()))
    }
  }

  /// Writes `+controller` from the mount down to the parent.
  private func delegate(_ controllers: Set<String>) throws(CgroupError) {
    var above = tree.mount
    for component in FilePath(name).components {
      let file = above.appending("cgroup.subtree_control")
      let missing = controllers.subtracting(words(file))
      if !missing.isEmpty {
        try write(missing.sorted().map { "+\($0)" }.joined(separator: " "), to: file)
      }
      above.append(component)
    }
  }

  /// Descriptor of the directory, for `Cloning.clone(cgroup:)`.
  public func open() throws(CgroupError) -> OwnedDescriptor {
    do { return try openat2(workingDirectory, path.string, flags: O_RDONLY | O_DIRECTORY) } catch {
      throw .file(path, doing: "open", error)
    }
  }

  /// Moves a process here.
  public func add(_ pid: Int32) throws(CgroupError) {
    try write("\(pid)", to: path.appending("cgroup.procs"))
  }

  /// IDs of all processes here and below.
  public func processes() -> [Int32] {
    var found: [Int32] = []
    collect(path, &found)
    return found.sorted()
  }

  private func collect(_ directory: FilePath, _ found: inout [Int32]) {
    if let text = try? readFile(directory.appending("cgroup.procs"), limit: 16 << 20) {
      found += String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { Int32($0) }
    }
    for child in children(of: directory) { collect(child, &found) }
  }

  private func children(of directory: FilePath) -> [FilePath] {
    guard let names = try? directoryEntries(of: directory) else { return [] }
    return names.compactMap { name in
      var status = stat()
      let child = directory.appending(name)
      return lstat(child.string, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR ? child : nil
    }
  }

  /// Ends all processes here and below at once. (cgroup.kill, Linux 5.14)
  public func kill() throws(CgroupError) {
    do { try write("1", to: path.appending("cgroup.kill")) } catch {
      guard case .file(_, _, let reason) = error else { throw error }
      // Who waited for the container has removed it in between.
      if reason == Errno(rawValue: ENODEV) { return }
      guard reason == .noSuchFileOrDirectory else { throw error }
      // Linux before 5.14: nobody can fork away from a signal while frozen.
      try? freeze(true)
      for pid in processes() { Glibc.kill(pid, SIGKILL) }
      try? freeze(false)
    }
  }

  /// Stops or continues all processes here and below, and waits until they have, at most two seconds.
  public func freeze(_ frozen: Bool) throws(CgroupError) {
    try write(frozen ? "1" : "0", to: path.appending("cgroup.freeze"))
    for _ in 0..<2000 {
      if isFrozen == frozen { return }
      usleep(1000)
    }
    throw .file(path, doing: frozen ? "freeze" : "thaw", .timedOut)
  }

  /// Whether there is a process here or below.
  public var isPopulated: Bool { counters(path.appending("cgroup.events"))["populated"] == 1 }

  public var isFrozen: Bool { counters(path.appending("cgroup.events"))["frozen"] == 1 }

  /// Processes that the kernel ended here or below because memory ran out. nil without the memory controller.
  public var oomKills: UInt64? { counters(path.appending("memory.events"))["oom_kill"] }

  /// Removes the directory and those below it; processes that are just ending are waited for, at most two seconds.
  public func remove() throws(CgroupError) {
    var delay: UInt32 = 100
    var waited: UInt32 = 0
    while true {
      if rmdir(path.string) == 0 { return }
      let error = Errno.current
      switch error {
      case .noSuchFileOrDirectory: return
      case .resourceBusy where waited < 2_000_000:
        for child in children(of: path) { try Cgroup(tree: tree, path: child).remove() }
        usleep(delay)
        waited += delay
        delay = min(delay * 2, 50_000)
      default: throw .file(path, doing: "remove the cgroup", error)
      }
    }
  }

  func write(_ value: String, to file: FilePath) throws(CgroupError) {
    do {
      let file = try openat2(workingDirectory, file.string, flags: O_WRONLY)
      try writeAll(file.number, Array(value.utf8))
    } catch {
      throw .file(file, doing: "write \"\(value)\" to", error)
    }
  }
}
