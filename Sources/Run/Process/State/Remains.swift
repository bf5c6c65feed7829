import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What is left of a container whose maker was killed before it could write the state, or whose state cannot be read.
/// Only `delete --force` touches it.
struct Remains {
  let root: StateDirectory
  let id: String
  let log: Log

  /// - Parameter problem: why the container could not be loaded.
  /// - Returns: the container, where its maker lived and has finished it in the meantime.
  func clear(_ problem: any Error) throws -> Container? {
    let directory = try root.path(id)
    switch problem {
    case RuntimeError.noSuchContainer:
      var status = stat()
      guard lstat(directory.string, &status) == 0 else { return nil }
      if status.isDirectory {
        try waitForMaker(directory)
        if let container = try? root.load(id) { return container }
        // Its process, if there was one, has seen the maker's end and goes by itself.
        try removeCgroup(directory, kills: false)
      }
    case RuntimeError.brokenState: try removeCgroup(directory, kills: true)
    // A directory that others can write to names no cgroup that could be believed.
    case RuntimeError.state: break
    default: throw problem
    }
    try root.remove(id)
    return nil
  }

  /// A container that systemd was about to make a unit for, when whoever makes it has ended or finished.
  func made(_ container: Container) throws -> Container {
    try waitForMaker(container.directory)
    return try root.load(id)
  }

  private func waitForMaker(_ directory: FilePath) throws {
    guard let file = try? openat2(workingDirectory, ConfigRecord.path(in: directory).string, flags: O_RDONLY),
      let maker = try? RecordLock.holder(file.number)
    else { return }
    if maker > 0, let process = try? openProcess(maker) {
      waitForEnd(process.number)
      if try RecordLock.holder(file.number) == nil { return }
    }
    throw RuntimeError.state(
      "container \"\(id)\" is still being made by process \(maker): end that first, or wait for it")
  }

  private func removeCgroup(_ directory: FilePath, kills: Bool) throws {
    // Torn or not there: then no cgroup was made either.
    let file = ConfigRecord.path(in: directory)
    guard let config = try? Bundle(path: directory, reading: file).config, let tree = CgroupTree.find() else { return }
    for place in ["/clipper"] + (geteuid() == 0 ? [] : [Delegation.place(tree)].compactMap { $0 }) {
      guard let name = try? CgroupsPath.name(config.linux?.cgroupsPath, id: id, below: place),
        let cgroup = try? tree.cgroup(at: name), cgroup.exists
      else { continue }
      try remove(cgroup, kills: kills)
    }
  }

  private func remove(_ cgroup: Cgroup, kills: Bool) throws {
    // Another container may have been there first, which is why this one was not made.
    let others = try root.identifiers().filter { $0 != id }.compactMap { try? root.load($0).saved.cgroup }
    guard !others.contains(cgroup.name) else { return }
    if kills { try cgroup.kill() }
    guard eventuallyEmpty(cgroup) else {
      log.warning(
        "the cgroup \(cgroup.name) has processes that are not known to be those of container \(id): it is left alone")
      return
    }
    try cgroup.remove()
  }

  /// Waits, at most two seconds, for processes that are ending.
  private func eventuallyEmpty(_ cgroup: Cgroup) -> Bool {
    for _ in 0..<200 {
      if !cgroup.state.isPopulated { return true }
      usleep(10_000)
    }
    return false
  }
}
