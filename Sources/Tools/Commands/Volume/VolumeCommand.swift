internal import ArgumentParser
internal import Engine
internal import Kernel

struct VolumeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "volume", abstract: "Manage volumes.",
    subcommands: [
      VolumeCreateCommand.self, VolumeListCommand.self, VolumeRemoveCommand.self, VolumeInspectCommand.self,
      VolumePruneCommand.self,
    ])
}

struct VolumeCreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "create", abstract: "Create a volume.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "Only local.") var driver = "local"
  @Option(help: "KEY=VALUE") var label: [String] = []
  @Argument(help: "Name of the volume; without one it gets a random one.") var volume: String?

  func run() throws {
    guard driver == "local" else { throw Failure("volume driver \"\(driver)\" is not supported: use local") }
    // One without a name is docker's anonymous volume: `volume prune` removes it.
    let made = try global.engine().createVolume(volume, labels: try labels(label), isAnonymous: volume == nil)
    printOutput(made.name + "\n")
  }
}

struct VolumeListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "ls", abstract: "List volumes.", aliases: ["list"])

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Show names only.") var quiet = false
  @Option(help: "table, json, or a template of Go's kind.") var format: String?
  @Option(name: [.customShort("f"), .long], help: "name, label, driver or dangling, with =VALUE.") var filter:
    [String] = []

  func run() throws {
    let filters = try Filters(filter, allowed: ["name", "label", "driver", "dangling"])
    let engine = try global.engine()
    var rows: [[String: Value]] = []
    for volume in try engine.volumes() {
      guard filters.allowsLabels(volume.labels), filters.allows("name", volume.name.contains),
        filters.allows("driver", { $0 == "local" }),
        try filters.allows(
          "dangling", { try ($0 == "true" || $0 == "1") == engine.users(ofVolume: volume.name).isEmpty })
      else { continue }
      rows.append([
        "Name": .string(volume.name), "Driver": .string("local"), "Scope": .string("local"),
        "Mountpoint": .string(volume.directory.string),
        "Labels": .string(
          volume.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
        "Links": .string(
          format?.contains(".Links") == true ? String(try engine.users(ofVolume: volume.name).count) : "N/A"),
        "Size": .string(format?.contains(".Size") == true ? Phrase.size(diskUsage(of: volume.directory)) : "N/A"),
      ])
    }
    if quiet, format == nil { return printOutput(rows.map { ($0["Name"]?.text ?? "") + "\n" }.joined()) }
    let listing = Listing(
      [.init("DRIVER", "Driver"), .init("VOLUME NAME", "Name")],
      others: [
        .init("SCOPE", "Scope"), .init("MOUNTPOINT", "Mountpoint"), .init("LABELS", "Labels"), .init("LINKS", "Links"),
        .init("SIZE", "Size"),
      ])
    printOutput(try listing.render(rows, format: format))
  }
}

struct VolumeRemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove volumes.", aliases: ["remove"])

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Do not mind those that are not there.") var force = false
  @Argument(help: ArgumentHelp("Names.", valueName: "volume")) var volumes: [String]

  func run() throws {
    let engine = try global.engine()
    try forEach(volumes) { name in
      do { try engine.removeVolume(name) } catch EngineError.notFound where force { return }
      printOutput(name + "\n")
    }
  }
}

struct VolumePruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Remove the volumes that no container has.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Also those with a name.") var all = false
  @Flag(name: .shortAndLong, help: "Do not ask.") var force = false
  @Option(help: "label=KEY[=VALUE].") var filter: [String] = []

  func run() throws {
    let filter = try PruneFilter(filter)
    try confirm(
      "WARNING! This will remove \(all ? "all" : "anonymous") local volumes not used by at least one container.",
      force: force)
    let (removed, bytes) = try global.engine().pruneVolumes(all: all) { filter.allows($0.created, $0.labels) }
    if !removed.isEmpty { printOutput("Deleted Volumes:\n" + removed.map { $0 + "\n" }.joined() + "\n") }
    printOutput("Total reclaimed space: \(Phrase.size(bytes))\n")
  }
}

struct VolumeInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all that is known of volumes.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "json, or a template of Go's kind.") var format: String?
  @Argument(help: ArgumentHelp("Names.", valueName: "volume")) var volumes: [String]

  func run() throws {
    try inspectObjects(volumes, format: format, try global.engine()) { name, engine in
      inspection(of: try engine.volume(name))
    }
  }
}

/// A volume in the shape of docker's `volume inspect`.
func inspection(of volume: Volume) -> Value {
  .object([
    "Name": .string(volume.name), "Driver": .string("local"), "Scope": .string("local"), "Options": .null,
    "Mountpoint": .string(volume.directory.string), "CreatedAt": .string(volume.created.description),
    "Labels": volume.labels.isEmpty ? .null : .object(volume.labels.mapValues { .string($0) }),
  ])
}
