import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A container's process that has been started, or waits for `start`.
struct LaunchedProcess {
  let pid: pid_t
  /// The master of its terminal, when the caller was to have it.
  var terminal: OpenFile?
}

/// The runtime's side of a start: one clone with all namespaces, then listening until the program runs.
struct Launch {
  let request: LaunchRequest
  let preparation: Preparation
  let log: Log

  /// The caller has one thread. `started` runs as soon as the process's ID is known, while it still sets itself up.
  func run(started: (pid_t) throws -> Void) throws -> LaunchedProcess {
    let (ours, theirs) = try SetupChannel.pair()
    let cgroup = try request.cgroup.map { OpenFile(try $0.open()) }
    let outcome: Cloning.Outcome
    if needsStep {
      outcome = try entering("make the container's process") { () throws(Errno) in
        try Cloning.clone(cgroup: cgroup?.number)
      }
      if case .child = outcome {
        ours.file.close()
        step(theirs)
      }
    } else {
      outcome = try entering("make the container's process and its namespaces") { () throws(Errno) in
        try Cloning.clone(namespaces, cgroup: cgroup?.number)
      }
      if case .child = outcome {
        // With a copy of it here the end of the runtime would never be seen.
        ours.file.close()
        ContainerSetup(request: request, preparation: preparation, channel: theirs).run()
      }
    }
    guard case .parent(let pid) = outcome else { throw RuntimeError.state("a process went the wrong way") }
    if let cgroupAround = request.cgroupAround {
      do { try ours.send(.cgroup(cgroupAround(pid).name)) } catch {
        kill(pid, SIGKILL)
        _ = try? waitForProcess(pid)
        throw error
      }
    }
    return try LaunchWatch(launch: self, channel: ours).run(
      child: pid, isStep: needsStep, theirs: theirs, started: started)
  }

  /// A clone into the cgroup, which may be why it fails.
  private func entering(_ doing: String, _ clone: () throws(Errno) -> Cloning.Outcome) throws -> Cloning.Outcome {
    do throws(Errno) { return try clone() } catch {
      if let reason = request.cgroup?.refusal(error) { throw RuntimeError.resources(reason.description) }
      throw refusal(doing, error)
    }
  }

  private func refusal(_ doing: String, _ error: Errno) -> RuntimeError {
    // A process goes to a cgroup when the caller may write to the first cgroup above both. (cgroup-v2.rst, Delegation)
    if error == .permissionDenied, let cgroup = request.cgroup {
      let place = "the cgroup \(cgroup.name), which was not delegated together with the runtime's own"
      return .call(doing: "\(doing) in \(place)", error, .resources)
    }
    guard request.bundle.hasUserNamespace || geteuid() != 0 else { return .call(doing: doing, error, .other) }
    return .refusedNamespace(doing, error, .other)
  }

  /// A time namespace is entered by children only, as is a PID namespace that is joined, and what is made in a user
  /// namespace must be made by somebody inside: a process in between does that, and makes its sibling. systemd wants a
  /// process for its unit, and the container must begin in the unit's cgroup already.
  private var needsStep: Bool {
    request.cgroupAround != nil || request.bundle.makes(.time) || preparation.joined.contains { $0.0 == .user || $0.0 == .pid }
  }

  /// The cgroup namespace is made by the process itself, when it is in its cgroup.
  private var namespaces: NamespaceSet {
    var set: NamespaceSet = []
    for kind in [LinuxNamespace.Kind.mount, .pid, .network, .ipc, .uts, .user] where request.bundle.makes(kind) {
      set.insert(Names.namespace(kind))
    }
    return set
  }

  private func step(_ channel: SetupChannel) -> Never {
    do {
      var request = request
      if request.cgroupAround != nil { request.cgroup = try waitForCgroup(channel) }
      for (kind, file) in preparation.joined where kind == .user || kind == .pid {
        try attempt("join the \(kind.rawValue) namespace") { () throws(Errno) in
          try Namespaces.join(file.number, Names.namespace(kind))
        }
      }
      var kinds = namespaces
      // Its owner is the user namespace of whoever makes it, which must be the container's.
      if request.bundle.makes(.time), kinds.contains(.user) {
        do throws(Errno) { try Namespaces.unshare(.user) } catch {
          throw RuntimeError.refusedNamespace("make a user namespace", error, .user)
        }
        kinds.remove(.user)
        try channel.send(.userNamespace)
        try channel.waitToProceed()
      }
      if request.bundle.makes(.time) { try makeTimeNamespace() }
      let outcome = try attempt("make the container's namespaces") { () throws(Errno) in
        try Cloning.clone(kinds, sibling: true)
      }
      switch outcome {
      case .child: ContainerSetup(request: request, preparation: preparation, channel: channel).run()
      case .parent(let pid):
        try channel.send(.process(pid))
        _exit(0)
      }
    } catch {
      ContainerSetup.report(error, channel)
    }
  }

  private func waitForCgroup(_ channel: SetupChannel) throws -> Cgroup? {
    guard case .cgroup(let name)? = try channel.receive()?.message else {
      throw RuntimeError.state("the runtime gave the container up")
    }
    return try request.cgroups?.cgroup(at: name)
  }

  private func makeTimeNamespace() throws {
    try attempt("make a time namespace") { () throws(Errno) in try Namespaces.unshare(.time) }
    var text = ""
    for (clock, offset) in (request.bundle.config.linux?.timeOffsets ?? [:]).sorted(by: { $0.key < $1.key }) {
      text += "\(clock) \(offset.secs ?? 0) \(offset.nanosecs ?? 0)\n"
    }
    guard !text.isEmpty else { return }
    let proc = try ProcFS.mounted()
    try attempt("set the offsets of the time namespace") { () throws(Errno) in
      let file = try proc.openSelf("timens_offsets", flags: O_WRONLY)
      try writeAll(file.number, Array(text.utf8))
    }
  }
}

/// Hears what the container's process says until its program runs, or it waits for `start`, or it has failed.
private struct LaunchWatch {
  let launch: Launch
  let channel: SetupChannel

  func run(
    child: pid_t, isStep: Bool, theirs: SetupChannel, started: (pid_t) throws -> Void
  ) throws -> LaunchedProcess {
    // Our copy of their end would hide that they have closed it.
    theirs.file.close()
    var pid = child
    var known = !isStep
    do {
      if known { try begin(pid, isMapped: false, started) }
      var isMapped = false
      let step = try known ? nil : OpenFile(attempt("open process \(child)") { () throws(Errno) in try openProcess(child) })
      let result = try listen(known ? pid : nil, step) {
        try mapUserNamespace(child)
        isMapped = true
        try channel.send(.proceed)
      } process: { process in
        _ = try? waitForProcess(child)
        pid = process
        known = true
        try begin(process, isMapped: isMapped, started)
      }
      return LaunchedProcess(pid: pid, terminal: result)
    } catch {
      if known { kill(pid, SIGKILL) }
      let status = try? waitForProcess(pid)
      if case RuntimeError.setupDied = error, case .signaled(let signal)? = status {
        throw RuntimeError.setupDied(signal: signal)
      }
      throw error
    }
  }

  /// The process goes on when it is known to the state directory, so that none ever runs that nobody can find.
  private func begin(_ pid: pid_t, isMapped: Bool, _ started: (pid_t) throws -> Void) throws {
    try started(pid)
    if !isMapped { try mapUserNamespace(pid) }
    try furnishNamespaces(pid)
    // One that has failed meanwhile has said why: that is heard next.
    try? channel.send(.proceed)
  }

  private func mapUserNamespace(_ pid: pid_t) throws {
    guard launch.request.bundle.makes(.user), let linux = launch.request.bundle.config.linux else { return }
    try IDMapping.write(users: linux.uidMappings ?? [], groups: linux.gidMappings ?? [], of: pid)
  }

  /// What only the runtime may do.
  private func furnishNamespaces(_ pid: pid_t) throws {
    let bundle = launch.request.bundle
    if let devices = bundle.config.linux?.netDevices, !devices.isEmpty {
      try NetworkDevices(devices).move(to: launch.preparation.joined.first { $0.0 == .network }?.1, of: pid)
    }
    if bundle.hasUserNamespace, let score = bundle.config.process?.oomScoreAdj {
      try OutOfMemoryScore.set(score, of: pid) { launch.log.warning($0) }
    }
  }

  private func listen(
    _ known: pid_t?, _ step: OpenFile?, userNamespace: () throws -> Void, process: (pid_t) throws -> Void
  ) throws -> OpenFile? {
    var terminal: OpenFile?
    var executing = false
    var pid = known
    while let (message, descriptors) = try receive(from: pid == nil ? step : nil) {
      let files = descriptors.map { OpenFile(OwnedDescriptor($0)) }
      switch message {
      case .process(let number):
        pid = number
        try process(number)
      case .userNamespace: try userNamespace()
      case .hooks: try runHooks(pid)
      case .terminal: terminal = files.first
      case .seccompListener:
        if let listener = files.first {
          try SeccompListener.send(listener, launch.request.bundle, state: launch.request.state(.creating, pid: pid))
        }
      case .warning(let text): launch.log.warning(text)
      case .failed(let failure): throw RuntimeError.start(failure)
      case .executing: executing = true
      case .ready: return terminal
      case .proceed, .cgroup: break
      }
    }
    guard executing else { throw RuntimeError.setupDied(signal: 0) }
    return terminal
  }

  /// The process in between may end when it has made the container's and not said so: that one would wait for us.
  private func receive(from step: OpenFile?) throws -> (message: SetupMessage, descriptors: [CInt])? {
    if let step {
      var waiting = [
        pollfd(fd: channel.file.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: step.number, events: Int16(POLLIN), revents: 0),
      ]
      try attempt("hear from the container's process") { () throws(Errno) in
        try Errno.retrying { poll(&waiting, 2, -1) }
      }
      if waiting[0].revents == 0 { return nil }
    }
    return try channel.receive()
  }

  private func runHooks(_ pid: pid_t?) throws {
    let hooks = launch.request.bundle.config.hooks
    try Hooks.run(hooks?.prestart, "prestart", state: launch.request.state(.creating, pid: pid))
    try Hooks.run(hooks?.createRuntime, "createRuntime", state: launch.request.state(.creating, pid: pid))
    try channel.send(.proceed)
  }
}
