public import ArgumentParser
internal import Content
internal import Engine
internal import ImageSpec
internal import RegistryClient

public struct PushCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "push", abstract: "Send an image to a registry.",
    discussion: "Layers that the registry has are not sent again; those of its other repositories are mounted from there.")

  @OptionGroup var global: GlobalOptions

  @Flag(name: .shortAndLong, help: "Send all tags of the repository.")
  var allTags = false

  @Flag(name: .shortAndLong, help: "Print the image's name only.")
  var quiet = false

  @Argument(help: "The image: a name or an ID.")
  var source: String

  @Argument(help: "The name that it gets on the registry; without it, its own.")
  var target: String?

  public init() {}

  public mutating func validate() throws {
    if allTags, target != nil { throw ValidationError("--all-tags sends names as they are: leave the second name out") }
  }

  public mutating func run() async throws {
    let engine = try global.engine()
    do {
      if allTags {
        try await pushAllTags(engine)
      } else {
        let local = try find(engine)
        try await push(local, to: Reference(parsing: target ?? source).tagged, engine)
      }
    } catch {
      try await engine.shutdown()
      throw error
    }
    try await engine.shutdown()
  }

  private func find(_ engine: Engine) throws -> Descriptor {
    if let name = try? Reference(parsing: source).tagged, let local = try engine.content.resolve(name) { return local }
    return try engine.imageTarget(source)
  }

  private func pushAllTags(_ engine: Engine) async throws {
    let repository = try Reference(parsing: source)
    guard repository.tag == nil, repository.digest == nil else { throw Failure("tag can't be used with --all-tags/-a") }
    let names = try engine.content.names().filter { $0.name.repository == repository.repository && $0.name.tag != nil }
    guard !names.isEmpty else { throw Failure("no image of \(repository.familiarRepository) has a tag here") }
    for named in names { try await push(named.descriptor, to: named.name, engine) }
  }

  private func push(_ local: Descriptor, to target: Reference, _ engine: Engine) async throws {
    let display = quiet ? nil : TransferDisplay(.push)
    if !quiet { printOutput("The push refers to repository [\(target.repository)]\n") }
    let pushed: Descriptor
    do {
      pushed = try await engine.registry.push(local, to: target, progress: display?.progress)
    } catch {
      display?.finish()
      throw error
    }
    display?.finish()
    let place = target.tag ?? "\(pushed.digest)"
    printOutput(quiet ? "\(target)\n" : "\(place): digest: \(pushed.digest) size: \(pushed.size)\n")
  }
}
