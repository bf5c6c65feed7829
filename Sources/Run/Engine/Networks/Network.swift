import Content
internal import GRDB
internal import Kernel
public import Sandboxes
internal import SystemPackage

/// A network of containers.
public struct Network: Sendable {
  public let id: String
  public let name: String
  public let created: Moment
  public let bridge: BridgeNetwork
  public let labels: [String: String]

  /// The one that containers get that ask for nothing else.
  public static let defaultName = "bridge"
  public var isDefault: Bool { name == Self.defaultName }
}

/// What the database keeps of a network beside its name.
struct NetworkRecord: Codable {
  var bridge: BridgeNetwork
  var labels: [String: String]
}

extension Engine {
  /// Networks that containers choose by name; `none` and `host` are modes, not networks.
  public func networks() throws -> [Network] {
    try content.database.read { database in
      var networks = try Row.fetchAll(database, sql: "SELECT id, name, created, record FROM networks ORDER BY created, name")
        .map(Self.network)
      if !networks.contains(where: \.isDefault) { networks.insert(Self.defaultNetwork, at: 0) }
      return networks
    }
  }

  /// A network by name, by ID, or by the start of its ID.
  public func network(_ nameOrID: String) throws -> Network {
    let networks = try networks()
    if let exact = networks.first(where: { $0.name == nameOrID || $0.id == nameOrID }) { return exact }
    let found = networks.filter { !nameOrID.isEmpty && $0.id.hasPrefix(nameOrID) }
    guard let first = found.first else { throw EngineError.notFound(.network, nameOrID) }
    guard found.count == 1 else { throw EngineError.ambiguous(.network, nameOrID) }
    return first
  }

  /// Containers and pods that run in a network: their IDs, names and places.
  public func members(of network: Network) throws -> [(id: String, name: String, endpoint: Endpoint)] {
    try content.database.read { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT e.owner, e.network, e.address, e.names, e.ports, coalesce(c.name, p.name, '') AS name FROM endpoints e
          LEFT JOIN containers c ON c.id = e.owner LEFT JOIN pods p ON p.id = e.owner WHERE e.network = ? ORDER BY e.address
          """, arguments: [network.name]
      ).compactMap { row in
        let owner: String = row["owner"]
        return try Endpoint(row, owner: owner).map { (owner, row["name"], $0) }
      }
    }
  }

  /// - Parameters:
  ///   - subnet: nil takes one that neither a network nor a route of this host has.
  ///   - gateway: nil takes the subnet's first address.
  public func createNetwork(
    _ name: String, subnet: IPv4Network? = nil, gateway: IPv4Address? = nil, isInternal: Bool = false,
    labels: [String: String] = [:]
  ) throws -> Network {
    guard ContainerName.isValid(name) else { throw EngineError.invalidName(.network, name) }
    guard !["none", "host", "default", Network.defaultName].contains(name) else {
      throw EngineError.input("operation is not permitted on predefined \(name) network")
    }
    let routes = try Self.routedNetworks()
    let id = ContainerName.newID()
    return try content.database.write { database in
      let others = try Row.fetchAll(database, sql: "SELECT id, name, created, record FROM networks").map(Self.network)
      if let other = others.first(where: { $0.name == name }) {
        throw EngineError.nameInUse(.network, name: name, by: String(other.id.prefix(12)))
      }
      let taken = others.map(\.bridge.subnet) + [Self.defaultNetwork.bridge.subnet]
      if let subnet, let other = taken.first(where: { $0.overlaps(subnet) }) {
        throw EngineError.input("Pool overlaps with other one on this address space: \(subnet) and \(other)")
      }
      guard let subnet = subnet ?? Self.freeSubnet(taken + routes) else {
        throw EngineError.input("all predefined address pools have been fully subnetted: name one with --subnet")
      }
      guard subnet.prefixLength <= 29 else {
        throw EngineError.input("invalid subnet \(subnet): it has no room for containers; use a prefix of at most 29")
      }
      guard let gateway = gateway ?? subnet.address(at: 1), subnet.contains(gateway), gateway != subnet.address, gateway != subnet.broadcast
      else { throw EngineError.input("invalid gateway: it is not in the subnet \(subnet)") }
      let bridge = BridgeNetwork(name: name, bridge: "br-\(id.prefix(12))", subnet: subnet, gateway: gateway, isInternal: isInternal)
      let network = Network(id: id, name: name, created: .now(), bridge: bridge, labels: labels)
      try Self.insert(network, database)
      return network
    }
  }

  /// Removes a network in which nobody runs.
  public func removeNetwork(_ nameOrID: String) throws {
    let network = try network(nameOrID)
    guard !network.isDefault else { throw EngineError.input("\(network.name) is a pre-defined network and cannot be removed") }
    try content.database.write { database in
      let users = try String.fetchAll(database, sql: "SELECT owner FROM endpoints WHERE network = ?", arguments: [network.name])
      guard users.isEmpty else { throw EngineError.inUse(.network, name: network.name, by: users) }
      try database.execute(sql: "DELETE FROM networks WHERE id = ?", arguments: [network.id])
    }
    try NetworkSetup.removeBridge(network.bridge)
  }

  /// Removes the networks in which nobody runs and that no container names.
  public func pruneNetworks(matching: (Network) -> Bool = { _ in true }) throws -> [String] {
    let named = Set(
      try containers().compactMap { container -> String? in
        if case .bridge(let name) = container.record.options.network { return name }
        return nil
      })
    return try networks().filter { network in
      guard !network.isDefault, !named.contains(network.name), matching(network) else { return false }
      do {
        try removeNetwork(network.id)
        return true
      } catch EngineError.inUse {
        return false
      }
    }.map(\.name)
  }

  // MARK: -

  static let defaultNetwork = Network(
    id: "b81d6e0000000000000000000000000000000000000000000000000000000000", name: Network.defaultName,
    created: Moment(nanoseconds: 0),
    bridge: BridgeNetwork(
      name: Network.defaultName, bridge: "clipper0",
      subnet: IPv4Network(address: IPv4Address(number: 0x0a58_0000), prefixLength: 16),
      gateway: IPv4Address(number: 0x0a58_0001)),
    labels: [:])

  private static func network(_ row: Row) throws -> Network {
    let record: NetworkRecord = try decodedJSON(row["record"])
    return Network(
      id: row["id"], name: row["name"], created: Moment(nanoseconds: row["created"]), bridge: record.bridge, labels: record.labels)
  }

  static func insert(_ network: Network, _ database: Database) throws {
    // Two roots of one host share the default bridge: they begin at places of their own.
    let next = network.isDefault ? Int64.random(in: 2..<60_000) : 2
    try database.execute(
      sql: "INSERT OR IGNORE INTO networks (name, id, created, record, next) VALUES (?, ?, ?, ?, ?)",
      arguments: [
        network.name, network.id, network.created.nanoseconds,
        try encodedJSON(NetworkRecord(bridge: network.bridge, labels: network.labels)), next,
      ])
  }

  /// The first /24 from 10.89.0.0 on that overlaps nothing.
  static func freeSubnet(_ taken: [IPv4Network]) -> IPv4Network? {
    for number in 0..<UInt32(7 * 256) {
      let candidate = IPv4Network(address: IPv4Address(number: 0x0a59_0000 + number << 8), prefixLength: 24)
      if !taken.contains(where: candidate.overlaps) { return candidate }
    }
    return nil
  }

  /// Destinations of the host's routes, the default route left out. (proc(5), /proc/net/route)
  private static func routedNetworks() throws -> [IPv4Network] {
    guard let bytes = try? readFile("/proc/net/route", limit: 1 << 20) else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst().compactMap { line in
      let words = line.split(whereSeparator: \.isWhitespace)
      guard words.count > 7, let destination = UInt32(words[1], radix: 16), let mask = UInt32(words[7], radix: 16), mask != 0
      else { return nil }
      return IPv4Network(
        address: IPv4Address(number: destination.byteSwapped), prefixLength: mask.nonzeroBitCount)
    }
  }
}
