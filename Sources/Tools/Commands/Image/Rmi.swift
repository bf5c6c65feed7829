internal import ArgumentParser
internal import Engine
import ImageSpec

struct RmiCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rmi", abstract: "Remove images.", aliases: ["rm"])

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Also remove what a container uses, and an image of several names by its ID.")
  var force = false
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "image")) var images: [String]

  func run() throws {
    let engine = try global.engine()
    var failed = false
    for image in images {
      do {
        for removal in try engine.removeImage(image, force: force) { printOutput(removal.line + "\n") }
      } catch ImageError.notFound(_) where force {
        continue
      } catch {
        printError("Error: \(error)")
        failed = true
      }
    }
    if failed { throw ExitCode(1) }
  }
}

extension ImageRemoval {
  /// As docker prints it.
  var line: String {
    switch self {
    case .untagged(let name): "Untagged: \(name.familiar)"
    case .deleted(let id): "Deleted: \(id)"
    }
  }
}
