public enum PodRestartPolicy: String, Sendable, CaseIterable {
  case always = "Always"
  case onFailure = "OnFailure"
  case never = "Never"
}

public enum DNSPolicy: String, Sendable, CaseIterable {
  case clusterFirst = "ClusterFirst"
  case clusterFirstWithHostNet = "ClusterFirstWithHostNet"
  case standard = "Default"
  case none = "None"
}

public struct HostAlias: Sendable, Hashable {
  public var address: String
  public var names: [String]
}

/// (Kubernetes API, PodSpec)
public struct PodSpec: Sendable, Hashable {
  public var initContainers: [ContainerSpec] = []
  public var containers: [ContainerSpec] = []
  public var volumes: [Volume] = []
  public var restartPolicy: PodRestartPolicy = .always
  /// Seconds.
  public var terminationGracePeriod: Int64 = 30
  public var hostname: String?
  public var subdomain: String?
  public var hostAliases: [HostAlias] = []
  public var hostNetwork = false
  public var dnsPolicy: DNSPolicy = .clusterFirst
  public var dnsServers: [String] = []
  public var dnsSearch: [String] = []
  public var dnsOptions: [String] = []
  public var imagePullSecrets: [String] = []
  /// Variables such as WEB_SERVICE_HOST for each service.
  public var enableServiceLinks = true
  public var security = PodSecurityContext()
  let line: Int
  let path: String
}

extension ObjectReader {
  func podSpec(defaultRestart: PodRestartPolicy = .always) -> PodSpec? {
    var pod = PodSpec(line: line, path: path)
    refusePodFields()
    pod.volumes = volumes()
    pod.initContainers = objects("initContainers") { $0.container(volumes: pod.volumes, isInit: true) }
    let count = elements("containers").count
    pod.containers = objects("containers") { $0.container(volumes: pod.volumes, isInit: false) }
    if count == 0 { error("containers", "must list at least one container") }
    var names: Set<String> = []
    for container in pod.initContainers + pod.containers where !names.insert(container.name).inserted {
      problems.error(container.line, container.path + ".name", "\"\(container.name)\" is the name of an earlier container")
    }
    pod.restartPolicy = string("restartPolicy", of: PodRestartPolicy.self) ?? defaultRestart
    pod.terminationGracePeriod = integer("terminationGracePeriodSeconds") ?? 30
    pod.hostname = name("hostname", NameRule.isLabel, labelRule)
    pod.subdomain = name("subdomain", NameRule.isLabel, labelRule)
    pod.hostAliases = hostAliases()
    pod.hostNetwork = bool("hostNetwork") ?? false
    readDNS(into: &pod)
    pod.imagePullSecrets = objects("imagePullSecrets") { $0.requiredObjectName("name") }
    pod.enableServiceLinks = bool("enableServiceLinks") ?? true
    pod.security = podSecurityContext()
    checkHostPorts(pod)
    if pod.restartPolicy != .always, let sidecar = pod.initContainers.first(where: \.isSidecar) {
      problems.error(
        sidecar.line, sidecar.path + ".restartPolicy",
        "Always is not supported in a pod that ends: nothing would stop \"\(sidecar.name)\" after the others")
    }
    return count == pod.containers.count ? pod : nil
  }

  /// Fields that ask a cluster for something that one host does not have. What says that it is not wanted is accepted.
  private func refusePodFields() {
    let scheduling = "there is one host, and nothing is scheduled"
    refuse([
      ("affinity", scheduling), ("nodeSelector", scheduling), ("nodeName", scheduling), ("tolerations", scheduling),
      ("topologySpreadConstraints", scheduling), ("schedulerName", scheduling), ("schedulingGates", scheduling),
      ("priority", scheduling), ("priorityClassName", scheduling), ("preemptionPolicy", scheduling),
      ("overhead", scheduling), ("readinessGates", "no controller would set the conditions"),
      ("runtimeClassName", "every container runs under the runtime that CLIPPER_RUNTIME names"),
      ("serviceAccountName", "there is no API server to have an account with"),
      ("serviceAccount", "there is no API server to have an account with"),
      ("activeDeadlineSeconds", "no controller would end the pod; a Job has a deadline"),
      ("ephemeralContainers", "use clipper exec"), ("resourceClaims", "devices are not allocated by claims"),
      ("resources", "give each container its own resources"), ("hostnameOverride", "use hostname"),
      ("workloadRef", scheduling),
    ])
    accept("automountServiceAccountToken", only: ["false"], "there is no API server that would accept a token")
    accept("hostPID", only: ["false"], "containers have process namespaces of their own")
    accept("hostIPC", only: ["false"], "a pod has an IPC namespace of its own")
    accept("hostUsers", only: ["true"], "containers of a pod share the host's user namespace")
    accept("shareProcessNamespace", only: ["false"], "containers have process namespaces of their own")
    accept("setHostnameAsFQDN", only: ["false"], "the hostname is the pod's name")
    if let os = object("os") {
      os.accept("name", only: ["linux"], "containers run on Linux")
      os.finish()
    }
  }

  private func hostAliases() -> [HostAlias] {
    objects("hostAliases") { object in
      let address = object.requiredName("ip", NameRule.isIPv4, "an IPv4 address")
      let names = object.strings("hostnames") ?? []
      for name in names where !NameRule.isSubdomain(name) { object.error("hostnames", "\"\(name)\" is not \(subdomainRule)") }
      return address.map { HostAlias(address: $0, names: names) }
    }
  }

  private func readDNS(into pod: inout PodSpec) {
    pod.dnsPolicy = string("dnsPolicy", of: DNSPolicy.self) ?? .clusterFirst
    _ = object("dnsConfig") { config -> Void? in
      pod.dnsServers = config.strings("nameservers") ?? []
      for server in pod.dnsServers where !NameRule.isIPv4(server) {
        config.error("nameservers", "\"\(server)\" is not an IPv4 address")
      }
      if !pod.dnsServers.isEmpty, pod.dnsPolicy != .none {
        config.error("nameservers", "need dnsPolicy: None here, as they replace the host's and are not added to them")
      }
      pod.dnsSearch = config.strings("searches") ?? []
      pod.dnsOptions = config.objects("options") { option in
        let name = option.requiredString("name")
        let value = option.string("value")
        return name.map { name in value.map { "\(name):\($0)" } ?? name }
      }
      return nil
    }
    if pod.dnsPolicy == .none, pod.dnsServers.isEmpty {
      error("dnsPolicy", "None needs at least one of dnsConfig.nameservers")
    }
  }

  private func checkHostPorts(_ pod: PodSpec) {
    var used: Set<String> = []
    for container in pod.initContainers + pod.containers {
      for (index, port) in container.ports.enumerated() {
        let place = "\(container.path).ports[\(index)].hostPort"
        if pod.hostNetwork, let hostPort = port.hostPort, hostPort != port.containerPort {
          problems.error(container.line, place, "must be the containerPort, \(port.containerPort), in the host's network")
        }
        guard let hostPort = port.hostPort ?? (pod.hostNetwork ? port.containerPort : nil) else { continue }
        guard used.insert("\(port.hostIP ?? "*") \(hostPort) \(port.transport)").inserted else {
          problems.error(container.line, place, "\(hostPort)/\(port.transport.rawValue) is taken by another port of this pod")
          continue
        }
      }
    }
  }
}
