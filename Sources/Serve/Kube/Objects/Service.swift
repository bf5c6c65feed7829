public struct ServicePort: Sendable, Hashable {
  public var name: String?
  public var port: UInt16
  public var target: PortTarget
  public var transport: ContainerPort.Transport
  /// A port of the host; nil in a NodePort service takes one of 30000 to 32767.
  public var nodePort: UInt16?
}

/// (Kubernetes API, Service)
public struct Service: Sendable, Hashable {
  public enum Kind: String, Sendable, CaseIterable {
    case clusterIP = "ClusterIP"
    case nodePort = "NodePort"
    /// The service's own ports are ports of the host.
    case loadBalancer = "LoadBalancer"
  }

  public var kind: Kind
  /// No address of its own: its name is the pods' addresses.
  public var isHeadless: Bool
  public var selector: [String: String]
  public var ports: [ServicePort]
  public var publishNotReady: Bool
}

/// Kubernetes' standard range for ports of the host.
let nodePortRange: ClosedRange<Int64> = 30000...32767

extension ObjectReader {
  func service() -> Service? {
    if string("type") == "ExternalName" { error("type", "ExternalName is not supported: there is no DNS server that could answer") }
    let kind = string("type") == "ExternalName" ? .clusterIP : string("type", of: Service.Kind.self) ?? .clusterIP
    let address = string("clusterIP") ?? ""
    let isHeadless = address == "None"
    if !isHeadless, !address.isEmpty { error("clusterIP", "is not supported: the address is chosen here; None makes the service headless") }
    if isHeadless, kind != .clusterIP { error("clusterIP", "may not be None for the type \(kind.rawValue)") }
    refuseServiceFields()
    let selector = labels("selector")
    if selector.isEmpty {
      error("selector", "must name the labels of the pods behind the service: endpoints are not managed by hand here")
    }
    let ports = objects("ports") { $0.servicePort(kind) }
    if elements("ports").isEmpty, !isHeadless { error("ports", "must list at least one port") }
    checkServicePorts(ports)
    return Service(
      kind: kind, isHeadless: isHeadless, selector: selector, ports: ports,
      publishNotReady: bool("publishNotReadyAddresses") ?? false)
  }

  private func refuseServiceFields() {
    refuse([
      ("externalName", "there is no DNS server that could answer"), ("clusterIPs", "the address is chosen here"),
      ("externalIPs", "a host port listens on all of the host's addresses"),
      ("loadBalancerIP", "a host port listens on all of the host's addresses"),
      ("loadBalancerClass", "there is one way to balance"), ("loadBalancerSourceRanges", "sources are not filtered"),
      ("healthCheckNodePort", "no load balancer outside asks"), ("sessionAffinityConfig", "connections are dealt in turn"),
      ("trafficDistribution", "there is one host"),
    ])
    accept("allocateLoadBalancerNodePorts", only: ["false"], "a load balancer's own ports are the host's")
    accept("sessionAffinity", only: ["None"], "connections are dealt in turn")
    // On one host, every pod is local.
    accept("internalTrafficPolicy", only: ["Cluster", "Local"], "use Cluster")
    accept("externalTrafficPolicy", only: ["Cluster"], "the source address of a client is not kept")
    accept("ipFamilyPolicy", only: ["SingleStack", "PreferDualStack"], "networks are IPv4")
    if let families = strings("ipFamilies"), families != ["IPv4"] { error("ipFamilies", "must be [IPv4]") }
  }

  private func servicePort(_ kind: Service.Kind) -> ServicePort? {
    let name = name("name", NameRule.isLabel, "a port's name: a-z, 0-9 and -")
    refuse("appProtocol", "connections are passed on as they are")
    accept("protocol", only: ["TCP", "UDP"], "use TCP or UDP")
    let transport = string("protocol").flatMap { ContainerPort.Transport(rawValue: $0) } ?? .tcp
    let number = requiredInteger("port", in: 1...65535)
    let target = portTarget("targetPort")
    var nodePort = integer("nodePort", in: 0...65535).flatMap { $0 == 0 ? nil : $0 }
    if let port = nodePort {
      if kind != .nodePort {
        error("nodePort", "is for the type NodePort; the type here is \(kind.rawValue)")
        nodePort = nil
      } else if !nodePortRange.contains(port) {
        error("nodePort", "must be \(nodePortRange.lowerBound) to \(nodePortRange.upperBound), not \(port)")
      }
    }
    guard let number else { return nil }
    return ServicePort(
      name: name, port: UInt16(number), target: target ?? .number(UInt16(number)), transport: transport,
      nodePort: nodePort.map { UInt16($0) })
  }

  private func checkServicePorts(_ ports: [ServicePort]) {
    if ports.count > 1, ports.contains(where: { $0.name == nil }) {
      error("ports", "must all have a name where there are several")
    }
    var numbers: Set<String> = []
    var names: Set<String> = []
    for port in ports {
      if !numbers.insert("\(port.port)/\(port.transport.rawValue)").inserted {
        error("ports", "port \(port.port)/\(port.transport.rawValue) is given twice")
      }
      if let name = port.name, !names.insert(name).inserted { error("ports", "the name \"\(name)\" is given twice") }
    }
  }
}
