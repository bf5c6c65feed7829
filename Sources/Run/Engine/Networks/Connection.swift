import Content
internal import GRDB
internal import Glibc
internal import Kernel
internal import Sandboxes
internal import SystemPackage

/// A container's or pod's network, as far as it is made: descriptors that the supervisor holds, and what has to be undone.
final class Connection {
  let endpoint: Endpoint?
  let ports: PublishedPorts?
  private let namespaces: Beside<[CInt]>

  init(endpoint: Endpoint?, ports: PublishedPorts?, namespaces: Beside<[CInt]>) {
    self.endpoint = endpoint
    self.ports = ports
    self.namespaces = namespaces
  }

  /// The namespaces' descriptors, in the order of `BundlePlan`'s numbers, and then the ports'. Waits for the network.
  func descriptors() throws -> [CInt] { try namespaces.get() + (ports?.descriptors ?? []) }

  deinit { for descriptor in (try? namespaces.get()) ?? [] { _ = OwnedDescriptor(descriptor) } }
}

extension Engine {
  /// Begins to make what a container has of network; its kernel part goes on beside the caller.
  ///
  /// - Parameter exposed: `80/tcp`, for `-P`.
  /// - Returns: nil where the container's own namespace, or the host's, is all.
  func connect(_ id: String, _ options: ContainerOptions, exposed: [String]) throws -> Connection? {
    if let pod = options.pod { return try joinPod(pod) }
    switch options.network {
    case .none, .host: return nil
    case .container(let other): return try joinContainer(other)
    case .bridge(let name):
      let names = [options.name].compactMap { $0 } + options.networkAliases + [String(id.prefix(12))]
      return try connect(owner: id, to: name, names: names, mappings: PublishedPorts.mappings(options, exposed: exposed))
    }
  }

  func connect(owner: String, to networkName: String, names: [String], mappings: [PortMapping]) throws -> Connection {
    let network = networkName == Network.defaultName ? Self.defaultNetwork : try network(networkName)
    let ports = mappings.isEmpty ? nil : try PublishedPorts(mappings)
    let endpoint = try content.database.write { database in
      try Self.allocate(owner: owner, network: network, names: names, database) { ports?.publications(to: $0) ?? [] }
    }
    let namespaces = Beside<[CInt]> { [warn] in
      let namespace = try NetworkSetup.newNamespace()
      if try NetworkSetup.ensureBridge(network.bridge), let obstacle = NetworkSetup.obstacle(to: network.bridge) {
        warn(obstacle)
      }
      _ = try NetworkSetup.connect(
        namespace: namespace.number, to: network.bridge, address: endpoint.address, interface: "eth0",
        hostInterface: endpoint.hostInterface)
      try NetworkSetup.publish(endpoint.publications)
      return [namespace.release()]
    }
    return Connection(endpoint: endpoint, ports: ports, namespaces: namespaces)
  }

  /// Undoes it where the container did not come to run.
  func disconnect(_ connection: Connection) {
    guard let endpoint = connection.endpoint else { return }
    // It may be half made: each part is taken away as far as it is there.
    _ = try? connection.descriptors()
    try? NetworkSetup.unpublish(endpoint.publications)
    try? NetworkSetup.disconnect(hostInterface: endpoint.hostInterface)
    try? content.database.write { try $0.execute(sql: "DELETE FROM endpoints WHERE owner = ?", arguments: [endpoint.owner]) }
    try? refreshHosts(of: endpoint.network)
  }

  private func joinContainer(_ id: String) throws -> Connection {
    let other = try container(id)
    guard other.isRunning, let pid = other.state.pid else {
      throw EngineError.input("cannot join network of a non running container: \(other.name)")
    }
    return Connection(endpoint: nil, ports: nil, namespaces: try Self.namespaces(of: pid, ["net"]))
  }

  private func joinPod(_ id: String) throws -> Connection {
    let pod = try pod(id)
    guard let pid = pod.pid else { throw EngineError.input("pod \(pod.name) is gone: its sandbox does not run") }
    return Connection(endpoint: nil, ports: nil, namespaces: try Self.namespaces(of: pid, ["net", "ipc", "uts"]))
  }

  static func namespaces(of pid: Int32, _ kinds: [String]) throws -> Beside<[CInt]> {
    var opened: [CInt] = []
    do throws(Errno) {
      for kind in kinds { opened.append(try openat2(workingDirectory, "/proc/\(pid)/ns/\(kind)", flags: O_RDONLY).release()) }
    } catch {
      for descriptor in opened { _ = OwnedDescriptor(descriptor) }
      throw EngineError.system(operation: "open the namespaces of", path: FilePath("/proc/\(pid)"), error)
    }
    let descriptors = opened
    return Beside { descriptors }
  }
}
