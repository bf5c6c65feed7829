import RuntimeSpec

/// The mappings of a new user namespace, and whether the process's user is in them. (user_namespaces(7))
struct MappingCheck {
  let linux: LinuxConfig
  let process: ContainerProcess?

  func run() throws {
    try check(linux.uidMappings ?? [], "linux.uidMappings")
    try check(linux.gidMappings ?? [], "linux.gidMappings")
    guard let user = process?.user else { return }
    try check(user.uid, "process.user.uid", linux.uidMappings ?? [], "linux.uidMappings")
    for gid in [user.gid] + (user.additionalGids ?? []) {
      try check(gid, "process.user.gid", linux.gidMappings ?? [], "linux.gidMappings")
    }
  }

  private func check(_ mappings: [LinuxIDMapping], _ property: String) throws {
    // (UID_GID_MAP_MAX_EXTENTS)
    guard mappings.count <= 340 else {
      throw RuntimeError.configuration(property: property, problem: "has \(mappings.count) ranges; 340 are possible")
    }
    for side in [\LinuxIDMapping.containerID, \LinuxIDMapping.hostID] {
      var end: UInt64 = 0
      for mapping in mappings.sorted(by: { $0[keyPath: side] < $1[keyPath: side] }) {
        let first = UInt64(mapping[keyPath: side])
        guard mapping.size > 0, first + UInt64(mapping.size) <= 1 << 32 else {
          throw RuntimeError.configuration(
            property: property, problem: "has a range of \(mapping.size) IDs from \(first) on")
        }
        guard first >= end else {
          throw RuntimeError.configuration(property: property, problem: "has two ranges with the ID \(first)")
        }
        end = first + UInt64(mapping.size)
      }
    }
  }

  private func check(_ id: UInt32, _ property: String, _ mappings: [LinuxIDMapping], _ list: String) throws {
    guard mappings.contains(where: { id >= $0.containerID && UInt64(id) < UInt64($0.containerID) + UInt64($0.size) })
    else { throw RuntimeError.configuration(property: property, problem: "is \(id), which \(list) does not map") }
  }
}
