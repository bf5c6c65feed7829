import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Stays with one container, from its first start to its last end, on one thread: moves bytes between the program, its
/// log and its clients, asks probes, runs hooks, starts it again by the policy.
///
/// ```
/// starting ─▶ running ─▶ ended ─▶ (restart policy) ─▶ waiting ─▶ starting …
///                                └▶ finished: state.json, clients told, cleanup, exit
/// ```
/// Everything that it holds ends with it: the lock, the ports, the namespaces, and the container, whose first process
/// is its child and gets SIGKILL from the kernel when it goes.
final class Supervisor {
  var supervision: Supervision
  let context: VerbContext
  var state = SupervisedState(status: .created, supervisor: 0)
  var directory: OpenFile?
  var lock: OpenFile?
  var listener: OpenFile?
  var log: LogFile?
  var bundle: Bundle?

  var clients: [Client] = []
  var streams: Streams?
  var container: Container?
  var process: OpenFile?
  var pid: Int32 = 0
  var inputBuffer: [UInt8] = []
  var closesInput = false

  var jobs: [Job] = []
  var probes: ProbeSet
  var startedAt: Int64 = 0
  var restartDelay: Int64 = Restarts.firstDelay
  var restartAt: Int64?
  /// Somebody has asked for the end: no restart.
  var isStoppedByHand = false
  var isStopping = false
  var killAt: Int64?
  var oomKillsBefore: UInt64 = 0

  init(_ supervision: Supervision, _ context: VerbContext) {
    self.supervision = supervision
    self.context = context
    probes = ProbeSet(supervision.probes ?? [])
  }

  func run() -> Never {
    let report = StartReport(supervision)
    do {
      try prepare()
      try start()
      try save()
    } catch {
      report.send(SupervisorReport(error: Self.failure(error)))
      if pid > 0 {
        kill(pid, SIGKILL)
        _ = try? waitForProcess(pid)
      }
      if let container { try? context.remove(container) }
      unlinkat(directory?.number ?? workingDirectory, "attach.sock", 0)
      _exit(1)
    }
    report.send(SupervisorReport(pid: pid, supervisor: getpid()))
    // From here on nobody listens: what there is to say is in state.json and the log.
    if let null = try? openat2(workingDirectory, "/dev/null", flags: O_RDWR) {
      for number in CInt(0)...2 { dup2(null.number, number) }
    }
    // A start needs much that is not needed after it.
    releaseMemory()
    do { try loop() } catch { finish(code: 255, oom: false, error: "\(error)") }
  }

  private static func failure(_ error: any Error) -> StartFailure {
    (error as? RuntimeError)?.failure ?? StartFailure(kind: .other, message: "\(error)")
  }

  // MARK: Start

  func prepare() throws {
    try keepOnlyOwnDescriptors()
    try attempt("begin a session") { () throws(Errno) in
      try Errno.check(setsid())
      try Errno.check(chdir("/"))
    }
    Glibc.signal(SIGPIPE, SIG_IGN)
    let place = FilePath(supervision.directory)
    let (directory, lock) = try attempt("open \(place)", .other) { () throws(Errno) in
      try makeDirectories(place, mode: 0o700)
      let directory = OpenFile(try openat2(workingDirectory, place.string, flags: O_RDONLY | O_DIRECTORY))
      return (directory, OpenFile(try openat2(directory.number, "lock", flags: O_RDWR | O_CREAT, mode: 0o600)))
    }
    guard flock(lock.number, LOCK_EX | LOCK_NB) == 0 else {
      throw RuntimeError.start(StartFailure(kind: .busy, message: "container \(supervision.id) is already running"))
    }
    self.directory = directory
    self.lock = lock
    let bundle = try Bundle(FilePath(supervision.bundle))
    self.bundle = bundle
    log = try LogFile(supervision.log)
    listener = OpenFile(
      try attempt("listen for clients") { () throws(Errno) in
        try LocalSockets.listen(in: directory.number, "attach.sock")
      })
    if let descriptor = supervision.attachDescriptor {
      let first = Client(OpenFile(OwnedDescriptor(descriptor)), isPatient: true)
      first.cleansUp = supervision.attachedCleansUp ?? false
      clients.append(first)
    }
    state.supervisor = getpid()
  }

  /// What else the caller had open would live as long as the container.
  func keepOnlyOwnDescriptors() throws {
    let own =
      ([supervision.readyDescriptor, supervision.attachDescriptor].compactMap { $0 }
      + (supervision.heldDescriptors ?? []))
      .filter { $0 > 2 }.sorted()
    try attempt("close the caller's descriptors") { () throws(Errno) in
      var next: CInt = 3
      for number in own {
        try Execution.close(from: next, through: number - 1)
        next = number + 1
      }
      try Execution.close(from: next)
      try Execution.closeOnExecute(from: 3)
    }
  }

  func start() throws {
    guard let bundle else { return }
    let usesTerminal = bundle.config.process?.terminal == true
    let streams = try Streams(terminal: usesTerminal, hasInput: supervision.stdin != .none)
    var start = ContainerStart(root: context.root, id: supervision.id, log: context.log)
    start.replacesOrphan = true
    let (container, launched) = try start.run(bundle) { request in
      request.diesWithParent = true
      if usesTerminal { request.terminal = .caller }
      request.streams = streams.theirs.map { ($0.0.number, $0.1.number, $0.2.number) }
    }
    streams.handOver()
    if let terminal = launched.terminal {
      _ = fcntl(terminal.number, F_SETFL, fcntl(terminal.number, F_GETFL) | O_NONBLOCK)
      streams.terminal = terminal
    }
    self.streams = streams
    self.container = container
    pid = launched.pid
    process = OpenFile(try attempt("open process \(pid)") { () throws(Errno) in try openProcess(launched.pid) })
    inputBuffer = []
    closesInput = false
    startedAt = Timestamp.monotonic()
    oomKillsBefore = container.cgroup?.oomKills ?? 0
    state.status = .running
    state.pid = pid
    state.pidStartTime = container.saved.pidStartTime
    state.startedAt = Timestamp.now().text
    state.finishedAt = nil
    state.exitCode = nil
    state.oomKilled = false
    state.error = nil
    probes.begin(now: startedAt, &state)
    try Hooks.run(bundle.config.hooks?.poststart, "poststart", state: container.state(.running))
    if let hook = supervision.hooks?.postStart {
      run(hook, as: .postStart, timeout: Int64(supervision.stop.timeout) * 1_000_000_000)
    }
  }

  func save() throws {
    let text = try JSONText.encode(state)
    let file = FilePath(supervision.directory).appending("state.json")
    try attempt("write \(file)") { () throws(Errno) in try writeFileAtomically(file, text, mode: 0o600) }
  }

  // MARK: Ends

  func signal(_ number: CInt) {
    if number == SIGKILL || number == supervision.stop.signal { isStoppedByHand = true }
    if process == nil, isStoppedByHand { finish(code: state.exitCode ?? 0, oom: state.oomKilled) }
    if number == SIGKILL { return killContainer() }
    if let process { try? sendSignal(process.number, number) }
  }

  /// Everything in the container: its first process takes the others of its PID namespace along.
  func killContainer() {
    if let process { try? sendSignal(process.number, SIGKILL) }
    if bundle?.makes(.pid) != true { try? container?.cgroup?.kill() }
  }

  /// - Parameters:
  ///   - seconds: nil: the container's own; -1: for ever.
  ///   - signal: nil: the container's own.
  func stop(seconds: Int?, signal: CInt? = nil) {
    isStoppedByHand = true
    guard process != nil else { finish(code: state.exitCode ?? 0, oom: state.oomKilled) }
    if let signal { supervision.stop.signal = signal }
    terminate(seconds: seconds ?? supervision.stop.timeout)
  }

  func terminate(seconds: Int) {
    let deadline = seconds < 0 ? nil : Timestamp.monotonic() + Int64(seconds) * 1_000_000_000
    if isStopping {
      // The shorter time holds.
      if let deadline { killAt = min(killAt ?? deadline, deadline) }
      return
    }
    isStopping = true
    killAt = deadline
    if let hook = supervision.hooks?.preStop {
      run(hook, as: .preStop, timeout: seconds < 0 ? Int64.max / 4 : Int64(seconds) * 1_000_000_000)
    } else if let process {
      try? sendSignal(process.number, supervision.stop.signal)
    }
  }

  func processEnded() {
    // All of its PID namespace is dead: what it wrote is in the pipes.
    drain()
    let status = (try? waitForProcess(pid)) ?? .signaled(SIGKILL)
    let oom = (container?.cgroup?.oomKills ?? 0) > oomKillsBefore
    process = nil
    killAt = nil
    isStopping = false
    for job in jobs { job.abandon() }
    jobs = []
    streams = nil
    state.pid = nil
    state.pidStartTime = nil
    state.exitCode = status.code
    state.oomKilled = oom
    state.finishedAt = Timestamp.now().text
    state.ready = false
    state.started = false
    let ran = Timestamp.monotonic() - startedAt
    if ran > Restarts.steady { restartDelay = Restarts.firstDelay }
    guard !isStoppedByHand, Restarts.isDue(supervision.restart, code: status.code, count: state.restartCount) else {
      finish(code: status.code, oom: oom)
    }
    removeContainer()
    state.status = .restarting
    state.restartCount += 1
    restartAt = Timestamp.monotonic() + restartDelay
    restartDelay = Restarts.next(restartDelay)
    try? save()
  }

  func startAgain() {
    do {
      try start()
      try save()
    } catch {
      let failure = Self.failure(error)
      finish(code: failure.exitStatus, oom: false, error: failure.message)
    }
    let number = UInt32(pid)
    for client in clients { client.send(.started, withUnsafeBytes(of: number.bigEndian) { Array($0) }) }
  }

  func removeContainer() {
    if let container { do { try context.remove(container) } catch { state.error = "\(error)" } }
    container = nil
  }

  /// The last of it: never returns.
  func finish(code: Int32, oom: Bool, error: String? = nil) -> Never {
    if process != nil {
      killContainer()
      drain()
      _ = try? waitForProcess(pid)
      process = nil
    }
    state.status = .exited
    state.pid = nil
    state.exitCode = code
    state.oomKilled = oom
    if let error { state.error = error }
    state.finishedAt = state.finishedAt ?? Timestamp.now().text
    // Nobody attaches any more; ports are free from here on.
    if let directory { unlinkat(directory.number, "attach.sock", 0) }
    listener?.close()
    listener = nil
    for descriptor in supervision.heldDescriptors ?? [] { close(descriptor) }
    try? save()
    tellClients(code: code, oom: oom)
    let isCleanedUp = clients.contains { $0.cleansUp && !$0.isGone }
    clients = []
    removeContainer()
    guard !isCleanedUp, let command = supervision.exitCommand, let program = command.first else { _exit(0) }
    lock?.close()
    Signals.reset()
    _ = Execution.execute(program, command, environment: currentEnvironment())
    _exit(1)
  }

  func tellClients(code: Int32, oom: Bool) {
    for client in clients { client.send(.exit, Array("{\"exitCode\":\(code),\"oomKilled\":\(oom)}".utf8)) }
    // One that waits for its terminal is waited for; the others have had their time.
    let end = Timestamp.monotonic() + 5_000_000_000
    while case let slow = clients.filter({ $0.hasOutput && !$0.isGone }), !slow.isEmpty {
      let left = (end - Timestamp.monotonic()) / 1_000_000
      if left <= 0, !slow.contains(where: \.isPatient) { return }
      var waiting = slow.map { pollfd(fd: $0.socket.number, events: Int16(POLLOUT), revents: 0) }
      _ = try? Errno.retrying { poll(&waiting, nfds_t(waiting.count), left > 0 ? CInt(left) : -1) }
      for client in slow { client.flush() }
    }
    // A client may have said in its last words that it cleans up.
    for client in clients {
      while let request = client.receive() { if case .cleansUp = request { client.cleansUp = true } }
    }
  }
}
