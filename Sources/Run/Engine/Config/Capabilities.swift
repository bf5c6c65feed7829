internal import Kernel
internal import RuntimeSpec

/// Which capabilities a container gets. (moby, oci/caps)
enum CapabilityChoice {
  /// - Parameter available: those that this process may hand on.
  static func names(
    added: [String], dropped: [String], privileged: Bool, available: CapabilitySet = Privileges.boundingSet()
  ) throws -> [String] {
    let added = try added.map(normalized)
    let dropped = try dropped.map(normalized)
    let all = DockerDefaults.allCapabilities
    var names: [String]
    if privileged {
      names = all
    } else if dropped.contains("ALL") {
      names = added.contains("ALL") ? all : added
    } else if added.contains("ALL") {
      names = all.filter { !dropped.contains($0) }
    } else {
      names = DockerDefaults.capabilities.filter { !dropped.contains($0) }
      for name in added where !names.contains(name) { names.append(name) }
    }
    return names.filter { name in
      guard let number = all.firstIndex(of: name) else { return false }
      return available.contains(CapabilitySet(number: number))
    }
  }

  /// `net_admin` and `CAP_NET_ADMIN` as `CAP_NET_ADMIN`; `ALL` stays.
  private static func normalized(_ text: String) throws -> String {
    let upper = text.uppercased()
    if upper == "ALL" || upper == "CAP_ALL" { return "ALL" }
    let name = upper.hasPrefix("CAP_") ? upper : "CAP_" + upper
    guard DockerDefaults.allCapabilities.contains(name) else {
      throw EngineError.input("unknown capability: \"\(text)\"; capabilities(7) lists them")
    }
    return name
  }
}
