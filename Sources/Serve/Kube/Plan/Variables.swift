/// A container's environment, resolved.
public struct ResolvedVariables: Sendable, Hashable {
  /// In order; a later one of the same name has replaced the earlier one.
  public private(set) var names: [String] = []
  public private(set) var values: [String: String] = [:]
  /// Keys of an envFrom that cannot be names of variables, which Kubernetes leaves out as well.
  public var skipped: [String] = []

  public var assignments: [String] { names.map { "\($0)=\(values[$0] ?? "")" } }

  mutating func set(_ name: String, _ value: String) {
    if values.updateValue(value, forKey: name) == nil { names.append(name) }
  }
}

/// A service as the pods that start after it see it in their environment.
public struct ServiceLink: Sendable, Hashable {
  public var name: String
  public var address: String
  public var ports: [ServicePort]

  /// `WEB_SERVICE_HOST`, `WEB_SERVICE_PORT`, and Docker's older forms.
  /// (Kubernetes, pkg/kubelet/envvars/envvars.go)
  var variables: [(String, String)] {
    guard let first = ports.first else { return [] }
    let prefix = Self.variable(name)
    var result = [("\(prefix)_SERVICE_HOST", address), ("\(prefix)_SERVICE_PORT", String(first.port))]
    for port in ports {
      if let name = port.name { result.append(("\(prefix)_SERVICE_PORT_\(Self.variable(name))", String(port.port))) }
    }
    for (index, port) in ports.enumerated() {
      let transport = port.transport.rawValue.lowercased()
      let url = "\(transport)://\(address):\(port.port)"
      if index == 0 { result.append(("\(prefix)_PORT", url)) }
      let base = "\(prefix)_PORT_\(port.port)_\(port.transport.rawValue)"
      result += [(base, url), ("\(base)_PROTO", transport), ("\(base)_PORT", String(port.port)), ("\(base)_ADDR", address)]
    }
    return result
  }

  private static func variable(_ name: String) -> String { name.uppercased().replacing("-", with: "_") }
}

extension ContainerSpec {
  /// The variables in Kubernetes' order: links to services, then envFrom, then env, where each may use those before it.
  func variables(
    pod: PodFacts, siblings: [ContainerSpec], surroundings: Surroundings, links: [ServiceLink]
  ) -> ResolvedVariables {
    var result = ResolvedVariables()
    for link in links {
      for (name, value) in link.variables { result.set(name, value) }
    }
    for source in environmentFrom {
      let data =
        source.isSecret
        ? surroundings.secret(source.name, in: pod.namespace)?.data
        : surroundings.configMap(source.name, in: pod.namespace)?.data
      for (key, value) in (data ?? [:]).sorted(by: { $0.key < $1.key }) {
        let name = source.prefix + key
        guard NameRule.isVariable(name), let text = Self.text(value) else {
          result.skipped.append(name)
          continue
        }
        result.set(name, text)
      }
    }
    for variable in environment {
      let value: String?
      switch variable.source {
      case .value(let text): value = expandVariables(text, result.values)
      case .configMapKey(let name, let key, _):
        value = surroundings.configMap(name, in: pod.namespace)?.data[key].flatMap(Self.text)
      case .secretKey(let name, let key, _):
        value = surroundings.secret(name, in: pod.namespace)?.data[key].flatMap(Self.text)
      case .field(let field): value = pod.value(of: field)
      case .resource(let field):
        let container = field.container.flatMap { name in siblings.first { $0.name == name } } ?? self
        value = field.value(container.resources, host: pod.host)
      }
      // An optional reference to nothing leaves the variable unset.
      if let value { result.set(variable.name, value) }
    }
    return result
  }

  /// The value as the environment can hold it.
  private static func text(_ bytes: [UInt8]) -> String? {
    bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
  }
}
