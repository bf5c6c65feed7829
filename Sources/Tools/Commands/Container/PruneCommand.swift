internal import ArgumentParser
internal import Engine

struct ContainerPruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "prune", abstract: "Remove all stopped containers.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Do not ask.") var force = false
  @Option(help: "until=TIME, label=KEY[=VALUE].") var filter: [String] = []

  func run() throws {
    let filter = try PruneFilter(filter)
    try confirm("WARNING! This will remove all stopped containers.", force: force)
    let (removed, bytes) = try global.engine().pruneContainers { filter.allows($0.record.created, $0.record.labels) }
    if !removed.isEmpty { printOutput("Deleted Containers:\n" + removed.map { $0 + "\n" }.joined() + "\n") }
    printOutput("Total reclaimed space: \(Phrase.size(bytes))\n")
  }
}

/// What a `prune` leaves alone.
struct PruneFilter {
  private let filters: Filters
  private let until: Moment?

  init(_ arguments: [String]) throws {
    filters = try Filters(arguments, allowed: ["until", "label", "label!"])
    until = try filters["until"]?.map { try LogsCommand.moment($0, "until") }.min()
  }

  func allows(_ created: Moment, _ labels: [String: String]) -> Bool {
    if let until, created > until { return false }
    let isKept = (filters["label!"] ?? []).contains { wanted in
      let parts = wanted.split(separator: "=", maxSplits: 1).map(String.init)
      return labels[parts[0]].map { parts.count == 1 || $0 == parts[1] } ?? false
    }
    return !isKept && filters.allowsLabels(labels)
  }
}
