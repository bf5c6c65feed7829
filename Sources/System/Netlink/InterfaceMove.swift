import Glibc
public import SystemPackage

/// A network interface as a list of them says it.
public struct Interface: Sendable, Hashable {
  public let index: Int32
  public let name: String
}

/// An address of an interface, of any family, as it can be given to another. (rtnetlink(7), ifaddrmsg)
public struct InterfaceAddress: Sendable, Hashable {
  let family: UInt8
  let prefixLength: UInt8
  let scope: UInt8
  /// IFA_F_…
  let flags: UInt32
  let attributes: [UInt16: [UInt8]]

  /// IFA_F_PERMANENT, RT_SCOPE_UNIVERSE
  var isPermanentAndGlobal: Bool { flags & 0x80 != 0 && scope == 0 }
}

extension RouteSocket {
  /// All interfaces of the socket's namespace.
  public func interfaces() throws(NetlinkError) -> [Interface] {
    let message = NetlinkMessage(type: 18 /* RTM_GETLINK */, flags: [.request, .dump], body: Self.interfaceBody(0))
    return try dump(message, "list the network interfaces").compactMap { body in
      // ifinfomsg: family, pad, type, index, flags, change
      guard let index: Int32 = body.number(4), let name = body.attribute(3 /* IFLA_IFNAME */, from: 16) else {
        return nil
      }
      return Interface(index: index, name: String(decoding: name.prefix { $0 != 0 }, as: UTF8.self))
    }
  }

  public func addresses(of interface: Interface) throws(NetlinkError) -> [InterfaceAddress] {
    let message = NetlinkMessage(
      type: 22 /* RTM_GETADDR */, flags: [.request, .dump],
      body: .fields(UInt8(0), UInt8(0), UInt8(0), UInt8(0), UInt32(0)))
    return try dump(message, "list the addresses of \(interface.name)").compactMap { body in
      // ifaddrmsg: family, prefix length, flags, scope, index
      guard body.count >= 8, body.number(4, as: Int32.self) == interface.index else { return nil }
      let attributes = Dictionary(
        body.attributes(from: 8).map { ($0.type, $0.value) }, uniquingKeysWith: { first, _ in first })
      return InterfaceAddress(
        family: body[0], prefixLength: body[1], scope: body[3],
        flags: attributes[8 /* IFA_FLAGS */]?.number(0) ?? UInt32(body[2]), attributes: attributes)
    }
  }

  public func add(_ address: InterfaceAddress, to interface: Interface) throws(NetlinkError) {
    var message = NetlinkMessage(
      type: 20 /* RTM_NEWADDR */, flags: [.request, .acknowledge, .create],
      body: .fields(address.family, address.prefixLength, UInt8(0), address.scope, UInt32(interface.index)))
    // IFA_ADDRESS, LOCAL, BROADCAST, ANYCAST, RT_PRIORITY, PROTO. A label would be the old name's.
    for type in [1, 2, 4, 5, 9, 11] as [UInt16] {
      if let value = address.attributes[type] { message.attribute(type, value) }
    }
    message.attribute(8, address.flags)
    try request(message, "give \(interface.name) its address")
  }

  public func setUp(_ interface: Interface) throws(NetlinkError) { try setFlags(interface, 1, "up") }

  /// An interface that is up cannot be renamed.
  func setDown(_ interface: Interface) throws(NetlinkError) { try setFlags(interface, 0, "down") }

  private func setFlags(_ interface: Interface, _ flags: UInt32, _ direction: String) throws(NetlinkError) {
    let message = NetlinkMessage(
      type: 16 /* RTM_NEWLINK */, flags: [.request, .acknowledge], body: Self.interfaceBody(interface.index, flags, 1))
    try request(message, "bring the network interface \(interface.name) \(direction)")
  }

  /// - Parameter name: in the other namespace; `%d` in it is a number that the kernel finds.
  func move(_ interface: Interface, to namespace: CInt, name: String) throws(NetlinkError) {
    var message = NetlinkMessage(
      type: 16 /* RTM_NEWLINK */, flags: [.request, .acknowledge], body: Self.interfaceBody(interface.index))
    message.attribute(28 /* IFLA_NET_NS_FD */, namespace)
    message.attribute(3 /* IFLA_IFNAME */, name)
    try request(message, "move the network interface \(interface.name) to the container as \(name)")
  }

  private static func interfaceBody(_ index: Int32, _ flags: UInt32 = 0, _ change: UInt32 = 0) -> [UInt8] {
    .fields(UInt8(0), UInt8(0), UInt16(0), index, flags, change)
  }
}

/// An interface on its way to another network namespace, with the addresses that are meant to last.
public struct InterfaceMove {
  private let interface: Interface
  private let name: String

  /// - Parameter name: in the other namespace; `%d` in it is a number that the kernel finds.
  public init(interface: Interface, name: String) {
    self.interface = interface
    self.name = name
  }

  /// - Parameters:
  ///   - there: a socket in the other namespace.
  ///   - namespace: a descriptor of the other namespace.
  public func run(from here: RouteSocket, to there: RouteSocket, namespace: CInt) throws(NetlinkError) {
    // The move takes addresses away.
    let addresses = try here.addresses(of: interface).filter(\.isPermanentAndGlobal)
    let before = Set(try there.interfaces().map(\.index))
    try here.setDown(interface)
    try here.move(interface, to: namespace, name: name)
    // It may have got another index and, by a template, a name that only the kernel knows.
    guard let moved = try there.interfaces().first(where: { !before.contains($0.index) }) else {
      throw NetlinkError(
        operation: "find the network interface \(interface.name) in the container", errno: .init(rawValue: ENODEV))
    }
    for address in addresses { try there.add(address, to: moved) }
    try there.setUp(moved)
  }
}
