internal import ArgumentParser
internal import Engine
internal import ImageSpec

struct ImageInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Show all that is known of images.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "json, or a template of Go's kind.") var format: String?
  @Option(help: "Of an image for several platforms: os/arch[/variant].") var platform: String?
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "image")) var images: [String]

  func run() throws {
    let engine = try global.engine()
    let platform = try platform.map { try Platform(parsing: $0) }
    var failed = false
    var found: [Value] = []
    for name in images {
      do { found.append(try inspection(of: engine.image(name, platform: platform), engine)) } catch {
        printError("Error: \(error)")
        failed = true
      }
    }
    printOutput(try renderInspections(found, format: format))
    if failed { throw ExitCode(1) }
  }
}

/// What `inspect` prints: an indented array, or one line for each.
func renderInspections(_ values: [Value], format: String?) throws -> String {
  switch format {
  case nil: return try Value.array(values).json(indented: true) + "\n"
  case "json": return try Value.array(values).json() + "\n"
  case let format?:
    let template = try Template(format)
    return try values.map { try template.render($0) + "\n" }.joined()
  }
}

/// An image in the shape of docker's `image inspect`.
func inspection(of image: Image, _ engine: Engine) throws -> Value {
  let names = try engine.names(of: image)
  let config = image.config
  var members: [String: Value] = [
    "Id": .string(image.id.description),
    "RepoTags": .array(names.map { .string($0.familiar) }),
    "RepoDigests": .array(Set(names.map(\.familiarRepository)).sorted().map { .string("\($0)@\(image.target.digest)") }),
    "Created": .string(config.created ?? ""), "Author": .string(config.author ?? ""),
    "Comment": .string(config.history?.last?.comment ?? ""),
    "Architecture": .string(config.architecture), "Os": .string(config.os),
    "Size": .integer(try engine.size(of: image)),
    "Config": try Value(encoding: config.config ?? ContainerConfig()),
    "RootFS": .object([
      "Type": .string("layers"), "Layers": .array(config.rootfs.diffIDs.map { .string($0.description) }),
    ]),
    "Descriptor": try Value(encoding: image.target),
    "Digest": .string(image.target.digest.description),
  ]
  if let variant = config.variant { members["Variant"] = .string(variant) }
  return .object(members)
}
