public import ArgumentParser
public import Engine
internal import Glibc

struct SaveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "save", abstract: "Save images as a tar archive, to standard output or a file.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "Write to this file instead of standard output.") var output: String?
  @Option(help: "docker-archive (an OCI layout that docker loads, too) or oci-archive.")
  var format: ImageArchiveFormat = .docker
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "image")) var images: [String]

  func run() throws {
    let engine = try global.engine()
    if output == nil, Terminal.outputIsTerminal {
      throw Failure("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    }
    let target = try OutputFile(output)
    do {
      try engine.save(images, format: format) { try target.write($0) }
      try target.commit()
    } catch {
      target.discard()
      throw error
    }
  }
}

extension ImageArchiveFormat: ExpressibleByArgument {}
