import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The cgroup of a container: where it is, that it is this container's alone, and what it limits.
struct ContainerCgroup {
  private let bundle: Bundle
  private let id: String
  private let tree: CgroupTree?
  private let log: Log
  /// What a killed supervisor has left in it is ended.
  private let takesOver: Bool
  /// Running without one is not an option. (`--rootless=false`)
  private let isRequired: Bool

  init(_ bundle: Bundle, id: String, tree: CgroupTree?, log: Log, takesOver: Bool, isRequired: Bool = false) {
    self.bundle = bundle
    self.id = id
    self.tree = tree
    self.log = log
    self.takesOver = takesOver
    self.isRequired = isRequired
  }

  /// nil where there is none and nothing asks for one: processes are then known by their PID namespace alone.
  func make() throws -> Cgroup? {
    let resources = bundle.config.linux?.resources
    let limits = try resources.map { try Limits.limits($0) } ?? CgroupLimits()
    let needed = limits.controllers
    guard let tree else {
      if let first = needed.sorted(by: { $0.key < $1.key }).first {
        throw RuntimeError.resources(
          CgroupError.controllerMissing(first.key, limit: first.value, reason: .versionOne).description)
      }
      return nil
    }
    do { return try make(tree, below: "/clipper", limits) } catch {
      guard var problem = error as? CgroupError else { throw error }
      if problem.isRefusal, !isPlaced, let place = Delegation.place(tree) {
        do { return try make(tree, below: place, limits) } catch let error as CgroupError { problem = error }
      }
      guard problem.isRefusal else { throw RuntimeError.resources(problem.description) }
      // Without rights to the tree a container runs outside of it, when nothing was to be limited.
      if needed.isEmpty, resources?.unified?.isEmpty != false, !isRequired {
        log.debug("no cgroup for \(id): \(problem)")
        return nil
      }
      throw RuntimeError.resources("\(problem) (\(Delegation.advice))")
    }
  }

  /// Whether the bundle says where in the tree it is to be.
  private var isPlaced: Bool {
    guard let path = bundle.config.linux?.cgroupsPath else { return false }
    return path.hasPrefix("/") || path.contains(":")
  }

  private func make(_ tree: CgroupTree, below place: String, _ limits: CgroupLimits) throws -> Cgroup {
    try limits.check(tree)
    let cgroup = try tree.cgroup(at: CgroupsPath.name(bundle.config.linux?.cgroupsPath, id: id, below: place))
    let isNew = try claim(cgroup)
    // A user without rights can make or find a cgroup in which it cannot start anything.
    if geteuid() != 0 || !isNew, let obstacle = Delegation.obstacle(to: cgroup) {
      if isNew { try? cgroup.remove() }
      throw CgroupError.file(obstacle, doing: "move a process by", .permissionDenied)
    }
    try furnish(cgroup, limits, isNew: isNew)
    return cgroup
  }

  /// Makes the directory, or takes an empty one that somebody has made for it. true: it is new.
  private func claim(_ cgroup: Cgroup) throws -> Bool {
    let isNew = try cgroup.makeDirectory()
    if !isNew, takesOver {
      try cgroup.kill()
      try cgroup.remove()
      return try claim(cgroup)
    }
    let state = cgroup.state
    // Another container's would be limited, and ended, together with this one.
    if !isNew, state.isPopulated {
      throw Self.busy("the cgroup \(cgroup.name) holds processes already: name another one in linux.cgroupsPath")
    }
    // The container's process would never run.
    if state.isFrozen {
      let place = cgroup.frozenAncestor ?? cgroup.path
      if isNew { try? cgroup.remove() }
      throw Self.busy("the cgroup \(cgroup.name) is frozen: write 0 to \(place)/cgroup.freeze, or name another one")
    }
    return isNew
  }

  /// The cgroup of a unit that systemd makes around a process, which begins the container there. What fails leaves no
  /// unit behind.
  func make(_ unit: SystemdUnit, around pid: pid_t) throws -> Cgroup {
    let limits = try bundle.config.linux?.resources.map { try Limits.limits($0) } ?? CgroupLimits()
    guard let tree else {
      throw RuntimeError.unsupported("--systemd-cgroup", reason: "no cgroup v2 tree is mounted on this host")
    }
    do { try limits.check(tree) } catch { throw RuntimeError.resources(error.description) }
    // The annotations last: of two values of one property systemd takes the later.
    let properties =
      SystemdProperties.unit(unit, id: id, pid: pid) + SystemdProperties.limits(limits)
      + (try SystemdProperties.annotations(bundle.config.annotations ?? [:]))
    let systemd = try SystemdManager(user: unit.user)
    try systemd.start(unit, properties)
    do {
      let cgroup = try tree.cgroup(at: try systemd.cgroup(of: unit))
      if unit.isSlice { try cgroup.add(pid) }
      // Else limits, and the end of the container, would be another's.
      guard tree.cgroup(of: pid) == cgroup else {
        throw RuntimeError.resources(
          "systemd has made the unit \(unit.name) with the cgroup \(cgroup.name), and the container's process is not "
            + "in it: is this another cgroup namespace than systemd's?")
      }
      try limit(cgroup, limits, isNew: true)
      return cgroup
    } catch {
      kill(pid, SIGKILL)
      try? systemd.stop(unit)
      throw (error as? CgroupError).map { RuntimeError.resources($0.description) } ?? error
    }
  }

  private static func busy(_ message: String) -> RuntimeError { .start(StartFailure(kind: .busy, message: message)) }

  /// Limits and device rules, for a cgroup that is there. What fails removes it.
  private func furnish(_ cgroup: Cgroup, _ limits: CgroupLimits, isNew: Bool) throws {
    do { try limit(cgroup, limits, isNew: isNew) } catch {
      try? cgroup.remove()
      throw error
    }
  }

  private func limit(_ cgroup: Cgroup, _ limits: CgroupLimits, isNew: Bool) throws {
    try cgroup.enableControllers(for: limits)
    try cgroup.apply(limits)
    // On a host whose devices controller sits in version 1 it works all the same: the program is of version 2.
    try restrictDevices(
      cgroup, DeviceFilter(try Limits.deviceRules(bundle.config.linux?.resources?.devices)), replacing: !isNew)
    try CgroupOwner(bundle)?.take(cgroup)
  }

  private func restrictDevices(_ cgroup: Cgroup, _ filter: DeviceFilter, replacing: Bool) throws {
    do { try cgroup.restrictDevices(filter, replacing: replacing) } catch {
      // An unprivileged user may not load a program, and has no rights to devices that it would take away.
      guard geteuid() != 0 || !UserNamespaces.isInitial else { throw error }
      log.debug("devices are not restricted by the cgroup: \(error)")
    }
  }
}
