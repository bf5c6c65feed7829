import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A process that is brought into a running container.
struct ExecRequest {
  let container: Container
  let bundle: Bundle
  let process: ContainerProcess
  var terminal = LaunchRequest.Terminal.none
  /// Standard input, output and error; nil hands the caller's on.
  var streams: (CInt, CInt, CInt)?
  var preserved: CInt = 0
  var diesWithParent = false
  var seccompCache: FilePath?
  /// Below the container's cgroup; nil is that one, or where the container has moved itself to. (`--cgroup`)
  var cgroupPath: String?

  init(container: Container, bundle: Bundle, process: ContainerProcess) {
    self.container = container
    self.bundle = bundle
    self.process = process
  }
}

/// The runtime's side: a process that joins the container's namespaces, and makes its sibling there, since a PID
/// namespace is entered by children only.
struct ExecLaunch {
  let request: ExecRequest
  let log: Log

  /// The caller has one thread, and is the parent of the process.
  func run() throws -> LaunchedProcess {
    // Before anything of the container can be touched.
    if geteuid() == 0 {
      try attempt("hide this process from the others") { () throws(Errno) in try Privileges.setDumpable(false) }
    }
    let target = try request.container.process()
    let ownProgram = try OwnProgram.open()
    let seccomp = try SeccompProgram.make(request.bundle, request.process, cache: request.seccompCache)
    // Not the root of the mount namespace, where that is not the container's alone. (RootEntry)
    var root: OpenFile?
    if request.bundle.namespace(.mount) != nil, !request.bundle.makes(.mount) {
      root = OpenFile(
        try attempt("open the root of container \(request.container.id)") { () throws(Errno) in
          try openat2(workingDirectory, "/proc/\(request.container.saved.pid)/root", flags: pathOnly | O_DIRECTORY)
        })
      // It was still the container's process when its root was opened.
      guard request.container.isAlive else {
        throw RuntimeError.wrongStatus(id: request.container.id, status: .stopped, doing: "exec in")
      }
    }
    // The runtime's own processors until the process is in the container's cgroup, which the clone puts it into.
    try ExecSetup.setProcessors(request.process.execCPUAffinity?.initial)
    let (ours, theirs) = try SetupChannel.pair()
    let place = ExecCgroup(container: request.container, path: request.cgroupPath, log: log)
    let copy = try place.clone()
    switch copy.outcome {
    case .child:
      // With a copy of it here the end of the runtime would never be seen.
      ours.file.close()
      if copy.attaches {
        do { try theirs.waitToProceed() } catch { ContainerSetup.report(error, theirs) }
      }
      ExecSetup(
        request: request, target: OpenFile(target), root: root, ownProgram: ownProgram, seccomp: seccomp, channel: theirs
      ).run()
    case .parent(let step):
      theirs.file.close()
      if copy.attaches {
        do {
          try place.attach(step)
          try ours.send(.proceed)
        } catch {
          kill(step, SIGKILL)
          _ = try? waitForProcess(step)
          throw error
        }
      }
      return try listen(ours, step)
    }
  }

  private func listen(_ channel: SetupChannel, _ step: Int32) throws -> LaunchedProcess {
    var pid: Int32?
    var terminal: OpenFile?
    var executing = false
    do {
      // It may be killed when it has made the process and not said so: that one would wait for us.
      let status = try attempt("wait for process \(step)") { () throws(Errno) in try waitForProcess(step) }
      if case .signaled(let signal) = status { throw RuntimeError.setupDied(signal: signal) }
      while let (message, descriptors) = try channel.receive() {
        let files = descriptors.map { OpenFile(OwnedDescriptor($0)) }
        switch message {
        case .process(let number):
          pid = number
          if let control = request.container.saved.resourceControl { try ResourceControl().add(number, to: control) }
        case .terminal: terminal = files.first
        case .warning(let text): log.warning(text)
        case .failed(let failure): throw RuntimeError.start(failure)
        case .executing: executing = true
        case .seccompListener:
          if let listener = files.first {
            try SeccompListener.send(listener, request.bundle, state: request.container.state(.running))
          }
        case .hooks, .ready, .proceed, .cgroup, .userNamespace: break
        }
      }
      guard let pid, executing else { throw RuntimeError.setupDied(signal: 0) }
      return LaunchedProcess(pid: pid, terminal: terminal)
    } catch {
      if let pid {
        kill(pid, SIGKILL)
        _ = try? waitForProcess(pid)
      }
      throw error
    }
  }
}

/// The process's side, from its birth to execve.
private struct ExecSetup {
  let request: ExecRequest
  let target: OpenFile
  /// To be entered by chroot; nil: that of the mount namespace.
  let root: OpenFile?
  let ownProgram: OpenFile
  let seccomp: SeccompProgram?
  let channel: SetupChannel

  func run() -> Never {
    do {
      Signals.reset()
      if let score = request.process.oomScoreAdj {
        try OutOfMemoryScore.set(score, of: nil) { try channel.send(.warning($0)) }
      }
      try enter()
      // Its place in the PID namespace is given by the fork; its parent is the runtime, which waits for it.
      let outcome = try attempt("make the process") { () throws(Errno) in try Cloning.clone(sibling: true) }
      switch outcome {
      case .parent(let pid):
        try channel.send(.process(pid))
        _exit(0)
      case .child:
        throw try execute()
      }
    } catch {
      ContainerSetup.report(error, channel)
    }
  }

  /// (runtime-spec, config.md, process.execCPUAffinity)
  static func setProcessors(_ list: String?) throws {
    guard let list, !list.isEmpty, let processors = Names.list(list) else { return }
    try attempt("run on the CPUs \(list)", .resources) { () throws(Errno) in try Scheduling.setAffinity(processors) }
  }

  private func setFinalProcessors() throws {
    guard let affinity = request.process.execCPUAffinity else { return }
    if affinity.final?.isEmpty == false {
      try Self.setProcessors(affinity.final)
    } else if affinity.initial?.isEmpty == false {
      try attempt("run on the container's CPUs", .resources) { () throws(Errno) in try Scheduling.setAffinityToAll() }
    }
  }

  private func enter() throws {
    var kinds: NamespaceSet = []
    for namespace in request.bundle.config.linux?.namespaces ?? [] {
      kinds.insert(Names.namespace(namespace.type))
    }
    do throws(Errno) { try Namespaces.join(target.number, kinds) } catch {
      // The user namespace that a process is in cannot be joined once more. (setns(2))
      guard error == .invalidArgument, kinds.contains(.user), isInUserNamespace else {
        throw RuntimeError.call(doing: "join the namespaces of container \(request.container.id)", error, .other)
      }
      try attempt("join the namespaces of container \(request.container.id)") { () throws(Errno) in
        try Namespaces.join(target.number, kinds.subtracting(.user))
      }
    }
    if let root {
      try attempt("enter the container's root", .rootfs) { () throws(Errno) in
        try Errno.check(fchdir(root.number))
        try Mounts.enterWorkingDirectory()
      }
    }
    if request.bundle.hasUserNamespace {
      try IdentityChange.becomeRootOfNamespace(request.bundle.config.linux, request.process.user)
    }
  }

  private var isInUserNamespace: Bool {
    let path = "/proc/\(request.container.saved.pid)/ns/user"
    guard let namespace = try? openat2(workingDirectory, path, flags: O_RDONLY) else { return false }
    return UserNamespaces.isOwn(namespace.number)
  }

  private func execute() throws -> RuntimeError {
    try attempt("begin a session") { () throws(Errno) in try Errno.check(setsid()) }
    var console: Console?
    if request.process.terminal == true {
      let terminals = try attempt("open the container's /dev/pts") { () throws(Errno) in
        try openat2(workingDirectory, "/dev/pts", flags: O_RDONLY | O_DIRECTORY, resolve: .noMagicLinks)
      }
      let made = try Console(terminals: terminals.number)
      try made.setSize(request.process.consoleSize)
      switch request.terminal {
      case .socket(let socket):
        try attempt("send the terminal to the console socket") { () throws(Errno) in
          try LocalSockets.send(socket.number, Array("/dev/ptmx".utf8), descriptors: [made.master.number])
        }
      case .caller:
        made.takeSizeOfCaller()
        try channel.send(.terminal, descriptors: [made.master.number])
      case .none:
        throw RuntimeError.usage("process.terminal is true, and nobody takes the terminal: --console-socket is needed")
      }
      console = made
    }
    try IdentityChange.setStreams(request.streams, console, request.process.user)
    try SecurityLabels.set(request.process)
    try setFinalProcessors()
    try ProcessScheduling.set(request.bundle.config.linux ?? LinuxConfig())
    var setup = ProcessSetup(
      process: request.process, seccomp: seccomp, ownProgram: ownProgram, usesInit: false, preserved: request.preserved,
      diesWithParent: request.diesWithParent)
    // What these own is closed by number: none of them may go, and close it again, after that.
    return try withExtendedLifetime((request, target, console)) {
      try setup.closeOthers(keeping: [channel.file.number])
      let program = try setup.run(channel)
      return try setup.execute(program, channel)
    }
  }
}
