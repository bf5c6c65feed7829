internal import ArgumentParser
internal import BuildGraph
internal import Engine
internal import Glibc
internal import ImageSpec

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Make an image from a tar archive of a root file system.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "Apply a Dockerfile instruction to the image, such as 'CMD [\"sh\"]'.")
  var change: [String] = []
  @Option(name: .shortAndLong, help: "A comment for the image's history.") var message: String?
  @Option(help: "os/arch[/variant] that the files are for.") var platform: String?
  @Argument(help: "The archive, - for standard input.") var file: String
  @Argument(help: ArgumentHelp("Name of the image.", valueName: "name")) var name: String?

  func run() throws {
    if file.hasPrefix("http://") || file.hasPrefix("https://") {
      throw Failure("import from a URL is not supported: fetch it first, or pipe it: curl … | clipper import - NAME")
    }
    let reference = try name.map { try Reference(parsing: $0) }
    let platform = try platform.map { try Platform(parsing: $0) } ?? .host
    let config = try imageConfig(applying: change)
    let engine = try global.engine()
    let descriptor = try openInput(file)
    defer { close(descriptor) }
    let image = try engine.importImage(
      from: descriptor, as: reference, config: config, comment: message, platform: platform, created: Timestamp.now())
    printOutput("\(image.id)\n")
  }
}
