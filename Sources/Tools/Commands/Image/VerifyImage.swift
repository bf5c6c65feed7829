public import ArgumentParser
internal import Engine
internal import ImageSpec
internal import Kernel
internal import RegistryClient
internal import Signatures
internal import SystemPackage

public struct VerifyImageCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check an image's signatures, as cosign writes them, with public keys.",
    discussion: """
      The signatures are read from the image's repository: beside the image under cosign's tag, or as referrers of it. \
      Nothing is pulled. The exit status is 0 where at least --required of the keys have signed what the name points at.
      """)

  @OptionGroup var global: GlobalOptions

  @Option(help: ArgumentHelp("A public key in PEM, such as cosign.pub. Repeatable.", valueName: "file"))
  var key: [String] = []

  @Option(help: ArgumentHelp("How many of the keys must have signed.", valueName: "count"))
  var required = 1

  @Argument(help: "NAME[:TAG|@DIGEST]")
  var name: String

  public init() {}

  public mutating func validate() throws {
    guard !key.isEmpty else { throw ValidationError("--key names a file with a public key") }
    guard (1...key.count).contains(required) else {
      throw ValidationError("--required \(required): of \(key.count) keys, 1 to \(key.count) can be required")
    }
  }

  public mutating func run() async throws {
    let reference = try Reference(parsing: name).tagged
    var keys: [VerificationKey] = []
    for path in key {
      do {
        keys.append(
          try VerificationKey(pem: String(decoding: try readFile(FilePath(path), limit: 64 << 10), as: UTF8.self)))
      } catch let error as Errno {
        throw Failure("cannot read the key \(path): \(error)")
      } catch let error as SignatureError {
        throw Failure("\(path): \(error)")
      }
    }
    guard Set(keys).count == keys.count else { throw Failure("two of the keys are the same") }
    let engine = try global.engine()
    do {
      try await verify(reference, keys, engine.registry)
    } catch {
      try await engine.shutdown()
      throw error
    }
    try await engine.shutdown()
  }

  private func verify(_ reference: Reference, _ keys: [VerificationKey], _ client: RegistryClient) async throws {
    let image = try await client.resolve(reference).digest
    let signatures = try await client.signatures(of: image, in: reference)
    var count = 0
    for (path, key) in zip(key, keys) {
      let isSigned = signatures.contains { $0.isOf(image, by: key) }
      if isSigned { count += 1 }
      printOutput("\(path): \(isSigned ? "signed" : "not signed") (\(key))\n")
    }
    printOutput("\(reference.with(tag: reference.tag, digest: image))\n")
    guard count >= required else {
      throw Failure(
        "\(reference.familiar) (\(image)) is signed with \(count) of the keys, and \(required) are required; its repository "
          + "has \(signatures.count) signature\(signatures.count == 1 ? "" : "s") of it")
    }
  }
}
