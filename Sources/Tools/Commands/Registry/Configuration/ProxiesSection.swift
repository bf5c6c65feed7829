public import ConfigurationFiles
public import RegistryServer

/// The proxies in front of the registry.
struct ProxiesSection: Sendable {
  let proxies: TrustedProxies

  init(_ section: ConfigurationReader.Section) {
    let trusted: [NetworkRange] = section.list("trusted")
    let headers = section.value("headers", default: TrustedProxies.Headers.xForwarded)
    let usesProxyProtocol = section.value("proxy-protocol", default: false)
    if usesProxyProtocol, trusted.isEmpty {
      section.refuse("proxy-protocol", "trusted must name the proxies whose connections begin with it")
    }
    proxies = TrustedProxies(trusted, headers: headers, proxyProtocol: usesProxyProtocol)
  }
}

extension TrustedProxies.Headers: ConfigurationValue {}

extension NetworkRange: ConfigurationValue {
  public init?(configuration text: String) { self.init(text) }
  public var configurationText: String { description }
  public static var expected: String { "an address or a range such as 10.0.0.0/8, without bits beyond its prefix" }
}
