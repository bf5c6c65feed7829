import NIOCore

/// Where a server listens: `host:port`.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
  /// A name or an address, without brackets; empty for every address of this host.
  public let host: String
  /// 0 lets the kernel choose.
  public let port: UInt16

  public static let defaultPort: UInt16 = 5000

  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Parses `127.0.0.1:5000`, `[::1]:5000`, `registry.example:443`, `:5000`, and a host alone, which takes port 5000.
  public init(parsing text: String) throws(ServeError) {
    var host = text[...]
    var port = Self.defaultPort
    if let colon = text.lastIndex(of: ":"), text.hasPrefix("[") ? text[..<colon].hasSuffix("]") : true {
      guard text.hasPrefix("[") || text[..<colon].firstIndex(of: ":") == nil else {
        throw .malformedAddress(text, "an IPv6 address stands in brackets: [::1]:5000")
      }
      guard let number = UInt16(text[text.index(after: colon)...]) else {
        throw .malformedAddress(text, "the port is a number from 0 to 65535")
      }
      host = text[..<colon]
      port = number
    }
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard host.isEmpty || ServerName(String(host)) != nil else {
      throw .malformedAddress(text, "\"\(host)\" is neither an address nor a host's name")
    }
    self.init(host: String(host), port: port)
  }

  public var description: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }

  /// True where only this host can reach it.
  public var isLoopback: Bool { host == "localhost" || host.hasPrefix("127.") || host == "::1" }

  /// What to bind: for every address of this host the IPv6 wildcard, which takes IPv4 too. On a host without IPv6 the
  /// resolver refuses even to read it. (getaddrinfo(3), AI_ADDRCONFIG)
  var bindHost: String {
    guard host.isEmpty else { return host }
    return (try? SocketAddress.makeAddressResolvingHost("::", port: Int(port))) != nil ? "::" : "0.0.0.0"
  }

  /// The name that a certificate needs for it.
  public var serverName: ServerName {
    ServerName(host) ?? .address([0, 0, 0, 0])
  }
}
