internal import CKernel
import Glibc
internal import Kernel
public import SystemPackage

/// A network interface.
public struct Link: Sendable, Hashable {
  public let index: Int32
  public let name: String
  public let isUp: Bool
}

/// Links, addresses and routes of the network namespace of the thread that made it. (rtnetlink(7))
public final class RouteSocket {
  private let socket: NetlinkSocket

  public init() throws(NetlinkError) { socket = try NetlinkSocket(NetlinkSocket.route) }

  func request(_ message: NetlinkMessage, _ operation: String) throws(NetlinkError) {
    try socket.request(message, operation)
  }

  /// The bodies of the replies.
  func dump(_ message: NetlinkMessage, _ operation: String) throws(NetlinkError) -> [[UInt8]] {
    try socket.dump(message, operation).map(\.body)
  }

  private static let newLink: UInt16 = 16, deleteLink: UInt16 = 17, getLink: UInt16 = 18
  private static let newAddress: UInt16 = 20, getAddress: UInt16 = 22, newRoute: UInt16 = 24

  private static func linkBody(index: Int32 = 0, up: Bool = false) -> [UInt8] {
    // ifinfomsg: family, pad, type, index, flags, change
    .fields(UInt8(0), UInt8(0), UInt16(0), index, UInt32(up ? 1 : 0), UInt32(up ? 1 : 0))
  }

  /// nil where there is no such interface.
  public func link(named name: String) throws(NetlinkError) -> Link? {
    let index = if_nametoindex(name)
    guard index > 0 else { return nil }
    var request = ifreq()
    withUnsafeMutableBytes(of: &request.ifr_ifrn.ifrn_name) { buffer in
      for (position, byte) in name.utf8.prefix(15).enumerated() { buffer[position] = byte }
    }
    let probe = Glibc.socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | O_CLOEXEC, 0)
    guard probe >= 0 else { throw NetlinkError(operation: "open a socket", errno: .current, explanation: nil) }
    defer { close(probe) }
    guard ioctl(probe, 0x8913 /* SIOCGIFFLAGS */, &request) == 0 else { return nil }
    return Link(index: Int32(index), name: name, isUp: request.ifr_ifru.ifru_flags & 1 != 0)
  }

  /// Names of all interfaces that begin with `prefix`.
  public func linkNames(withPrefix prefix: String) throws(NetlinkError) -> [String] {
    let replies = try socket.dump(
      NetlinkMessage(type: Self.getLink, flags: [.request, .dump], body: Self.linkBody()), "list the network interfaces")
    return replies.compactMap { reply in
      guard let name = reply.body.attribute(3, from: 16) else { return nil }
      let text = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
      return text.hasPrefix(prefix) ? text : nil
    }
  }

  /// Makes a bridge that is down; one that exists is fine.
  public func addBridge(_ name: String) throws(NetlinkError) {
    var message = NetlinkMessage(type: Self.newLink, flags: [.request, .acknowledge, .create, .exclusive], body: Self.linkBody())
    message.attribute(3 /* IFLA_IFNAME */, name)
    message.nested(18 /* IFLA_LINKINFO */) { info in
      info.attribute(1 /* IFLA_INFO_KIND */, "bridge")
      // Containers reach each other at once: there is no loop that a spanning tree would have to look for.
      info.nested(2 /* IFLA_INFO_DATA */) { $0.attribute(1 /* IFLA_BR_FORWARD_DELAY */, UInt32(0)) }
    }
    try tolerating(.fileExists) { () throws(NetlinkError) in try socket.request(message, "make the bridge \(name)") }
  }

  /// Makes a pair of virtual interfaces: `name` here, up and a port of `master`, and `peer` in another
  /// namespace, down: a pair comes up only when it is complete.
  public func addPair(
    _ name: String, master: Int32, peer: String, peerAddress: MACAddress, in namespace: CInt
  ) throws(NetlinkError) {
    var message = NetlinkMessage(
      type: Self.newLink, flags: [.request, .acknowledge, .create, .exclusive], body: Self.linkBody(up: true))
    message.attribute(3, name)
    message.attribute(10 /* IFLA_MASTER */, master)
    message.nested(18) { info in
      info.attribute(1, "veth")
      info.nested(2) { data in
        data.nested(1 /* VETH_INFO_PEER */) { end in
          end.raw(Self.linkBody())
          end.attribute(3, peer)
          end.attribute(1 /* IFLA_ADDRESS */, peerAddress.bytes)
          end.attribute(28 /* IFLA_NET_NS_FD */, namespace)
        }
      }
    }
    try socket.request(message, "make the network interface \(name)")
  }

  public func setUp(_ index: Int32) throws(NetlinkError) {
    try socket.request(
      NetlinkMessage(type: Self.newLink, flags: [.request, .acknowledge], body: Self.linkBody(index: index, up: true)),
      "bring a network interface up")
  }

  /// One that is not there is fine.
  public func removeLink(_ name: String) throws(NetlinkError) {
    var message = NetlinkMessage(type: Self.deleteLink, flags: [.request, .acknowledge], body: Self.linkBody())
    message.attribute(3, name)
    try tolerating(.init(rawValue: ENODEV)) { () throws(NetlinkError) in
      try socket.request(message, "remove the network interface \(name)")
    }
  }

  /// One that the interface has is fine.
  public func addAddress(_ address: IPv4Address, prefixLength: Int, to index: Int32) throws(NetlinkError) {
    try tolerating(.fileExists) { () throws(NetlinkError) in
      try socket.request(Self.addressMessage(address, prefixLength, index), "give the address \(address)")
    }
  }

  /// The addresses of this host.
  public func addresses() throws(NetlinkError) -> Set<IPv4Address> {
    let replies = try socket.dump(
      NetlinkMessage(
        type: Self.getAddress, flags: [.request, .dump],
        body: .fields(UInt8(AF_INET), UInt8(0), UInt8(0), UInt8(0), UInt32(0))), "list the addresses")
    return Set(replies.compactMap { $0.body.attribute(2 /* IFA_LOCAL */, from: 8).flatMap { IPv4Address(bytes: $0) } })
  }

  /// Brings an interface up, with address and default route, in one call.
  public func configure(
    _ index: Int32, address: IPv4Address, prefixLength: Int, gateway: IPv4Address?
  ) throws(NetlinkError) {
    var messages = [
      NetlinkMessage(type: Self.newLink, flags: [.request, .acknowledge], body: Self.linkBody(index: index, up: true)),
      Self.addressMessage(address, prefixLength, index),
    ]
    if let gateway { messages.append(Self.routeMessage(via: gateway, index)) }
    try socket.transact(messages, acknowledged: messages.count, "configure the address \(address)")
  }

  private static func addressMessage(_ address: IPv4Address, _ prefixLength: Int, _ index: Int32) -> NetlinkMessage {
    // ifaddrmsg: family, prefix length, flags, scope, index
    var message = NetlinkMessage(
      type: newAddress, flags: [.request, .acknowledge, .create, .exclusive],
      body: .fields(UInt8(AF_INET), UInt8(prefixLength), UInt8(0), UInt8(0), UInt32(index)))
    message.attribute(2 /* IFA_LOCAL */, address.bytes)
    message.attribute(1 /* IFA_ADDRESS */, address.bytes)
    let broadcast = IPv4Network(address: address, prefixLength: prefixLength).broadcast
    message.attribute(4 /* IFA_BROADCAST */, broadcast.bytes)
    return message
  }

  private static func routeMessage(via gateway: IPv4Address, _ index: Int32) -> NetlinkMessage {
    // rtmsg: family, destination and source lengths, tos, table main, protocol boot, scope universe, unicast, flags
    var message = NetlinkMessage(
      type: newRoute, flags: [.request, .acknowledge, .create],
      body: .fields(UInt8(AF_INET), UInt8(0), UInt8(0), UInt8(0), UInt8(254), UInt8(3), UInt8(0), UInt8(1), UInt32(0)))
    message.attribute(5 /* RTA_GATEWAY */, gateway.bytes)
    message.attribute(4 /* RTA_OIF */, UInt32(index))
    return message
  }

  private func tolerating(_ errno: Errno, _ body: () throws(NetlinkError) -> Void) throws(NetlinkError) {
    do throws(NetlinkError) { try body() } catch {
      if error.errno != errno { throw error }
    }
  }
}
