/// What a probe or a hook does.
public enum Handler: Sendable, Hashable {
  case exec([String])
  case http(host: String?, port: UInt16, path: String, headers: [HTTPHeader])
  case tcp(host: String?, port: UInt16)
}

public struct HTTPHeader: Sendable, Hashable {
  public var name: String
  public var value: String
}

/// A probe with Kubernetes' defaults filled in; times in seconds. (Kubernetes API, Probe)
public struct ProbeSpec: Sendable, Hashable {
  public enum Kind: String, Sendable, CaseIterable { case startup, liveness, readiness }

  public var kind: Kind
  public var handler: Handler
  public var initialDelay: Int64 = 0
  public var period: Int64 = 10
  public var timeout: Int64 = 1
  public var successThreshold: Int64 = 1
  public var failureThreshold: Int64 = 3
}

public struct Lifecycle: Sendable, Hashable {
  public var postStart: Handler?
  public var preStop: Handler?
}

extension ObjectReader {
  /// The probe in `field`, if it is given.
  func probe(_ field: String, _ kind: ProbeSpec.Kind, ports: [ContainerPort]) -> ProbeSpec? {
    object(field) { object in
      let handler = object.handler(ports: ports, isHook: false)
      let initialDelay = object.integer("initialDelaySeconds")
      let period = object.integer("periodSeconds", in: 0...86_400 * 365)
      let timeout = object.integer("timeoutSeconds", in: 0...86_400 * 365)
      let success = object.integer("successThreshold", in: 0...10_000)
      let failure = object.integer("failureThreshold", in: 0...1_000_000)
      object.refuse("terminationGracePeriodSeconds", "a failed probe stops the container within the pod's grace period")
      // Only readiness can wait for several successes: the other two act on the first one.
      if kind != .readiness, let success, success > 1 {
        object.error("successThreshold", "must be 1 for a \(kind.rawValue) probe")
      }
      guard let handler else { return nil }
      var probe = ProbeSpec(kind: kind, handler: handler)
      // Kubernetes fills its default in for a zero.
      func given(_ value: Int64?, or standard: Int64) -> Int64 { value.flatMap { $0 == 0 ? nil : $0 } ?? standard }
      probe.initialDelay = initialDelay ?? 0
      probe.period = given(period, or: 10)
      probe.timeout = given(timeout, or: 1)
      probe.successThreshold = given(success, or: 1)
      probe.failureThreshold = given(failure, or: 3)
      return probe
    }
  }

  func lifecycle(ports: [ContainerPort]) -> Lifecycle? {
    object("lifecycle") { object in
      object.refuse("stopSignal", "the image's STOPSIGNAL is used")
      return Lifecycle(
        postStart: object.object("postStart") { $0.handler(ports: ports, isHook: true) },
        preStop: object.object("preStop") { $0.handler(ports: ports, isHook: true) })
    }
  }

  private func handler(ports: [ContainerPort], isHook: Bool) -> Handler? {
    if !isHook { refuse("grpc", "probe the port with tcpSocket, or with exec and a client of the image's own") }
    if isHook { refuse("sleep", "use exec with a program of the image's own that waits") }
    let names = ["exec", "httpGet", "tcpSocket"]
    let given = names.filter { has($0) }
    guard given.count == 1 else {
      if has(isHook ? "sleep" : "grpc") { return nil }
      problems.error(line, path, "must have exactly one of \(names.joined(separator: ", ")), not \(given.count)")
      for field in given { _ = value(field) }
      return nil
    }
    switch given[0] {
    case "exec":
      return object("exec") { object in
        guard let command = object.strings("command"), !command.isEmpty else {
          object.error("command", "must name a program")
          return nil
        }
        return .exec(command)
      }
    case "httpGet":
      return object("httpGet") { $0.httpHandler(ports: ports) }
    default:
      return object("tcpSocket") { object in
        let host = object.host()
        guard let port = object.requiredPort(ports: ports) else { return nil }
        return .tcp(host: host, port: port)
      }
    }
  }

  private func httpHandler(ports: [ContainerPort]) -> Handler? {
    let path = string("path") ?? "/"
    let host = host()
    accept("scheme", only: ["HTTP"], "probes speak plain HTTP; for HTTPS use tcpSocket, or exec with a client of the image's own")
    let headers: [HTTPHeader] = objects("httpHeaders") { header in
      let name = header.requiredString("name")
      let value = header.string("value") ?? ""
      guard let name else { return nil }
      // A line break in either would let a manifest write requests of its own.
      guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }) else {
        header.error("name", "\"\(name)\" is not the name of an HTTP header")
        return nil
      }
      guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
        header.error("value", "holds control characters")
        return nil
      }
      return HTTPHeader(name: name, value: value)
    }
    for (index, header) in headers.enumerated()
    where headers[..<index].contains(where: { $0.name.lowercased() == header.name.lowercased() }) {
      error("httpHeaders", "the header \"\(header.name)\" is given twice")
    }
    guard path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
      error("path", "holds blanks or control characters")
      return nil
    }
    guard let port = requiredPort(ports: ports) else { return nil }
    return .http(host: host, port: port, path: path.hasPrefix("/") ? path : "/" + path, headers: headers)
  }

  private func host() -> String? {
    guard let host = string("host"), !host.isEmpty else { return nil }
    guard NameRule.isIPv4(host) || host == "localhost" else {
      error("host", "\"\(host)\" is not an IPv4 address: probes do not resolve names")
      return nil
    }
    return host == "localhost" ? "127.0.0.1" : host
  }

  private func requiredPort(ports: [ContainerPort]) -> UInt16? {
    guard has("port") else {
      problems.error(line, path("port"), "is missing")
      return nil
    }
    switch portTarget("port") {
    case nil: return nil
    case .number(let number): return number
    case .name(let name):
      guard let port = ports.first(where: { $0.name == name }) else {
        let near = nearestName(to: name, among: ports.compactMap(\.name))
        error("port", "this container has no port named \"\(name)\"" + (near.map { " (did you mean \"\($0)\"?)" } ?? ""))
        return nil
      }
      return port.containerPort
    }
  }
}
