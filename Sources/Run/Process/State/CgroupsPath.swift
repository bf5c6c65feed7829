import RuntimeSpec

/// `linux.cgroupsPath`: where a container's cgroup is.
enum CgroupsPath {
  /// Absolute from the tree's mount on; relative below the given place; systemd's `slice:prefix:name` as the path that
  /// systemd would make, without asking it.
  static func name(_ cgroupsPath: String?, id: String, below place: String) throws -> String {
    guard let path = cgroupsPath, !path.isEmpty else { return "\(place)/\(id)" }
    if path.hasPrefix("/") { return path }
    let parts = path.split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
    if parts.count == 3, !path.contains("/") {
      return try unit(slice: parts[0], prefix: parts[1], name: parts[2], path)
    }
    return "\(place)/\(path)"
  }

  private static func unit(slice: String, prefix: String, name: String, _ path: String) throws -> String {
    let slice = slice.isEmpty ? "system.slice" : slice
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
    let unit = name.hasSuffix(".slice") ? name : (prefix.isEmpty ? "\(name).scope" : "\(prefix)-\(name).scope")
    return "/" + (names + [unit]).joined(separator: "/")
  }
}
