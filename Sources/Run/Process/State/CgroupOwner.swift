import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A container that manages the cgroups below its own: one with a cgroup namespace and a user namespace, into which its
/// cgroup is mounted to be written. Its limits stay the host's. (cgroups(7), Cgroup delegation; as runc does)
struct CgroupOwner {
  private let user: UInt32
  private let group: UInt32?

  /// nil where the cgroup stays the caller's.
  init?(_ bundle: Bundle) {
    guard let linux = bundle.config.linux, bundle.makes(.user), bundle.makes(.cgroup) else { return nil }
    let isWritable = (bundle.config.mounts ?? []).contains { mount in
      (mount.type == "cgroup" || mount.type == "cgroup2" || mount.source == "cgroup")
        && FilePath(mount.destination).lexicallyNormalized() == "/sys/fs/cgroup"
        && mount.options?.contains("ro") != true && mount.options?.contains("rro") != true
    }
    // A user that is not mapped is refused where it matters.
    guard isWritable,
      let user = Self.host(bundle.config.process?.user.uid ?? 0, linux.uidMappings ?? [])
    else { return nil }
    self.user = user
    // With both mapped, the container's root may write also what its other users own.
    group = Self.host(0, linux.gidMappings ?? [])
  }

  private static func host(_ id: UInt32, _ mappings: [LinuxIDMapping]) -> UInt32? {
    for mapping in mappings where id >= mapping.containerID && id - mapping.containerID < mapping.size {
      return mapping.hostID + (id - mapping.containerID)
    }
    return nil
  }

  /// The directory and the files that the kernel says may be given away.
  func take(_ cgroup: Cgroup) throws {
    let text = try? readFile("/sys/kernel/cgroup/delegate", limit: 1 << 16)
    let names =
      text.map { String(decoding: $0, as: UTF8.self).split(separator: "\n").map { String($0) } }
      // (cgroups(7)) Before Linux 4.15.
      ?? ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]
    for path in [cgroup.path] + names.map({ cgroup.path.appending($0) }) {
      if chown(path.string, user, group ?? ~0) == 0 { continue }
      let error = Errno.current
      // Files of controllers that this cgroup does not have. What an ordinary user makes is its own already.
      if error == .noSuchFileOrDirectory || (error == .notPermitted && geteuid() != 0) { continue }
      throw RuntimeError.call(doing: "give \(path) to the container's user \(user)", error, .resources)
    }
  }
}
