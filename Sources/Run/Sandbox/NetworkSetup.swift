import Glibc
public import Kernel
@_exported public import Netlink
public import SystemPackage

/// A network of containers on this host: a bridge and a range of addresses.
public struct BridgeNetwork: Sendable, Codable, Hashable {
  public var name: String
  /// Interface name, at most 15 bytes.
  public var bridge: String
  public var subnet: IPv4Network
  /// The bridge's own address.
  public var gateway: IPv4Address
  /// Reaches nothing outside.
  public var isInternal: Bool

  public init(name: String, bridge: String, subnet: IPv4Network, gateway: IPv4Address, isInternal: Bool = false) {
    self.name = name
    self.bridge = bridge
    self.subnet = subnet
    self.gateway = gateway
    self.isInternal = isInternal
  }
}

/// A reserved port of the host.
public struct BoundPort: ~Copyable {
  public let descriptor: OwnedDescriptor
  public let port: UInt16

  /// Gives the descriptor up: the caller closes it.
  public consuming func release() -> CInt { descriptor.release() }
}

public enum NetworkError: Error, CustomStringConvertible {
  case portInUse(address: String, port: UInt16, transport: Publication.Transport)
  case notAllowed(address: String, port: UInt16)
  case addressUnavailable(String)
  case invalidAddress(String)
  case kernel(operation: String, network: String, NetlinkError)
  case system(operation: String, Errno)

  public var description: String {
    switch self {
    case .portInUse(let address, let port, let transport):
      "port is already allocated: \(address):\(port)/\(transport.rawValue) is in use; stop what listens there or choose another port"
    case .notAllowed(let address, let port):
      "not allowed to listen on \(address):\(port); ports below 1024 need root"
    case .addressUnavailable(let address): "\(address) is no address of this host"
    case .invalidAddress(let address): "\"\(address)\" is not an IPv4 address"
    case .kernel(let operation, let network, let error): "network \(network): \(operation): \(error)"
    case .system(let operation, let error):
      error == .notPermitted ? "\(operation): \(error); containers' networks need root" : "\(operation): \(error)"
    }
  }
}

/// Makes and removes what containers' networks need of the kernel. Nothing here keeps state: the kernel has it.
public enum NetworkSetup {
  /// A network namespace with loopback up; it lives as long as the descriptor.
  public static func newNamespace() throws(NetworkError) -> OwnedDescriptor {
    do { return try NetworkNamespace.make() } catch { throw .system(operation: "make a network namespace", error) }
  }

  /// Makes the bridge with its address, forwarding and firewall entries; ten processes may do so at once.
  ///
  /// - Returns: whether it was not there.
  @discardableResult
  public static func ensureBridge(_ network: BridgeNetwork) throws(NetworkError) -> Bool {
    do throws(NetlinkError) {
      let route = try RouteSocket()
      // It is brought up last: one that is up is complete.
      if let link = try route.link(named: network.bridge), link.isUp { return false }
      let firewall = try Firewall()
      try firewall.ensureTable()
      try firewall.addNetwork(network.subnet, bridge: network.bridge, isInternal: network.isInternal)
      try route.addBridge(network.bridge)
      guard let link = try route.link(named: network.bridge) else {
        throw NetlinkError(operation: "find the bridge \(network.bridge)", errno: .noSuchAddressOrDevice)
      }
      try route.addAddress(network.gateway, prefixLength: network.subnet.prefixLength, to: link.index)
      try set("/proc/sys/net/ipv4/ip_forward", "1")
      // Packets from 127.0.0.1 to a published port leave by the bridge.
      try set("/proc/sys/net/ipv4/conf/\(network.bridge)/route_localnet", "1")
      try route.setUp(link.index)
      return true
    } catch {
      throw .kernel(operation: "set up the bridge \(network.bridge)", network: network.name, error)
    }
  }

  /// What keeps a network's containers from the outside, and what to do about it: another program's firewall that drops
  /// what is forwarded. nil where there is nothing of the kind, or where it cannot be told.
  public static func obstacle(to network: BridgeNetwork) -> String? {
    guard !network.isInternal, let chain = try? Firewall().forwardingObstacle() else { return nil }
    let name = network.bridge
    return "containers of the network \(network.name) may not reach the outside: the firewall (\(chain)) drops what is forwarded; "
      + "let it through with: iptables -I FORWARD -i \(name) -j ACCEPT; iptables -I FORWARD -o \(name) -j ACCEPT"
  }

  private static func set(_ path: String, _ value: String) throws(NetlinkError) {
    do throws(Errno) {
      let current = try readFile(FilePath(path), limit: 64)
      // A container of ours may see /proc/sys read-only with the right value in it.
      if current.first == value.utf8.first { return }
      let file = try openat2(workingDirectory, path, flags: O_WRONLY)
      try writeAll(file.number, Array(value.utf8))
    } catch {
      throw NetlinkError(operation: "write \(value) to \(path)", errno: error)
    }
  }

  /// Connects a namespace: a pair of interfaces, one up in it with the address and the default route, one at the bridge.
  ///
  /// - Parameters:
  ///   - interface: name inside.
  ///   - hostInterface: name here, at most 15 bytes.
  public static func connect(
    namespace: CInt, to network: BridgeNetwork, address: IPv4Address, interface: String, hostInterface: String
  ) throws(NetworkError) -> MACAddress {
    let mac = MACAddress(for: address)
    do throws(NetlinkError) {
      let route = try RouteSocket()
      guard let bridge = try route.link(named: network.bridge) else {
        throw NetlinkError(operation: "find the bridge \(network.bridge)", errno: .noSuchAddressOrDevice)
      }
      do throws(NetlinkError) {
        try route.addPair(hostInterface, master: bridge.index, peer: interface, peerAddress: mac, in: namespace)
      } catch {
        guard error.errno == .fileExists else { throw error }
        // Left by an earlier run of the same container, whose namespace is just going.
        try route.removeLink(hostInterface)
        try route.addPair(hostInterface, master: bridge.index, peer: interface, peerAddress: mac, in: namespace)
      }
      do throws(NetlinkError) {
        try configure(namespace, interface, address, network)
      } catch {
        try? route.removeLink(hostInterface)
        throw error
      }
    } catch {
      throw .kernel(operation: "connect to it", network: network.name, error)
    }
    return mac
  }

  private static func configure(
    _ namespace: CInt, _ interface: String, _ address: IPv4Address, _ network: BridgeNetwork
  ) throws(NetlinkError) {
    let outcome: Result<Void, NetlinkError>
    do throws(Errno) {
      outcome = try NetworkNamespace.within(namespace) {
        do throws(NetlinkError) {
          let route = try RouteSocket()
          guard let link = try route.link(named: interface) else {
            throw NetlinkError(operation: "find \(interface) in the container", errno: .noSuchAddressOrDevice)
          }
          try route.configure(
            link.index, address: address, prefixLength: network.subnet.prefixLength,
            gateway: network.isInternal ? nil : network.gateway)
          return .success(())
        } catch {
          return .failure(error)
        }
      }
    } catch {
      throw NetlinkError(operation: "enter the network namespace", errno: error)
    }
    try outcome.get()
  }

  /// One that is gone is fine: it goes with its namespace.
  public static func disconnect(hostInterface: String) throws(NetworkError) {
    do throws(NetlinkError) { try RouteSocket().removeLink(hostInterface) } catch {
      throw .kernel(operation: "disconnect", network: hostInterface, error)
    }
  }

  /// Names of interfaces here that begin with `prefix`.
  public static func interfaces(withPrefix prefix: String) throws(NetworkError) -> [String] {
    do throws(NetlinkError) { return try RouteSocket().linkNames(withPrefix: prefix) } catch {
      throw .kernel(operation: "list interfaces", network: prefix, error)
    }
  }

  // MARK: - Ports

  public static func publish(_ publications: [Publication]) throws(NetworkError) {
    guard !publications.isEmpty else { return }
    do throws(NetlinkError) {
      let firewall = try Firewall()
      do throws(NetlinkError) { try firewall.publish(publications) } catch {
        switch error.errno {
        case .noSuchFileOrDirectory:
          // Somebody flushed the rules: the table is made again.
          try firewall.ensureTable()
          try firewall.publish(publications)
        case .fileExists:
          // Who holds the port's socket owns its entry: what is there was left by a container that died.
          try firewall.unpublish(publications, anyTarget: true)
          try firewall.publish(publications)
        default: throw error
        }
      }
      forgetFlows(publications, except: publications)
    } catch {
      throw .kernel(operation: "publish ports", network: "host", error)
    }
  }

  public static func unpublish(_ publications: [Publication]) throws(NetworkError) {
    guard !publications.isEmpty else { return }
    do throws(NetlinkError) { try Firewall().unpublish(publications) } catch {
      throw .kernel(operation: "withdraw published ports", network: "host", error)
    }
    forgetFlows(publications, except: (try? publishedNow()) ?? [])
  }

  /// UDP flows to these ports that lead elsewhere than what is published now. They end by themselves in time: where the
  /// kernel does not let them be removed, that is all.
  private static func forgetFlows(_ publications: [Publication], except now: [Publication]) {
    for publication in publications where publication.transport == .udp {
      let targets = now.filter { $0.transport == .udp && $0.hostPort == publication.hostPort }
      forgetFlows(
        publication.hostAddress, publication.hostPort,
        except: Set(targets.map { .init(address: $0.target, port: $0.targetPort) }))
    }
  }

  private static func forgetFlows(_ address: IPv4Address?, _ port: UInt16, except targets: Set<ConnectionTracking.End>) {
    let bound = address.flatMap { $0 == .any ? nil : $0 }
    guard let places = try? bound.map({ [$0] }) ?? RouteSocket().addresses() else { return }
    try? ConnectionTracking().forgetUDP(to: places, port: port, except: targets)
  }

  public static func publishedNow() throws(NetworkError) -> [Publication] {
    do throws(NetlinkError) { return try Firewall().publications() } catch {
      throw .kernel(operation: "list published ports", network: "host", error)
    }
  }

  /// Reserves a port of the host: a bound socket that must stay open as long as the port is published.
  ///
  /// - Parameters:
  ///   - address: nil is every address.
  ///   - port: 0 takes a free one.
  public static func bindPort(
    address: String?, port: UInt16, transport: Publication.Transport
  ) throws(NetworkError) -> BoundPort {
    let text = address ?? "0.0.0.0"
    guard let parsed = IPv4Address(text) else { throw .invalidAddress(text) }
    let type = CInt(transport == .tcp ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue)
    let number = socket(AF_INET, type | O_CLOEXEC, 0)
    guard number >= 0 else { throw .system(operation: "open a socket", .current) }
    let descriptor = OwnedDescriptor(number)
    if transport == .tcp {
      // Connections of an earlier holder in TIME_WAIT do not matter to a socket that never accepts.
      var on: CInt = 1
      setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
    }
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    name.sin_addr.s_addr = parsed.number.bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(number, $0, size) }
    }
    // Only a listening socket keeps others from the port.
    guard bound == 0, transport == .udp || listen(number, 1) == 0 else {
      switch Errno.current {
      case .addressInUse: throw .portInUse(address: text, port: port, transport: transport)
      case .permissionDenied: throw .notAllowed(address: text, port: port)
      case .addressNotAvailable: throw .addressUnavailable(text)
      case let error: throw .system(operation: "reserve \(text):\(port)", error)
      }
    }
    _ = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &size) }
    }
    return BoundPort(descriptor: descriptor, port: UInt16(bigEndian: name.sin_port))
  }

  // MARK: - Services and removal

  public static func setService(_ service: ServiceRule) throws(NetworkError) {
    do throws(NetlinkError) {
      let firewall = try Firewall()
      do throws(NetlinkError) { try firewall.setService(service) } catch {
        guard error.errno == .noSuchFileOrDirectory else { throw error }
        try firewall.ensureTable()
        try firewall.setService(service)
      }
      forgetFlows(service)
    } catch {
      // Another service listens there.
      if error.errno == .fileExists {
        throw .portInUse(
          address: service.address?.description ?? "0.0.0.0", port: service.port, transport: service.transport)
      }
      throw .kernel(operation: "set up the service", network: service.name, error)
    }
  }

  public static func removeService(_ service: ServiceRule) throws(NetworkError) {
    do throws(NetlinkError) { try Firewall().removeService(service) } catch {
      throw .kernel(operation: "remove the service", network: service.name, error)
    }
    var gone = service
    gone.backends = []
    forgetFlows(gone)
  }

  private static func forgetFlows(_ service: ServiceRule) {
    guard service.transport == .udp else { return }
    forgetFlows(
      service.address, service.port, except: Set(service.backends.map { .init(address: $0.address, port: $0.port) }))
  }

  /// Removes the bridge and its firewall entries; what is not there is fine.
  public static func removeBridge(_ network: BridgeNetwork) throws(NetworkError) {
    do throws(NetlinkError) {
      try RouteSocket().removeLink(network.bridge)
      try Firewall().removeNetwork(network.subnet, bridge: network.bridge, isInternal: network.isInternal)
    } catch {
      throw .kernel(operation: "remove the bridge \(network.bridge)", network: network.name, error)
    }
  }
}
