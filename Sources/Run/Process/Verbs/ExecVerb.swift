import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `exec`: a further process in a running container.
struct ExecVerb {
  private let context: VerbContext
  private let arguments: Arguments
  private let id: String
  private let command: [String]
  private let preserved: CInt

  private static let flags: [Arguments.Flag] = [
    .option("process", "p", value: "FILE", help: "the process in JSON, in place of a command"),
    .option("console-socket", value: "PATH", help: "send the terminal's master to this socket"),
    .option("pidfd-socket", value: "PATH", help: "send a descriptor of the process to this socket"),
    .option("pid-file", value: "FILE", help: "write the process's ID to FILE"),
    .flag("detach", "d", help: "leave it alone once it runs"),
    .flag("tty", "t", help: "give it a terminal"),
    .option("cwd", value: "DIR", help: "its working directory in the container"),
    .option("env", "e", value: "NAME=VALUE", help: "add to its environment"),
    .option("user", "u", value: "UID[:GID]", help: "run as this user"),
    .option("additional-gids", "g", value: "GID", help: "add a group"),
    .option("cap", "c", value: "CAP_NAME", help: "add a capability"),
    .flag("no-new-privs", help: "no program that it executes gains rights"),
    .option("apparmor", value: "PROFILE", help: "its AppArmor profile"),
    .option("process-label", value: "LABEL", help: "its SELinux label"),
    .option("preserve-fds", value: "N", help: "hand descriptors 3 to 2+N on"),
    .option("cgroup", value: "PATH", help: "run in this cgroup below the container's"),
    .flag("ignore-paused", help: "also in a paused container: it runs when that is resumed"),
  ]

  init(_ words: ArraySlice<String>, _ context: VerbContext) throws {
    self.context = context
    arguments = try Arguments(words, Self.flags, command: "exec", operandsEndFlags: true)
    guard let id = arguments.operands.first else { throw RuntimeError.usage("exec: the container's ID is missing") }
    self.id = id
    preserved = try arguments.preservedDescriptors()
    command = Array(arguments.operands.dropFirst())
  }

  func run() throws -> Int32 {
    do { return try execute() } catch {
      // The statuses that docker gives: 127 not found, 126 not executable.
      context.log.error("exec failed: \(error)")
      return (error as? RuntimeError)?.failure.exitStatus == 127
        ? 127 : (error as? RuntimeError)?.failure.exitStatus == 126 ? 126 : 255
    }
  }

  private func execute() throws -> Int32 {
    try context.protectProgram()
    let container = try context.root.load(id)
    switch container.status {
    // Also before `start`, as runc: the container's namespaces and root are there.
    case .running, .created: break
    case .paused where arguments.has("ignore-paused"): break
    case let status: throw RuntimeError.wrongStatus(id: id, status: status, doing: "exec in")
    }
    let bundle = try container.bundle()
    let process = try process(bundle)
    let detached = arguments.has("detach")
    let terminal = process.terminal == true
    var request = ExecRequest(container: container, bundle: bundle, process: process)
    request.preserved = preserved
    request.seccompCache = context.root.seccompCache
    request.diesWithParent = false
    request.cgroupPath = try cgroupPath()
    guard terminal || arguments["console-socket"] == nil else {
      throw RuntimeError.usage("exec: --console-socket is given, and the process has no terminal (--tty)")
    }
    if terminal {
      if let path = arguments["console-socket"] {
        request.terminal = .socket(
          OpenFile(
            try attempt("connect to the console socket \(path)") { () throws(Errno) in
              try LocalSockets.connectStream(path)
            }))
      } else if detached {
        throw RuntimeError.usage("exec --detach with a terminal needs --console-socket")
      } else {
        request.terminal = .caller
      }
    }
    let foreground = ForegroundProcess()
    if !detached { try foreground.begin() }
    defer { foreground.end() }
    let launched = try ExecLaunch(request: request, log: context.log).run()
    do {
      if let path = arguments["pid-file"] {
        try attempt("write the pid file \(path)") { () throws(Errno) in
          try placeFile(FilePath(path), Array("\(launched.pid)".utf8))
        }
      }
      if let path = arguments["pidfd-socket"] { try ProcessSocket.send(launched.pid, to: path) }
    } catch {
      kill(launched.pid, SIGKILL)
      _ = try? waitForProcess(launched.pid)
      throw error
    }
    context.log.debug("process \(launched.pid) runs in container \(id)")
    guard !detached else { return 0 }
    return try foreground.wait(launched.pid, terminal: launched.terminal).code
  }

  /// runc's form also names controllers, as `cpu,memory:/path`: they are of cgroup v1.
  private func cgroupPath() throws -> String? {
    guard let path = arguments["cgroup"] else { return nil }
    guard arguments.all("cgroup").count == 1, !path.contains(":") else {
      throw RuntimeError.usage(
        "exec: --cgroup is \"\(path)\": with cgroup v2 it is given once, as a path below the container's cgroup")
    }
    return path
  }

  /// From `--process`, or the container's own with what the flags change.
  private func process(_ bundle: Bundle) throws -> ContainerProcess {
    var process: ContainerProcess
    if let path = arguments["process"] {
      let text = try ConfigFile.read(FilePath(path))
      process = try JSONText.decode(ContainerProcess.self, text, name: path)
    } else {
      guard let own = bundle.config.process else {
        throw RuntimeError.configuration(property: "process", problem: "is missing")
      }
      process = own
      guard !command.isEmpty else { throw RuntimeError.usage("exec: the command is missing") }
      process.args = command
      process.terminal = arguments.has("tty")
      process.consoleSize = nil
    }
    if let cwd = arguments["cwd"] { process.cwd = cwd }
    process.env = (process.env ?? []) + arguments.all("env")
    if let profile = arguments["apparmor"] { process.apparmorProfile = profile }
    if let label = arguments["process-label"] { process.selinuxLabel = label }
    if arguments.has("no-new-privs") { process.noNewPrivileges = true }
    let added = arguments.all("cap")
    if !added.isEmpty {
      var sets = process.capabilities ?? LinuxCapabilities(allowing: [])
      sets.bounding = (sets.bounding ?? []) + added
      sets.permitted = (sets.permitted ?? []) + added
      sets.effective = (sets.effective ?? []) + added
      process.capabilities = sets
    }
    if let user = arguments["user"] {
      let parts = user.split(separator: ":", omittingEmptySubsequences: false)
      guard let uid = UInt32(parts[0]), parts.count < 3 else {
        throw RuntimeError.usage("exec: --user is \"\(user)\": write UID[:GID] in numbers")
      }
      process.user.uid = uid
      if parts.count == 2 {
        guard let gid = UInt32(parts[1]) else {
          throw RuntimeError.usage("exec: --user is \"\(user)\": write UID[:GID] in numbers")
        }
        process.user.gid = gid
      }
    }
    let groups = try arguments.all("additional-gids").map { text in
      guard let number = UInt32(text) else {
        throw RuntimeError.usage("exec: --additional-gids is \"\(text)\", which is no number")
      }
      return number
    }
    if !groups.isEmpty { process.user.additionalGids = (process.user.additionalGids ?? []) + groups }
    try BundleCheck.check(process)
    return process
  }
}
