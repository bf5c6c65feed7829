import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The life of a container's first process from its birth to execve.
struct ContainerSetup {
  let request: LaunchRequest
  let preparation: Preparation
  let channel: SetupChannel
  private var bundle: Bundle { request.bundle }
  private var linux: LinuxConfig { request.bundle.config.linux ?? LinuxConfig() }

  /// Never returns: the process becomes the program, or ends after it has said why not.
  func run() -> Never {
    do {
      throw try furnishAndExecute()
    } catch {
      Self.report(error, channel)
    }
  }

  static func report(_ error: any Error, _ channel: SetupChannel) -> Never {
    let failure = (error as? RuntimeError)?.failure ?? StartFailure(kind: .other, message: "\(error)")
    try? channel.send(.failed(failure))
    _exit(1)
  }

  private func furnishAndExecute() throws -> RuntimeError {
    Signals.reset()
    if bundle.config.hooks?.createContainer?.isEmpty == false {
      // Before the rights of the user outside are gone.
      try attempt("enter the bundle \(bundle.path)") { () throws(Errno) in
        try Errno.check(chdir(bundle.path.string))
      }
    }
    try enterNamespaces()
    // A mount namespace that is joined belongs to others as well.
    if bundle.makes(.mount) {
      do throws(Errno) { try Mounts.propagate("/", .slave, recursive: true) } catch {
        // Where AppArmor restricts user namespaces, they can be made and give no rights.
        throw RuntimeError.refusedNamespace("make the mounts of the host ours alone", error, .mount)
      }
    }
    let tree = RootTree(root: try attachRoot())
    var mounts = MountSetup(bundle, tree, preparation.trees, request.cgroups, own: request.cgroup)
    try mounts.run()
    for text in mounts.warnings { try channel.send(.warning(text)) }
    let bindsDevices = try mounts.bindsDevices()
    if !bindsDevices { try DeviceSetup(bundle: bundle, tree: tree).run() }
    // A runtime that was killed before it could record this process takes it along. Its network interfaces are there.
    if !bundle.hasUserNamespace { try channel.waitToProceed() }
    if bundle.config.hooks?.prestart?.isEmpty == false || bundle.config.hooks?.createRuntime?.isEmpty == false {
      try channel.send(.hooks)
      try channel.waitToProceed()
    }
    try Hooks.run(
      bundle.config.hooks?.createContainer, "createContainer", .namespaces, state: request.state(.creating, pid: getpid()))
    let console = try openConsole(mounts, tree, replacing: !bindsDevices)
    try KernelSetting.write(linux.sysctl ?? [:])
    try makeWorkingDirectory(tree)
    let restrictions = PathRestrictions(tree: tree)
    try restrictions.makeReadOnly(linux.readonlyPaths ?? [])
    try restrictions.mask(linux.maskedPaths ?? [])
    try mounts.close()
    try RootEntry(bundle: bundle, root: tree.root, noPivot: request.noPivot).run()
    try setNames()
    // What these own is closed by number in becomeProcess: none of them may go, and close it again, after that.
    return try withExtendedLifetime((request, preparation, tree, mounts, console)) { try becomeProcess(console) }
  }

  // MARK: Namespaces

  private func enterNamespaces() throws {
    if bundle.hasUserNamespace {
      // Until the runtime has written what only it may: the mappings, and the score for the out-of-memory killer.
      try channel.waitToProceed()
      try IdentityChange.becomeRootOfNamespace(linux, bundle.config.process?.user)
    } else if let score = bundle.config.process?.oomScoreAdj {
      try OutOfMemoryScore.set(score, of: nil) { try channel.send(.warning($0)) }
    }
    for (kind, file) in preparation.joined where kind != .user && kind != .pid {
      try attempt("join the \(kind.rawValue) namespace") { () throws(Errno) in
        try Namespaces.join(file.number, Names.namespace(kind))
      }
    }
    if bundle.makes(.network) {
      // As runc does: programs talk to themselves in a network without any other interface.
      try attempt("bring the loopback interface up") { () throws(Errno) in try NetworkNamespace.bringLoopbackUp() }
    }
    // A session of its own: no terminal of the caller's, no signals of its process group.
    try attempt("begin a session") { () throws(Errno) in try Errno.check(setsid()) }
    if request.newKeyring {
      do throws(Errno) { try Privileges.joinNewSessionKeyring("_ses.\(request.id)") } catch {
        // Kernels without keyrings have nothing to protect.
        guard error == .noFunction || error == .notSupported else {
          throw RuntimeError.call(doing: "begin a session keyring (--no-new-keyring leaves it out)", error, .other)
        }
      }
    }
    // Its root is the cgroup that the process is in when it is made: after CLONE_INTO_CGROUP has put it there.
    if bundle.makes(.cgroup) {
      try attempt("make a cgroup namespace") { () throws(Errno) in try Namespaces.unshare(.cgroup) }
    }
  }

  // MARK: Root

  /// The root lies on "/" from here on, reached only through its descriptor until pivot_root.
  private func attachRoot() throws -> OpenFile {
    if let overlay = preparation.overlay {
      let place = bundle.rootPath.string
      try overlay.mount(on: place, userNamespace: bundle.hasUserNamespace)
      return OpenFile(
        try attempt("open the root \(place)", .rootfs) { () throws(Errno) in
          try openat2(workingDirectory, place, flags: pathOnly | O_DIRECTORY)
        })
    }
    let mount = try preparation.root ?? OpenFile(Preparation.openRoot(bundle))
    // Over "/" others in a joined mount namespace would meet it.
    let place = bundle.makes(.mount) ? "/" : bundle.rootPath.string
    try attempt("attach the root file system to \(place)", .rootfs) { () throws(Errno) in
      let top = try openat2(workingDirectory, place, flags: pathOnly | O_DIRECTORY)
      try Mounts.attach(mount.number, to: top.number)
      // (runtime-spec, config-linux.md, Rootfs Mount Propagation: a slave hears of the host's mounts)
      let follows = ["slave", "rslave"].contains(linux.rootfsPropagation)
      try Mounts.change(mount.number, propagation: follows ? .slave : .private, recursive: true)
    }
    return mount
  }

  private func makeWorkingDirectory(_ tree: RootTree) throws {
    guard let cwd = bundle.config.process?.cwd, cwd != "/" else { return }
    do throws(Errno) { _ = try tree.openMaking(cwd, .directory) } catch {
      // A read-only root, or a link that is not for us to follow: entering it will say what is wrong.
      guard
        error == .readOnlyFileSystem || error == .permissionDenied || error == .tooManySymbolicLinkLevels
          || error == .notDirectory
      else { throw RuntimeError.call(doing: "make the working directory \(cwd)", error, .workingDirectory) }
    }
  }

  // MARK: Names and settings

  private func setNames() throws {
    if let name = bundle.config.hostname, !name.isEmpty {
      try attempt("set the host name \(name)") { () throws(Errno) in try Errno.check(sethostname(name, name.utf8.count))
      }
    }
    if let name = bundle.config.domainname, !name.isEmpty {
      try attempt("set the domain name \(name)") { () throws(Errno) in
        try Errno.check(setdomainname(name, name.utf8.count))
      }
    }
  }

  private func openConsole(_ mounts: MountSetup, _ tree: RootTree, replacing: Bool) throws -> Console? {
    guard bundle.config.process?.terminal == true else { return nil }
    let terminals: OpenFile
    if let own = mounts.terminals {
      terminals = own
    } else {
      terminals = OpenFile(
        try attempt("open the container's /dev/pts") { () throws(Errno) in
          try tree.open("/dev/pts", flags: O_RDONLY | O_DIRECTORY)
        })
    }
    let console = try Console(terminals: terminals.number)
    try console.setSize(bundle.config.process?.consoleSize)
    try console.bindConsole(tree, replacing: replacing)
    switch request.terminal {
    case .socket(let socket):
      try attempt("send the terminal to the console socket") { () throws(Errno) in
        try LocalSockets.send(socket.number, Array("/dev/ptmx".utf8), descriptors: [console.master.number])
      }
    case .caller:
      console.takeSizeOfCaller()
      try channel.send(.terminal, descriptors: [console.master.number])
    case .none:
      throw RuntimeError.usage("process.terminal is true, and nobody takes the terminal: --console-socket is needed")
    }
    return console
  }

  // MARK: The program

  private func becomeProcess(_ console: Console?) throws -> RuntimeError {
    guard let process = bundle.config.process else {
      throw RuntimeError.configuration(property: "process", problem: "is missing")
    }
    try IdentityChange.setStreams(request.streams, console, process.user)
    try ProcessScheduling.set(linux)
    try SecurityLabels.set(process)
    var setup = ProcessSetup(
      process: process, seccomp: preparation.seccomp, ownProgram: preparation.ownProgram, usesInit: bundle.usesInit,
      preserved: request.preserved, diesWithParent: request.diesWithParent)
    try setup.closeOthers(keeping: [channel.file.number] + (request.startSocket.map { [$0.number] } ?? []))
    // Hooks of the container's side run as its root, before the rights go.
    if request.startSocket == nil {
      try Hooks.run(
        bundle.config.hooks?.startContainer, "startContainer", .container,
        state: request.state(.created, pid: getpid()))
      let program = try setup.run(channel)
      return try setup.execute(program, channel)
    }
    return try waitAndExecute(&setup)
  }

  /// `create` ends here, `start` goes on from here.
  private func waitAndExecute(_ setup: inout ProcessSetup) throws -> RuntimeError {
    guard let listener = request.startSocket else { return .state("there is nothing to wait for") }
    let hooks = bundle.config.hooks?.startContainer ?? []
    var program: String?
    // With hooks, rights must last until they have run; without, what can fail has failed before `create` ends.
    if hooks.isEmpty { program = try setup.run(channel) }
    try channel.send(.ready)
    let starter = try StartSocket.wait(listener)
    do {
      if !hooks.isEmpty {
        try Hooks.run(hooks, "startContainer", .container, state: request.state(.created, pid: getpid()))
        program = try setup.run(starter)
      }
      return try fail(try setup.execute(program ?? "", starter), starter)
    } catch {
      return try fail(error, starter)
    }
  }

  private func fail(_ error: any Error, _ starter: SetupChannel) throws -> RuntimeError { Self.report(error, starter) }
}
