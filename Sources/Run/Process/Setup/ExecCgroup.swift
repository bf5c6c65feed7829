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

  /// Copies this process into the cgroup.
  func clone() throws -> Cloning.Outcome {
    let doing = "make a process for the container"
    guard let cgroup = container.cgroup else {
      guard container.saved.cgroup == nil else {
        throw RuntimeError.resources(
          "the cgroup tree of container \(container.id) cannot be found: a process in it would have no limits")
      }
      guard path == nil else {
        throw RuntimeError.unsupported("--cgroup", reason: "container \(container.id) has no cgroup of its own")
      }
      return try attempt(doing) { () throws(Errno) in try Cloning.clone() }
    }
    let directory = try cgroup.open()
    if let path {
      let below = try open(path, cgroup, directory.number)
      return try attempt("\(doing) in its cgroup \(path)", .resources) { () throws(Errno) in
        try Cloning.clone(cgroup: below.number)
      }
    }
    do throws(Errno) { return try Cloning.clone(cgroup: directory.number) } catch {
      // A cgroup that hands controllers down holds no processes: the container has moved itself to one below.
      guard error == .resourceBusy, let own = cgroup.tree.cgroup(of: container.saved.pid), own.path != cgroup.path,
        own.path.starts(with: cgroup.path)
      else { throw RuntimeError.call(doing: doing, error, .other) }
      let below = try own.open()
      return try attempt("\(doing) in the cgroup \(own.name) of its first one") { () throws(Errno) in
        try Cloning.clone(cgroup: below.number)
      }
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
