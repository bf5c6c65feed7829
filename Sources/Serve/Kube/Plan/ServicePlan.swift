/// Where a service listens, and what answers there.
public struct ServiceListener: Sendable, Hashable {
  public enum Place: Sendable, Hashable {
    /// The service's own address inside the host.
    case cluster(address: String)
    /// All addresses of the host.
    case host
  }

  public struct Backend: Sendable, Hashable {
    public var address: String
    public var port: UInt16
  }

  public var place: Place
  public var port: UInt16
  public var transport: ContainerPort.Transport
  /// In the pods' order; dealt in turn.
  public var backends: [Backend]
}

/// A pod as a service sees it.
public struct ServicePod: Sendable, Hashable {
  public var name: String
  public var namespace: String
  public var labels: [String: String]
  public var hostname: String
  public var subdomain: String?
  /// nil: the pod has no network of its own.
  public var address: String?
  public var ports: [ContainerPort]

  public init(name: String, namespace: String, labels: [String: String], spec: PodSpec, address: String?) {
    self.name = name
    self.namespace = namespace
    self.labels = labels
    hostname = spec.hostname ?? name
    subdomain = spec.subdomain
    self.address = address
    ports = (spec.initContainers.filter(\.isSidecar) + spec.containers).flatMap(\.ports)
  }

  public init(_ plan: PodPlan, address: String?) {
    self.init(name: plan.name, namespace: plan.namespace, labels: plan.labels, spec: plan.spec, address: address)
  }
}

public struct ServicePlan: Sendable, Hashable {
  public var key: ObjectKey
  public var service: Service
  /// nil for a headless service.
  public var address: String?
  /// The ports of the host of a NodePort service, in the order of its ports.
  public var nodePorts: [UInt16]

  public init(key: ObjectKey, service: Service, address: String?, nodePorts: [UInt16]) {
    self.key = key
    self.service = service
    self.address = address
    self.nodePorts = nodePorts
  }

  /// The service's address: stable for its name, unless that one is taken. 10.96.0.0/16 is Kubernetes' customary range.
  public static func address(for key: ObjectKey, taken: Set<String>) -> String? {
    let start = PodName.fnv([key.namespace, key.name])
    for step in 0..<UInt64(65_000) {
      let number = 256 + (start &+ step) % (65_536 - 512)
      let address = "10.96.\(number >> 8).\(number & 0xff)"
      if !taken.contains(address) { return address }
    }
    return nil
  }

  /// Ports of the host for a NodePort service: those it names, and stable ones of Kubernetes' range for the rest.
  public static func nodePorts(for key: ObjectKey, _ service: Service, taken: Set<UInt16>) -> [UInt16] {
    guard service.kind == .nodePort else { return [] }
    var used = taken.union(service.ports.compactMap(\.nodePort))
    let count = UInt64(nodePortRange.count)
    return service.ports.map { port in
      if let given = port.nodePort { return given }
      let start = PodName.fnv([key.namespace, key.name, "\(port.port)/\(port.transport.rawValue)"])
      let numbers = (0..<count).lazy.map { UInt16(nodePortRange.lowerBound) + UInt16((start &+ $0) % count) }
      let free = numbers.first { !used.contains($0) } ?? UInt16(nodePortRange.upperBound)
      used.insert(free)
      return free
    }
  }

  func selects(_ pod: ServicePod) -> Bool {
    pod.namespace == key.namespace && service.selector.allSatisfy { pod.labels[$0.key] == $0.value }
  }

  /// - Parameter pods: those that may answer, all namespaces.
  public func listeners(pods: [ServicePod]) -> [ServiceListener] {
    let selected = pods.filter { selects($0) }
    return service.ports.enumerated().flatMap { index, port -> [ServiceListener] in
      let backends = selected.compactMap { pod -> ServiceListener.Backend? in
        guard let address = pod.address, let target = Self.target(port, pod) else { return nil }
        return .init(address: address, port: target)
      }
      func listener(_ place: ServiceListener.Place, _ number: UInt16) -> ServiceListener {
        ServiceListener(place: place, port: number, transport: port.transport, backends: backends)
      }
      var result: [ServiceListener] = []
      if let address { result.append(listener(.cluster(address: address), port.port)) }
      if service.kind == .loadBalancer { result.append(listener(.host, port.port)) }
      if index < self.nodePorts.count { result.append(listener(.host, self.nodePorts[index])) }
      return result
    }
  }

  private static func target(_ port: ServicePort, _ pod: ServicePod) -> UInt16? {
    switch port.target {
    case .number(let number): number
    case .name(let name): pod.ports.first { $0.name == name && $0.transport == port.transport }?.containerPort
    }
  }

  /// The names by which other pods know the service, or, of a headless one, its pods: `name:address`.
  /// (Kubernetes, DNS specification)
  public func hosts(seenFrom namespace: String, pods: [ServicePod]) -> [String] {
    let base = key.name
    let names =
      (key.namespace == namespace ? [base] : [])
      + ["\(base).\(key.namespace)", "\(base).\(key.namespace).svc", "\(base).\(key.namespace).svc.cluster.local"]
    if let address { return names.map { "\($0):\(address)" } }
    return pods.filter { selects($0) }.flatMap { pod -> [String] in
      guard let address = pod.address else { return [] }
      let own = pod.subdomain == base ? names.map { "\(pod.hostname).\($0):\(address)" } : []
      return names.map { "\($0):\(address)" } + own
    }
  }
}
