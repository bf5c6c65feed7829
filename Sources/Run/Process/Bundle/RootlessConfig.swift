import RuntimeSpec

extension RuntimeConfig {
  /// For a user without rights: root in the container is that user, nothing else is mapped. What takes more is left out:
  /// a network of its own, group 5 for terminals, limits. (as `runc spec --rootless`)
  mutating func makeRootless(user: UInt32, group: UInt32) {
    linux?.uidMappings = [LinuxIDMapping(containerID: 0, hostID: user, size: 1)]
    linux?.gidMappings = [LinuxIDMapping(containerID: 0, hostID: group, size: 1)]
    linux?.namespaces?.removeAll { $0.type == .network || $0.type == .user }
    linux?.namespaces?.append(LinuxNamespace(type: .user))
    linux?.resources = nil
    mounts = mounts?.map { mount in
      // A new sysfs would show the host's network, which a namespace of users has no rights to.
      if mount.type == "sysfs" {
        return ContainerMount(
          destination: mount.destination, type: "none", source: "/sys",
          options: ["rbind", "nosuid", "noexec", "nodev", "ro"])
      }
      var mount = mount
      mount.options?.removeAll { $0.hasPrefix("gid=") || $0.hasPrefix("uid=") }
      return mount
    }
  }
}
