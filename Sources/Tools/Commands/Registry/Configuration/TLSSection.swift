public import ConfigurationFiles
public import RegistryServer
internal import SystemPackage

/// The server's certificate, and those of clients.
struct TLSSection: Sendable {
  /// What is asked of clients.
  enum Clients: String, CaseIterable, ConfigurationValue { case none, request, require }

  let mode: TLSMode
  let certificate: FilePath?
  let key: FilePath?
  /// Beside the addresses that are listened on, for the own authority's certificate.
  let names: [ServerName]
  let clients: ClientCertificates?

  init(_ section: ConfigurationReader.Section) {
    mode = section.value("mode", default: .auto)
    certificate = section.optional("certificate")
    key = section.optional("key")
    names = section.list("names")
    if (certificate == nil) != (key == nil) {
      section.refuse(certificate == nil ? "certificate" : "key", "a certificate and its key go together")
    }
    if mode == .off, certificate != nil { section.refuse("certificate", "with mode off it is of no use") }
    if !names.isEmpty, mode == .off || certificate != nil {
      section.refuse("names", "they are for the certificate that the registry makes itself")
    }
    let wanted = section.value("client-certificates", default: Clients.none)
    let authorities: FilePath? = section.optional("client-authorities")
    let name = section.value("client-name", default: ClientCertificates.Name.commonName)
    if wanted == .none {
      if authorities != nil { section.refuse("client-authorities", "client-certificates is none: nobody is asked for one") }
      clients = nil
      return
    }
    if mode == .off { section.refuse("client-certificates", "there are none without TLS") }
    if authorities == nil { section.refuse("client-authorities", "it must say who signs clients' certificates") }
    clients = authorities.map { ClientCertificates(authorities: $0, isRequired: wanted == .require, name: name) }
  }
}

extension TLSMode: ConfigurationValue {}
extension ClientCertificates.Name: ConfigurationValue {}

extension ServerName: ConfigurationValue {
  public init?(configuration text: String) { self.init(text) }
  public var configurationText: String { description }
  public static var expected: String { "a host's name or address" }
}
