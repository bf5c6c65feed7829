import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

extension Supervisor {
  func loop() throws -> Never {
    let signals = try attempt("take signals") { () throws(Errno) in try SignalDescriptor([SIGTERM, SIGINT, SIGHUP]) }
    while true {
      var waiting: [pollfd] = []
      func add(_ number: CInt?, _ events: Int32) {
        waiting.append(pollfd(fd: number ?? -1, events: Int16(events), revents: 0))
      }
      add(signals.number, POLLIN)
      add(listener?.number, POLLIN)
      add(process?.number, POLLIN)
      // Nothing is read that a patient client cannot take: the program waits, as it would for a pipe.
      let reads = !clients.contains(where: \.isFull)
      add(reads ? streams?.output?.number : nil, POLLIN)
      add(reads ? streams?.errorOutput?.number : nil, POLLIN)
      add(streams?.terminal?.number, (reads ? POLLIN : 0) | (inputBuffer.isEmpty ? 0 : POLLOUT))
      add(inputBuffer.isEmpty ? nil : streams?.input?.number, POLLOUT)
      let attached = clients
      for client in attached {
        // One that stalls is left out as a whole: its hanging up would be reported again and again.
        let events = (stalls(client) ? 0 : POLLIN) | (client.hasOutput ? POLLOUT : 0)
        add(events == 0 ? nil : client.socket.number, events)
      }
      let working = jobs
      for job in working {
        add(job.process.number, POLLIN)
        add(job.output?.number, POLLIN)
      }
      try wait(for: &waiting)
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

  /// Waits for the next event. When for a moment nothing happens, what the last ones have left in memory is given back
  /// first: a supervisor sleeps most of its life, and there is one for every container.
  private func wait(for waiting: inout [pollfd]) throws {
    let time = milliseconds()
    guard time < 0 || time > Self.settlingMilliseconds else {
      _ = try poll(&waiting, time)
      return
    }
    if try poll(&waiting, Self.settlingMilliseconds) { return }
    let rest = milliseconds()
    releaseMemory()
    _ = try poll(&waiting, rest)
  }

  /// What was needed, and the program's own pages, are not needed by one who sleeps.
  func releaseMemory() {
    log?.releaseMemory()
    trimHeaps()
    dropProgramPages()
  }

  private static let settlingMilliseconds: CInt = 200

  /// Whether something has happened.
  private func poll(_ waiting: inout [pollfd], _ milliseconds: CInt) throws -> Bool {
    try attempt("wait") { () throws(Errno) in
      try Errno.retrying { Glibc.poll(&waiting, nfds_t(waiting.count), milliseconds) } > 0
    }
  }

  /// Until the next thing that has a time.
  func milliseconds() -> CInt {
    var next = [restartAt, killAt].compactMap { $0 } + jobs.map(\.deadline)
    // While it stops, and between two runs, nothing is asked: a time that has passed must not keep the loop turning.
    if asksProbes, let probe = probes.next { next.append(probe) }
    guard let first = next.min() else { return -1 }
    let rest = first - Timestamp.monotonic()
    return rest <= 0 ? 0 : CInt(min(rest / 1_000_000 + 1, 3_600_000))
  }

  var asksProbes: Bool { process != nil && !isStopping }

  func checkTime() {
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

  func accept() {
    guard let listener, let socket = try? LocalSockets.accept(listener.number, nonBlocking: true) else { return }
    clients.append(Client(OpenFile(socket), isPatient: false))
  }

  func answer(_ request: Client.Request, _ client: Client) {
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

  func stalls(_ client: Client) -> Bool { client.takesStdin && inputBuffer.count > 64 << 10 }

  func removeGoneClients() {
    for client in clients where client.isGone && client.takesStdin { inputEnded() }
    clients.removeAll(where: \.isGone)
  }

  func inputEnded() {
    // A terminal has no end of its own; `open` waits for the next client.
    guard supervision.stdin == .once, streams?.terminal == nil else { return }
    closesInput = true
    writeInput()
  }
}
