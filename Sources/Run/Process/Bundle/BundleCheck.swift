import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What can be seen to be wrong before anything is made.
struct BundleCheck {
  let config: RuntimeConfig

  init(_ config: RuntimeConfig) { self.config = config }

  func run() throws {
    guard config.ociVersion.hasPrefix("1.") else {
      throw RuntimeError.configuration(
        property: "ociVersion", problem: "is \"\(config.ociVersion)\"; versions 1.x are understood")
    }
    try checkPlatforms()
    guard let linux = config.linux else { throw RuntimeError.configuration(property: "linux", problem: "is missing") }
    guard let root = config.root, !root.path.isEmpty else {
      throw RuntimeError.configuration(property: "root.path", problem: "is missing")
    }
    guard config.annotations?[""] == nil else {
      throw RuntimeError.configuration(property: "annotations", problem: "has an empty name")
    }
    if let process = config.process { try Self.check(process) }
    try checkNamespaces(linux)
    try checkMounts()
    try checkHooks()
    try check(linux)
    for key in (linux.sysctl ?? [:]).keys.sorted() { try Self.check(KernelSetting(key), linux) }
    if let resources = linux.resources { try Limits.refuseUnsupported(resources) }
  }

  static var hasSELinux: Bool { access("/sys/fs/selinux/enforce", F_OK) == 0 }
  static var hasAppArmor: Bool {
    guard let text = try? readFile("/sys/module/apparmor/parameters/enabled", limit: 16) else { return false }
    return text.first == UInt8(ascii: "Y")
  }

  /// (runtime-spec, config.md, Platform-specific configuration)
  private func checkPlatforms() throws {
    let others = [
      ("windows", config.windows), ("solaris", config.solaris), ("freebsd", config.freebsd), ("zos", config.zos),
      ("vm", config.vm),
    ]
    if let (name, _) = others.first(where: { $0.1 != nil }) {
      throw RuntimeError.unsupported(name, reason: "this runtime makes containers of Linux, without a virtual machine")
    }
  }

  private func checkNamespaces(_ linux: LinuxConfig) throws {
    let namespaces = linux.namespaces ?? []
    guard Set(namespaces.map(\.type)).count == namespaces.count else {
      throw RuntimeError.configuration(property: "linux.namespaces", problem: "names a kind twice")
    }
    for (index, namespace) in namespaces.enumerated() {
      guard let path = namespace.path, !path.isEmpty, !path.hasPrefix("/") else { continue }
      throw RuntimeError.configuration(
        property: "linux.namespaces[\(index)].path", problem: "is \"\(path)\", not an absolute path")
    }
    // What a container mounts would stay on the host, and its root would be one that a process can leave.
    guard namespaces.contains(where: { $0.type == .mount }) else {
      throw RuntimeError.unsupported(
        "a container without a mount namespace", reason: "list {\"type\":\"mount\"} in linux.namespaces")
    }
    let new = Set(namespaces.filter { ($0.path ?? "").isEmpty }.map(\.type))
    let hasMappings = !(linux.uidMappings ?? []).isEmpty || !(linux.gidMappings ?? []).isEmpty
    if new.contains(.user), (linux.uidMappings ?? []).isEmpty || (linux.gidMappings ?? []).isEmpty {
      throw RuntimeError.configuration(
        property: "linux.uidMappings", problem: "and gidMappings are needed for a new user namespace")
    }
    if new.contains(.user) { try MappingCheck(linux: linux, process: config.process).run() }
    let hasUser = namespaces.contains { $0.type == .user }
    if hasMappings, !hasUser {
      throw RuntimeError.configuration(
        property: "linux.uidMappings", problem: "and gidMappings need a user namespace in linux.namespaces")
    }
    if geteuid() != 0, !hasUser {
      throw RuntimeError.unsupported(
        "a container of an unprivileged user without a user namespace", reason: "list one in linux.namespaces")
    }
    try checkTimeOffsets(linux, isNew: new.contains(.time))
    let uts = namespaces.contains { $0.type == .uts }
    if !(config.hostname ?? "").isEmpty || !(config.domainname ?? "").isEmpty, !uts {
      throw RuntimeError.configuration(
        property: "hostname", problem: "and domainname need a UTS namespace: they would change the host's")
    }
  }

  private func checkTimeOffsets(_ linux: LinuxConfig, isNew: Bool) throws {
    guard let offsets = linux.timeOffsets, !offsets.isEmpty else { return }
    guard isNew else {
      throw RuntimeError.configuration(property: "linux.timeOffsets", problem: "need a new time namespace")
    }
    for (clock, offset) in offsets.sorted(by: { $0.key < $1.key }) {
      guard clock == "monotonic" || clock == "boottime" else {
        throw RuntimeError.configuration(
          property: "linux.timeOffsets", problem: "has the unknown clock \(clock): there are monotonic and boottime")
      }
      guard offset.nanosecs ?? 0 < 1_000_000_000 else {
        throw RuntimeError.configuration(
          property: "linux.timeOffsets.\(clock).nanosecs",
          problem: "is \(offset.nanosecs ?? 0), more than a second has")
      }
    }
  }

  private func checkMounts() throws {
    for (index, mount) in (config.mounts ?? []).enumerated() {
      func wrong(_ property: String, _ problem: String) -> RuntimeError {
        .configuration(property: "mounts[\(index)]\(property)", problem: problem)
      }
      guard !mount.destination.isEmpty, !mount.destination.utf8.contains(0) else {
        throw wrong(".destination", "is no path")
      }
      guard (mount.uidMappings == nil) == (mount.gidMappings == nil) else {
        throw wrong("", "has only one of uidMappings and gidMappings")
      }
      let options = try MountOptions(mount)
      guard let isRecursive = options.bind else {
        if options.idMapped != nil || mount.uidMappings != nil, !options.remount {
          throw RuntimeError.unsupported(
            "mounts[\(index)] (\(mount.destination))", reason: "only bind mounts can be idmapped")
        }
        if options.copyUp, mount.type != "tmpfs" {
          throw wrong(".options", "have tmpcopyup for \(mount.destination), which is no tmpfs")
        }
        continue
      }
      // Of the whole file system, which belongs to others as well.
      if let option = options.flags.first ?? options.data.first?.0 {
        throw wrong(
          ".options",
          "have \"\(option)\" for the bind mount \(mount.destination): it is unknown, or a file system's own")
      }
      if options.copyUp { throw wrong(".options", "have tmpcopyup for \(mount.destination), which is no tmpfs") }
      if options.idMapped == true, !isRecursive, !options.remount {
        throw wrong(".options", "have ridmap for \(mount.destination), whose bind is not recursive")
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
}
