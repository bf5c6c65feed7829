/// A line of /etc/hosts.
public struct HostsEntry: Hashable, Sendable {
  public var address: String
  public var names: [String]

  public init(address: String, names: [String]) {
    self.address = address
    self.names = names
  }
}

/// The files of /etc by which a container finds names.
public enum HostFiles {
  /// /etc/hosts with localhost and then the given lines.
  public static func hosts(_ entries: [HostsEntry]) -> String {
    let localhost = [
      HostsEntry(address: "127.0.0.1", names: ["localhost"]),
      HostsEntry(address: "::1", names: ["localhost", "ip6-localhost", "ip6-loopback"]),
    ]
    return (localhost + entries).map { "\($0.address)\t\($0.names.joined(separator: " "))\n" }.joined()
  }

  /// /etc/resolv.conf from the host's, with what was asked for in place of its parts.
  ///
  /// - Parameters:
  ///   - isolated: the container has a network namespace of its own: a resolver on the host's loopback address is not
  ///     there and is left out.
  public static func resolvConf(
    host: String, servers: [String] = [], search: [String] = [], options: [String] = [], isolated: Bool
  ) -> String {
    var hostServers: [String] = []
    var hostSearch: [String] = []
    var hostOptions: [String] = []
    for line in host.split(whereSeparator: \.isNewline) {
      let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
      guard words.count > 1 else { continue }
      switch words[0] {
      case "nameserver": hostServers.append(words[1])
      case "search", "domain": hostSearch = Array(words.dropFirst())
      case "options": hostOptions += words.dropFirst()
      default: break
      }
    }
    if isolated { hostServers.removeAll { $0.hasPrefix("127.") || $0 == "::1" } }
    let servers = servers.isEmpty ? hostServers : servers
    // `--dns-search .` clears the list.
    let search = search.isEmpty ? hostSearch : search.filter { $0 != "." }
    let options = options.isEmpty ? hostOptions : options
    var text = ""
    if !search.isEmpty { text += "search \(search.joined(separator: " "))\n" }
    for server in servers { text += "nameserver \(server)\n" }
    if !options.isEmpty { text += "options \(options.joined(separator: " "))\n" }
    return text
  }
}
