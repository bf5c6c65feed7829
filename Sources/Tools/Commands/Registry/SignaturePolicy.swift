public import ArgumentParser
internal import Content
internal import RegistryServer

public struct SignaturePolicyCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "signature-policy", abstract: "Say which images must be signed, and with whose keys.",
    discussion: """
      A policy is for the repositories that its patterns match. At push, a tag may only be pointed at an image that is \
      signed; at pull, only what is signed is given out. An index vouches for what it lists; signatures themselves, and \
      artifacts that refer to an image, need none. To publish: push by digest or under an exempt tag, \
      cosign sign --key, then tag.

      A policy counts from the next request on, also for a server that runs.
      """,
    subcommands: [
      SignaturePolicySetCommand.self, SignaturePolicyListCommand.self, SignaturePolicyRemoveCommand.self,
    ])

  public init() {}
}

extension SignatureRule.Stage: ExpressibleByArgument {}

public struct SignaturePolicySetCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Set a policy, in place of the one of that name.")

  @OptionGroup var global: GlobalOptions

  @Option(
    help: ArgumentHelp("Repositories that it is for; * is any characters. Repeatable.", valueName: "pattern"))
  var repository: [String] = []

  @Option(
    help: ArgumentHelp("A public key in PEM, such as cosign.pub. Repeatable.", valueName: "[name=]file"))
  var key: [String] = []

  @Option(help: ArgumentHelp("How many of the keys must have signed.", valueName: "count"))
  var required = 1

  @Option(
    name: .customLong("exempt-tag"),
    help: ArgumentHelp("Tags that may be on images without signatures. Repeatable.", valueName: "pattern"))
  var exemptTags: [String] = []

  @Option(help: ArgumentHelp("push or pull; both, where left out. Repeatable.", valueName: "stage"))
  var at: [SignatureRule.Stage] = []

  @Flag(help: "Let through what lacks signatures, with a warning.")
  var warn = false

  @Argument(help: "The policy's name.")
  var name: String

  public init() {}

  public mutating func run() throws {
    let keys = try key.map(SignaturesSection.key)
    let rule = SignatureRule(
      repositories: repository, keys: keys, required: required, exemptTags: exemptTags,
      stages: Set(at.isEmpty ? SignatureRule.Stage.allCases : at), mode: warn ? .warn : .enforce)
    do { try global.registry().setSignaturePolicy(name, rule) } catch let error as SignatureRuleError {
      throw Failure("\(error)")
    }
    printOutput("\(name)\n")
  }
}

public struct SignaturePolicyListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the policies.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  @Option(
    help: ArgumentHelp(
      "json, or a template: {{.Name}}, {{.Repositories}}, {{.Keys}}, {{.Required}}, {{.ExemptTags}}, {{.At}}, {{.Mode}}.",
      valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let listing = Listing([
      .init("NAME", "Name"), .init("REPOSITORIES", "Repositories"), .init("KEYS", "Keys"),
      .init("REQUIRED", "Required"),
      .init("EXEMPT TAGS", "ExemptTags"), .init("AT", "At"), .init("MODE", "Mode"),
    ])
    let rows = try global.registry().signaturePolicies().map { name, rule -> [String: Value] in
      [
        "Name": .string(name), "Repositories": .string(rule.repositories.joined(separator: ",")),
        "Keys": .string(rule.keys.map(\.name).joined(separator: ",")), "Required": .string(String(rule.required)),
        "ExemptTags": .string(rule.exemptTags.joined(separator: ",")),
        "At": .string(rule.stages.map(\.rawValue).sorted().joined(separator: ",")), "Mode": .string(rule.mode.rawValue),
      ]
    }
    printOutput(try listing.render(rows, format: format))
  }
}

public struct SignaturePolicyRemoveCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove policies.", aliases: ["rm"])

  @OptionGroup var global: GlobalOptions

  @Argument(help: "Names of policies.")
  var names: [String]

  public init() {}

  public mutating func run() throws {
    let registry = try global.registry()
    try removeNamed(names, "signature policy") { try registry.removeSignaturePolicy($0) }
  }
}

