internal import Glibc
public import Kernel
internal import RuntimeSpec
internal import SystemPackage

/// A further program in a running container.
public struct ExecOptions: Sendable {
  public var command: [String]
  /// `NAME=value`, over the container's.
  public var environment: [String] = []
  /// nil is the container's.
  public var workingDirectory: String?
  /// `user[:group]`; nil is the container's.
  public var user: String?
  public var privileged = false
  public var terminal = false

  public init(command: [String]) { self.command = command }
}

/// A program that runs in a container with a terminal of its own.
public struct TerminalSession: ~Copyable, Sendable {
  /// The terminal's master.
  public let terminal: OwnedDescriptor
  /// A child of this process: the caller reaps it.
  public let pid: Int32
}

extension Engine {
  /// Runs a program in a container to its end, with the given streams.
  ///
  /// - Returns: its exit status; Docker's 126 and 127 where it could not be started.
  public func exec(_ nameOrID: String, _ options: ExecOptions, stdin: CInt, stdout: CInt, stderr: CInt) throws -> Int32 {
    let exec = try prepareExec(nameOrID, options)
    defer { unlink(exec.process.string) }
    var spawn = Spawn(
      locations.runtime, ["--root", runtimeRoot.string, "exec", "--process", exec.process.string, exec.container.id])
    spawn.descriptors = [(stdin, 0), (stdout, 1), (stderr, 2)]
    return try waitForProcess(start(spawn)).code
  }

  /// Starts a program in a container and leaves it there.
  public func execDetached(_ nameOrID: String, _ options: ExecOptions) throws {
    var options = options
    // Nobody would read it.
    options.terminal = false
    let exec = try prepareExec(nameOrID, options)
    defer { unlink(exec.process.string) }
    let null = try openNull()
    var spawn = Spawn(
      locations.runtime,
      ["--root", runtimeRoot.string, "exec", "--detach", "--process", exec.process.string, exec.container.id])
    spawn.descriptors = [(null.number, 0), (null.number, 1), (null.number, 2)]
    spawn.newSession = true
    let status = try waitForProcess(start(spawn))
    guard status == .exited(0) else {
      throw EngineError.runtime(operation: "exec in container \(exec.container.name)", message: "status \(status.code)")
    }
  }

  /// Starts a program in a container with a terminal. This process becomes its parent.
  public func execTerminal(_ nameOrID: String, _ options: ExecOptions) throws -> TerminalSession {
    let exec = try prepareExec(nameOrID, options)
    defer { unlink(exec.process.string) }
    let directory = runDirectory(of: exec.container.id)
    let name = "console.\(getpid())"
    let pidFile = directory.appending("exec.\(getpid()).pid")
    defer {
      unlink(directory.appending(name).string)
      unlink(pidFile.string)
    }
    do throws(Errno) { try Privileges.becomeSubreaper() } catch {
      throw EngineError.system(operation: "become the parent of processes in", path: directory, error)
    }
    let place: OwnedDescriptor
    do throws(Errno) { place = try openat2(workingDirectory, directory.string, flags: pathOnly | O_DIRECTORY) } catch {
      throw EngineError.system(operation: "open", path: directory, error)
    }
    let socket: ConsoleSocket
    do throws(Errno) { socket = try ConsoleSocket(in: place.number, name) } catch {
      throw EngineError.system(operation: "open a console socket in", path: directory, error)
    }
    // By way of a descriptor: a socket's path holds 107 bytes, and a run directory's may be longer.
    var spawn = Spawn(
      locations.runtime,
      [
        "--root", runtimeRoot.string, "exec", "--tty", "--detach", "--console-socket", "/proc/self/fd/3/\(name)",
        "--pid-file", pidFile.string, "--process", exec.process.string, exec.container.id,
      ])
    let null = try openNull()
    spawn.descriptors = [(null.number, 0), (null.number, 1), (place.number, 3)]
    let runtime = try start(spawn)
    return try session(runtime, socket, pidFile, exec.container)
  }

  private func session(
    _ runtime: Int32, _ socket: borrowing ConsoleSocket, _ pidFile: FilePath, _ container: Container
  ) throws -> TerminalSession {
    let terminal: OwnedDescriptor
    do throws(Errno) {
      terminal = try receive(socket, while: runtime)
    } catch {
      // The runtime has said on standard error what is wrong, and ends with the status for it.
      let status = try waitForProcess(runtime)
      throw ExecFailure(status: status == .exited(0) ? 126 : status.code)
    }
    let status = try waitForProcess(runtime)
    guard status == .exited(0) else { throw ExecFailure(status: status.code) }
    guard let bytes = try? readFile(pidFile, limit: 64),
      let pid = Int32(String(decoding: bytes.prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self))
    else {
      throw EngineError.runtime(operation: "exec in container \(container.name)", message: "the runtime wrote no process ID")
    }
    return TerminalSession(terminal: terminal, pid: pid)
  }

  /// Waits for the terminal as long as the runtime lives.
  private func receive(_ socket: borrowing ConsoleSocket, while runtime: Int32) throws(Errno) -> OwnedDescriptor {
    while true {
      do throws(Errno) { return try socket.receive(milliseconds: 50) } catch {
        guard error == .timedOut else { throw error }
        var info = siginfo_t()
        let ended = waitid(P_PID, id_t(runtime), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo != 0
        if ended { throw .timedOut }
      }
    }
  }

  private func start(_ spawn: Spawn) throws -> Int32 {
    do { return try spawn.start() } catch {
      throw EngineError.system(operation: "start", path: locations.runtime, error)
    }
  }

  private func openNull() throws -> OwnedDescriptor {
    do { return try openat2(workingDirectory, "/dev/null", flags: O_RDWR) } catch {
      throw EngineError.system(operation: "open", path: "/dev/null", error)
    }
  }

  /// Writes the process's description; the caller removes it.
  private func prepareExec(_ nameOrID: String, _ options: ExecOptions) throws -> (container: Container, process: FilePath) {
    let container = try container(nameOrID)
    switch container.state.status {
    case .running: break
    case .paused: throw EngineError.isPaused(name: container.name)
    default: throw EngineError.notRunning(name: container.name)
    }
    guard let pid = container.state.pid else { throw EngineError.notRunning(name: container.name) }
    guard !options.command.isEmpty else { throw EngineError.input("no command to execute was specified") }
    let process = try process(options, in: container, pid)
    let path = runDirectory(of: container.id).appending("exec.\(getpid()).\(UInt32.random(in: 0...UInt32.max)).json")
    do {
      let file = try openat2(workingDirectory, path.string, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
      try writeAll(file.number, Array(encodedJSON(process).utf8))
    } catch let error as Errno {
      throw EngineError.system(operation: "write", path: path, error)
    }
    return (container, path)
  }

  private func process(_ options: ExecOptions, in container: Container, _ pid: Int32) throws -> ContainerProcess {
    let record = container.record
    let path = directory(of: container.id).appending("config.json")
    let config: RuntimeConfig
    do { config = try decodedJSON(String(decoding: try readFile(path), as: UTF8.self)) } catch {
      throw EngineError.damaged(path: path, "\(error)")
    }
    guard var process = config.process else { throw EngineError.damaged(path: path, "it has no process") }
    process.args = options.command
    process.terminal = options.terminal ? true : nil
    if let directory = options.workingDirectory {
      guard directory.hasPrefix("/") else {
        throw EngineError.input("the working directory '\(directory)' is invalid, it needs to be an absolute path")
      }
      process.cwd = directory
    }
    var home: String?
    if let user = options.user {
      let root: OwnedDescriptor
      do { root = try openat2(workingDirectory, "/proc/\(pid)/root", flags: pathOnly | O_DIRECTORY) } catch {
        throw EngineError.system(operation: "open the root of container", path: FilePath(container.name), error)
      }
      let found = try find(user, groups: record.options.additionalGroups, root.number)
      let groups = found.additionalGroups.contains(found.groupID) ? [] : [found.groupID]
      process.user = ContainerUser(
        uid: found.userID, gid: found.groupID, additionalGids: groups + found.additionalGroups)
      home = found.home ?? "/"
    }
    var environment = record.environment
    if let home, !record.options.environment.contains(where: { $0.hasPrefix("HOME=") }) {
      environment.removeAll { $0.hasPrefix("HOME=") }
      environment.append("HOME=\(home)")
    }
    if options.terminal, !environment.contains(where: { $0.hasPrefix("TERM=") }) { environment.append("TERM=xterm") }
    process.env = ContainerEnvironment.merge(
      image: environment, options: options.environment, hostname: record.hostname, terminal: false, home: "/")
    if options.privileged {
      process.capabilities = LinuxCapabilities(
        allowing: try CapabilityChoice.names(added: [], dropped: [], privileged: true))
    }
    return process
  }

  private func find(_ user: String, groups: [String], _ root: CInt) throws -> FoundUser {
    try UserFiles { path in
      do throws(Errno) { return try readFile(path, inRoot: root) } catch {
        throw EngineError.system(operation: "read in the container", path: FilePath("/" + path), error)
      }
    }.find(user, groups: groups)
  }
}

/// A program could not be started in a container; the runtime has said why on standard error.
public struct ExecFailure: Error, Sendable {
  /// Docker's: 126 or 127.
  public let status: Int32
}
