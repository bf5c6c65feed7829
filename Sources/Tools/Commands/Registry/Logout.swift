public import ArgumentParser
internal import ImageSpec
internal import RegistryClient

public struct LogoutCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "logout", abstract: "Forget the sign-in to a registry.",
    discussion: "Without a host, Docker Hub is meant.")

  @OptionGroup var global: GlobalOptions

  @Argument(help: "The registry: host or host:port.")
  var host: String = Reference.defaultDomain

  public init() {}

  public mutating func run() throws {
    let host = try RegistryHost.parse(host)
    let erased = try RegistryConfiguration.default.credentials.erase(host)
    printOutput(erased ? "Removing login credentials for \(host)\n" : "Not logged in to \(host)\n")
  }
}
