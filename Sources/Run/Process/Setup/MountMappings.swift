import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Owners of files that are other ones inside of a mount. (mount_setattr(2), MOUNT_ATTR_IDMAP)
struct MountMappings {
  private struct Mapping: Hashable {
    let users: [LinuxIDMapping], groups: [LinuxIDMapping]
  }

  private let bundle: Bundle
  /// The container's user namespace, where it exists before the container.
  private let joined: OpenFile?
  /// Several mounts mostly have the same mappings.
  private var namespaces: [Mapping: OpenFile] = [:]

  init(_ bundle: Bundle, joined: OpenFile?) {
    self.bundle = bundle
    self.joined = joined
  }

  /// The mount's own mappings, or else those of the container's user namespace. (runtime-spec, config.md, `idmap`)
  mutating func apply(to tree: CInt, _ mount: ContainerMount, _ options: MountOptions) throws {
    guard let recursive = options.idMapped ?? (mount.uidMappings == nil ? nil : false) else { return }
    let namespace = try namespace(mount)
    do throws(Errno) {
      try Mounts.change(tree, set: .idMapped, recursive: recursive, userNamespace: namespace.number)
    } catch {
      let reason =
        error == .notPermitted && !UserNamespaces.isInitial
        ? " (only the owner of the user namespace in which the file system was mounted may do that)" : ""
      throw RuntimeError.call(doing: "map owners of the mount \(mount.destination)\(reason)", error, .mount)
    }
  }

  private mutating func namespace(_ mount: ContainerMount) throws -> OpenFile {
    let linux = bundle.config.linux
    guard let users = mount.uidMappings ?? linux?.uidMappings, let groups = mount.gidMappings ?? linux?.gidMappings,
      !users.isEmpty, !groups.isEmpty
    else {
      if let joined { return joined }
      throw RuntimeError.configuration(
        property: "mounts", problem: "has the idmapped \(mount.destination), and no mappings or user namespace")
    }
    let mapping = Mapping(users: users, groups: groups)
    if let known = namespaces[mapping] { return known }
    let made = OpenFile(try IDMapping.namespace(users: users, groups: groups))
    namespaces[mapping] = made
    return made
  }
}
