internal import ArgumentParser
internal import Engine

/// docker's `inspect` of whatever has the name.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all that is known of containers, images, networks and volumes.")

  enum Kind: String, CaseIterable { case container, image, network, volume }

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "json, or a template of Go's kind.") var format: String?
  @Option(help: "container, image, network or volume.") var type: String?
  @Flag(name: .shortAndLong, help: "Show the bytes that containers have written.") var size = false
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "name")) var names: [String]

  func run() throws {
    var kinds = Kind.allCases
    if let type, !type.isEmpty {
      guard let kind = Kind(rawValue: type) else {
        throw Failure(
          "\"\(type)\" is not a valid value for --type: use container, image, network or volume", status: 125)
      }
      kinds = [kind]
    }
    try inspectObjects(names, format: format, try global.engine()) { name, engine in
      for kind in kinds {
        do { return try inspect(name, kind, engine) } catch let error as EngineError {
          guard case .notFound = error, kinds.count > 1 else { throw error }
        } catch let error as ImageError {
          guard case .notFound = error, kinds.count > 1 else { throw error }
        }
      }
      throw Failure("No such object: \(name)")
    }
  }

  private func inspect(_ name: String, _ kind: Kind, _ engine: Engine) throws -> Value {
    switch kind {
    case .container: try inspection(of: engine.container(name), engine, showsSize: size)
    case .image: try inspection(of: engine.image(name), engine)
    case .network: try inspection(of: engine.network(name), engine)
    case .volume: inspection(of: try engine.volume(name))
    }
  }
}
