public import SystemPackage

/// The files of a registry beside its content.
///
/// ```
/// <root>/registry/htpasswd     users and their passwords, hashed with bcrypt
///                 keys.json    access keys
///                 access.json  which policies users have, and the policies that operators made
///                 secrets.json what signs in to other registries
///                 remotes.json registries on other servers that replication goes to
///                 secret       what sign-in tokens are made with
///                 tls/         the registry's own CA and certificate
/// ```
/// All of it is readable by its owner alone. Where several machines serve one registry, all but the last is elsewhere.
public struct RegistryFiles: Sendable {
  public let directory: FilePath
  private let document: @Sendable (_ name: String) -> any SharedDocument

  /// `root` is the store's.
  public init(root: FilePath) {
    let directory = root.appending("registry")
    self.init(root: root) { DocumentFile(directory.appending($0)) }
  }

  /// `documents` finds those that replicas share, by the names above.
  public init(root: FilePath, documents: @escaping @Sendable (_ name: String) -> any SharedDocument) {
    directory = root.appending("registry")
    document = documents
  }

  public var passwords: PasswordFile { PasswordFile(document("htpasswd")) }
  public var identities: Identities { Identities(document("access.json")) }
  public var keys: AccessKeys { AccessKeys(document("keys.json"), identities: identities) }
  public var secrets: UpstreamSecretFile { UpstreamSecretFile(document("secrets.json")) }
  public var remotes: RemoteRegistryFile { RemoteRegistryFile(document("remotes.json")) }
  public var authority: CertificateAuthority { CertificateAuthority(directory.appending("tls")) }

  /// Made with the first call.
  public func secret() throws -> RegistrySecret { try RegistrySecret(document("secret")) }
}
