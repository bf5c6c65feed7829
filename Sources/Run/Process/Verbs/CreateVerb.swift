import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `create` and `run`.
struct CreateVerb {
  private let context: VerbContext
  private let arguments: Arguments
  private let id: String
  private let preserved: CInt

  private static let flags: [Arguments.Flag] = [
    .option("bundle", "b", value: "DIR", help: "the bundle (the working directory)"),
    .option("config", "f", value: "FILE", help: "read FILE in place of the bundle's config.json"),
    .option("console-socket", value: "PATH", help: "send the terminal's master to this socket"),
    .option("pidfd-socket", value: "PATH", help: "send a descriptor of the process to this socket"),
    .option("pid-file", value: "FILE", help: "write the process's ID to FILE"),
    .flag("no-pivot", help: "is refused: the root is always entered by pivot_root"),
    .flag("no-new-keyring", help: "stay in the caller's session keyring"),
    .flag("no-subreaper", help: "do not reap orphans of a container without PID namespace"),
    .option("preserve-fds", value: "N", help: "hand descriptors 3 to 2+N on"),
  ]
  private static let runFlags: [Arguments.Flag] = [
    .flag("detach", "d", help: "leave it alone once it runs"),
    .flag("keep", help: "keep the container's state after its end"),
    .flag("die-with-parent", help: "end it when the caller ends"),
  ]

  init(_ words: ArraySlice<String>, _ context: VerbContext, runs: Bool = false) throws {
    self.context = context
    let verb = runs ? "run" : "create"
    arguments = try Arguments(words, runs ? Self.flags + Self.runFlags : Self.flags, command: verb)
    id = try arguments.id(verb)
    _ = try context.root.path(id)
    preserved = try arguments.preservedDescriptors(afterListening: InheritedDescriptors.listening)
  }

  /// The container waits for `start`.
  func create() throws -> Int32 {
    try context.protectProgram()
    let bundle = try readBundle()
    let directory = try context.root.path(id)
    let (container, launched) = try start(bundle) { request in
      let place = try attempt("open \(directory)") { () throws(Errno) in
        try openat2(workingDirectory, directory.string, flags: pathOnly | O_DIRECTORY)
      }
      request.startSocket = OpenFile(
        try attempt("listen for start") { () throws(Errno) in
          try LocalSockets.listen(in: place.number, StartSocket.name)
        })
    }
    try announce(launched.pid, orRemove: container)
    return 0
  }

  /// Starts it at once, and stays with it unless it is to be left alone.
  func run() throws -> Int32 {
    let detached = arguments.has("detach")
    try context.protectProgram()
    // A build that is killed leaves no step behind.
    if arguments.has("die-with-parent") {
      try attempt("die with the parent") { () throws(Errno) in try Privileges.setParentDeathSignal(SIGKILL) }
    }
    let bundle = try readBundle()
    if detached, bundle.config.process?.terminal == true, arguments["console-socket"] == nil {
      throw RuntimeError.usage("run --detach with process.terminal needs --console-socket")
    }
    var notifications: (NotifySocket, OpenFile)?
    let foreground = ForegroundProcess(reapsOrphans: !bundle.makes(.pid) && !arguments.has("no-subreaper"))
    // Before there is a process that a signal could be meant for.
    if !detached { try foreground.begin() }
    let (container, launched): (Container, LaunchedProcess)
    do {
      (container, launched) = try start(bundle) { request in
        if bundle.config.process?.terminal == true, arguments["console-socket"] == nil { request.terminal = .caller }
        request.diesWithParent = !detached
        if let socket = NotifySocket(try context.root.path(id)), let listener = try socket.listen() {
          notifications = (socket, listener)
        }
      }
    } catch {
      foreground.end()
      throw error
    }
    defer { foreground.end() }
    try announce(launched.pid, orRemove: container)
    do { try Hooks.run(bundle.config.hooks?.poststart, "poststart", state: container.state(.running)) } catch {
      kill(launched.pid, SIGKILL)
      _ = try? waitForProcess(launched.pid)
      try? context.remove(container)
      throw error
    }
    guard !detached else {
      if let (socket, listener) = notifications, let process = try? container.process() {
        try socket.wait(listener, for: process.number, pid: launched.pid)
      }
      return 0
    }
    let status = try foreground.wait(launched.pid, terminal: launched.terminal, notifications)
    if !arguments.has("keep") { try context.remove(container) }
    return status.code
  }

  private func start(_ bundle: Bundle, _ configure: (inout LaunchRequest) throws -> Void) throws -> (
    Container, LaunchedProcess
  ) {
    var start = ContainerStart(root: context.root, id: id, log: context.log)
    start.requiresCgroup = context.requiresCgroup
    start.usesSystemd = context.usesSystemd
    start.handsNotificationsOn = true
    start.usesCgroup = context.usesCgroup
    return try start.run(bundle) { request in
      request.preserved = preserved
      request.newKeyring = !arguments.has("no-new-keyring")
      request.noPivot = arguments.has("no-pivot")
      if let path = arguments["console-socket"] {
        guard bundle.config.process?.terminal == true else {
          throw RuntimeError.usage("--console-socket is given, and process.terminal is not true")
        }
        request.terminal = .socket(
          OpenFile(
            try attempt("connect to the console socket \(path)") { () throws(Errno) in
              try LocalSockets.connectStream(path)
            }))
      }
      try configure(&request)
    }
  }

  private func readBundle() throws -> Bundle {
    let bundle = try Bundle(
      FilePath(arguments["bundle"] ?? "."), config: arguments["config"].map { FilePath($0) })
    context.log.debug("the configuration of \(id) in \(bundle.path) is read")
    return bundle
  }

  /// Tells the caller which process it is; a container that it cannot know is removed again.
  private func announce(_ pid: Int32, orRemove container: Container) throws {
    do {
      if let path = arguments["pid-file"] {
        try attempt("write the pid file \(path)") { () throws(Errno) in
          try placeFile(FilePath(path), Array("\(pid)".utf8))
        }
      }
      if let path = arguments["pidfd-socket"] { try ProcessSocket.send(pid, to: path) }
    } catch {
      kill(pid, SIGKILL)
      _ = try? waitForProcess(pid)
      try? context.remove(container)
      throw error
    }
    context.log.debug("container \(id) is made, its process is \(pid)")
  }
}
