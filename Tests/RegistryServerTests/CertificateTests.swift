import Kernel
import SwiftASN1
import SystemPackage
import Testing
import X509

@testable import RegistryServer

@Suite struct CertificateTests {
  private func authority() throws -> (CertificateAuthority, FilePath) {
    let directory = try TestRegistry.makeDirectory()
    return (CertificateAuthority(directory.appending("tls")), directory)
  }

  @Test func makesAnAuthorityOnce() throws {
    let (authority, directory) = try authority()
    defer { try? removeTree(directory) }
    let first = try authority.certificate()
    #expect(first.hasPrefix("-----BEGIN CERTIFICATE-----"))
    #expect(try authority.certificate() == first)
    let certificate = try Certificate(pemEncoded: first)
    #expect(try certificate.extensions.basicConstraints == .isCertificateAuthority(maxPathLength: 0))
  }

  @Test func makesAServersCertificateAgainForAnotherName() throws {
    let (authority, directory) = try authority()
    defer { try? removeTree(directory) }
    let names = ServerName.needed(listening: [try #require(ServerName("127.0.0.1"))], extra: [])
    let first = try authority.serverCertificate(names: names)
    #expect(first.madeAuthority)
    #expect(try authority.serverCertificate(names: names).chain == first.chain)
    let more = names + [try #require(ServerName("registry.example"))]
    let second = try authority.serverCertificate(names: more)
    #expect(second.chain != first.chain && !second.madeAuthority)
    // Fewer names need no new one.
    #expect(try authority.serverCertificate(names: names).chain == second.chain)

    let chain = try PEMDocument.parseMultiple(pemString: String(decoding: second.chain, as: UTF8.self))
    #expect(chain.count == 2)
    let certificate = try Certificate(pemDocument: chain[0])
    let present = try #require(try certificate.extensions.subjectAlternativeNames)
    for name in more { #expect(present.contains(name.generalName)) }
    let signer = try Certificate(pemEncoded: try authority.certificate())
    #expect(signer.publicKey.isValidSignature(certificate.signature, for: certificate))
  }

  @Test func coversLoopbackAndEveryAddressOfTheHost() throws {
    let names = ServerName.needed(listening: [.address([0, 0, 0, 0])], extra: [])
    for name in ["localhost", "127.0.0.1", "::1"] { #expect(names.contains(try #require(ServerName(name)))) }
    #expect(!names.contains(.address([0, 0, 0, 0])))
  }

  @Test(arguments: ["a b", "-x.example", "x_y", "", "*", "*.example", "a..b"])
  func refusesWhatIsNoName(_ text: String) { #expect(ServerName(text) == nil) }

  @Test(arguments: [
    ("127.0.0.1:5000", "127.0.0.1", 5000), ("[::1]:443", "::1", 443), (":5000", "", 5000),
    ("registry.example", "registry.example", 5000),
    ("localhost:0", "localhost", 0), ("[::]", "::", 5000),
  ])
  func parsesAddresses(_ text: String, _ host: String, _ port: UInt16) throws {
    let address = try ListenAddress(parsing: text)
    #expect(address.host == host && address.port == port)
  }

  @Test(arguments: ["127.0.0.1:x", "127.0.0.1:70000", "::1", "a b:1", "host:"])
  func refusesMalformedAddresses(_ text: String) {
    #expect(throws: ServeError.self) { try ListenAddress(parsing: text) }
  }
}
