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
  private var supervision: Supervision
  private let context: VerbContext
  private var state = SupervisedState(status: .created, supervisor: 0)
  private var directory: OpenFile?
  private var lock: OpenFile?
  private var listener: OpenFile?
  private var log: LogFile?
  private var bundle: Bundle?

  private var clients: [Client] = []
  private var streams: Streams?
  private var container: Container?
  private var process: OpenFile?
  private var pid: Int32 = 0
  private var inputBuffer: [UInt8] = []
  private var closesInput = false

  private var jobs: [Job] = []
  private var probes: ProbeSet
  private var startedAt: Int64 = 0
  private var restartDelay: Int64 = Restarts.firstDelay
  private var restartAt: Int64?
  /// Somebody has asked for the end: no restart.
  private var isStoppedByHand = false
  private var isStopping = false
  private var killAt: Int64?
  private var oomKillsBefore: UInt64 = 0

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
    trimHeaps()
    dropProgramPages()
    do { try loop() } catch { finish(code: 255, oom: false, error: "\(error)") }
  }

  private static func failure(_ error: any Error) -> StartFailure {
    (error as? RuntimeError)?.failure ?? StartFailure(kind: .other, message: "\(error)")
  }

  // MARK: Start

  private func prepare() throws {
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
  private func keepOnlyOwnDescriptors() throws {
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

  private func start() throws {
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

  private func save() throws {
    let text = try JSONText.encode(state)
    let file = FilePath(supervision.directory).appending("state.json")
    try attempt("write \(file)") { () throws(Errno) in try writeFileAtomically(file, text, mode: 0o600) }
  }

  // MARK: The loop

  private func loop() throws -> Never {
    let signals = try attempt("take signals") { () throws(Errno) in try SignalDescriptor([SIGTERM, SIGINT, SIGHUP]) }
    while true {
      var waiting: [pollfd] = []
      func wait(_ number: CInt?, _ events: Int32) {
        waiting.append(pollfd(fd: number ?? -1, events: Int16(events), revents: 0))
      }
      wait(signals.number, POLLIN)
      wait(listener?.number, POLLIN)
      wait(process?.number, POLLIN)
      // Nothing is read that a patient client cannot take: the program waits, as it would for a pipe.
      let reads = !clients.contains(where: \.isFull)
      wait(reads ? streams?.output?.number : nil, POLLIN)
      wait(reads ? streams?.errorOutput?.number : nil, POLLIN)
      wait(streams?.terminal?.number, (reads ? POLLIN : 0) | (inputBuffer.isEmpty ? 0 : POLLOUT))
      wait(inputBuffer.isEmpty ? nil : streams?.input?.number, POLLOUT)
      let attached = clients
      for client in attached {
        // One that stalls is left out as a whole: its hanging up would be reported again and again.
        let events = (stalls(client) ? 0 : POLLIN) | (client.hasOutput ? POLLOUT : 0)
        wait(events == 0 ? nil : client.socket.number, events)
      }
      let working = jobs
      for job in working {
        wait(job.process.number, POLLIN)
        wait(job.output?.number, POLLIN)
      }
      _ = try attempt("wait") { () throws(Errno) in
        try Errno.retrying { poll(&waiting, nfds_t(waiting.count), milliseconds()) }
      }
      func isReady(_ index: Int) -> Bool { waiting[index].fd >= 0 && waiting[index].revents != 0 }

      while signals.next() != nil { stop(seconds: nil) }
      if isReady(1) { accept() }
      if isReady(3) { readOutput() }
      if isReady(4) { readErrorOutput() }
      if isReady(5) {
        readTerminal()
        writeInput()
      }
      if isReady(6) { writeInput() }
      for (index, client) in attached.enumerated() where isReady(7 + index) {
        client.flush()
        // What the program does not read stays in the client's socket, and the client waits.
        while !stalls(client), let request = client.receive() { answer(request, client) }
      }
      removeGoneClients()
      for (index, job) in working.enumerated() {
        let place = 7 + attached.count + 2 * index
        if isReady(place + 1) { job.readOutput() }
        if isReady(place) { jobEnded(job) }
      }
      checkTime()
      if isReady(2), waiting[2].fd == process?.number { processEnded() }
    }
  }

  /// Until the next thing that has a time.
  private func milliseconds() -> CInt {
    var next = [restartAt, killAt].compactMap { $0 } + jobs.map(\.deadline)
    // While it stops, and between two runs, nothing is asked: a time that has passed must not keep the loop turning.
    if asksProbes, let probe = probes.next { next.append(probe) }
    guard let first = next.min() else { return -1 }
    let rest = first - Timestamp.monotonic()
    return rest <= 0 ? 0 : CInt(min(rest / 1_000_000 + 1, 3_600_000))
  }

  private var asksProbes: Bool { process != nil && !isStopping }

  private func checkTime() {
    let now = Timestamp.monotonic()
    if let killAt, killAt <= now {
      self.killAt = nil
      killContainer()
    }
    for job in jobs where job.deadline <= now { job.timeOut() }
    if let restartAt, restartAt <= now {
      self.restartAt = nil
      startAgain()
    }
    guard asksProbes else { return }
    let due = probes.due(now)
    guard !due.isEmpty else { return }
    // A process that begins in a frozen cgroup would never say that it runs.
    guard container?.cgroup?.isFrozen != true else { return probes.postpone(due, until: now + 1_000_000_000) }
    for index in due {
      let probe = probes.all[index].probe
      run(probe.action, as: .probe(index), timeout: probe.timeout)
    }
  }

  // MARK: Clients

  private func accept() {
    guard let listener, let socket = try? LocalSockets.accept(listener.number, nonBlocking: true) else { return }
    clients.append(Client(OpenFile(socket), isPatient: false))
  }

  private func answer(_ request: Client.Request, _ client: Client) {
    switch request {
    case .hello(let stdin, let stdout, let stderr):
      client.takesStdin = stdin
      client.takesStdout = stdout
      client.takesStderr = stderr
    case .stdin(let bytes):
      guard client.takesStdin, supervision.stdin != .none, !closesInput else { return }
      inputBuffer += bytes
      writeInput()
    case .closeStdin: if client.takesStdin { inputEnded() }
    case .resize(let rows, let columns):
      if let terminal = streams?.terminal { try? Terminals.setSize(terminal.number, rows: rows, columns: columns) }
    case .stop(let seconds, let signal): stop(seconds: seconds, signal: signal)
    case .cleansUp: client.cleansUp = true
    case .rotateLog: log?.reopen()
    case .kill(let number): signal(number)
    }
  }

  private func stalls(_ client: Client) -> Bool { client.takesStdin && inputBuffer.count > 64 << 10 }

  private func removeGoneClients() {
    for client in clients where client.isGone && client.takesStdin { inputEnded() }
    clients.removeAll(where: \.isGone)
  }

  private func inputEnded() {
    // A terminal has no end of its own; `open` waits for the next client.
    guard supervision.stdin == .once, streams?.terminal == nil else { return }
    closesInput = true
    writeInput()
  }

  // MARK: Bytes

  private func writeInput() {
    guard let target = streams?.input ?? streams?.terminal else {
      inputBuffer = []
      return
    }
    while !inputBuffer.isEmpty {
      let count = write(target.number, inputBuffer, inputBuffer.count)
      if count < 0 {
        if errno == EINTR { continue }
        if errno != EAGAIN {
          // The program has closed its end.
          inputBuffer = []
          if streams?.terminal == nil { streams?.input = nil }
        }
        return
      }
      inputBuffer.removeFirst(count)
    }
    if closesInput { streams?.input = nil }
  }

  private func readOutput() {
    guard let streams, let file = streams.output else { return }
    if !read(file, .stdout, .stdout) { streams.output = nil }
  }

  private func readErrorOutput() {
    guard let streams, let file = streams.errorOutput else { return }
    if !read(file, .stderr, .stderr) { streams.errorOutput = nil }
  }

  private func readTerminal() {
    guard let streams, let file = streams.terminal else { return }
    if !read(file, .stdout, .stdout) { streams.terminal = nil }
  }

  /// One piece; false at the end.
  private func read(_ file: OpenFile, _ kind: Client.Kind, _ stream: LogFile.Stream) -> Bool {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Client.largest) { buffer in
      let count = Glibc.read(file.number, buffer.baseAddress, buffer.count)
      if count < 0 { return errno == EAGAIN || errno == EINTR }
      guard count > 0 else { return false }
      let bytes = Array(buffer[..<count])
      log?.write(bytes[...], stream)
      for client in clients where kind == .stdout ? client.takesStdout : client.takesStderr { client.send(kind, bytes) }
      return true
    }
  }

  /// What is left in the pipes of a program that has ended.
  private func drain() {
    guard let streams else { return }
    for (file, kind, stream) in [
      (streams.output, Client.Kind.stdout, LogFile.Stream.stdout), (streams.errorOutput, .stderr, .stderr),
      (streams.terminal, .stdout, .stdout),
    ] {
      guard let file else { continue }
      var available: CInt = 0
      repeat {
        available = 0
        _ = ioctl(file.number, UInt(FIONREAD), &available)
      } while available > 0 && read(file, kind, stream)
    }
    log?.finish()
  }

  // MARK: Ends

  private func signal(_ number: CInt) {
    if number == SIGKILL || number == supervision.stop.signal { isStoppedByHand = true }
    if process == nil, isStoppedByHand { finish(code: state.exitCode ?? 0, oom: state.oomKilled) }
    if number == SIGKILL { return killContainer() }
    if let process { try? sendSignal(process.number, number) }
  }

  /// Everything in the container: its first process takes the others of its PID namespace along.
  private func killContainer() {
    if let process { try? sendSignal(process.number, SIGKILL) }
    if bundle?.makes(.pid) != true { try? container?.cgroup?.kill() }
  }

  /// - Parameters:
  ///   - seconds: nil: the container's own; -1: for ever.
  ///   - signal: nil: the container's own.
  private func stop(seconds: Int?, signal: CInt? = nil) {
    isStoppedByHand = true
    guard process != nil else { finish(code: state.exitCode ?? 0, oom: state.oomKilled) }
    if let signal { supervision.stop.signal = signal }
    terminate(seconds: seconds ?? supervision.stop.timeout)
  }

  private func terminate(seconds: Int) {
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

  private func processEnded() {
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

  private func startAgain() {
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

  private func removeContainer() {
    if let container { do { try context.remove(container) } catch { state.error = "\(error)" } }
    container = nil
  }

  /// The last of it: never returns.
  private func finish(code: Int32, oom: Bool, error: String? = nil) -> Never {
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

  private func tellClients(code: Int32, oom: Bool) {
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

  // MARK: Probes and hooks

  private func run(_ action: ProbeAction, as purpose: Job.Purpose, timeout: Int64) {
    guard let bundle, let container else { return }
    do {
      jobs.append(try Job(action, purpose, timeout: timeout, bundle: bundle, container: container, context: context))
    } catch {
      result(
        of: purpose, Job.Outcome(code: -1, output: Array("\(error)".utf8), started: Timestamp.now(), timedOut: false))
    }
  }

  private func jobEnded(_ job: Job) {
    jobs.removeAll { $0 === job }
    result(of: job.purpose, job.end())
  }

  private func result(of purpose: Job.Purpose, _ outcome: Job.Outcome) {
    switch purpose {
    case .postStart:
      guard outcome.code != 0 else { return }
      state.error = "the postStart hook failed: \(String(decoding: outcome.output.prefix(1024), as: UTF8.self))"
      terminate(seconds: supervision.stop.timeout)
    case .preStop: if let process { try? sendSignal(process.number, supervision.stop.signal) }
    case .probe(let index):
      guard process != nil else { return }
      let change = probes.take(outcome, of: index, now: Timestamp.monotonic(), &state)
      if change.isWorthSaving { try? save() }
      if change.endsContainer {
        state.error = "the \(probes.all[index].probe.kind.rawValue) probe failed"
        terminate(seconds: supervision.stop.timeout)
      }
    }
  }
}

/// When a container is started again. (docker's restart policies)
enum Restarts {
  static let firstDelay: Int64 = 100_000_000
  static let longestDelay: Int64 = 60_000_000_000
  /// After so long a run the delay begins anew.
  static let steady: Int64 = 10_000_000_000

  /// The delay after this one.
  static func next(_ delay: Int64) -> Int64 { min(delay * 2, longestDelay) }

  static func isDue(_ policy: RestartPolicy, code: Int32, count: Int) -> Bool {
    switch policy.policy {
    case .no: false
    case .always, .unlessStopped: true
    case .onFailure:
      code != 0 && ((policy.maximumRetries ?? 0) == 0 || count < (policy.maximumRetries ?? 0))
    }
  }
}
