public import ConfigurationFiles
public import RegistryServer

/// Who sees `/metrics`.
struct MetricsSection: Sendable {
  /// At the registry's own addresses.
  let access: MetricsAccess
  /// Addresses that have nothing else.
  let addresses: [ListenAddress]

  init(_ section: ConfigurationReader.Section) {
    access = section.value("access", default: .signedIn)
    addresses = section.list("addresses")
  }
}

extension MetricsAccess: ConfigurationValue {}
