import NIOSSL
import SwiftASN1
public import SystemPackage
import X509

/// Certificates by which clients sign in. (RFC 8446, section 4.4.2)
public struct ClientCertificates: Hashable, Sendable {
  /// Which part of a certificate is the user's name.
  public enum Name: String, Hashable, Sendable, CaseIterable {
    case commonName = "common-name"
    /// The first of its kind among the alternative names.
    case email, dns, uri
  }

  /// Authorities in PEM that sign them.
  public var authorities: FilePath
  /// Whether a client without one is turned away in the handshake.
  public var isRequired: Bool
  public var name: Name

  public init(authorities: FilePath, isRequired: Bool = false, name: Name = .commonName) {
    self.authorities = authorities
    self.isRequired = isRequired
    self.name = name
  }
}

/// Names in a client's certificate that the handshake has proven.
struct CertificateFacts: Hashable, Sendable {
  let names: [ClientCertificates.Name: String]

  init(_ certificate: NIOSSLCertificate) throws {
    let parsed = try Certificate(derEncoded: certificate.toDERBytes())
    var names: [ClientCertificates.Name: String] = [:]
    for attribute in parsed.subject.flatMap({ Array($0) })
    where attribute.type == ASN1ObjectIdentifier.RDNAttributeType.commonName && names[.commonName] == nil {
      names[.commonName] = String(attribute.value)
    }
    if let alternatives = try parsed.extensions.subjectAlternativeNames {
      for alternative in alternatives {
        switch alternative {
        case .rfc822Name(let text) where names[.email] == nil: names[.email] = text
        case .dnsName(let text) where names[.dns] == nil: names[.dns] = text
        case .uniformResourceIdentifier(let text) where names[.uri] == nil: names[.uri] = text
        default: break
        }
      }
    }
    self.names = names
  }
}
