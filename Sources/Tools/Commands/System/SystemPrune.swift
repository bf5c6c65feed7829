internal import ArgumentParser
internal import Engine

struct PruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune",
    abstract: "Remove what nobody uses: stopped containers, empty networks, images without a name, and what was interrupted.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "All images that no container uses, and the build cache.") var all = false
  @Flag(help: "Volumes without a name that no container mounts.") var volumes = false
  @Flag(name: .shortAndLong, help: "Do not ask.") var force = false

  func run() throws {
    var doomed = ["all stopped containers", "all networks not used by at least one container"]
    if volumes { doomed.append("all anonymous volumes not used by at least one container") }
    doomed.append(all ? "all images without at least one container associated to them" : "all images without a name")
    if all { doomed.append("all build cache") }
    try confirm(
      "WARNING! This will remove:\n" + doomed.map { "  - \($0)\n" }.joined(), force: force)
    let engine = try global.engine()
    try engine.sweep()
    var bytes: Int64 = 0
    let containers = try engine.pruneContainers()
    bytes += containers.bytes
    show("Deleted Containers:", containers.removed)
    show("Deleted Networks:", try engine.pruneNetworks())
    if volumes {
      let volumes = try engine.pruneVolumes()
      bytes += volumes.bytes
      show("Deleted Volumes:", volumes.removed)
    }
    let images = try engine.pruneImages(all: all, buildCache: !all)
    bytes += images.report.bytes
    show("Deleted Images:", images.removed.map(\.line))
    printOutput("Total reclaimed space: \(Phrase.size(bytes))\n")
  }

  private func show(_ title: String, _ lines: [String]) {
    guard !lines.isEmpty else { return }
    printOutput(title + "\n" + lines.map { $0 + "\n" }.joined() + "\n")
  }
}
