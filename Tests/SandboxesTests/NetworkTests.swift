import Foundation
import Kernel
import Sandboxes
import SystemPackage
import Testing

private let isRoot = geteuid() == 0

/// Each test works in a network namespace of its own, where nothing else is.
@Suite(.enabled(if: isRoot, "needs root: network namespaces"), .serialized)
struct NetworkTests {
  private let network = BridgeNetwork(
    name: "test", bridge: "clipper0", subnet: IPv4Network("10.88.0.0/16")!, gateway: IPv4Address("10.88.0.1")!)

  /// Runs a test's body in a fresh namespace that plays the host.
  private func onHost(_ body: @escaping @Sendable () throws -> Void) throws {
    let host = try NetworkSetup.newNamespace()
    let failure = try NetworkNamespace.within(host.number) { () -> (any Error)? in
      do { try body() } catch { return error }
      return nil
    }
    if let failure { throw failure }
  }

  /// A TCP server in a namespace that answers each connection with its name; ends with the descriptor.
  private static func serve(_ namespace: CInt, _ port: UInt16, _ name: String) throws -> CInt {
    try NetworkNamespace.within(namespace) {
      let server = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
      var address = Self.address("0.0.0.0", port)
      _ = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
      }
      listen(server, 16)
      Thread.detachNewThread {
        while true {
          let client = accept(server, nil, nil)
          if client < 0 { return }
          _ = name.withCString { write(client, $0, strlen($0)) }
          close(client)
        }
      }
      return server
    }
  }

  private static func address(_ text: String, _ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = IPv4Address(text)!.number.bigEndian
    return address
  }

  /// What a server says; nil where none answers within two seconds.
  private static func ask(_ host: String, _ port: UInt16) -> String? {
    let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    defer { close(client) }
    var limit = timeval(tv_sec: 2, tv_usec: 0)
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var target = Self.address(host, port)
    let connected = withUnsafePointer(to: &target) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard connected == 0 else { return nil }
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = read(client, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }

  @Test func connectsContainersOfANetwork() throws {
    let network = network
    try onHost {
      try NetworkSetup.ensureBridge(network)
      try NetworkSetup.ensureBridge(network)
      let first = try NetworkSetup.newNamespace()
      let second = try NetworkSetup.newNamespace()
      let one = IPv4Address("10.88.0.2")!, two = IPv4Address("10.88.0.3")!
      _ = try NetworkSetup.connect(namespace: first.number, to: network, address: one, interface: "eth0", hostInterface: "veth1")
      _ = try NetworkSetup.connect(namespace: second.number, to: network, address: two, interface: "eth0", hostInterface: "veth2")
      let server = try Self.serve(second.number, 80, "second")
      defer { shutdown(server, CInt(SHUT_RDWR)); close(server) }
      #expect(Self.ask("10.88.0.3", 80) == "second")
      #expect(try NetworkNamespace.within(first.number) { Self.ask("10.88.0.3", 80) } == "second")
      try NetworkSetup.disconnect(hostInterface: "veth2")
      #expect(try NetworkSetup.interfaces(withPrefix: "veth") == ["veth1"])
      try NetworkSetup.removeBridge(network)
    }
  }

  @Test func publishesAPortOnEveryAddressAndOnLoopback() throws {
    let network = network
    try onHost {
      try NetworkSetup.ensureBridge(network)
      let inside = try NetworkSetup.newNamespace()
      let target = IPv4Address("10.88.0.2")!
      _ = try NetworkSetup.connect(namespace: inside.number, to: network, address: target, interface: "eth0", hostInterface: "veth1")
      let server = try Self.serve(inside.number, 80, "web")
      defer { shutdown(server, CInt(SHUT_RDWR)); close(server) }
      let publication = Publication(hostPort: 8080, target: target, targetPort: 80)
      let bound = Publication(hostAddress: .loopback, hostPort: 9090, target: target, targetPort: 80)
      try NetworkSetup.publish([publication, bound])
      #expect(Self.ask("127.0.0.1", 8080) == "web")
      #expect(Self.ask("10.88.0.1", 8080) == "web")
      #expect(Self.ask("127.0.0.1", 9090) == "web")
      #expect(Self.ask("10.88.0.1", 9090) == nil)
      // From a neighbour, by the host's address: out of the network and back into it.
      let neighbour = try NetworkSetup.newNamespace()
      _ = try NetworkSetup.connect(
        namespace: neighbour.number, to: network, address: IPv4Address("10.88.0.3")!, interface: "eth0", hostInterface: "veth2")
      #expect(try NetworkNamespace.within(neighbour.number) { Self.ask("10.88.0.1", 8080) } == "web")
      #expect(Set(try NetworkSetup.publishedNow()) == [publication, bound])
      try NetworkSetup.unpublish([publication, bound])
      try NetworkSetup.unpublish([publication])
      #expect(try NetworkSetup.publishedNow().isEmpty)
      #expect(Self.ask("127.0.0.1", 8080) == nil)
    }
  }

  /// A bridge routes loopback addresses for the host's sake: a container that sends to one must not get through. (CVE-2020-8558)
  @Test func keepsLoopbackAddressesToTheHost() throws {
    let network = network
    try onHost {
      try NetworkSetup.ensureBridge(network)
      let inside = try NetworkSetup.newNamespace()
      let target = IPv4Address("10.88.0.2")!
      _ = try NetworkSetup.connect(namespace: inside.number, to: network, address: target, interface: "eth0", hostInterface: "veth1")
      let server = try Self.serve(inside.number, 80, "web")
      defer { shutdown(server, CInt(SHUT_RDWR)); close(server) }
      try NetworkSetup.publish([Publication(hostAddress: .loopback, hostPort: 9090, target: target, targetPort: 80)])
      let neighbour = try NetworkSetup.newNamespace()
      _ = try NetworkSetup.connect(
        namespace: neighbour.number, to: network, address: IPv4Address("10.88.0.3")!, interface: "eth0", hostInterface: "veth2")
      // What a container with CAP_NET_RAW can do by packets of its own making.
      let answer = try NetworkNamespace.within(neighbour.number) { () -> String? in
        system(
          """
          ip addr flush dev lo; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; ip route add 127.0.0.0/8 via 10.88.0.1
          """)
        return Self.ask("127.0.0.1", 9090)
      }
      #expect(answer == nil)
      #expect(Self.ask("127.0.0.1", 9090) == "web")
    }
  }

  @Test func withdrawsOnlyItsOwnPorts() throws {
    let network = network
    try onHost {
      try NetworkSetup.ensureBridge(network)
      let first = Publication(hostPort: 8080, target: IPv4Address("10.88.0.2")!, targetPort: 80)
      let second = Publication(hostPort: 8080, target: IPv4Address("10.88.0.3")!, targetPort: 80)
      try NetworkSetup.publish([first])
      // Its holder died; the next one's entry takes its place.
      try NetworkSetup.publish([second])
      try NetworkSetup.unpublish([first])
      #expect(try NetworkSetup.publishedNow() == [second])
    }
  }

  @Test func takesTheInterfaceOfAnEarlierRunAway() throws {
    let network = network
    try onHost {
      try NetworkSetup.ensureBridge(network)
      let address = IPv4Address("10.88.0.2")!
      let earlier = try NetworkSetup.newNamespace()
      _ = try NetworkSetup.connect(namespace: earlier.number, to: network, address: address, interface: "eth0", hostInterface: "veth1")
      let now = try NetworkSetup.newNamespace()
      _ = try NetworkSetup.connect(namespace: now.number, to: network, address: address, interface: "eth0", hostInterface: "veth1")
      #expect(try NetworkSetup.interfaces(withPrefix: "veth") == ["veth1"])
    }
  }

  @Test func aServicesPortIsOneServices() throws {
    let network = network
    try onHost {
      try NetworkSetup.ensureBridge(network)
      try NetworkSetup.setService(ServiceRule(name: "one", port: 30080, backends: []))
      #expect(throws: NetworkError.self) { try NetworkSetup.setService(ServiceRule(name: "two", port: 30080, backends: [])) }
      try NetworkSetup.removeService(ServiceRule(name: "one", port: 30080, backends: []))
      try NetworkSetup.setService(ServiceRule(name: "two", port: 30080, backends: []))
    }
  }

  @Test func servesFromEachBackendInTurn() throws {
    let network = network
    try onHost {
      try NetworkSetup.ensureBridge(network)
      var servers: [CInt] = []
      var holders: [CInt] = []
      var backends: [ServiceRule.Backend] = []
      for number in 2...4 {
        let namespace = try NetworkSetup.newNamespace()
        let address = IPv4Address("10.88.0.\(number)")!
        _ = try NetworkSetup.connect(
          namespace: namespace.number, to: network, address: address, interface: "eth0", hostInterface: "veth\(number)")
        servers.append(try Self.serve(namespace.number, 80, "server \(number)"))
        holders.append(namespace.release())
        backends.append(.init(address: address, port: 80))
      }
      defer {
        for server in servers { shutdown(server, CInt(SHUT_RDWR)); close(server) }
        for holder in holders { close(holder) }
      }
      var service = ServiceRule(name: "web", port: 7000, backends: backends)
      try NetworkSetup.setService(service)
      #expect(Set((0..<6).compactMap { _ in Self.ask("127.0.0.1", 7000) }).count == 3)
      service.backends = [backends[1]]
      try NetworkSetup.setService(service)
      #expect(Set((0..<4).compactMap { _ in Self.ask("127.0.0.1", 7000) }) == ["server 3"])
      try NetworkSetup.removeService(service)
      #expect(Self.ask("127.0.0.1", 7000) == nil)
      // A virtual address that no interface has, from inside the network.
      let cluster = ServiceRule(name: "web", address: IPv4Address("10.96.0.1"), port: 80, backends: backends)
      try NetworkSetup.setService(cluster)
      #expect(try NetworkNamespace.within(holders[0]) { Self.ask("10.96.0.1", 80) } != nil)
      try NetworkSetup.removeService(cluster)
    }
  }

  /// A UDP server in a namespace that answers each packet with its name; ends with the descriptor.
  private static func answer(_ namespace: CInt, _ port: UInt16, _ name: String) throws -> CInt {
    try NetworkNamespace.within(namespace) {
      let server = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
      var address = Self.address("0.0.0.0", port)
      _ = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
      }
      Thread.detachNewThread {
        while true {
          var client = sockaddr_storage()
          var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
          var byte: UInt8 = 0
          let sent = withUnsafeMutablePointer(to: &client) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { client -> Int in
              guard recvfrom(server, &byte, 1, 0, client, &size) > 0 else { return -1 }
              return name.withCString { sendto(server, $0, strlen($0), 0, client, size) }
            }
          }
          if sent < 0 { return }
        }
      }
      return server
    }
  }

  /// A client that keeps its port must not be led to where the port led when it began.
  @Test func leadsFlowsOfDatagramsAnewWhenAPortChangesHands() throws {
    let network = network
    try onHost {
      try NetworkSetup.ensureBridge(network)
      system("ip link set lo up")
      var servers: [CInt] = []
      var holders: [CInt] = []
      var publications: [Publication] = []
      for number in 2...3 {
        let namespace = try NetworkSetup.newNamespace()
        let address = IPv4Address("10.88.0.\(number)")!
        _ = try NetworkSetup.connect(
          namespace: namespace.number, to: network, address: address, interface: "eth0", hostInterface: "veth\(number)")
        servers.append(try Self.answer(namespace.number, 53, "server \(number)"))
        holders.append(namespace.release())
        publications.append(Publication(hostPort: 5353, transport: .udp, target: address, targetPort: 53))
      }
      defer {
        for server in servers { shutdown(server, CInt(SHUT_RDWR)); close(server) }
        for holder in holders { close(holder) }
      }
      let client = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
      defer { close(client) }
      var limit = timeval(tv_sec: 0, tv_usec: 500_000)
      setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
      func ask() -> String? {
        var target = Self.address("10.88.0.1", 5353)
        _ = withUnsafePointer(to: &target) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(client, "?", 1, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(client, &buffer, buffer.count, 0)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
      }
      // The port is held, as by a container that is about to start: the packet is taken, and nobody answers.
      let held = try NetworkSetup.bindPort(address: nil, port: 5353, transport: .udp)
      #expect(ask() == nil)
      try NetworkSetup.publish([publications[0]])
      #expect(ask() == "server 2")
      try NetworkSetup.unpublish([publications[0]])
      try NetworkSetup.publish([publications[1]])
      #expect(ask() == "server 3")
      try NetworkSetup.unpublish([publications[1]])
      #expect(ask() == nil)
      try NetworkSetup.setService(
        ServiceRule(
          name: "names", port: 5353, transport: .udp, backends: publications.map { .init(address: $0.target, port: 53) }))
      #expect(ask() != nil)
      _ = held.port
    }
  }

  @Test(.enabled(if: access("/usr/sbin/nft", X_OK) == 0, "needs nft"))
  func saysWhatDropsForwardedPackets() throws {
    let network = network
    try onHost {
      let made = try [NetworkSetup.ensureBridge(network), NetworkSetup.ensureBridge(network)]
      #expect(made == [true, false])
      #expect(NetworkSetup.obstacle(to: network) == nil)
      system("/usr/sbin/nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy accept; }; }'")
      #expect(NetworkSetup.obstacle(to: network) == nil)
      system("/usr/sbin/nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'")
      let message = NetworkSetup.obstacle(to: network)
      #expect(message?.contains("chain FORWARD") == true)
    }
  }

  @Test func keepsNetworksApart() throws {
    let network = network
    try onHost {
      var other = network
      other.name = "other"
      other.bridge = "clipper1"
      other.subnet = IPv4Network("10.89.0.0/16")!
      other.gateway = IPv4Address("10.89.0.1")!
      try NetworkSetup.ensureBridge(network)
      try NetworkSetup.ensureBridge(other)
      let first = try NetworkSetup.newNamespace()
      let second = try NetworkSetup.newNamespace()
      _ = try NetworkSetup.connect(
        namespace: first.number, to: network, address: IPv4Address("10.88.0.2")!, interface: "eth0", hostInterface: "veth1")
      _ = try NetworkSetup.connect(
        namespace: second.number, to: other, address: IPv4Address("10.89.0.2")!, interface: "eth0", hostInterface: "veth2")
      let server = try Self.serve(second.number, 80, "second")
      defer { shutdown(server, CInt(SHUT_RDWR)); close(server) }
      #expect(Self.ask("10.89.0.2", 80) == "second")
      #expect(try NetworkNamespace.within(first.number) { Self.ask("10.89.0.2", 80) } == nil)
    }
  }

  @Test func reservesAPortForOneHolder() throws {
    try onHost {
      let first = try NetworkSetup.bindPort(address: nil, port: 0, transport: .tcp)
      #expect(first.port > 0)
      let port = first.port
      #expect {
        _ = try NetworkSetup.bindPort(address: "127.0.0.1", port: port, transport: .tcp).port
      } throws: { error in
        if case NetworkError.portInUse(_, port, .tcp) = error { true } else { false }
      }
      let other = try NetworkSetup.bindPort(address: nil, port: port, transport: .udp)
      #expect(other.port == port)
    }
  }
}
