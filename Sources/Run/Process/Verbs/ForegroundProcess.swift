import Glibc
import Kernel
import SystemPackage

/// A process in a container for which the runtime stays: its signals go to it, and where it has a terminal of its own,
/// bytes go between that and the caller's.
struct ForegroundProcess {
  /// Orphans of the container become this process's children where it has no PID namespace to itself: they are reaped.
  var reapsOrphans = false

  private static let forwarded: [CInt] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGALRM, SIGIO,
    SIGPWR,
  ]

  /// From here on signals wait until the process can have them.
  func begin() throws {
    // Output that nobody reads any more must not end this process with the terminal left raw.
    signal(SIGPIPE, SIG_IGN)
    Signals.block(Self.forwarded + [SIGCHLD])
    if reapsOrphans {
      try attempt("reap orphans of the container") { () throws(Errno) in try Privileges.becomeSubreaper() }
    }
  }

  func end() {
    var none = sigset_t()
    sigemptyset(&none)
    sigprocmask(SIG_SETMASK, &none, nil)
  }

  func wait(
    _ pid: Int32, terminal: OpenFile?, _ notifications: (NotifySocket, OpenFile)? = nil
  ) throws -> ExitStatus {
    var notifications = notifications
    let relay = terminal.map { TerminalRelay($0) }
    defer { relay?.restore() }
    let signals = try attempt("take signals") { () throws(Errno) in try SignalDescriptor(Self.forwarded + [SIGCHLD]) }
    let process = try attempt("open process \(pid)") { () throws(Errno) in try openProcess(pid) }
    while true {
      var waiting = [
        pollfd(fd: process.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
      ]
      waiting.append(pollfd(fd: notifications?.1.number ?? -1, events: Int16(POLLIN), revents: 0))
      if let relay { waiting += relay.descriptors }
      let milliseconds = CInt(-1)
      _ = try attempt("wait for process \(pid)") { () throws(Errno) in
        try Errno.retrying { poll(&waiting, nfds_t(waiting.count), milliseconds) }
      }
      while let signal = signals.next() { take(signal, process.number, relay) }
      relay?.move(Array(waiting.dropFirst(3)))
      // Once is enough; a caller that has gone is none of the container's business.
      if let (socket, listener) = notifications, waiting[2].revents != 0,
        (try? socket.forward(listener, pid: pid)) ?? true
      {
        notifications = nil
      }
      if waiting[0].revents != 0 {
        relay?.finish()
        return try attempt("wait for process \(pid)") { () throws(Errno) in try waitForProcess(pid) }
      }
      if reapsOrphans { reap(except: pid) }
    }
  }

  private func take(_ signal: CInt, _ process: CInt, _ relay: TerminalRelay?) {
    switch signal {
    case SIGCHLD: return
    case SIGWINCH where relay != nil: relay?.resize()
    case SIGCONT:
      // The shell has given the terminal its own settings meanwhile.
      relay?.takeTerminal()
      try? sendSignal(process, signal)
    default: try? sendSignal(process, signal)
    }
  }

  private func reap(except pid: Int32) {
    while true {
      var ended = siginfo_t()
      guard waitid(P_ALL, 0, &ended, CInt(WEXITED | WNOHANG | WNOWAIT)) == 0 else { return }
      let found = ended._sifields._sigchld.si_pid
      guard found > 0, found != pid else { return }
      waitpid(found, nil, 0)
    }
  }
}

/// Bytes between the caller's terminal and a container's.
final class TerminalRelay {
  private let master: OpenFile
  private var settings: TerminalSettings?
  private var inputOpen = true
  private var outputOpen = true
  private var pending: [UInt8] = []

  init(_ master: OpenFile) {
    self.master = master
    let flags = fcntl(master.number, F_GETFL)
    _ = fcntl(master.number, F_SETFL, flags | O_NONBLOCK)
    takeTerminal()
  }

  /// Keys go to the container as they are. A job in the background leaves the terminal to the one in front.
  func takeTerminal() {
    guard isatty(0) == 1, tcgetpgrp(0) == getpgrp() else { return }
    if let before = try? Terminals.makeRaw(0) { settings = settings ?? before }
    resize()
  }

  func restore() {
    if let settings { Terminals.restore(0, settings) }
    settings = nil
  }

  func resize() {
    guard let (rows, columns) = try? Terminals.size(0) else { return }
    try? Terminals.setSize(master.number, rows: rows, columns: columns)
  }

  var descriptors: [pollfd] {
    [
      pollfd(fd: outputOpen ? master.number : -1, events: Int16(POLLIN | (pending.isEmpty ? 0 : POLLOUT)), revents: 0),
      pollfd(fd: inputOpen && pending.isEmpty ? 0 : -1, events: Int16(POLLIN), revents: 0),
    ]
  }

  func move(_ ready: [pollfd]) {
    guard ready.count == 2 else { return }
    if ready[0].revents & Int16(POLLIN) != 0 {
      _ = readOutput()
    } else if ready[0].revents & Int16(POLLHUP) != 0 {
      // Nobody has the terminal open any more: poll would come back at once, time and again.
      outputOpen = false
    }
    if ready[1].revents != 0 { readInput() }
    flush()
  }

  /// What is still in the terminal when the process has ended; another one may go on writing.
  func finish() { for _ in 0..<64 where !readOutput() { return } }

  private func readOutput() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 32 << 10)
    let count = read(master.number, &buffer, buffer.count)
    guard count > 0 else { return false }
    try? writeAll(1, Array(buffer[..<count]))
    return true
  }

  private func readInput() {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(0, &buffer, buffer.count)
    if count <= 0 {
      if count < 0, errno == EAGAIN || errno == EINTR { return }
      inputOpen = false
      // End of file, as a terminal says it.
      pending.append(4)
      return
    }
    pending += buffer[..<count]
  }

  private func flush() {
    guard !pending.isEmpty else { return }
    let count = write(master.number, pending, pending.count)
    if count > 0 { pending.removeFirst(count) }
  }
}
