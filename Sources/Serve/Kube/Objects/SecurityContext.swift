public enum SeccompProfile: Sendable, Hashable {
  case runtimeDefault
  case unconfined
  /// A path below `<root>/seccomp`.
  case localhost(String)
}

/// What a pod's and a container's security context share; a container's value wins. (Kubernetes API, SecurityContext)
public struct SecurityContext: Sendable, Hashable {
  public var runAsUser: UInt32?
  public var runAsGroup: UInt32?
  public var runAsNonRoot: Bool?
  public var seccompProfile: SeccompProfile?

  // A container's only.
  public var privileged: Bool?
  public var allowPrivilegeEscalation: Bool?
  public var readOnlyRootFilesystem: Bool?
  /// Without `CAP_`, or `ALL`.
  public var addedCapabilities: [String] = []
  public var droppedCapabilities: [String] = []
  public var unmaskedProc = false

  public init() {}
}

public struct PodSecurityContext: Sendable, Hashable {
  public enum GroupChangePolicy: String, Sendable, CaseIterable { case always = "Always", onRootMismatch = "OnRootMismatch" }

  public var shared = SecurityContext()
  public var fsGroup: UInt32?
  public var fsGroupChangePolicy: GroupChangePolicy = .always
  public var supplementalGroups: [UInt32] = []
  public var sysctls: [String: String] = [:]

  public init() {}
}

private let identifiers: ClosedRange<Int64> = 0...Int64(Int32.max)

private let platformFields = [
  ("seLinuxOptions", "containers are not labelled for SELinux here"),
  ("windowsOptions", "containers run on Linux"),
  ("appArmorProfile", "containers are confined by seccomp and capabilities, not by AppArmor"),
]

extension ObjectReader {
  func podSecurityContext() -> PodSecurityContext {
    var context = PodSecurityContext()
    guard let object = object("securityContext") else { return context }
    defer { object.finish() }
    object.readShared(into: &context.shared)
    object.refuse(platformFields)
    object.refuse("seLinuxChangePolicy", "containers are not labelled for SELinux here")
    object.accept("supplementalGroupsPolicy", only: ["Merge"], "groups of the image's user are always merged")
    context.fsGroup = object.integer("fsGroup", in: identifiers).map { UInt32($0) }
    context.fsGroupChangePolicy = object.string("fsGroupChangePolicy", of: PodSecurityContext.GroupChangePolicy.self) ?? .always
    context.supplementalGroups = object.integers("supplementalGroups", in: identifiers).map { UInt32($0) }
    for (name, value) in object.objects("sysctls", { $0.sysctl() }) { context.sysctls[name] = value }
    return context
  }

  private func sysctl() -> (String, String)? {
    let name = requiredString("name")
    let value = string("value")
    guard let name else { return nil }
    let dotted = name.replacing("/", with: ".")
    // What a namespace of the pod keeps for itself; anything else would change the whole host.
    let namespaced = ["kernel.shm", "kernel.msg", "fs.mqueue.", "net."].contains { dotted.hasPrefix($0) } || dotted == "kernel.sem"
    guard namespaced, dotted.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !dotted.contains("..") else {
      error("name", "\"\(name)\" is not a sysctl of a pod's namespaces (kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*, net.*)")
      return nil
    }
    guard let value else {
      error("value", "is missing")
      return nil
    }
    return (dotted, value)
  }

  func containerSecurityContext() -> SecurityContext {
    var context = SecurityContext()
    guard let object = object("securityContext") else { return context }
    defer { object.finish() }
    object.readShared(into: &context)
    object.refuse(platformFields)
    context.privileged = object.bool("privileged")
    context.allowPrivilegeEscalation = object.bool("allowPrivilegeEscalation")
    context.readOnlyRootFilesystem = object.bool("readOnlyRootFilesystem")
    context.unmaskedProc = object.string("procMount", of: ProcMount.self) == .unmasked
    _ = object.object("capabilities") { capabilities in
      context.addedCapabilities = capabilities.capabilities("add")
      context.droppedCapabilities = capabilities.capabilities("drop")
    }
    if context.allowPrivilegeEscalation == false {
      if context.privileged == true {
        object.error("allowPrivilegeEscalation", "cannot be false in a privileged container")
      }
      if context.addedCapabilities.contains("SYS_ADMIN") {
        object.error("allowPrivilegeEscalation", "cannot be false where CAP_SYS_ADMIN is added")
      }
    }
    return context
  }

  private enum ProcMount: String, CaseIterable { case `default` = "Default", unmasked = "Unmasked" }

  private func readShared(into context: inout SecurityContext) {
    context.runAsUser = integer("runAsUser", in: identifiers).map { UInt32($0) }
    context.runAsGroup = integer("runAsGroup", in: identifiers).map { UInt32($0) }
    context.runAsNonRoot = bool("runAsNonRoot")
    context.seccompProfile = object("seccompProfile") { profile in
      let type = profile.requiredString("type")
      let file = profile.string("localhostProfile")
      if file != nil, type != "Localhost" { profile.error("localhostProfile", "is for the type Localhost only") }
      switch type {
      case "RuntimeDefault": return .runtimeDefault
      case "Unconfined": return .unconfined
      case "Localhost":
        guard let file, isInside(file) else {
          profile.error("localhostProfile", "must be a relative path without \"..\"")
          return nil
        }
        return .localhost(file)
      case let type?: profile.error("type", "\"\(type)\" is not one of RuntimeDefault, Localhost, Unconfined")
      case nil: break
      }
      return nil
    }
  }

  private func capabilities(_ field: String) -> [String] {
    var names: [String] = []
    for element in elements(field) {
      guard case .scalar(let text, _) = element.node.content else {
        problems.error(element.node.line, element.path, "must be a string, not \(element.node.kind)")
        continue
      }
      let name = text.uppercased().hasPrefix("CAP_") ? String(text.uppercased().dropFirst(4)) : text.uppercased()
      guard name == "ALL" || knownCapabilities.contains(name) else {
        let near = nearestName(to: name, among: knownCapabilities)
        problems.error(
          element.node.line, element.path,
          "\"\(text)\" is not a capability" + (near.map { " (did you mean \"\($0)\"?)" } ?? ""))
        continue
      }
      names.append(name)
    }
    return names
  }
}

/// True for a relative path that stays below where it starts, as text.
func isInside(_ path: String) -> Bool {
  !path.isEmpty && !path.hasPrefix("/") && !path.utf8.contains(0) && !path.split(separator: "/").contains("..")
}

/// capabilities(7), Linux 6.
private let knownCapabilities: Set<String> = [
  "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN", "DAC_OVERRIDE",
  "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN",
  "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID",
  "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE",
  "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM",
]
