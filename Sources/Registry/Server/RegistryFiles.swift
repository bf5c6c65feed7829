import Kernel
public import SystemPackage

/// The files of a registry beside its content.
///
/// ```
/// <root>/registry/htpasswd     users and their passwords, hashed with bcrypt
///                 keys.json    access keys
///                 secrets.json what signs in to other registries
///                 remotes.json registries on other servers that replication goes to
///                 secret       what sign-in tokens are made with
///                 tls/         the registry's own CA and certificate
/// ```
/// All of it is readable by its owner alone.
public struct RegistryFiles: Sendable {
  public let directory: FilePath

  /// `root` is the store's.
  public init(root: FilePath) { directory = root.appending("registry") }

  public var passwords: PasswordFile { PasswordFile(directory.appending("htpasswd")) }
  public var keys: AccessKeyFile { AccessKeyFile(directory.appending("keys.json")) }
  public var secrets: UpstreamSecretFile { UpstreamSecretFile(directory.appending("secrets.json")) }
  public var remotes: RemoteRegistryFile { RemoteRegistryFile(directory.appending("remotes.json")) }
  public var authority: CertificateAuthority { CertificateAuthority(directory.appending("tls")) }

  /// Made with the first call.
  public func secret() throws -> RegistrySecret { try RegistrySecret(directory.appending("secret")) }
}
