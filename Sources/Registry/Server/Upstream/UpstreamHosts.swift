/// The registries that cache rules may name: AWS's list, and what the operator adds to it. A rule is made by whoever may
/// call the API, and must not become a way into the server's own network.
public struct UpstreamHosts: Sendable {
  /// By `host[:port]` as rules name it: where it is reached.
  private let added: [String: String]

  /// Only AWS's.
  public init() { added = [:] }

  /// Each `HOST` or `HOST=ADDRESS`: another registry, or another place for one (a mirror). nil for a malformed one.
  public init?(_ hosts: [String]) {
    var added: [String: String] = [:]
    for text in hosts {
      let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { String($0) }
      guard halves.allSatisfy({ (try? ListenAddress(parsing: $0)) != nil && !$0.isEmpty }) else { return nil }
      added[halves[0].lowercased()] = halves.last?.lowercased()
    }
    self.added = added
  }

  /// What AWS calls the registry of a host, nil for none of its list.
  public static func kind(_ host: String) -> String? {
    switch host {
    case "public.ecr.aws": return "ecr-public"
    case "registry.k8s.io": return "k8s"
    case "quay.io": return "quay"
    case "registry-1.docker.io": return "docker-hub"
    case "ghcr.io": return "github-container-registry"
    case "registry.gitlab.com": return "gitlab-container-registry"
    case "cgr.dev": return "chainguard"
    default:
      if host.hasSuffix(".azurecr.io"), host.utf8.count > 11 { return "azure-container-registry" }
      return RealmTable.names(inHost: host) != nil && host.hasSuffix(".amazonaws.com") ? "ecr" : nil
    }
  }

  /// Where a host is reached; nil where it is none that a rule may name.
  public func address(_ host: String) -> String? { added[host] ?? (Self.kind(host) == nil ? nil : host) }
}
