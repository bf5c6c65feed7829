import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What can be seen to be wrong before anything is made.
struct BundleCheck {
  private let config: RuntimeConfig

  init(_ config: RuntimeConfig) { self.config = config }

  func run() throws {
    guard config.ociVersion.hasPrefix("1.") else {
      throw RuntimeError.configuration(
        property: "ociVersion", problem: "is \"\(config.ociVersion)\"; versions 1.x are understood")
    }
    guard let linux = config.linux else { throw RuntimeError.configuration(property: "linux", problem: "is missing") }
    guard let root = config.root, !root.path.isEmpty else {
      throw RuntimeError.configuration(property: "root.path", problem: "is missing")
    }
    if let process = config.process { try Self.check(process) }
    try checkNamespaces(linux)
    try checkMounts()
    try checkHooks()
    if linux.intelRdt != nil { throw RuntimeError.unsupported("linux.intelRdt", reason: "there is no resctrl support") }
    if !(linux.netDevices ?? [:]).isEmpty {
      throw RuntimeError.unsupported(
        "linux.netDevices", reason: "move interfaces into the network namespace before the start")
    }
    if linux.mountLabel?.isEmpty == false, !Self.hasSELinux {
      throw RuntimeError.unsupported("linux.mountLabel", reason: "SELinux is not enabled on this host")
    }
    for key in (linux.sysctl ?? [:]).keys.sorted() { try checkSysctl(key, linux) }
    if let resources = linux.resources { try Limits.refuseUnsupported(resources) }
  }

  static var hasSELinux: Bool { access("/sys/fs/selinux/enforce", F_OK) == 0 }
  static var hasAppArmor: Bool {
    guard let text = try? readFile("/sys/module/apparmor/parameters/enabled", limit: 16) else { return false }
    return text.first == UInt8(ascii: "Y")
  }

  /// Also for the process of `exec`.
  static func check(_ process: ContainerProcess) throws {
    guard let arguments = process.args, !arguments.isEmpty else {
      throw RuntimeError.configuration(property: "process.args", problem: "is missing or empty")
    }
    guard process.cwd.hasPrefix("/") else {
      throw RuntimeError.configuration(property: "process.cwd", problem: "is \"\(process.cwd)\", not an absolute path")
    }
    for (property, values) in [
      ("process.args", arguments), ("process.env", process.env ?? []), ("process.cwd", [process.cwd]),
    ] {
      // It would end early at the kernel's border, and mean something else there.
      guard !values.contains(where: { $0.utf8.contains(0) }) else {
        throw RuntimeError.configuration(property: property, problem: "contains a zero byte")
      }
    }
    if let bad = (process.env ?? []).first(where: { !$0.contains("=") || $0.hasPrefix("=") }) {
      throw RuntimeError.configuration(property: "process.env", problem: "has \"\(bad)\", which is not NAME=value")
    }
    for limit in process.rlimits ?? [] {
      guard Names.resourceLimit(limit.type) != nil else {
        throw RuntimeError.configuration(property: "process.rlimits", problem: "has the unknown type \(limit.type)")
      }
      guard limit.soft <= limit.hard else {
        throw RuntimeError.configuration(
          property: "process.rlimits",
          problem: "has a soft \(limit.type) (\(limit.soft)) above the hard one (\(limit.hard))")
      }
    }
    if (process.rlimits ?? []).count != Set((process.rlimits ?? []).map(\.type)).count {
      throw RuntimeError.configuration(property: "process.rlimits", problem: "names a type twice")
    }
    if let score = process.oomScoreAdj, !(-1000...1000).contains(score) {
      throw RuntimeError.configuration(
        property: "process.oomScoreAdj", problem: "is \(score), outside of -1000 to 1000")
    }
    if process.apparmorProfile?.isEmpty == false, process.apparmorProfile != "unconfined", !hasAppArmor {
      throw RuntimeError.unsupported("process.apparmorProfile", reason: "AppArmor is not enabled on this host")
    }
    if process.selinuxLabel?.isEmpty == false, !hasSELinux {
      throw RuntimeError.unsupported("process.selinuxLabel", reason: "SELinux is not enabled on this host")
    }
    if let priority = process.ioPriority?.priority, !(0...7).contains(priority) {
      throw RuntimeError.configuration(
        property: "process.ioPriority.priority", problem: "is \(priority), outside of 0 to 7")
    }
    for (property, list) in [("initial", process.execCPUAffinity?.initial), ("final", process.execCPUAffinity?.final)] {
      if let list, !list.isEmpty, Names.list(list) == nil {
        throw RuntimeError.configuration(
          property: "process.execCPUAffinity.\(property)", problem: "is \"\(list)\", not a list of CPUs")
      }
    }
  }

  private func checkNamespaces(_ linux: LinuxConfig) throws {
    let namespaces = linux.namespaces ?? []
    guard Set(namespaces.map(\.type)).count == namespaces.count else {
      throw RuntimeError.configuration(property: "linux.namespaces", problem: "names a kind twice")
    }
    guard let mount = namespaces.first(where: { $0.type == .mount }), (mount.path ?? "").isEmpty else {
      throw RuntimeError.unsupported(
        "a container without a mount namespace of its own",
        reason: "list {\"type\":\"mount\"} without a path in linux.namespaces")
    }
    let new = Set(namespaces.filter { ($0.path ?? "").isEmpty }.map(\.type))
    if new.contains(.user), (linux.uidMappings ?? []).isEmpty || (linux.gidMappings ?? []).isEmpty {
      throw RuntimeError.configuration(
        property: "linux.uidMappings", problem: "and gidMappings are needed for a new user namespace")
    }
    if new.contains(.user) { try MappingCheck(linux: linux, process: config.process).run() }
    if !new.contains(.user), geteuid() != 0, !namespaces.contains(where: { $0.type == .user }) {
      throw RuntimeError.unsupported(
        "a container of an unprivileged user without a user namespace", reason: "list one in linux.namespaces")
    }
    if linux.timeOffsets?.isEmpty == false, !new.contains(.time) {
      throw RuntimeError.configuration(property: "linux.timeOffsets", problem: "need a new time namespace")
    }
    let uts = namespaces.contains { $0.type == .uts }
    if !(config.hostname ?? "").isEmpty || !(config.domainname ?? "").isEmpty, !uts {
      throw RuntimeError.configuration(
        property: "hostname", problem: "and domainname need a UTS namespace: they would change the host's")
    }
  }

  private func checkMounts() throws {
    for (index, mount) in (config.mounts ?? []).enumerated() {
      guard mount.destination.hasPrefix("/") else {
        throw RuntimeError.configuration(
          property: "mounts[\(index)].destination", problem: "is \"\(mount.destination)\", not an absolute path")
      }
      guard (mount.uidMappings == nil) == (mount.gidMappings == nil) else {
        throw RuntimeError.configuration(
          property: "mounts[\(index)]", problem: "has only one of uidMappings and gidMappings")
      }
    }
  }

  private func checkHooks() throws {
    let hooks = config.hooks
    let all = [
      hooks?.prestart, hooks?.createRuntime, hooks?.createContainer, hooks?.startContainer, hooks?.poststart,
      hooks?.poststop,
    ]
    for hook in all.flatMap({ $0 ?? [] }) {
      guard hook.path.hasPrefix("/") else {
        throw RuntimeError.configuration(
          property: "hooks", problem: "has the path \"\(hook.path)\", which is not absolute")
      }
      if let timeout = hook.timeout, timeout <= 0 {
        throw RuntimeError.configuration(
          property: "hooks", problem: "has a timeout of \(timeout) seconds for \(hook.path)")
      }
    }
  }

  /// A sysctl that no namespace keeps apart would be the host's.
  private func checkSysctl(_ key: String, _ linux: LinuxConfig) throws {
    let own = Set((linux.namespaces ?? []).map(\.type))
    let name = key.split { $0 == "/" || $0 == "." }.joined(separator: ".")
    guard !key.contains(".."), !name.isEmpty else {
      throw RuntimeError.configuration(property: "linux.sysctl", problem: "has the key \"\(key)\"")
    }
    let ipc = [
      "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
      "kernel.shmmni",
      "kernel.shm_rmid_forced",
    ]
    let needed: LinuxNamespace.Kind? =
      if ipc.contains(name) || name.hasPrefix("fs.mqueue.") { .ipc } else if name.hasPrefix("net.") {
        .network
      } else if name
        == "kernel.hostname" || name == "kernel.domainname"
      { .uts } else if name.hasPrefix("user.") { .user } else { nil }
    guard let needed else {
      throw RuntimeError.configuration(
        property: "linux.sysctl", problem: "has \(key), which is not in a namespace: it would change the host's")
    }
    guard own.contains(needed) else {
      throw RuntimeError.configuration(
        property: "linux.sysctl",
        problem: "has \(key), which needs a \(needed.rawValue) namespace: it would change the host's")
    }
  }
}
