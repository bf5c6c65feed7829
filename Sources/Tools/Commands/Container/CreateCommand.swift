internal import ArgumentParser
internal import Engine

struct CreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: RunFlags.create.abstract, helpNames: [])

  @Argument(parsing: .captureForPassthrough, help: "[OPTIONS] IMAGE [COMMAND] [ARG...]") var arguments: [String] = []

  func run() throws { try Self.run(arguments) }

  static func run(_ arguments: [String]) throws {
    try withRunStatuses {
      let parsed = try RunFlags.create.parse(arguments)
      guard !parsed.rest.isEmpty else { throw RunFlags.create.failure("'clipper create' requires at least 1 argument") }
      var options = try ContainerFlags(parsed: parsed).options()
      let file = try parsed.last("cidfile").map { try ContainerIDFile($0) }
      let engine = try ContainerCreation.engine(parsed)
      for other in parsed.all("volumes-from") { options.mounts += try MountFlags.mounts(from: other, engine) }
      try ContainerCreation.ensureImage(options, parsed, engine)
      let container = try engine.create(options)
      try file?.write(container.id)
      printOutput(container.id + "\n")
    }
  }
}
