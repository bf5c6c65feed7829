internal import ArgumentParser
internal import Engine
internal import Sandboxes

struct NetworkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "network", abstract: "Manage networks.",
    subcommands: [
      NetworkCreateCommand.self, NetworkListCommand.self, NetworkRemoveCommand.self, NetworkInspectCommand.self,
      NetworkPruneCommand.self,
    ])
}

struct NetworkCreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "create", abstract: "Create a network.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "Only bridge.") var driver = "bridge"
  @Option(help: "Range of addresses, such as 10.90.0.0/24.") var subnet: String?
  @Option(help: "The host's address in it.") var gateway: String?
  @Flag(help: "Nothing outside is reached from it.") var `internal` = false
  @Option(help: "KEY=VALUE") var label: [String] = []
  @Argument(help: "Name of the network.") var network: String

  func run() throws {
    guard driver == "bridge" else { throw Failure("network driver \"\(driver)\" is not supported: use bridge") }
    let range = try subnet.map { text in
      guard let range = IPv4Network(text) else {
        throw Failure("invalid subnet \(text): write an IPv4 range such as 10.90.0.0/24")
      }
      return range
    }
    let address = try gateway.map { text in
      guard let address = IPv4Address(text) else { throw Failure("invalid gateway \(text): write an IPv4 address") }
      return address
    }
    if address != nil, range == nil { throw Failure("--gateway needs --subnet") }
    let made = try global.engine().createNetwork(
      network, subnet: range, gateway: address, isInternal: `internal`, labels: try labels(label))
    printOutput(made.id + "\n")
  }
}

/// `--label key=value` of networks and volumes.
func labels(_ texts: [String]) throws -> [String: String] {
  var labels: [String: String] = [:]
  for text in texts {
    guard !text.hasPrefix("="), !text.isEmpty else { throw Failure("invalid label \"\(text)\": write key=value") }
    let (key, value) = ContainerFlags.pair(text) ?? (text, "")
    labels[key] = value
  }
  return labels
}

struct NetworkListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "ls", abstract: "List networks.", aliases: ["list"])

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Show IDs only.") var quiet = false
  @Flag(help: "Do not shorten IDs.") var noTrunc = false
  @Option(help: "table, json, or a template of Go's kind.") var format: String?
  @Option(name: [.customShort("f"), .long], help: "id, name, label, driver or dangling, with =VALUE.") var filter:
    [String] = []

  func run() throws {
    let filters = try Filters(filter, allowed: ["id", "name", "label", "driver", "dangling", "type", "scope"])
    let engine = try global.engine()
    let used = Set(try engine.containers().map(\.networkName))
    var rows: [[String: Value]] = []
    for network in try engine.networks() {
      let isDangling = !network.isDefault && !used.contains(network.name)
      guard filters.allowsLabels(network.labels), filters.allows("id", network.id.hasPrefix),
        filters.allows("name", network.name.contains), filters.allows("driver", { $0 == "bridge" }),
        filters.allows("scope", { $0 == "local" }), filters.allows("type", { ($0 == "builtin") == network.isDefault }),
        filters.allows("dangling", { ($0 == "true" || $0 == "1") == isDangling })
      else { continue }
      rows.append([
        "ID": .string(noTrunc ? network.id : String(network.id.prefix(12))), "Name": .string(network.name),
        "Driver": .string("bridge"), "Scope": .string("local"), "Subnet": .string(network.bridge.subnet.description),
        "Internal": .bool(network.bridge.isInternal), "CreatedAt": .string(ContainerListOptions.date(network.created)),
        "Labels": .string(
          network.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
      ])
    }
    if quiet, format == nil { return printOutput(rows.map { ($0["ID"]?.text ?? "") + "\n" }.joined()) }
    let listing = Listing(
      [.init("NETWORK ID", "ID"), .init("NAME", "Name"), .init("DRIVER", "Driver"), .init("SCOPE", "Scope")],
      others: [
        .init("SUBNET", "Subnet"), .init("INTERNAL", "Internal"), .init("CREATED AT", "CreatedAt"),
        .init("LABELS", "Labels"),
      ])
    printOutput(try listing.render(rows, format: format))
  }
}

struct NetworkRemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove networks.", aliases: ["remove"])

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Do not mind those that are not there.") var force = false
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "network")) var networks: [String]

  func run() throws {
    let engine = try global.engine()
    try forEach(networks) { name in
      do { try engine.removeNetwork(name) } catch EngineError.notFound where force { return }
      printOutput(name + "\n")
    }
  }
}

struct NetworkPruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Remove the networks that no container uses.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Do not ask.") var force = false
  @Option(help: "until=TIME, label=KEY[=VALUE].") var filter: [String] = []

  func run() throws {
    let filter = try PruneFilter(filter)
    try confirm("WARNING! This will remove all custom networks not used by at least one container.", force: force)
    let removed = try global.engine().pruneNetworks { filter.allows($0.created, $0.labels) }
    if !removed.isEmpty { printOutput("Deleted Networks:\n" + removed.map { $0 + "\n" }.joined() + "\n") }
  }
}

struct NetworkInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all that is known of networks.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "json, or a template of Go's kind.") var format: String?
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "network")) var networks: [String]

  func run() throws {
    try inspectObjects(networks, format: format, try global.engine()) { name, engine in
      try inspection(of: engine.network(name), engine)
    }
  }
}

/// A network in the shape of docker's `network inspect`.
func inspection(of network: Network, _ engine: Engine) throws -> Value {
  let bridge = network.bridge
  let members = try engine.members(of: network).map { member in
    (
      member.id,
      Value.object([
        "Name": .string(member.name),
        "IPv4Address": .string("\(member.endpoint.address)/\(bridge.subnet.prefixLength)"),
        "MacAddress": .string(MACAddress(for: member.endpoint.address).description),
      ])
    )
  }
  return .object([
    "Id": .string(network.id), "Name": .string(network.name), "Created": .string(network.created.description),
    "Scope": .string("local"), "Driver": .string("bridge"), "EnableIPv6": .bool(false),
    "IPAM": .object([
      "Driver": .string("default"),
      "Config": .array([
        .object(["Subnet": .string(bridge.subnet.description), "Gateway": .string(bridge.gateway.description)])
      ]),
    ]),
    "Internal": .bool(bridge.isInternal), "Attachable": .bool(false), "Ingress": .bool(false),
    "Options": .object(["com.docker.network.bridge.name": .string(bridge.bridge)]),
    "Labels": .object(network.labels.mapValues { .string($0) }),
    "Containers": .object(Dictionary(members) { first, _ in first }),
  ])
}
