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

  init(_ words: ArraySlice<String>, _ context: VerbContext, runs: Bool = false) throws {
    self.context = context
    var flags: [Arguments.Flag] = [
      .option("bundle", "b"), .option("console-socket"), .option("pid-file"), .flag("no-pivot"),
      .flag("no-new-keyring"),
      .option("preserve-fds"),
    ]
    if runs { flags += [.flag("detach", "d"), .flag("keep"), .flag("no-subreaper"), .flag("die-with-parent")] }
    let verb = runs ? "run" : "create"
    arguments = try Arguments(words, flags, command: verb)
    id = try arguments.id(verb)
    preserved = try arguments.preservedDescriptors()
    if arguments.has("no-pivot") {
      throw RuntimeError.unsupported("--no-pivot", reason: "a container's root is always entered by pivot_root")
    }
  }

  /// The container waits for `start`.
  func create() throws -> Int32 {
    try context.protectProgram()
    let bundle = try Bundle(FilePath(arguments["bundle"] ?? "."))
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
    try writePIDFile(launched.pid, orRemove: container)
    return 0
  }

  /// Starts it at once, and stays with it unless it is to be left alone.
  func run() throws -> Int32 {
    try context.protectProgram()
    // A build that is killed leaves no step behind.
    if arguments.has("die-with-parent") {
      try attempt("die with the parent") { () throws(Errno) in try Privileges.setParentDeathSignal(SIGKILL) }
    }
    let bundle = try Bundle(FilePath(arguments["bundle"] ?? "."))
    let detached = arguments.has("detach")
    if detached, bundle.config.process?.terminal == true, arguments["console-socket"] == nil {
      throw RuntimeError.usage("run --detach with process.terminal needs --console-socket")
    }
    let foreground = ForegroundProcess(takesTerminal: !detached && arguments["console-socket"] == nil)
    // Before there is a process that a signal could be meant for.
    if !detached { foreground.begin() }
    let (container, launched): (Container, LaunchedProcess)
    do {
      (container, launched) = try start(bundle) { request in
        if bundle.config.process?.terminal == true, arguments["console-socket"] == nil { request.terminal = .caller }
        request.diesWithParent = !detached
      }
    } catch {
      foreground.end()
      throw error
    }
    defer { foreground.end() }
    try writePIDFile(launched.pid, orRemove: container)
    do { try Hooks.run(bundle.config.hooks?.poststart, "poststart", state: container.state(.running)) } catch {
      kill(launched.pid, SIGKILL)
      _ = try? waitForProcess(launched.pid)
      try? context.remove(container)
      throw error
    }
    guard !detached else { return 0 }
    let status = try foreground.wait(launched.pid, terminal: launched.terminal)
    if !arguments.has("keep") { try context.remove(container) }
    return status.code
  }

  private func start(_ bundle: Bundle, _ configure: (inout LaunchRequest) throws -> Void) throws -> (
    Container, LaunchedProcess
  ) {
    var start = ContainerStart(root: context.root, id: id, log: context.log)
    start.requiresCgroup = context.requiresCgroup
    start.usesSystemd = context.usesSystemd
    return try start.run(bundle) { request in
      request.preserved = preserved
      request.newKeyring = !arguments.has("no-new-keyring")
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

  private func writePIDFile(_ pid: Int32, orRemove container: Container) throws {
    guard let path = arguments["pid-file"] else { return }
    do throws(Errno) { try writeFileAtomically(FilePath(path), Array("\(pid)".utf8)) } catch {
      kill(pid, SIGKILL)
      _ = try? waitForProcess(pid)
      try? context.remove(container)
      throw RuntimeError.call(doing: "write the pid file \(path)", error, .other)
    }
  }
}
