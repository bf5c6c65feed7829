public import ArgumentParser
internal import RegistryServer

public struct RegistryCACommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "ca", abstract: "Print the certificate (PEM) of the registry's own authority.",
    discussion: """
      Clients trust the registry once they trust it: as /etc/docker/certs.d/HOST:PORT/ca.crt for docker, below \
      /etc/containers/certs.d for podman, skopeo and clipper, by AWS_CA_BUNDLE or SSL_CERT_FILE for the rest.
      """)

  @OptionGroup var global: GlobalOptions

  public init() {}

  public mutating func run() throws {
    printOutput(try global.registryFiles().authority.certificate())
  }
}
