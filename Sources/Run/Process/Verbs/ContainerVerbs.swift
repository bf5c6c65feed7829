import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

extension VerbContext {
  func start(_ words: ArraySlice<String>) throws -> Int32 {
    let id = try Arguments(words, [], command: "start").id("start")
    try start(try root.load(id))
    return 0
  }

  /// Starts a created container and runs its poststart hooks.
  func start(_ container: Container) throws {
    let directory = try attempt("open \(container.directory)") { () throws(Errno) in
      try openat2(workingDirectory, container.directory.string, flags: pathOnly | O_DIRECTORY)
    }
    let notifications = NotifySocket(container.directory)
    let listener = try notifications?.listen()
    let began = try StartSocket.start(in: directory.number) {
      // Nobody answers from a frozen cgroup.
      if container.status == .paused {
        throw RuntimeError.wrongStatus(id: container.id, status: .paused, doing: "wait for the start of")
      }
    } hear: { message, files in
      switch message {
      case .warning(let text): log.warning(text)
      case .seccompListener:
        if let listener = files.first {
          try SeccompListener.send(listener, container.bundle(), state: container.state(.created))
        }
      default: break
      }
    }
    guard began else { throw RuntimeError.wrongStatus(id: container.id, status: container.status, doing: "start") }
    unlink(container.directory.appending(StartSocket.name).string)
    log.debug("the program of \(container.id) runs")
    do { try Hooks.run(try container.hooks()?.poststart, "poststart", state: container.state(.running)) } catch {
      // (runtime-spec, runtime.md, Lifecycle, step 9) What is left is `delete`'s, which runs the poststop hooks.
      if let process = try? container.process() {
        try? sendSignal(process.number, SIGKILL)
        waitForEnd(process.number)
      }
      throw error
    }
    if let notifications, let listener, let process = try? container.process() {
      try notifications.wait(listener, for: process.number, pid: container.saved.pid)
    }
  }

  func delete(_ words: ArraySlice<String>) throws -> Int32 {
    let arguments = try Arguments(words, [.flag("force", "f", help: "end it first, and clear what a killed start has left")], command: "delete")
    let id = try arguments.id("delete")
    let force = arguments.has("force")
    let container: Container
    do {
      let found = try root.load(id)
      container = found.saved.pid > 0 ? found : try Remains(root: root, id: id, log: log).made(found)
    } catch {
      guard force else { throw error }
      guard let finished = try Remains(root: root, id: id, log: log).clear(error) else { return 0 }
      container = finished
    }
    if container.isAlive {
      let status = container.status
      guard force || status == .created else { throw RuntimeError.wrongStatus(id: id, status: status, doing: "delete") }
      if let process = try? container.process() {
        try? sendSignal(process.number, SIGKILL)
        waitForEnd(process.number)
      }
    }
    try remove(container)
    log.debug("container \(id) is removed")
    return 0
  }

  /// Clears what a container that has ended leaves, and runs its poststop hooks; those that fail are only warned of.
  func remove(_ container: Container) throws {
    let cgroup = container.cgroup
    if let cgroup, cgroup.exists { try cgroup.kill() }
    if let unit = container.saved.systemdUnit {
      // Without systemd its unit ends by itself: the cgroup is empty then.
      do { try SystemdManager(user: unit.user).stop(unit) } catch { log.warning("\(error)") }
    }
    if let cgroup, cgroup.exists { try cgroup.remove() }
    if let control = container.saved.resourceControl { try ResourceControl().remove(control) }
    let hooks = try? container.hooks()?.poststop
    try root.remove(container.id)
    Hooks.runAll(hooks, "poststop", log: log, state: container.state(.stopped))
  }

  /// Writes a config.json to begin with.
  func spec(_ words: ArraySlice<String>) throws -> Int32 {
    let arguments = try Arguments(words, [
        .option("bundle", "b", value: "DIR", help: "where it is written (the working directory)"),
        .flag("rootless", help: "for an ordinary user"),
      ], command: "spec")
    try arguments.noOperands("spec")
    let file = FilePath(arguments["bundle"] ?? ".").appending("config.json")
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    let process = ContainerProcess(
      args: ["sh"], env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"], cwd: "/",
      terminal: true, capabilities: LinuxCapabilities(allowing: capabilities),
      rlimits: [ResourceLimit(type: "RLIMIT_NOFILE", hard: 1024, soft: 1024)], noNewPrivileges: true)
    var linux = LinuxConfig()
    linux.resources = LinuxResources(devices: [LinuxDeviceRule(allow: false, access: "rwm")])
    linux.namespaces = [.pid, .network, .ipc, .uts, .mount, .cgroup].map { LinuxNamespace(type: $0) }
    linux.maskedPaths = DockerDefaults.maskedPaths
    linux.readonlyPaths = DockerDefaults.readonlyPaths
    var config = RuntimeConfig(
      process: process, root: ContainerRoot(path: "rootfs", readonly: true), hostname: "clipper",
      mounts: DockerDefaults.mounts(), linux: linux)
    if arguments.has("rootless") { config.makeRootless(user: geteuid(), group: getegid()) }
    let text = try JSONText.encode(config, pretty: true) + [UInt8(ascii: "\n")]
    try attempt("write \(file)") { () throws(Errno) in
      let new = try openat2(workingDirectory, file.string, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o644)
      try writeAll(new.number, text)
    }
    return 0
  }
}
