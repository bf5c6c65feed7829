import Glibc
import Kernel
public import SystemPackage

extension Cgroup {
  /// Hands the controllers down to this cgroup that `limits` need, and where they can be had also those that count what
  /// it uses. The directory exists.
  public func enableControllers(for limits: CgroupLimits) throws(CgroupError) {
    let needed = limits.controllers
    let counting = tree.controllers.intersection(["cpu", "io", "memory", "pids"])
    let wanted = counting.union(needed.keys)
    guard !wanted.isEmpty else { return }
    var present = words(path.appending("cgroup.controllers"))
    guard !wanted.isSubset(of: present) else { return }
    try delegate(wanted, needed)
    present = words(path.appending("cgroup.controllers"))
    for (controller, limit) in needed.sorted(by: { $0.key < $1.key }) where !present.contains(controller) {
      throw .controllerMissing(controller, limit: limit, reason: .notDelegated(path.removingLastComponent()))
    }
  }

  /// Writes `+controller` from the mount down to the parent.
  private func delegate(_ wanted: Set<String>, _ needed: [String: String]) throws(CgroupError) {
    var above = tree.mount
    for component in FilePath(name).components {
      let file = above.appending("cgroup.subtree_control")
      let missing = wanted.intersection(words(above.appending("cgroup.controllers"))).subtracting(words(file))
      for controller in missing.sorted() {
        do throws(CgroupError) {
          // The kernel would take cpu and pids there, and make of it a domain of threads that no container can be in.
          if Self.holdsProcesses(above) { throw CgroupError.file(file, doing: "write to", .resourceBusy) }
          try write("+\(controller)", to: file)
        } catch {
          guard let limit = needed[controller], case .file(_, _, let reason) = error else { continue }
          throw .controllerMissing(controller, limit: limit, reason: .refused(above, reason))
        }
      }
      above.append(component)
    }
  }

  /// Where that is in the way: the tree's own root, which has no type, may hold some.
  private static func holdsProcesses(_ path: FilePath) -> Bool {
    !words(path.appending("cgroup.type")).isEmpty && !words(path.appending("cgroup.procs")).isEmpty
  }

  /// Why a process cannot begin in this cgroup: what clone3(2) means by an error. nil: for no reason of the cgroup.
  public func refusal(_ error: Errno) -> CgroupError? {
    let type = words(path.appending("cgroup.type"))
    switch error {
    case Errno(rawValue: EOPNOTSUPP) where !type.isSubset(of: ["domain"]):
      return .invalid(
        "the cgroup \(name) can hold threads only, no whole processes (cgroup.type): one above it is threaded; "
          + "name another one in linux.cgroupsPath")
    case .resourceBusy where !words(path.appending("cgroup.subtree_control")).isEmpty:
      return .invalid(
        "the cgroup \(name) hands controllers down (cgroup.subtree_control), and such a one holds no processes itself: "
          + "name one below it in linux.cgroupsPath")
    case .resourceTemporarilyUnavailable where fullAncestor != nil:
      return .invalid("the cgroup \(fullAncestor?.string ?? "") holds as many processes as it may (pids.max)")
    case Errno(rawValue: ENODEV): return .invalid("the cgroup \(name) has been removed meanwhile")
    default: return nil
    }
  }

  private var fullAncestor: FilePath? {
    var place = path
    while place.string.count > tree.mount.string.count {
      if let most = number(place.appending("pids.max")), let now = number(place.appending("pids.current")), now >= most
      {
        return place
      }
      place.removeLastComponent()
    }
    return nil
  }
}
