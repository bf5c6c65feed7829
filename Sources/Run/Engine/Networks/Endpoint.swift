internal import GRDB
public import Sandboxes

/// A running container's place in a network.
public struct Endpoint: Sendable, Hashable {
  /// ID of the container, or of the pod.
  public let owner: String
  public let network: String
  public let address: IPv4Address
  /// What the others of the network call it.
  public let names: [String]
  public let publications: [Publication]

  /// nil for a row of a container that is in no network.
  init?(_ row: Row, owner: String) throws {
    guard let network: String = row["network"], let address: Int64 = row["address"] else { return nil }
    self.owner = owner
    self.network = network
    self.address = IPv4Address(number: UInt32(truncatingIfNeeded: address))
    let names: String = row["names"]
    self.names = names.split(separator: " ").map(String.init)
    let ports: String = row["ports"]
    publications = ports.isEmpty ? [] : try decodedJSON(ports)
  }

  init(owner: String, network: String, address: IPv4Address, names: [String], publications: [Publication]) {
    self.owner = owner
    self.network = network
    self.address = address
    self.names = names
    self.publications = publications
  }

  /// The end of the veth pair on the host's side, of at most 15 bytes.
  public var hostInterface: String { Self.hostInterface(of: owner) }
  static func hostInterface(of owner: String) -> String { "veth\(owner.prefix(11))" }
}

extension Engine {
  /// Gives `owner` an address in a network. Addresses go round, so that one that was just given up, and may still be
  /// known to neighbours, is not given again at once.
  ///
  /// - Parameter ports: makes the publications, once the address is known.
  static func allocate(
    owner: String, network: Network, names: [String], _ database: Database,
    ports: (IPv4Address) -> [Publication] = { _ in [] }
  ) throws -> Endpoint {
    var next = try Int64.fetchOne(database, sql: "SELECT next FROM networks WHERE name = ?", arguments: [network.name])
    if next == nil {
      guard network.isDefault else { throw EngineError.notFound(.network, network.name) }
      try insert(network, database)
      next = try Int64.fetchOne(database, sql: "SELECT next FROM networks WHERE name = ?", arguments: [network.name])
    }
    // What an earlier run of it left.
    try database.execute(sql: "DELETE FROM endpoints WHERE owner = ?", arguments: [owner])
    let taken = try database.makeStatement(sql: "SELECT 1 FROM endpoints WHERE network = ? AND address = ?")
    guard
      let (address, after) = try AddressRange(network.bridge).next(from: UInt64(max(0, next ?? 2)), isTaken: { address in
        try Int.fetchOne(taken, arguments: [network.name, Int64(address.number)]) != nil
      })
    else { throw EngineError.noAddress(network: network.name) }
    let publications = ports(address)
    try database.execute(
      sql: "INSERT INTO endpoints (owner, network, address, names, ports) VALUES (?, ?, ?, ?, ?)",
      arguments: [
        owner, network.name, Int64(address.number), names.joined(separator: " "),
        publications.isEmpty ? "" : try encodedJSON(publications),
      ])
    try database.execute(sql: "UPDATE networks SET next = ? WHERE name = ?", arguments: [Int64(after), network.name])
    return Endpoint(owner: owner, network: network.name, address: address, names: names, publications: publications)
  }
}

/// The addresses of a network that containers can have.
struct AddressRange {
  let network: IPv4Network
  let gateway: IPv4Address

  init(_ bridge: BridgeNetwork) {
    network = bridge.subnet
    gateway = bridge.gateway
  }

  /// The first free address from the one at `index` on, round the range, and the index after it.
  func next(from index: UInt64, isTaken: (IPv4Address) throws -> Bool) rethrows -> (IPv4Address, UInt64)? {
    for step in 0..<network.count {
      let candidate = (index + step) % network.count
      // The first names the network, the last is the broadcast address.
      guard candidate != 0, candidate != network.count - 1, let address = network.address(at: candidate), address != gateway,
        try !isTaken(address)
      else { continue }
      return (address, candidate + 1)
    }
    return nil
  }
}
