import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The cgroup of a container.
struct ContainerCgroup {
  private let bundle: Bundle
  private let id: String
  private let tree: CgroupTree?
  private let log: Log
  /// What a killed supervisor has left in it is ended.
  private let takesOver: Bool

  init(_ bundle: Bundle, id: String, tree: CgroupTree?, log: Log, takesOver: Bool) {
    self.bundle = bundle
    self.id = id
    self.tree = tree
    self.log = log
    self.takesOver = takesOver
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
    do { return try furnish(try tree.cgroup(at: name()), limits) } catch {
      guard let problem = error as? CgroupError else { throw error }
      // Without rights to the tree a container runs outside of it, when nothing was to be limited.
      if needed.isEmpty, problem.isRefusal {
        log.debug("no cgroup for \(id): \(problem)")
        return nil
      }
      throw RuntimeError.resources(problem.description)
    }
  }

  private func furnish(_ cgroup: Cgroup, _ limits: CgroupLimits) throws -> Cgroup {
    // Another container's would be limited, and ended, together with this one.
    if takesOver, cgroup.exists {
      try cgroup.kill()
      try cgroup.remove()
    } else if cgroup.isPopulated {
      throw RuntimeError.start(
        StartFailure(
          kind: .busy,
          message: "the cgroup \(cgroup.name) holds processes already: name another one in linux.cgroupsPath"))
    }
    try cgroup.create(for: limits)
    do {
      try cgroup.apply(limits)
      // On a host whose devices controller sits in version 1 it works all the same: the program is of version 2.
      try restrictDevices(cgroup, DeviceFilter(try Limits.deviceRules(bundle.config.linux?.resources)))
      return cgroup
    } catch {
      try? cgroup.remove()
      throw error
    }
  }

  private func restrictDevices(_ cgroup: Cgroup, _ filter: DeviceFilter) throws {
    do { try cgroup.restrictDevices(filter) } catch {
      // An unprivileged user may not load a program, and has no rights to devices that it would take away.
      guard geteuid() != 0 else { throw error }
      log.debug("devices are not restricted by the cgroup: \(error)")
    }
  }

  /// `linux.cgroupsPath`: absolute from the mount on; relative below `/clipper`; systemd's `slice:prefix:name` as the
  /// path that systemd would make, without asking it.
  private func name() throws -> String {
    guard let path = bundle.config.linux?.cgroupsPath, !path.isEmpty else { return "/clipper/\(id)" }
    if path.hasPrefix("/") { return path }
    let parts = path.split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
    if parts.count == 3, !path.contains("/") {
      let slice = parts[0].isEmpty ? "system.slice" : parts[0]
      guard slice.hasSuffix(".slice") else {
        throw RuntimeError.configuration(
          property: "linux.cgroupsPath", problem: "is \"\(path)\", whose first part is no slice")
      }
      // a-b.slice lies in a.slice.
      var above = ""
      var names: [String] = []
      for part in slice.dropLast(6).split(separator: "-") {
        above = above.isEmpty ? String(part) : "\(above)-\(part)"
        names.append("\(above).slice")
      }
      let unit =
        parts[2].hasSuffix(".slice")
        ? parts[2] : (parts[1].isEmpty ? "\(parts[2]).scope" : "\(parts[1])-\(parts[2]).scope")
      return "/" + (names + [unit]).joined(separator: "/")
    }
    return "/clipper/\(path)"
  }
}
