import Crypto
import FoundationEssentials
import Glibc
import Kernel
import SwiftASN1
public import SystemPackage
import X509

/// The registry's own certificate authority, for where nobody gives it a certificate.
///
/// ```
/// <directory>/ca.crt  ca.key           EC P-256, ten years, made once
/// <directory>/server.crt  server.key   signed by it, 397 days, made again a month before its end or for other names
/// ```
/// All of it is readable by its owner alone.
public struct CertificateAuthority: Sendable {
  public let directory: FilePath

  public init(_ directory: FilePath) { self.directory = directory }

  /// The CA's certificate in PEM; made now where there is none yet.
  public func certificate() throws -> String {
    try locked { String(decoding: try authority().pem, as: UTF8.self) }
  }

  /// Certificate chain and key in PEM for a server under these names, made again where the ones on file end within a
  /// month, were signed by another CA or lack a name. `madeAuthority` is true where the CA is new too.
  public func serverCertificate(names: [ServerName]) throws -> (chain: [UInt8], key: [UInt8], madeAuthority: Bool) {
    try locked {
      let (authority, key, pem, isNew) = try authority()
      if let current = try currentServerCertificate(names, authority) {
        return (current.chain + pem, current.key, isNew)
      }
      let serverKey = P256.Signing.PrivateKey()
      let now = Date()
      let certificate = try Certificate(
        version: .v3, serialNumber: .init(), publicKey: .init(serverKey.publicKey),
        notValidBefore: now - 3600, notValidAfter: now + 397 * 86400,
        issuer: authority.subject,
        subject: DistinguishedName { CommonName("clipper registry") },
        signatureAlgorithm: .ecdsaWithSHA256,
        extensions: Certificate.Extensions {
          Critical(BasicConstraints.notCertificateAuthority)
          Critical(KeyUsage(digitalSignature: true))
          try ExtendedKeyUsage([.serverAuth])
          SubjectAlternativeNames(names.map(\.generalName))
          SubjectKeyIdentifier(hash: Certificate.PublicKey(serverKey.publicKey))
          // Python 3.13 and newer refuse a certificate without it.
          AuthorityKeyIdentifier(keyIdentifier: try authority.extensions.subjectKeyIdentifier?.keyIdentifier)
        },
        issuerPrivateKey: .init(key))
      let chain = Array((try certificate.serializeAsPEM().pemString + "\n").utf8)
      let keyPEM = Array((serverKey.pemRepresentation + "\n").utf8)
      // The key first: a certificate on file always has its key.
      try write("server.key", keyPEM)
      try write("server.crt", chain)
      return (chain + pem, keyPEM, isNew)
    }
  }

  private func currentServerCertificate(
    _ names: [ServerName], _ authority: Certificate
  ) throws -> (chain: [UInt8], key: [UInt8])? {
    guard let chain = try read("server.crt"), let key = try read("server.key"),
      let certificate = try? Certificate(pemEncoded: String(decoding: chain, as: UTF8.self)),
      let privateKey = try? P256.Signing.PrivateKey(pemRepresentation: String(decoding: key, as: UTF8.self)),
      Certificate.PublicKey(privateKey.publicKey) == certificate.publicKey,
      authority.publicKey.isValidSignature(certificate.signature, for: certificate),
      certificate.notValidAfter > Date() + 30 * 86400,
      let present = try? certificate.extensions.subjectAlternativeNames
    else { return nil }
    let wanted = Set(names.map(\.generalName))
    return wanted.isSubset(of: Set(present)) ? (chain, key) : nil
  }

  private func authority() throws -> (Certificate, P256.Signing.PrivateKey, pem: [UInt8], isNew: Bool) {
    if let pem = try read("ca.crt"), let key = try read("ca.key") {
      do {
        return (
          try Certificate(pemEncoded: String(decoding: pem, as: UTF8.self)),
          try P256.Signing.PrivateKey(pemRepresentation: String(decoding: key, as: UTF8.self)), pem, false
        )
      } catch {
        throw CertificateError.unreadable(directory, "\(error)")
      }
    }
    let key = P256.Signing.PrivateKey()
    let now = Date()
    let name = try DistinguishedName {
      OrganizationName("clipper")
      // Two registries' authorities need two names: a trust store finds an issuer by it.
      CommonName("clipper registry \(Self.hostName) \(UInt32.random(in: .min ... .max))")
    }
    let certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey),
      notValidBefore: now - 3600, notValidAfter: now + 3652 * 86400, issuer: name, subject: name,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(keyCertSign: true, cRLSign: true))
        SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
      },
      issuerPrivateKey: .init(key))
    let pem = Array((try certificate.serializeAsPEM().pemString + "\n").utf8)
    try write("ca.key", Array((key.pemRepresentation + "\n").utf8))
    try write("ca.crt", pem)
    return (certificate, key, pem, true)
  }

  /// Two servers that start at once on one root agree on one authority.
  private func locked<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      try makeDirectories(directory, mode: 0o700)
      let lock = try openat2(AT_FDCWD, directory.appending(".lock").string, flags: O_RDWR | O_CREAT, mode: 0o600)
      try Errno.retrying { flock(lock.number, LOCK_EX) }
      return try withExtendedLifetime(lock.number) {
        defer { flock(lock.number, LOCK_UN) }
        return try body()
      }
    } catch let error as Errno {
      throw CertificateError.unwritable(directory, error.description)
    }
  }

  private func read(_ name: String) throws -> [UInt8]? {
    do { return try readFile(directory.appending(name), limit: 1 << 20) } catch Errno.noSuchFileOrDirectory {
      return nil
    } catch {
      throw CertificateError.unreadable(directory.appending(name), error.description)
    }
  }

  private func write(_ name: String, _ bytes: [UInt8]) throws {
    try writeFileAtomically(directory.appending(name), bytes, mode: 0o600, durable: true)
  }

  static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(cString: name)
  }
}

/// A name that clients reach a server by.
public enum ServerName: Hashable, Sendable, CustomStringConvertible {
  case host(String)
  /// 4 or 16 bytes.
  case address([UInt8])

  /// An IPv4 or IPv6 address (brackets are fine), else a host name; nil where it is neither.
  public init?(_ text: String) {
    let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
    var v4 = in_addr(), v6 = in6_addr()
    if inet_pton(AF_INET, bare, &v4) == 1 {
      self = .address(withUnsafeBytes(of: &v4) { Array($0) })
    } else if inet_pton(AF_INET6, bare, &v6) == 1 {
      self = .address(withUnsafeBytes(of: &v6) { Array($0) })
    } else {
      let labels = bare.lowercased().split(separator: ".", omittingEmptySubsequences: false)
      let isName = labels.enumerated().allSatisfy { index, label in
        (index == 0 && label == "*" && labels.count > 2)
          || (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
            && label.utf8.allSatisfy { byte in
              (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2d
            }
      }
      guard isName, (1...253).contains(bare.utf8.count) else { return nil }
      self = .host(bare.lowercased())
    }
  }

  var generalName: GeneralName {
    switch self {
    case .host(let name): .dnsName(name)
    case .address(let bytes): .ipAddress(ASN1OctetString(contentBytes: ArraySlice(bytes)))
    }
  }

  var isUnspecifiedAddress: Bool {
    if case .address(let bytes) = self { bytes.allSatisfy { $0 == 0 } } else { false }
  }

  public var description: String {
    switch self {
    case .host(let name): return name
    case .address(let bytes):
      var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      _ = bytes.withUnsafeBytes {
        inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, $0.baseAddress!, &text, socklen_t(text.count))
      }
      return String(cString: text)
    }
  }

  /// The names a certificate needs for servers that listen on `addresses`: these, `extra`, this host's name and
  /// loopback; where one is the unspecified address, also every address that the host has now.
  public static func needed(listening addresses: [ServerName], extra: [ServerName]) -> [ServerName] {
    var names = extra + addresses.filter { !$0.isUnspecifiedAddress }
    names += ["localhost", "127.0.0.1", "::1", CertificateAuthority.hostName].compactMap { ServerName($0) }
    if addresses.contains(where: \.isUnspecifiedAddress) { names += hostAddresses() }
    var seen = Set<ServerName>()
    return names.filter { seen.insert($0).inserted }
  }

  private static func hostAddresses() -> [ServerName] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [] }
    defer { freeifaddrs(list) }
    var found: [ServerName] = []
    var entry = list
    while let current = entry {
      entry = current.pointee.ifa_next
      guard let address = current.pointee.ifa_addr else { continue }
      switch CInt(address.pointee.sa_family) {
      case AF_INET:
        address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { v4 in
          found.append(.address(withUnsafeBytes(of: v4.pointee.sin_addr) { Array($0) }))
        }
      case AF_INET6:
        address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { v6 in
          found.append(.address(withUnsafeBytes(of: v6.pointee.sin6_addr) { Array($0) }))
        }
      default: break
      }
    }
    return found
  }
}

public enum CertificateError: Error, CustomStringConvertible {
  case unreadable(FilePath, String)
  case unwritable(FilePath, String)
  case unusable(FilePath, String)

  public var description: String {
    switch self {
    case .unreadable(let path, let why):
      "cannot read \(path): \(why); where it is broken, remove \(path) and trust the new CA"
    case .unwritable(let path, let why): "cannot write the registry's certificates below \(path): \(why)"
    case .unusable(let path, let why): "cannot use the certificate or key \(path): \(why)"
    }
  }
}
