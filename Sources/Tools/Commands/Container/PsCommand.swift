internal import ArgumentParser
internal import Engine
internal import ImageSpec
internal import Kernel

struct PsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "ps", abstract: "List containers.")

  @OptionGroup var listing: ContainerListOptions

  func run() throws { try listing.run() }
}

/// `container ls`: the same as `ps`.
struct ContainerListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List containers.", aliases: ["list", "ps"])

  @OptionGroup var listing: ContainerListOptions

  func run() throws { try listing.run() }
}

struct ContainerListOptions: ParsableArguments {
  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Also those that do not run.") var all = false
  @Flag(name: .shortAndLong, help: "Show IDs only.") var quiet = false
  @Flag(name: .shortAndLong, help: "Show the bytes that containers have written.") var size = false
  @Flag(help: "Do not shorten what is shown.") var noTrunc = false
  @Option(name: [.customShort("n"), .customLong("last")], help: "Show the last so many, running or not.") var last:
    Int = -1
  @Flag(name: .shortAndLong, help: "Show the last one, running or not.") var latest = false
  @Option(help: "table, json, or a template of Go's kind.") var format: String?
  @Option(
    name: [.customShort("f"), .long],
    help:
      "id, name, label, status, exited, ancestor, before, since, volume, network, health, publish or expose, with =VALUE."
  )
  var filter: [String] = []

  private static let keys: Set<String> = [
    "id", "name", "label", "status", "exited", "ancestor", "before", "since", "volume", "network", "health", "publish",
    "expose",
  ]

  func run() throws {
    let engine = try global.engine()
    let filters = try Filters(filter, allowed: Self.keys)
    let statuses = ContainerState.Status.allCases.map(\.rawValue)
    for status in filters["status"] ?? [] where !statuses.contains(status) {
      throw Failure("invalid filter 'status=\(status)': use \(statuses.joined(separator: ", "))")
    }
    let count = latest ? 1 : last
    // docker's: these ask for containers that do not run.
    let showsAll = all || count > 0 || filters["status"] != nil || filters["exited"] != nil
    var containers = try selected(engine.containers(all: showsAll), filters, engine)
    if count > 0 { containers = Array(containers.prefix(count)) }
    if quiet, format == nil {
      return printOutput(containers.map { (noTrunc ? $0.id : $0.shortID) + "\n" }.joined())
    }
    let showsSize = size || format?.contains(".Size") == true
    let rows = try containers.map { try row($0, engine, showsSize: showsSize) }
    printOutput(try Self.listing(size: size).render(rows, format: format))
  }

  private static func listing(size: Bool) -> Listing {
    Listing(
      [
        .init("CONTAINER ID", "ID"), .init("IMAGE", "Image"), .init("COMMAND", "Command"),
        .init("CREATED", "RunningFor"),
        .init("STATUS", "Status"), .init("PORTS", "Ports"), .init("NAMES", "Names"),
      ] + (size ? [.init("SIZE", "Size")] : []),
      others: [
        .init("CREATED AT", "CreatedAt"), .init("STATE", "State"), .init("LABELS", "Labels"), .init("MOUNTS", "Mounts"),
        .init("LOCAL VOLUMES", "LocalVolumes"), .init("NETWORKS", "Networks"), .init("SIZE", "Size"),
        .init("POD", "Pod"),
      ])
  }

  // MARK: Which

  private func selected(_ containers: [Container], _ filters: Filters, _ engine: Engine) throws -> [Container] {
    let before = try filters["before"]?.map { try engine.container($0).record.created }.min()
    let since = try filters["since"]?.map { try engine.container($0).record.created }.max()
    let ancestors = try filters["ancestor"].map { try Self.images($0, engine) }
    return containers.filter { container in
      let record = container.record
      if let before, record.created >= before { return false }
      if let since, record.created <= since { return false }
      if let ancestors, !ancestors.contains(record.imageID), !ancestors.contains(record.manifest) { return false }
      guard filters.allowsLabels(record.labels) else { return false }
      return filters.allows("id") { container.id.hasPrefix($0) }
        && filters.allows("name") { Self.matches(container.name, $0) }
        && filters.allows("status") { container.state.status.rawValue == $0 }
        && filters.allows("exited") { container.state.status == .exited && container.state.exitCode == Int32($0) }
        && filters.allows("volume") { wanted in
          record.mounts.contains { [$0.name, $0.source, $0.target].contains(wanted) }
        }
        && filters.allows("network") { name in
          container.networkName == name || (try? engine.network(name).name).map { $0 == container.networkName } ?? false
        }
        && filters.allows("health") { (container.state.health?.status.rawValue ?? "none") == $0 }
        && filters.allows("publish") { Self.ports($0).isSubset(of: container.ownPublications.map(\.targetText)) }
        && filters.allows("expose") {
          Self.ports($0).isSubset(of: record.exposedPorts + container.ownPublications.map(\.targetText))
        }
    }
  }

  private static func ports(_ text: String) -> Set<String> { Set((try? PortFlags.exposed(text)) ?? [text]) }

  /// A part of the name, or with `^` and `$` its start and end.
  private static func matches(_ name: String, _ pattern: String) -> Bool {
    var text = pattern[...]
    let fromStart = text.hasPrefix("^")
    let toEnd = text.hasSuffix("$")
    if fromStart { text.removeFirst() }
    if toEnd { text.removeLast() }
    if text.hasPrefix("/") { text.removeFirst() }
    switch (fromStart, toEnd) {
    case (true, true): return name == text
    case (true, false): return name.hasPrefix(text)
    case (false, true): return name.hasSuffix(text)
    case (false, false): return text.isEmpty || name.contains(text)
    }
  }

  /// The images, and those that were built on them.
  private static func images(_ names: [String], _ engine: Engine) throws -> Set<Digest> {
    var found: Set<Digest> = []
    let all = try engine.images()
    for name in names {
      // A name that there is no image for is no container's ancestor.
      guard let image = try? engine.image(name) else { continue }
      let layers = image.config.rootfs.diffIDs
      found.insert(image.id)
      for other in all where !layers.isEmpty && other.image.config.rootfs.diffIDs.starts(with: layers) {
        found.insert(other.image.id)
      }
    }
    return found
  }

  // MARK: What

  private func row(_ container: Container, _ engine: Engine, showsSize: Bool) throws -> [String: Value] {
    let record = container.record
    // As docker: an argument with a space stands in quotes.
    var command = record.arguments.enumerated().map { $0 > 0 && $1.contains(" ") ? "'\($1)'" : $1 }.joined(
      separator: " ")
    if !noTrunc, command.count > 20 { command = command.prefix(19) + "…" }
    let volumes = record.mounts.filter { $0.kind == .volume }
    let mounts = record.mounts.compactMap { $0.name ?? $0.source }.map { name in
      noTrunc || name.count <= 15 ? name : name.prefix(14) + "…"
    }
    let created = record.created
    return [
      "ID": .string(noTrunc ? container.id : container.shortID), "Image": .string(record.options.image),
      "Command": .string("\"\(command.replacing("\"", with: "\\\""))\""), "CreatedAt": .string(Self.date(created)),
      "RunningFor": .string(Phrase.ago(created.seconds)), "Status": .string(container.statusPhrase),
      "State": .string(container.state.status.rawValue), "Ports": .string(container.portsPhrase),
      "Names": .string(container.name), "Mounts": .string(mounts.joined(separator: ",")),
      "LocalVolumes": .string(String(volumes.count)), "Networks": .string(container.networkName),
      "Labels": .string(
        record.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
      "Size": .string(showsSize ? try sizes(container, engine) : "0B"), "Pod": .string(record.options.pod ?? ""),
    ]
  }

  private func sizes(_ container: Container, _ engine: Engine) throws -> String {
    let own = engine.changedBytes(of: container)
    guard let image = try? engine.image(container.record.imageID.description) else { return Phrase.size(own) }
    return "\(Phrase.size(own)) (virtual \(Phrase.size(own + (try engine.size(of: image)))))"
  }

  /// As Go prints a time: `2026-01-02 15:04:05 +0000 UTC`.
  static func date(_ moment: Moment) -> String {
    let text = Timestamp.text(seconds: moment.seconds)
    return text.prefix(10) + " " + text.dropFirst(11).prefix(8) + " +0000 UTC"
  }
}
