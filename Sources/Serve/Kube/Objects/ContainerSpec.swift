internal import ImageSpec

public struct ContainerPort: Sendable, Hashable {
  public enum Transport: String, Sendable, CaseIterable { case tcp = "TCP", udp = "UDP" }

  public var name: String?
  public var containerPort: UInt16
  public var transport: Transport
  public var hostPort: UInt16?
  public var hostIP: String?
}

public struct ResourceRequirements: Sendable, Hashable {
  public var limitCPU: Quantity?
  public var limitMemory: Quantity?
  public var requestCPU: Quantity?
  public var requestMemory: Quantity?

  public init() {}
}

public enum ImagePullPolicy: String, Sendable, CaseIterable {
  case always = "Always"
  case ifNotPresent = "IfNotPresent"
  case never = "Never"
}

/// (Kubernetes API, Container)
public struct ContainerSpec: Sendable, Hashable {
  public var name: String
  public var image: String
  /// nil keeps the image's entrypoint.
  public var command: [String]?
  /// nil keeps the image's command, unless `command` is given.
  public var args: [String]?
  public var workingDirectory: String?
  public var ports: [ContainerPort] = []
  public var environment: [EnvironmentVariable] = []
  public var environmentFrom: [EnvironmentFrom] = []
  public var resources = ResourceRequirements()
  public var volumeMounts: [VolumeMount] = []
  public var probes: [ProbeSpec] = []
  public var lifecycle: Lifecycle?
  public var pullPolicy: ImagePullPolicy
  public var security = SecurityContext()
  public var stdin = false
  public var tty = false
  /// An init container that goes on beside the others (`restartPolicy: Always`).
  public var isSidecar = false
  let line: Int
  let path: String
}

extension ObjectReader {
  func container(volumes: [Volume], isInit: Bool) -> ContainerSpec? {
    let name = requiredLabelName("name")
    let image = requiredString("image")
    if let image {
      do { _ = try Reference(parsing: image) } catch { self.error("image", error.description) }
    }
    let policy = string("imagePullPolicy", of: ImagePullPolicy.self)
    refuseContainerFields()
    let restart = string("restartPolicy")
    let isSidecar = isInit && restart == "Always"
    if restart != nil, !isSidecar {
      error("restartPolicy", "is only for init containers, as Always; others follow the pod's restartPolicy")
    }
    let ports = containerPorts()
    var container = ContainerSpec(
      name: name ?? "", image: image ?? "", pullPolicy: policy ?? Self.defaultPolicy(image: image ?? ""), line: line, path: path)
    container.command = strings("command").flatMap { $0.isEmpty ? nil : $0 }
    container.args = strings("args").flatMap { $0.isEmpty ? nil : $0 }
    if let directory = string("workingDir"), !directory.isEmpty, absolutePath("workingDir", directory) {
      container.workingDirectory = directory
    }
    container.ports = ports
    container.environment = environment()
    container.environmentFrom = environmentFrom()
    container.resources = resources()
    container.volumeMounts = volumeMounts(volumes)
    container.security = containerSecurityContext()
    container.stdin = bool("stdin") ?? false
    accept("stdinOnce", only: ["false"], "nobody is attached to a pod's container for its whole life")
    container.tty = bool("tty") ?? false
    container.isSidecar = isSidecar
    container.probes = [
      probe("startupProbe", .startup, ports: ports), probe("livenessProbe", .liveness, ports: ports),
      probe("readinessProbe", .readiness, ports: ports),
    ].compactMap { $0 }
    container.lifecycle = lifecycle(ports: ports)
    if isInit, !isSidecar {
      for field in ["startupProbe", "livenessProbe", "readinessProbe", "lifecycle"] where has(field) {
        error(field, "may not be set for an init container without restartPolicy: Always")
      }
    }
    for mount in container.volumeMounts where mount.propagation == .bidirectional && container.security.privileged != true {
      problems.error(mount.line, mount.path + ".mountPropagation", "Bidirectional is for privileged containers only")
    }
    return name == nil || image == nil ? nil : container
  }

  private func refuseContainerFields() {
    accept("terminationMessagePath", only: ["/dev/termination-log"], "termination messages are not collected; read the logs")
    accept("terminationMessagePolicy", only: ["File"], "termination messages are not collected; read the logs")
    refuse([
      ("volumeDevices", "there are no block volumes; a hostPath with a device is one way to give a container a device"),
      ("resizePolicy", "resources of a running container are not changed; play again with --replace"),
      ("restartPolicyRules", "a container restarts by the pod's restartPolicy"),
    ])
  }

  /// IfNotPresent for a tag other than `latest` or a digest, Always otherwise. (Kubernetes, concepts/containers/images)
  private static func defaultPolicy(image: String) -> ImagePullPolicy {
    if image.contains("@") { return .ifNotPresent }
    let last = image.split(separator: "/").last ?? ""
    guard let colon = last.firstIndex(of: ":") else { return .always }
    return last[last.index(after: colon)...] == "latest" ? .always : .ifNotPresent
  }

  private func containerPorts() -> [ContainerPort] {
    var names: Set<String> = []
    return objects("ports") { object in
      let name = object.name("name", NameRule.isPortName, "a port's name: 1 to 15 of a-z, 0-9 and -, with a letter")
      let number = object.requiredInteger("containerPort", in: 1...65535)
      object.accept("protocol", only: ["TCP", "UDP"], "use TCP or UDP")
      let transport = object.string("protocol").flatMap { ContainerPort.Transport(rawValue: $0) } ?? .tcp
      let hostPort = object.integer("hostPort", in: 0...65535).flatMap { $0 == 0 ? nil : UInt16($0) }
      let hostIP = object.string("hostIP").flatMap { $0.isEmpty ? nil : $0 }
      if let hostIP, !NameRule.isIPv4(hostIP) { object.error("hostIP", "\"\(hostIP)\" is not an IPv4 address") }
      if let name, !names.insert(name).inserted { object.error("name", "\"\(name)\" is the name of an earlier port") }
      guard let number else { return nil }
      return ContainerPort(
        name: name, containerPort: UInt16(number), transport: transport, hostPort: hostPort,
        hostIP: hostIP == "0.0.0.0" ? nil : hostIP)
    }
  }

  private func resources() -> ResourceRequirements {
    var resources = ResourceRequirements()
    guard let object = object("resources") else { return resources }
    defer { object.finish() }
    object.refuse("claims", "devices are not allocated by claims; use a hostPath")
    if let limits = object.object("limits") {
      (resources.limitCPU, resources.limitMemory) = limits.amounts()
      limits.finish()
    }
    if let requests = object.object("requests") {
      (resources.requestCPU, resources.requestMemory) = requests.amounts()
      requests.finish()
    }
    for (name, request, limit) in [
      ("cpu", resources.requestCPU, resources.limitCPU), ("memory", resources.requestMemory, resources.limitMemory),
    ] {
      if let request, let limit, request.milli > limit.milli {
        object.error("requests", "\(name) \(request) is more than the limit \(limit)")
      }
    }
    // A limit without a request is both. (Kubernetes, concepts/configuration/manage-resources-containers)
    resources.requestCPU = resources.requestCPU ?? resources.limitCPU
    resources.requestMemory = resources.requestMemory ?? resources.limitMemory
    return resources
  }

  private func amounts() -> (cpu: Quantity?, memory: Quantity?) {
    refuse("ephemeral-storage", "nothing would enforce it here")
    for key in keys where key.hasPrefix("hugepages-") || key.contains("/") {
      refuse(key, "only cpu and memory are counted")
    }
    let memory = quantity("memory")
    if let memory, memory.milli % 1000 != 0 { warning("memory", "\(memory) is a fraction of a byte; did you mean \(memory.text.dropLast())M?") }
    return (quantity("cpu"), memory)
  }
}
