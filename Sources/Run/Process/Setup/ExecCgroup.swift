import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Where a further process of a container begins.
struct ExecCgroup {
  let container: Container
  /// Below the container's cgroup. (`--cgroup`)
  let path: String?
  let log: Log

  /// A copy of this process.
  struct Copy {
    let outcome: Cloning.Outcome
    /// The copy is not in the cgroup yet: it waits for `proceed`, and systemd has to move it.
    var attaches = false
  }

  /// Copies this process into the cgroup.
  func clone() throws -> Copy {
    guard let cgroup = container.cgroup else {
      guard container.saved.cgroup == nil else {
        throw RuntimeError.resources(
          "the cgroup tree of container \(container.id) cannot be found: a process in it would have no limits")
      }
      guard path == nil else {
        throw RuntimeError.unsupported("--cgroup", reason: "container \(container.id) has no cgroup of its own")
      }
      return Copy(outcome: try attempt(doing) { () throws(Errno) in try Cloning.clone() })
    }
    let directory = try cgroup.open()
    if let path {
      let below = try open(path, cgroup, directory.number)
      return try clone(below.number, "\(doing) in its cgroup \(path)")
    }
    do { return try clone(directory.number, doing) } catch RuntimeError.call(_, .resourceBusy, _) {
      // A cgroup that hands controllers down holds no processes: the container has moved itself to one below.
      guard let own = cgroup.tree.cgroup(of: container.saved.pid), own.path != cgroup.path,
        own.path.starts(with: cgroup.path)
      else { throw RuntimeError.call(doing: doing, .resourceBusy, .resources) }
      let inner = try own.open()
      return try clone(inner.number, "\(doing) in the cgroup \(own.name) of its first one")
    }
  }

  private var doing: String { "make a process for the container" }

  private func clone(_ directory: CInt, _ doing: String) throws -> Copy {
    do throws(Errno) { return Copy(outcome: try Cloning.clone(cgroup: directory)) } catch {
      // An ordinary user moves no process out of another part of the tree, as that of its login session; its systemd
      // has it done.
      guard error == .permissionDenied else {
        if error != .resourceBusy, let reason = container.cgroup?.refusal(error) {
          throw RuntimeError.resources("cannot \(doing): \(reason)")
        }
        throw RuntimeError.call(doing: doing, error, .resources)
      }
      let attaches = container.saved.systemdUnit != nil
      if !attaches { try checkItMayStayOutside(doing, error) }
      return Copy(outcome: try attempt(doing) { () throws(Errno) in try Cloning.clone() }, attaches: attaches)
    }
  }

  /// Where nobody can move it, a process runs outside of a cgroup that limits nothing (as runc), and of no other.
  private func checkItMayStayOutside(_ doing: String, _ error: Errno) throws {
    let resources = try container.bundle().config.linux?.resources
    let limits = try resources.map { try Limits.limits($0) }
    let why = "its cgroup and the runtime's own lie in no part of the tree that is delegated to this user"
    guard path == nil, limits?.controllers.isEmpty != false, resources?.unified?.isEmpty != false else {
      throw RuntimeError.call(doing: "\(doing): \(why)", error, .resources)
    }
    log.warning("the process is outside of the cgroup of container \(container.id), and not paused with it: \(why)")
  }

  /// Has systemd move the copy that waits for it.
  func attach(_ pid: Int32) throws {
    guard let unit = container.saved.systemdUnit, let cgroup = container.cgroup else { return }
    let components = FilePath(path ?? "").components.map(\.string)
    let below = components.isEmpty ? "" : "/" + components.joined(separator: "/")
    try SystemdManager(user: unit.user).attach(pid, to: unit, below)
    guard cgroup.tree.cgroup(of: pid)?.name == cgroup.name + below else {
      throw RuntimeError.resources("systemd has not moved the process to the cgroup \(cgroup.name)\(below)")
    }
  }

  private func open(_ path: String, _ cgroup: Cgroup, _ directory: CInt) throws -> OwnedDescriptor {
    let components = FilePath(path).components.map(\.string)
    guard !path.isEmpty, !path.utf8.contains(0), !components.contains("..") else {
      throw RuntimeError.usage("exec: --cgroup is \"\(path)\": write a path below the container's cgroup, without ..")
    }
    let name = components.isEmpty ? "." : components.joined(separator: "/")
    do throws(Errno) {
      return try openat2(directory, name, flags: O_RDONLY | O_DIRECTORY, resolve: [.beneath, .noSymlinks])
    } catch {
      guard error == .noSuchFileOrDirectory || error == .notDirectory else {
        throw RuntimeError.call(doing: "open the cgroup \(cgroup.name)/\(name)", error, .resources)
      }
      throw RuntimeError.resources(
        "container \(container.id) has no cgroup \(path): --cgroup names one that is there, below \(cgroup.name)")
    }
  }
}
