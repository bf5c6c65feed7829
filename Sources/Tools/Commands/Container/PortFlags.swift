internal import Engine

/// `-p` and `--expose`.
enum PortFlags {
  /// `[[ip:][host[-end]]:]container[-end][/protocol]`
  static func mappings(_ text: String, flag: String) throws -> [PortMapping] {
    func failure(_ reason: String) -> Failure { ContainerFlags.failure(text, flag, reason) }
    let halves = text.split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count <= 2,
      let transport = PortMapping.TransportProtocol(rawValue: halves.count == 2 ? halves[1].lowercased() : "tcp")
    else { throw failure("invalid proto: use tcp or udp") }
    var fields = halves[0][...]
    var address: String?
    // An IPv6 address stands in brackets.
    if fields.hasPrefix("["), let close = fields.firstIndex(of: "]") {
      throw failure("\(fields[...close]): only IPv4 addresses are supported")
    }
    var parts = fields.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...3).contains(parts.count) else { throw failure("write [ip:][host-port:]container-port") }
    if parts.count == 3 { address = String(parts.removeFirst()) }
    fields = parts[parts.count - 1]
    guard let targets = range(fields), targets.lowerBound > 0 else { throw failure("invalid containerPort: \(fields)") }
    guard parts.count == 2, !parts[0].isEmpty else {
      return targets.map { PortMapping(hostAddress: address, hostPort: 0, containerPort: $0, transport: transport) }
    }
    guard let ports = range(parts[0]) else { throw failure("invalid hostPort: \(parts[0])") }
    guard ports.count == targets.count else { throw failure("invalid ranges specified for container and host ports") }
    return zip(ports, targets).map {
      PortMapping(hostAddress: address, hostPort: $0, containerPort: $1, transport: transport)
    }
  }

  /// `80`, `80-90/udp`, as `80/tcp` and so on.
  static func exposed(_ text: String) throws -> [String] {
    guard !text.contains(":") else { throw ContainerFlags.failure(text, "expose", "invalid port format for --expose") }
    return try mappings(text, flag: "expose").map { "\($0.containerPort)/\($0.transport.rawValue)" }
  }

  private static func range(_ text: Substring) -> ClosedRange<UInt16>? {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
    guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first <= last else { return nil }
    return first...last
  }
}
