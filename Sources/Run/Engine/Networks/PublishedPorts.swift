internal import Kernel
internal import Sandboxes

/// Ports of the host that were reserved for a container: bound sockets, given on to the supervisor, closed here.
final class PublishedPorts {
  struct Port {
    var hostAddress: IPv4Address?
    var hostPort: UInt16
    var transport: Publication.Transport
    var containerPort: UInt16
  }

  private(set) var ports: [Port] = []
  private(set) var descriptors: [CInt] = []

  /// - Throws: `NetworkError.portInUse`.
  init(_ mappings: [PortMapping]) throws {
    for mapping in mappings {
      var address: IPv4Address?
      if let text = mapping.hostAddress, !text.isEmpty {
        guard let parsed = IPv4Address(text) else { throw NetworkError.invalidAddress(text) }
        address = parsed == .any ? nil : parsed
      }
      let transport: Publication.Transport = mapping.transport == .tcp ? .tcp : .udp
      let bound = try NetworkSetup.bindPort(address: address?.description, port: mapping.hostPort, transport: transport)
      ports.append(Port(hostAddress: address, hostPort: bound.port, transport: transport, containerPort: mapping.containerPort))
      descriptors.append(bound.release())
    }
  }

  func publications(to address: IPv4Address) -> [Publication] {
    ports.map {
      Publication(
        hostAddress: $0.hostAddress, hostPort: $0.hostPort, transport: $0.transport, target: address,
        targetPort: $0.containerPort)
    }
  }

  deinit { for descriptor in descriptors { _ = OwnedDescriptor(descriptor) } }

  /// Those asked for, and with `-P` a free port for each that the image exposes and nobody mapped.
  static func mappings(_ options: ContainerOptions, exposed: [String]) -> [PortMapping] {
    guard options.publishAll else { return options.ports }
    let more = exposed.compactMap { text -> PortMapping? in
      let parts = text.split(separator: "/")
      guard let first = parts.first, let port = UInt16(first) else { return nil }
      let transport: PortMapping.TransportProtocol = parts.count > 1 && parts[1] == "udp" ? .udp : .tcp
      let isMapped = options.ports.contains { $0.containerPort == port && $0.transport == transport }
      return isMapped ? nil : PortMapping(hostPort: 0, containerPort: port, transport: transport)
    }
    return options.ports + more
  }
}
