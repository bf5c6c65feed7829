public import ArgumentParser
internal import Content
internal import Engine
internal import ImageSpec
internal import RegistryClient

public struct PullCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Bring an image from a registry into the store, ready to run.")

  @OptionGroup var global: GlobalOptions

  @Flag(name: .shortAndLong, help: "Bring all tags of the repository.")
  var allTags = false

  @Option(help: ArgumentHelp("Which image of an index: os/architecture[/variant].", valueName: "platform"))
  var platform: String?

  @Flag(name: .shortAndLong, help: "Print the image's name only.")
  var quiet = false

  @Argument(help: "NAME[:TAG|@DIGEST]; without a host, from Docker Hub.")
  var name: String

  public init() {}

  public mutating func run() async throws {
    let reference = try Reference(parsing: name)
    let wanted = try platform.map { try Platform(parsing: $0) } ?? .host
    let engine = try global.engine()
    do {
      if allTags {
        guard reference.tag == nil, reference.digest == nil else {
          throw Failure("tag can't be used with --all-tags/-a")
        }
        for tag in try await engine.registry.tags(reference) {
          try await pull(reference.with(tag: tag, digest: nil), wanted, engine)
        }
      } else {
        if reference.tag == nil, reference.digest == nil, !quiet { printOutput("Using default tag: latest\n") }
        try await pull(reference.tagged, wanted, engine)
      }
    } catch {
      try await engine.shutdown()
      throw error
    }
    try await engine.shutdown()
  }

  private func pull(_ name: Reference, _ platform: Platform, _ engine: Engine) async throws {
    let before = try engine.content.resolve(name)
    let display = quiet ? nil : TransferDisplay(.pull)
    if !quiet { printOutput("\(name.tag ?? name.digest?.description ?? ""): Pulling from \(name.path)\n") }
    do {
      _ = try await engine.pull(name, platform: platform, progress: display?.progress)
    } catch {
      display?.finish()
      throw error
    }
    display?.finish()
    if !quiet, let now = try engine.content.resolve(name) {
      printOutput("Digest: \(now.digest)\n")
      let state = now.digest == before?.digest ? "Image is up to date" : "Downloaded newer image"
      printOutput("Status: \(state) for \(name.familiar)\n")
    }
    printOutput("\(name)\n")
  }
}
