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

  init(_ words: ArraySlice<String>, _ context: VerbContext) throws {
    self.context = context
    arguments = try Arguments(
      words,
      [
        .option("process", "p"), .option("console-socket"), .option("cwd"), .option("env", "e"), .flag("tty", "t"),
        .option("user", "u"), .option("additional-gids", "g"), .flag("detach", "d"), .option("pid-file"),
        .option("cap", "c"), .flag("no-new-privs"), .option("preserve-fds"), .flag("ignore-paused"),
        .option("cgroup"),
      ], command: "exec", operandsEndFlags: true)
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
    case .running: break
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
    let foreground = ForegroundProcess(takesTerminal: terminal)
    if !detached { foreground.begin() }
    defer { foreground.end() }
    let launched = try ExecLaunch(request: request, log: context.log).run()
    if let path = arguments["pid-file"] {
      do throws(Errno) { try writeFileAtomically(FilePath(path), Array("\(launched.pid)".utf8)) } catch {
        kill(launched.pid, SIGKILL)
        throw RuntimeError.call(doing: "write the pid file \(path)", error, .other)
      }
    }
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
      let text = try attempt("read \(path)") { () throws(Errno) in try readFile(FilePath(path), limit: 16 << 20) }
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
