import RuntimeSpec

/// `linux.cgroupsPath`: where a container's cgroup is.
enum CgroupsPath {
  /// Absolute from the tree's mount on; relative below the given place; systemd's `slice:prefix:name` as the path that
  /// systemd would make, without asking it.
  static func name(_ cgroupsPath: String?, id: String, below place: String) throws -> String {
    guard let path = cgroupsPath, !path.isEmpty else { return "\(place)/\(id)" }
    if path.hasPrefix("/") { return path }
    if let (slice, unit) = try SystemdUnit.split(path) {
      let directories = SystemdUnit.directories(of: slice.isEmpty ? "system.slice" : slice)
      return "/" + (directories + [unit]).joined(separator: "/")
    }
    return "\(place)/\(path)"
  }
}
