import Kernel
public import Logging
import NIOSSL
import Synchronization
public import SystemPackage

/// Where a server's certificate and key come from.
public enum TLSSource: Sendable {
  /// Files in PEM, as an operator or cert-manager keeps them; the chain with the server's own certificate first.
  case files(chain: FilePath, key: FilePath)
  /// Signed by the registry's own CA, for these names.
  case authority(CertificateAuthority, names: [ServerName])
}

/// A server's certificate, changed without a restart: each new connection takes the one that is current.
public final class TLSIdentity: Sendable {
  private let source: TLSSource
  /// Whose certificates sign clients in; nil asks for none.
  public let clients: ClientCertificates?
  private let logger: Logger
  private let current: Mutex<State>
  /// True where the CA was made just now, and nobody trusts it yet.
  public let madeAuthority: Bool

  public init(_ source: TLSSource, clients: ClientCertificates? = nil, logger: Logger) throws {
    self.source = source
    self.clients = clients
    self.logger = logger
    let (context, madeAuthority) = try Self.load(source, clients)
    current = Mutex(State(context: context, stamp: Self.stamp(source, clients)))
    self.madeAuthority = madeAuthority
  }

  var context: NIOSSLContext { current.withLock { $0.context } }

  /// Takes a renewed certificate in. Where it cannot be read, the present one stays, and the log says why.
  public func reload() {
    let stamp = Self.stamp(source, clients)
    do {
      let (context, _) = try Self.load(source, clients)
      current.withLock { $0 = State(context: context, stamp: stamp) }
    } catch {
      // Told once for each state of the files, not each minute.
      current.withLock { $0.stamp = stamp }
      logger.error("the certificate cannot be renewed; the one before stays in use", metadata: ["error": "\(error)"])
    }
  }

  /// The same where the files are others than before.
  func reloadIfChanged() {
    let stamp = Self.stamp(source, clients)
    if current.withLock({ $0.stamp != stamp }) { reload() }
  }

  private struct State {
    var context: NIOSSLContext
    var stamp: [FileStamp?]
  }

  private static func stamp(_ source: TLSSource, _ clients: ClientCertificates?) -> [FileStamp?] {
    var paths: [FilePath] =
      switch source {
      case .files(let chain, let key): [chain, key]
      case .authority(let authority, _):
        [authority.directory.appending("server.crt"), authority.directory.appending("server.key")]
      }
    if let clients { paths.append(clients.authorities) }
    // One that cannot be looked at counts as changed once: loading it then says why.
    return paths.map { try? FileStamp($0) }
  }

  private static func load(_ source: TLSSource, _ clients: ClientCertificates?) throws -> (NIOSSLContext, madeAuthority: Bool) {
    let chain: [UInt8], key: [UInt8], madeAuthority: Bool
    let chainPath: FilePath, keyPath: FilePath
    switch source {
    case .files(let chainFile, let keyFile):
      (chainPath, keyPath, madeAuthority) = (chainFile, keyFile, false)
      do { chain = try readFile(chainFile, limit: 1 << 20) } catch {
        throw CertificateError.unusable(chainFile, "\(error)")
      }
      do { key = try readFile(keyFile, limit: 1 << 20) } catch { throw CertificateError.unusable(keyFile, "\(error)") }
    case .authority(let authority, let names):
      (chainPath, keyPath) = (authority.directory.appending("server.crt"), authority.directory.appending("server.key"))
      (chain, key, madeAuthority) = try authority.serverCertificate(names: names)
    }
    let certificates: [NIOSSLCertificate]
    do { certificates = try NIOSSLCertificate.fromPEMBytes(chain) } catch {
      throw CertificateError.unusable(chainPath, "it has no certificate in PEM (\(error))")
    }
    guard !certificates.isEmpty else { throw CertificateError.unusable(chainPath, "it has no certificate in PEM") }
    let privateKey: NIOSSLPrivateKey
    do { privateKey = try NIOSSLPrivateKey(bytes: key, format: .pem) } catch {
      throw CertificateError.unusable(keyPath, "it has no private key in PEM without a passphrase (\(error))")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(privateKey))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    if let clients {
      let authorities: [NIOSSLCertificate]
      do { authorities = try NIOSSLCertificate.fromPEMBytes(readFile(clients.authorities, limit: 4 << 20)) } catch {
        throw CertificateError.unusable(clients.authorities, "it has no certificate in PEM (\(error))")
      }
      guard !authorities.isEmpty else {
        throw CertificateError.unusable(clients.authorities, "it has no certificate in PEM")
      }
      // Browsers choose among their certificates by it.
      configuration.sendCANameList = true
      configuration.trustRoots = .certificates(authorities)
      configuration.certificateVerification = clients.isRequired ? .noHostnameVerification : .optionalVerification
    }
    do { return (try NIOSSLContext(configuration: configuration), madeAuthority) } catch {
      throw CertificateError.unusable(keyPath, "certificate and key do not go together (\(error))")
    }
  }
}
