internal import ArgumentParser
internal import Engine
internal import Glibc

struct ImagePruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "prune", abstract: "Remove images that nobody uses.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "All images that no container uses, not only those without a name.") var all = false
  @Flag(name: .shortAndLong, help: "Do not ask.") var force = false

  func run() throws {
    try confirm(
      "WARNING! This will remove all \(all ? "images without at least one container associated to them" : "images without a name").",
      force: force)
    let (removed, report) = try global.engine().pruneImages(all: all)
    if !removed.isEmpty {
      printOutput("Deleted Images:\n" + removed.map { $0.line + "\n" }.joined() + "\n")
    }
    printOutput("Total reclaimed space: \(Phrase.size(report.bytes))\n")
  }
}

/// Asks on a terminal whether to go on; elsewhere only `--force` goes on, so that a script never waits for an answer.
func confirm(_ warning: String, force: Bool) throws {
  if force { return }
  guard Terminal.inputIsTerminal else { throw Failure("\(warning) Add --force to go on without a terminal.") }
  printOutput("\(warning)\nAre you sure you want to continue? [y/N] ")
  guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else { throw ExitCode(0) }
}
