internal import Glibc
internal import Kernel
internal import NIOSSL
internal import Synchronization
internal import SystemPackage

/// Whose certificates are believed, host by host.
///
/// On top of the system's CAs (or the file that SSL_CERT_FILE names): those in `certs.d/<host>/`, and the CA of the
/// registry that this store serves itself.
final class Trust: Sendable {
  private let configuration: RegistryConfiguration
  private let ownAuthority: FilePath?
  private let known = Mutex<[String: TLSConfiguration]>([:])

  init(_ configuration: RegistryConfiguration, ownAuthority: FilePath?) {
    self.configuration = configuration
    self.ownAuthority = ownAuthority
  }

  /// For `host[:port]`.
  func tls(for authority: String) throws -> TLSConfiguration {
    if let known = known.withLock({ $0[authority] }) { return known }
    let made = try make(authority)
    known.withLock { $0[authority] = made }
    return made
  }

  func isInsecure(_ authority: String) -> Bool {
    configuration.insecureHosts.contains(authority) || configuration.insecureHosts.contains(Host.bare(authority))
  }

  private func make(_ authority: String) throws -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.applicationProtocols = ["http/1.1"]
    if isInsecure(authority) { tls.certificateVerification = .none }
    if let file = configuration.certificateFile { tls.trustRoots = .certificates(try Self.certificates(file)) }
    if let ownAuthority, access(ownAuthority.string, R_OK) == 0 {
      tls.additionalTrustRoots.append(.certificates(try Self.certificates(ownAuthority)))
    }
    for directory in configuration.certificateDirectories {
      try addFiles(of: directory.appending(authority), to: &tls)
    }
    return tls
  }

  private func addFiles(of directory: FilePath, to tls: inout TLSConfiguration) throws {
    guard let folder = try? openat2(workingDirectory, directory.string, flags: O_RDONLY | O_DIRECTORY),
      let names = try? directoryEntries(folder.number).sorted()
    else { return }
    for name in names {
      let path = directory.appending(name)
      if name.hasSuffix(".crt") {
        tls.additionalTrustRoots.append(.certificates(try Self.certificates(path)))
      } else if name.hasSuffix(".cert") {
        let key = directory.appending(String(name.dropLast(5)) + ".key")
        tls.certificateChain = try Self.certificates(path).map { .certificate($0) }
        do {
          tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key.string, format: .pem))
        } catch {
          throw RegistryClientError.unusableCertificate(
            path: key.string, reason: "it needs a readable PEM key beside it (\(error))")
        }
      }
    }
  }

  private static func certificates(_ path: FilePath) throws -> [NIOSSLCertificate] {
    do {
      return try NIOSSLCertificate.fromPEMFile(path.string)
    } catch {
      throw RegistryClientError.unusableCertificate(path: path.string, reason: "it is not PEM (\(error))")
    }
  }

  /// True where a handshake failed because the certificate is not believed, and not because the other side speaks no TLS.
  static func isDistrust(_ error: any Error) -> Bool {
    if error is NIOSSLExtraError { return true }
    guard case .handshakeFailed(let reason)? = error as? NIOSSLError else { return false }
    return "\(reason)".contains("CERTIFICATE_VERIFY_FAILED")
  }

  static func distrustReason(_ error: any Error) -> String {
    if let error = error as? NIOSSLExtraError, error == .failedToValidateHostname {
      return "it is made out to another name"
    }
    return "no CA that this machine trusts has signed it, or it is not valid now"
  }
}
