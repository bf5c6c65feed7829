import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `restore`: a container from the images of a checkpoint, by criu.
struct RestoreVerb {
  private let context: VerbContext
  private let arguments: Arguments
  private let id: String

  private static let flags: [Arguments.Flag] = [
    .option("bundle", "b", value: "DIR", help: "the bundle (the working directory)"),
    .option("console-socket", value: "PATH", help: "send the terminal's master to this socket"),
    .option("pid-file", value: "FILE", help: "write the process's ID to FILE"),
    .flag("detach", "d", help: "leave it alone once it runs"),
    .flag("no-pivot", help: "is refused: the root is always entered by pivot_root"),
    .flag("no-subreaper", help: "do not reap orphans of a container without PID namespace"),
    .option("lsm-profile", value: "TYPE:NAME", help: "another profile of apparmor or selinux"),
    .option("lsm-mount-context", value: "LABEL", help: "another SELinux label of mounts"),
  ]

  init(_ words: ArraySlice<String>, _ context: VerbContext) throws {
    self.context = context
    arguments = try CheckpointFlags.arguments(words, Self.flags, verb: "restore")
    id = try arguments.id("restore")
    if arguments.has("no-pivot") {
      throw RuntimeError.unsupported("--no-pivot", reason: "a container's root is always entered by pivot_root")
    }
  }

  func run() throws -> Int32 {
    try context.protectProgram()
    let bundle = try Bundle(FilePath(arguments["bundle"] ?? "."))
    let detached = arguments.has("detach")
    let hasTerminal = bundle.config.process?.terminal == true
    if hasTerminal, detached, arguments["console-socket"] == nil {
      throw RuntimeError.usage("restore: process.terminal is true: with --detach it needs --console-socket")
    }
    let foreground = ForegroundProcess(reapsOrphans: !bundle.makes(.pid) && !arguments.has("no-subreaper"))
    if !detached { try foreground.begin() }
    defer { if !detached { foreground.end() } }
    try ContainerRestore.leaveMountNamespace()
    var restoration = ContainerRestore(
      context: context, id: id, bundle: bundle, flags: try CheckpointFlags(arguments, verb: "restore"))
    restoration.profile = arguments["lsm-profile"]
    restoration.mountContext = arguments["lsm-mount-context"]
    let restored = try restoration.run()
    do {
      if let terminal = restored.terminal, let path = arguments["console-socket"] {
        try attempt("send the terminal to the console socket \(path)") { () throws(Errno) in
          let socket = try LocalSockets.connectStream(path)
          try LocalSockets.send(socket.number, Array("/dev/ptmx".utf8), descriptors: [terminal.number])
        }
      }
      if let path = arguments["pid-file"] {
        try attempt("write the pid file \(path)") { () throws(Errno) in
          try writeFileAtomically(FilePath(path), Array("\(restored.container.saved.pid)".utf8))
        }
      }
      try Hooks.run(bundle.config.hooks?.poststart, "poststart", state: restored.container.state(.running))
    } catch {
      kill(restored.container.saved.pid, SIGKILL)
      _ = try? waitForProcess(restored.container.saved.pid)
      try? context.remove(restored.container)
      throw error
    }
    guard !detached else { return 0 }
    let status = try foreground.wait(
      restored.container.saved.pid, terminal: arguments["console-socket"] == nil ? restored.terminal : nil)
    try context.remove(restored.container)
    return status.code
  }
}
