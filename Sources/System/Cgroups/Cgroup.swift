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

  /// Makes the directory and those above it. false: it was there already.
  public func makeDirectory() throws(CgroupError) -> Bool {
    // The common case is one call.
    if mkdir(path.string, 0o755) == 0 { return true }
    var error = Errno.current
    if error == .noSuchFileOrDirectory {
      do {
        try makeDirectories(path.removingLastComponent())
        if mkdir(path.string, 0o755) == 0 { return true }
        error = Errno.current
      } catch let above { error = above }
    }
    if error == .fileExists { return false }
    throw .file(path, doing: "make the cgroup", error)
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
    guard let directory = try? open() else { return [] }
    try? CgroupWalk(directory).run { directory, _, _ in
      // A threaded cgroup refuses: its processes are those of the domain above it.
      guard let file = try? openat2(directory, "cgroup.procs", flags: O_RDONLY),
        let text = try? readAll(file.number, limit: 16 << 20)
      else { return }
      found += String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { Int32($0) }
    }
    return found.sorted()
  }

  /// Ends all processes here and below at once. (cgroup.kill, Linux 5.14)
  public func kill() throws(CgroupError) {
    do { try write("1", to: path.appending("cgroup.kill")) } catch {
      guard case .file(_, _, let reason) = error else { throw error }
      // Who waited for the container has removed it in between.
      if reason == Errno(rawValue: ENODEV) { return }
      guard reason == .noSuchFileOrDirectory else { throw error }
      // Linux before 5.14.
      signal(SIGKILL)
    }
  }

  /// Sends a signal to all processes here and below. They are frozen meanwhile, so that none can fork away from it;
  /// where that takes too long they get it all the same.
  public func signal(_ number: CInt) {
    let wasFrozen = isFrozen
    if !wasFrozen { try? freeze(true) }
    for pid in processes() { Glibc.kill(pid, number) }
    if !wasFrozen { try? freeze(false) }
  }

  /// Stops or continues all processes here and below, and waits until they have, at most two seconds. Those that could
  /// not be stopped go on.
  public func freeze(_ frozen: Bool) throws(CgroupError) {
    let file = path.appending("cgroup.freeze")
    try write(frozen ? "1" : "0", to: file)
    for _ in 0..<2000 {
      if isFrozen == frozen { return }
      usleep(1000)
    }
    if frozen { try write("0", to: file) }
    throw .file(path, doing: frozen ? "freeze" : "thaw", .timedOut)
  }

  public var isFrozen: Bool { state.isFrozen }

  /// `cgroup.events`
  public var state: (isPopulated: Bool, isFrozen: Bool) {
    let events = counters(path.appending("cgroup.events"))
    return (events["populated"] == 1, events["frozen"] == 1)
  }

  /// The nearest cgroup, from this one upwards, that somebody has asked to freeze.
  public var frozenAncestor: FilePath? {
    var place = path
    while place.string.count > tree.mount.string.count {
      if number(place.appending("cgroup.freeze")) == 1 { return place }
      place.removeLastComponent()
    }
    return nil
  }

  /// Processes that the kernel ended here or below because memory ran out. nil without the memory controller.
  public var oomKills: UInt64? { counters(path.appending("memory.events"))["oom_kill"] }

  /// Removes the directory and those below it; processes that are just ending are waited for, at most ten seconds.
  public func remove() throws(CgroupError) {
    var delay: UInt32 = 100
    var waited: UInt32 = 0
    while true {
      if rmdir(path.string) == 0 { return }
      let error = Errno.current
      switch error {
      case .noSuchFileOrDirectory: return
      // EBUSY: processes, which may be ending, or cgroups below.
      case .resourceBusy where waited < 10_000_000:
        if let directory = try? open() {
          // By name below the directory above: a container may have nested deeper than a path can be long.
          try? CgroupWalk(directory).run { _, above, name in
            if let above, let name { unlinkat(above, name, AT_REMOVEDIR) }
          }
        }
        if rmdir(path.string) == 0 { return }
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
