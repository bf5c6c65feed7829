public import ArgumentParser
internal import ConfigurationFiles
internal import Content
import Engine
internal import RegistryServer

public struct RegistryCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "registry", abstract: "Run a private registry and manage who may use it.",
    subcommands: [
      ServeCommand.self, RegistryUserCommand.self, RegistryKeyCommand.self, RegistryPolicyCommand.self,
      RegistryCACommand.self, RegistrySecretCommand.self, RegistryReplicationCommand.self,
      RegistryLifecycleCommand.self,
      RegistryVulnDBCommand.self,
      SignaturePolicyCommand.self,
      SigningKeyCommand.self,
      RegistryConfigCommand.self, RegistryGarbageCommand.self, RegistryModeCommand.self, RegistryQuotaCommand.self, RegistryWebhookCommand.self,
    ])

  public init() {}
}

extension GlobalOptions {
  /// The registry's files below the store's root, which is made, or found to be of this version; what replicas share, in
  /// their database.
  func registryFiles() throws -> RegistryFiles {
    let root = try locations().root
    _ = try ContentStore.open(root)
    do {
      return try ServeConfiguration.read(nil, root: root, flags: []).cluster.files(root, logger("registry"))
    } catch let error as ConfigurationProblems {
      throw Failure("\(error)", status: 125)
    }
  }

  /// The registry of the store, for a look or a change beside servers that run.
  func registry(_ cluster: ClusterOptions? = nil) throws -> Registry {
    let root = try locations().root
    let configuration: ServeConfiguration
    do { configuration = try ServeConfiguration.read(nil, root: root, flags: cluster?.flags ?? []) } catch {
      throw Failure("\(error)", status: 125)
    }
    return try configuration.cluster.registry(
      ContentStore.open(root, longLived: true), nil, logger("registry"))
  }
}
