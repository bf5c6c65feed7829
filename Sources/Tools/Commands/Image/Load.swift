internal import ArgumentParser
internal import Engine
internal import Glibc
internal import ImageSpec

struct LoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Load images from a tar archive: an OCI layout, or what docker save writes.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "Read this file instead of standard input.") var input: String?
  @Flag(name: .shortAndLong, help: "Print only the IDs.") var quiet = false

  func run() throws {
    let engine = try global.engine()
    if input == nil, Terminal.inputIsTerminal { throw Failure("requested load from stdin, but stdin is a terminal; use --input") }
    let descriptor = try openInput(input)
    defer { close(descriptor) }
    for loaded in try engine.load(from: descriptor) {
      if quiet {
        printOutput("\(loaded.image.id)\n")
      } else if loaded.names.isEmpty {
        printOutput("Loaded image ID: \(loaded.image.id)\n")
      } else {
        for name in loaded.names { printOutput("Loaded image: \(name.familiar)\n") }
      }
    }
  }
}

/// A file for reading; nil or `-` is standard input.
func openInput(_ path: String?) throws -> CInt {
  let descriptor = path == nil || path == "-" ? dup(STDIN_FILENO) : open(path ?? "", O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw Failure("open \(path ?? "standard input"): \(String(cString: strerror(errno)))") }
  return descriptor
}
