public import ArgumentParser
internal import RegistryServer
internal import Signatures

public struct SigningKeyCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "signing-key", abstract: "Manage the keys that the registry signs pushed images with.",
    discussion: """
      A key is what AWS calls a signing profile: `aws ecr put-signing-configuration` says by the profile's ARN, \
      arn:aws:signer:REGION:ACCOUNT:/signing-profiles/NAME, which repositories' images are signed with it. The private key \
      stays in the registry's database; the public one is for cosign verify --key, signature policies and \
      clipper image verify.
      """,
    subcommands: [SigningKeyCreateCommand.self, SigningKeyListCommand.self, SigningKeyDeleteCommand.self])

  public init() {}
}

public struct SigningKeyCreateCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Create a key and print its public part.")

  @OptionGroup var global: GlobalOptions

  @Argument(help: "Letters, digits and underscores.")
  var name: String

  public init() {}

  public mutating func run() throws {
    do { printOutput(try global.registry().createSigningKey(name).publicPEM + "\n") } catch let error as SigningError {
      throw Failure("\(error)")
    }
  }
}

public struct SigningKeyListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the keys.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  @Option(help: ArgumentHelp("json, or a template: {{.Name}}, {{.PublicKey}}.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let listing = Listing([.init("NAME", "Name"), .init("FINGERPRINT", "Fingerprint")])
    let rows = try global.registry().signingKeys().map { name, key -> [String: Value] in
      [
        "Name": .string(name), "PublicKey": .string(key.publicPEM),
        "Fingerprint": .string(try VerificationKey(pem: key.publicPEM).fingerprint),
      ]
    }
    printOutput(try listing.render(rows, format: format))
  }
}

public struct SigningKeyDeleteCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete keys; what they have signed stays signed.", aliases: ["rm"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "Names of keys.")
  var names: [String]

  public init() {}

  public mutating func run() throws {
    let registry = try global.registry()
    try removeNamed(names, "signing key") { name in
      do { return try registry.removeSigningKey(name) } catch let error as SigningError { throw Failure("\(error)") }
    }
  }
}
