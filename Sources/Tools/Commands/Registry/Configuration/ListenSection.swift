public import ConfigurationFiles
public import RegistryServer

/// Where the registry is reached.
struct ListenSection: Sendable {
  let addresses: [ListenAddress]
  /// Without a slash at its end.
  let externalURL: String?

  init(_ section: ConfigurationReader.Section) {
    addresses = section.list("addresses", default: [ListenAddress(host: "127.0.0.1", port: ListenAddress.defaultPort)])
    if addresses.isEmpty { section.refuse("addresses", "it lists none") }
    let url: String? = section.optional("external-url")
    if let url, !url.hasPrefix("http://"), !url.hasPrefix("https://") {
      section.refuse("external-url", "it begins with https:// or http://")
    }
    externalURL = url.map { String($0.reversed().drop { $0 == "/" }.reversed()) }
  }
}

extension ListenAddress: ConfigurationValue {
  public init?(configuration text: String) {
    guard let address = try? ListenAddress(parsing: text) else { return nil }
    self = address
  }
  public var configurationText: String { description }
  public static var expected: String {
    "an address to listen on: HOST:PORT, [IPV6]:PORT, or :PORT for every address of this host"
  }
}
