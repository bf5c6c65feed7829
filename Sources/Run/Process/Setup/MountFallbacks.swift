import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What a mount becomes where the kernel gives root of a user namespace less than the machine's root.
/// (mount_namespaces(7), Restrictions on mount namespaces; user_namespaces(7))
extension MountSetup {
  /// A bind mount that only the container's process has the right to open.
  func openTree(_ mount: ContainerMount, _ options: MountOptions) throws -> OwnedDescriptor {
    guard options.idMapped == nil, mount.uidMappings == nil else {
      throw RuntimeError.unsupported(
        "the idmapped mount \(mount.destination) for an unprivileged user",
        reason: "mapping owners takes CAP_SYS_ADMIN where the file system was mounted; leave out idmap and uidMappings")
    }
    return try Preparation.openTree(mount, recursive: options.bind ?? false, bundle)
  }

  /// The host's instance of a file system that shows a namespace: a new one is for the owner of that namespace, and a
  /// container that shares it with the host may see what the host sees. nil where there is nothing to bind. (as crun)
  func bindHosts(_ type: String, _ mount: ContainerMount, _ options: MountOptions) throws -> OwnedDescriptor? {
    let shared: (kind: LinuxNamespace.Kind, path: String, fileSystem: Int)
    switch type {
    case "sysfs": shared = (.network, "/sys", Mounts.sysFileSystem)
    case "mqueue": shared = (.ipc, "/dev/mqueue", Mounts.messageQueueFileSystem)
    case "proc": shared = (.pid, "/proc", Mounts.procFileSystem)
    default: return nil
    }
    guard bundle.namespace(shared.kind) == nil else { return nil }
    let why = "a new \(type) takes a \(shared.kind.rawValue) namespace of the container's"
    return try attempt("bind the host's \(shared.path) on \(mount.destination) (\(why))", .mount) { () throws(Errno) in
      let tree = try Mounts.copy(workingDirectory, shared.path, recursive: true)
      guard try Mounts.fileSystemType(tree.number) == shared.fileSystem else { throw Errno(rawValue: ENODEV) }
      try Mounts.change(tree.number, set: options.set)
      return tree
    }
  }

  /// Group 5 is for terminals by custom; where it does not exist in the user namespace, they belong to their user's
  /// group. nil where the group is not what was wrong.
  func withoutUnmappedGroup(_ type: String, _ options: MountOptions, _ error: Errno) -> MountOptions? {
    guard type == "devpts", error == .invalidArgument,
      let group = options.data.last(where: { $0.0 == "gid" }).flatMap({ UInt32($0.1) }),
      !UserNamespaces.maps(group: group)
    else { return nil }
    var plain = options
    plain.data.removeAll { $0.0 == "gid" }
    return plain
  }

  /// Options that a mount has from another user namespace stay: a volume is then read-only, or without devices,
  /// whatever the bundle says. What is asked for on top is set. (as crun)
  ///
  /// - Returns: those that the bundle wanted away.
  func keepLocked(_ mount: CInt, _ options: MountOptions) throws(Errno) -> [String] {
    let locked = try Mounts.attributes(mount).intersection([.readOnly, .noSetID, .noDevices, .noExecute])
    let times = options.set.union(options.clear).intersection(.timeMask)
    do throws(Errno) {
      try Mounts.change(mount, set: options.set, clear: options.clear.subtracting(locked))
    } catch {
      // Times are locked as one.
      guard error == .notPermitted, !times.isEmpty else { throw error }
      try Mounts.change(
        mount, set: options.set.subtracting(.timeMask),
        clear: options.clear.subtracting(locked).subtracting(.timeMask))
    }
    let names: [(MountAttributes, String)] = [
      (.readOnly, "ro"), (.noSetID, "nosuid"), (.noDevices, "nodev"), (.noExecute, "noexec"),
    ]
    return names.filter { locked.intersection(options.clear).contains($0.0) }.map(\.1)
  }
}
