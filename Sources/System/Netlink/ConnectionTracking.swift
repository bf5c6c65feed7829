internal import SystemPackage

/// What the kernel remembers of translated connections. (linux/netfilter/nfnetlink_conntrack.h)
///
/// A connection is translated as its first packet was. UDP has no end: a client that keeps sending would be led to where
/// a port led when it began, or nowhere if it began too early, for as long as it sends.
public final class ConnectionTracking {
  private let socket: NetlinkSocket

  public init() throws(NetlinkError) { socket = try NetlinkSocket(NetlinkSocket.netfilter) }

  /// One end of a flow.
  public struct End: Hashable, Sendable {
    public var address: IPv4Address
    public var port: UInt16

    public init(address: IPv4Address, port: UInt16) {
      self.address = address
      self.port = port
    }
  }

  /// Forgets UDP flows to a port, so that the next packet of each is translated anew.
  ///
  /// - Parameters:
  ///   - places: addresses that mean this port.
  ///   - targets: flows that are answered by one of these go on.
  public func forgetUDP(to places: Set<IPv4Address>, port: UInt16, except targets: Set<End>) throws(NetlinkError) {
    for flow in try socket.dump(Self.message(1, .dump), "list UDP flows") {
      guard let original = flow.body.attribute(1, from: 4), let reply = flow.body.attribute(2, from: 4),
        original.attribute(2)?.attribute(1)?.first == 17, let destination = Self.end(original, address: 2, port: 3),
        destination.port == port, places.contains(destination.address),
        let answering = Self.end(reply, address: 1, port: 2), !targets.contains(answering)
      else { continue }
      var message = Self.message(2, .acknowledge)
      message.attribute(0x8001, original)
      if let id = flow.body.attribute(12, from: 4) { message.attribute(12, id) }
      do throws(NetlinkError) { try socket.request(message, "forget a UDP flow") } catch {
        // It has ended by itself.
        guard error.errno == .noSuchFileOrDirectory else { throw error }
      }
    }
  }

  /// The subsystem of connection tracking is 1; the body is nfgenmsg of IPv4.
  private static func message(_ type: UInt16, _ flags: NetlinkMessage.Flags) -> NetlinkMessage {
    NetlinkMessage(type: 1 << 8 | type, flags: flags.union(.request), body: [2, 0, 0, 0])
  }

  /// From CTA_TUPLE_IP and CTA_TUPLE_PROTO.
  private static func end(_ tuple: [UInt8], address: UInt16, port: UInt16) -> End? {
    guard let bytes = tuple.attribute(1)?.attribute(address), let address = IPv4Address(bytes: bytes),
      let number = tuple.attribute(2)?.attribute(port), number.count == 2
    else { return nil }
    return End(address: address, port: UInt16(number[0]) << 8 | UInt16(number[1]))
  }
}
