internal import Kernel
public import SystemPackage

/// A port of the host that leads to a container.
public struct Publication: Hashable, Sendable, Codable {
  public enum Transport: String, Hashable, Sendable, Codable, CaseIterable {
    case tcp, udp

    var number: UInt8 { self == .tcp ? 6 : 17 }
  }

  /// nil is every address of the host.
  public var hostAddress: IPv4Address?
  public var hostPort: UInt16
  public var transport: Transport
  public var target: IPv4Address
  public var targetPort: UInt16

  public init(
    hostAddress: IPv4Address? = nil, hostPort: UInt16, transport: Transport = .tcp, target: IPv4Address, targetPort: UInt16
  ) {
    self.hostAddress = hostAddress
    self.hostPort = hostPort
    self.transport = transport
    self.target = target
    self.targetPort = targetPort
  }
}

/// An address and port that leads to one of several containers in turn.
public struct ServiceRule: Hashable, Sendable, Codable {
  public struct Backend: Hashable, Sendable, Codable {
    public var address: IPv4Address
    public var port: UInt16

    public init(address: IPv4Address, port: UInt16) {
      self.address = address
      self.port = port
    }
  }

  /// Unique; letters, digits, dashes and dots.
  public var name: String
  /// nil is every address of the host.
  public var address: IPv4Address?
  public var port: UInt16
  public var transport: Publication.Transport
  /// None refuses nobody and answers nobody: the packet goes its usual way.
  public var backends: [Backend]

  public init(
    name: String, address: IPv4Address? = nil, port: UInt16, transport: Publication.Transport = .tcp, backends: [Backend]
  ) {
    self.name = name
    self.address = address
    self.port = port
    self.transport = transport
    self.backends = backends
  }
}

/// The table `ip clipper`: what leads from the host's ports to containers, and what keeps networks apart.
///
/// ```
/// set networks   ranges of containers' addresses        set internal   ranges that reach nothing outside
/// set bridges    interfaces                             set same       interface . interface of one network
/// map ports      proto . port → address . port          map bindings   address . proto . port → address . port
/// map services   proto . port → jump                    map clusters   address . proto . port → jump
/// guard: loopback stays the host's own                  forward: isolation        postrouting: masquerade
/// prerouting, output: destination NAT by the maps
/// ```
/// A published port is one element of a map, so that a container's start changes no rule. Other programs' tables are
/// never touched: a rule of theirs that drops forwarded packets still does.
public final class Firewall {
  private let socket: NetlinkSocket

  public init() throws(NetlinkError) { socket = try NetlinkSocket(NetlinkSocket.netfilter) }

  private static let table = "clipper"

  // MARK: - The table

  /// Makes the table, or makes it right again; its elements stay.
  public func ensureTable() throws(NetlinkError) {
    typealias N = NFTables
    let t = Self.table
    var messages = [
      N.table(t),
      N.set(t, "networks", id: 1, key: [.address], interval: true),
      N.set(t, "internal", id: 2, key: [.address], interval: true),
      N.set(t, "bridges", id: 3, key: [.interfaceName]),
      N.set(t, "same", id: 4, key: [.interfaceName, .interfaceName]),
      N.set(t, "ports", id: 5, key: [.transport, .port], value: .data([.address, .port])),
      N.set(t, "bindings", id: 6, key: [.address, .transport, .port], value: .data([.address, .port])),
      N.set(t, "services", id: 7, key: [.transport, .port], value: .verdict),
      N.set(t, "clusters", id: 8, key: [.address, .transport, .port], value: .verdict),
      N.chain(t, "guard", hook: ("filter", 0, -300)), N.chain(t, "prerouting", hook: ("nat", 0, -100)), N.chain(t, "output", hook: ("nat", 3, -100)),
      N.chain(t, "postrouting", hook: ("nat", 4, 100)), N.chain(t, "forward", hook: ("filter", 2, 0)),
    ]
    for chain in ["guard", "prerouting", "output", "postrouting", "forward"] { messages.append(N.flush(t, chain)) }
    messages += Self.guardRules.map { Self.rule("guard", $0) }
    for chain in ["prerouting", "output"] {
      messages += Self.destinationRules.map { Self.rule(chain, $0) }
    }
    messages += Self.postroutingRules.map { Self.rule("postrouting", $0) }
    messages += Self.forwardRules.map { Self.rule("forward", $0) }
    try commit(messages, "set up the firewall table \"ip clipper\" (does the kernel have nf_tables?)")
  }

  private static func rule(_ chain: String, _ expressions: [NFTables.Expression]) -> NetlinkMessage {
    NFTables.rule(table, chain, expressions.flatMap(\.parts))
  }

  /// A bridge routes loopback addresses, so that the host reaches published ports by them, and destination NAT comes before
  /// the kernel's own check: nobody else may send from or to one. (CVE-2020-8558)
  private static let guardRules: [[NFTables.Expression]] = [
    [.inputInterface(into: 0), .isEqual(0, NFTables.interfaceName("lo")), .accept],
    [.destinationAddress(into: 0), .mask(0, [255, 0, 0, 0]), .isEqual(0, [127, 0, 0, 0]), .drop],
    [.sourceAddress(into: 0), .mask(0, [255, 0, 0, 0]), .isEqual(0, [127, 0, 0, 0]), .drop],
  ]

  private static let destinationRules: [[NFTables.Expression]] = [
    [
      .destinationAddress(into: 0), .transportProtocol(into: 1), .destinationPort(into: 2), .verdictMap("clusters", from: 0),
    ],
    [
      .destinationAddress(into: 0), .transportProtocol(into: 1), .destinationPort(into: 2),
      .map("bindings", from: 0, into: 0), .translateDestination(address: 0, port: 1),
    ],
    [.destinationIsLocal, .transportProtocol(into: 0), .destinationPort(into: 1), .verdictMap("services", from: 0)],
    [
      .destinationIsLocal, .transportProtocol(into: 0), .destinationPort(into: 1), .map("ports", from: 0, into: 0),
      .translateDestination(address: 0, port: 1),
    ],
  ]

  private static let postroutingRules: [[NFTables.Expression]] = [
    // From a container to anywhere outside.
    [
      .sourceAddress(into: 0), .isMember(of: "networks", from: 0), .destinationAddress(into: 0),
      .isMember(of: "networks", from: 0, inverted: true), .masquerade,
    ],
    // From a container through a port of the host back to its own network: the answer must come back this way.
    [.isTranslated, .sourceAddress(into: 0), .isMember(of: "networks", from: 0), .masquerade],
    // From the host's loopback address, which is none on the bridge.
    [.isTranslated, .sourceAddress(into: 0), .mask(0, [255, 0, 0, 0]), .isEqual(0, [127, 0, 0, 0]), .masquerade],
  ]

  private static let forwardRules: [[NFTables.Expression]] = [
    [.inputInterface(into: 0), .outputInterface(into: 4), .isMember(of: "same", from: 0), .accept],
    [.isTranslated, .accept],
    [
      .inputInterface(into: 0), .isMember(of: "bridges", from: 0), .outputInterface(into: 0), .isMember(of: "bridges", from: 0),
      .drop,
    ],
    [.sourceAddress(into: 0), .isMember(of: "internal", from: 0), .drop],
    [.destinationAddress(into: 0), .isMember(of: "internal", from: 0), .drop],
  ]

  // MARK: - Networks

  public func addNetwork(_ network: IPv4Network, bridge: String, isInternal: Bool) throws(NetlinkError) {
    try commit(
      Self.networkElements(NFTables.newElement, .create, network, bridge, isInternal: isInternal), "add a network to the firewall")
  }

  /// What is not there is fine.
  public func removeNetwork(_ network: IPv4Network, bridge: String, isInternal: Bool) throws(NetlinkError) {
    for message in Self.networkElements(NFTables.deleteElement, [], network, bridge, isInternal: isInternal) {
      try tolerating { () throws(NetlinkError) in try commit([message], "remove a network from the firewall") }
    }
  }

  private static func networkElements(
    _ type: UInt16, _ flags: NetlinkMessage.Flags, _ network: IPv4Network, _ bridge: String, isInternal: Bool
  ) -> [NetlinkMessage] {
    let end = IPv4Address(number: network.broadcast.number &+ 1)
    let range = [NFTables.Element(key: network.address.bytes), NFTables.Element(key: end.bytes, isEnd: true)]
    let name = NFTables.interfaceName(bridge)
    return [
      NFTables.elements(type, flags, table, "networks", range),
      NFTables.elements(type, flags, table, "bridges", [.init(key: name)]),
      NFTables.elements(type, flags, table, "same", [.init(key: name + name)]),
    ] + (isInternal ? [NFTables.elements(type, flags, table, "internal", range)] : [])
  }

  // MARK: - Publications

  /// Throws `fileExists` where a port leads elsewhere already.
  public func publish(_ publications: [Publication]) throws(NetlinkError) {
    guard !publications.isEmpty else { return }
    try commit(
      publications.map { Self.element(NFTables.newElement, [.create, .exclusive], $0) }, "publish ports")
  }

  /// What is not there is fine, and what leads elsewhere is somebody else's by now.
  ///
  /// - Parameter anyTarget: takes the ports away wherever they lead.
  public func unpublish(_ publications: [Publication], anyTarget: Bool = false) throws(NetlinkError) {
    let now = anyTarget || publications.isEmpty ? [] : Set(try self.publications())
    for publication in publications where anyTarget || now.contains(publication.normalized) {
      try tolerating { () throws(NetlinkError) in
        try commit([Self.element(NFTables.deleteElement, [], publication)], "withdraw a published port")
      }
    }
  }

  private static func element(_ type: UInt16, _ flags: NetlinkMessage.Flags, _ publication: Publication) -> NetlinkMessage {
    let port = NFTables.concatenated([publication.transport.number], publication.hostPort.networkBytes)
    let value = NFTables.concatenated(publication.target.bytes, publication.targetPort.networkBytes)
    let isBound = publication.hostAddress != nil && publication.hostAddress != .any
    let key = isBound ? (publication.hostAddress?.bytes ?? []) + port : port
    let data: NFTables.Element.ElementValue = type == NFTables.newElement ? .data(value) : .none
    return NFTables.elements(type, flags, table, isBound ? "bindings" : "ports", [.init(key: key, value: data)])
  }

  /// All ports that are published now.
  public func publications() throws(NetlinkError) -> [Publication] {
    var result: [Publication] = []
    for set in ["ports", "bindings"] {
      var message = NFTables.message(NFTables.getElement, .dump)
      message.attribute(1, Self.table)
      message.attribute(2, set)
      let replies: [(type: UInt16, body: [UInt8])]
      do throws(NetlinkError) { replies = try socket.dump(message, "list the published ports") } catch {
        if error.errno == .noSuchFileOrDirectory { return [] }
        throw error
      }
      for reply in replies {
        for (_, element) in reply.body.attribute(3, from: 4)?.attributes() ?? [] {
          guard let key = element.attribute(1)?.attribute(1), let value = element.attribute(2)?.attribute(1),
            let publication = Self.publication(key, value)
          else { continue }
          result.append(publication)
        }
      }
    }
    return result
  }

  private static func publication(_ key: [UInt8], _ value: [UInt8]) -> Publication? {
    guard key.count == 8 || key.count == 12, value.count == 8, let target = IPv4Address(bytes: value) else { return nil }
    let rest = Array(key.suffix(8))
    guard let transport = Publication.Transport.allCases.first(where: { $0.number == rest[0] }) else { return nil }
    return Publication(
      hostAddress: key.count == 12 ? IPv4Address(bytes: key) : nil, hostPort: UInt16(rest[4]) << 8 | UInt16(rest[5]),
      transport: transport, target: target, targetPort: UInt16(value[4]) << 8 | UInt16(value[5]))
  }

  // MARK: - Services

  /// Makes a service, or gives it other backends at once.
  public func setService(_ service: ServiceRule) throws(NetlinkError) {
    let chain = Self.chain(of: service.name)
    var messages = [NFTables.chain(Self.table, chain), NFTables.flush(Self.table, chain)]
    let protocolMatch: [NFTables.Expression] = [.transportProtocol(into: 2), .isEqual(2, [service.transport.number])]
    for (index, backend) in service.backends.enumerated() {
      // The first of n takes each n-th connection, the next each of what is left, the last all of it.
      let left = UInt32(service.backends.count - index)
      let turn: [NFTables.Expression] =
        left > 1 ? [.counter(into: 3, modulus: left), .isEqual(3, withUnsafeBytes(of: UInt32(0)) { Array($0) })] : []
      messages.append(
        Self.rule(
          chain,
          protocolMatch + turn + [
            .value(into: 0, backend.address.bytes), .value(into: 1, NFTables.concatenated(backend.port.networkBytes)),
            .translateDestination(address: 0, port: 1),
          ]))
    }
    messages.append(Self.element(NFTables.newElement, .create, service))
    try commit(messages, "set up the service \(service.name)")
  }

  /// What is not there is fine.
  public func removeService(_ service: ServiceRule) throws(NetlinkError) {
    let chain = Self.chain(of: service.name)
    for message in [
      Self.element(NFTables.deleteElement, [], service), NFTables.flush(Self.table, chain), NFTables.removeChain(Self.table, chain),
    ] {
      try tolerating { () throws(NetlinkError) in try commit([message], "remove the service \(service.name)") }
    }
  }

  private static func element(_ type: UInt16, _ flags: NetlinkMessage.Flags, _ service: ServiceRule) -> NetlinkMessage {
    let port = NFTables.concatenated([service.transport.number], service.port.networkBytes)
    let key = (service.address?.bytes ?? []) + port
    let value: NFTables.Element.ElementValue =
      type == NFTables.newElement ? .jump(chain(of: service.name)) : .none
    return NFTables.elements(
      type, flags, table, service.address == nil ? "services" : "clusters", [.init(key: key, value: value)])
  }

  /// Chains have names of up to 127 bytes.
  private static func chain(of service: String) -> String { "service-\(service.prefix(100))" }

  // MARK: - Other programs' tables

  /// A base chain of another program that drops forwarded packets unless a rule of its own lets them through, as Docker's
  /// does: nothing in this table can overrule it. `table ip filter, chain FORWARD`; nil where there is none.
  public func forwardingObstacle() throws(NetlinkError) -> String? {
    for reply in try socket.dump(NFTables.message(NFTables.getChain, .dump), "list the firewall's chains") {
      guard let hook = reply.body.attribute(4, from: 4), hook.attribute(1) == UInt32(2).networkBytes,
        reply.body.attribute(5, from: 4) == UInt32(0).networkBytes, let table = reply.body.attribute(1, from: 4),
        let chain = reply.body.attribute(3, from: 4)
      else { continue }
      func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
      return "table ip \(text(table)), chain \(text(chain))"
    }
    return nil
  }

  // MARK: -

  private func commit(_ messages: [NetlinkMessage], _ operation: String) throws(NetlinkError) {
    // The last message's answer says that the transaction was committed; a failing one answers for itself.
    var messages = messages
    messages[messages.count - 1].requestAcknowledgement()
    try socket.transact(NFTables.batch(messages), acknowledged: 1, operation)
  }

  private func tolerating(_ body: () throws(NetlinkError) -> Void) throws(NetlinkError) {
    do throws(NetlinkError) { try body() } catch {
      if error.errno != .noSuchFileOrDirectory { throw error }
    }
  }
}

extension Publication {
  /// Every address has one form.
  fileprivate var normalized: Publication {
    var copy = self
    if copy.hostAddress == .any { copy.hostAddress = nil }
    return copy
  }
}
