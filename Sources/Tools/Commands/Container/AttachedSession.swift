internal import Engine
internal import Glibc
internal import Kernel
internal import Sandboxes
internal import SystemPackage

/// A command attached to a container: its streams are the container's until the container ends or is left to itself.
struct AttachedSession {
  enum End {
    case exited(Int32)
    case detached
    /// By a signal that the container did not get.
    case interrupted(CInt)
    /// The supervisor is gone without a word.
    case lost
  }

  let attachment: Attachment
  var isTerminal = false
  var takesStdin = false
  var takesStdout = true
  var takesStderr = true
  /// Signals go to the program; else they end this command.
  var proxiesSignals = true
  var keys: DetachKeys

  /// Standard input as it was read and not sent yet.
  private var pending: [UInt8] = []
  private var inputIsOpen = false
  private var wishesToDetach = false
  private var interruptions = 0

  init(_ attachment: Attachment, keys: DetachKeys) {
    self.attachment = attachment
    self.keys = keys
  }

  mutating func run(_ signals: borrowing AttachedSignals) throws -> End {
    let raw = isTerminal && takesStdin ? RawTerminal() : nil
    defer { withExtendedLifetime(raw) {} }
    inputIsOpen = takesStdin
    if isTerminal { try resize() }
    while true {
      var waiting = [
        // Only what the supervisor can take is sent: to wait for it would stop the output that it waits to get rid of.
        pollfd(fd: attachment.descriptor, events: Int16(POLLIN | (pending.isEmpty ? 0 : POLLOUT)), revents: 0),
        pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: inputIsOpen && pending.isEmpty ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
      ]
      if poll(&waiting, nfds_t(waiting.count), -1) < 0, errno != EINTR { throw Failure("poll: \(Errno.current)") }
      while let signal = signals.next() {
        if let end = try take(signal) { return end }
      }
      if waiting[0].revents & Int16(POLLOUT) != 0 { try sendPending() }
      if waiting[2].revents != 0 { try readInput() }
      if wishesToDetach, pending.isEmpty { return .detached }
      if waiting[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
        switch try attachment.receive() {
        case nil: return .lost
        case .output(let bytes)?: if takesStdout { try Self.write(bytes, to: STDOUT_FILENO) }
        case .errorOutput(let bytes)?: if takesStderr { try Self.write(bytes, to: STDERR_FILENO) }
        case .exited(let code, _)?: return .exited(code)
        case .started?: if isTerminal { try resize() }
        }
      }
    }
  }

  // MARK: Input

  private mutating func readInput() throws {
    var buffer = [UInt8](repeating: 0, count: 32 << 10)
    let count = read(STDIN_FILENO, &buffer, buffer.count)
    if count < 0 {
      if errno == EINTR || errno == EAGAIN { return }
      // What cannot be read has ended: a closed descriptor, a terminal that hung up.
    }
    guard count > 0 else {
      inputIsOpen = false
      return try ignoringEnd { try attachment.closeStdin() }
    }
    if isTerminal {
      (pending, wishesToDetach) = keys.pass(buffer[..<count])
    } else {
      pending = Array(buffer[..<count])
    }
    if wishesToDetach { inputIsOpen = false }
  }

  private mutating func sendPending() throws {
    let bytes = pending
    pending = []
    try ignoringEnd { try bytes.withUnsafeBytes { try attachment.write($0) } }
  }

  /// The container may just have ended: the supervisor's last word says so.
  private func ignoringEnd(_ body: () throws -> Void) throws {
    do { try body() } catch SupervisionError.notRunning {}
  }

  // MARK: Signals

  private mutating func take(_ signal: CInt) throws -> End? {
    if signal == SIGWINCH {
      if isTerminal { try resize() }
      return nil
    }
    guard proxiesSignals, !isTerminal else { return signal == SIGCONT ? nil : .interrupted(signal) }
    try ignoringEnd { try attachment.kill(signal) }
    if signal == SIGINT || signal == SIGTERM {
      interruptions += 1
      // The program does not mind them, and somebody does not want to wait.
      if interruptions == 3 {
        printError("got 3 SIGTERM/SIGINTs, forcefully exiting")
        return .interrupted(signal)
      }
    }
    return nil
  }

  private func resize() throws {
    guard let size = RawTerminal.size else { return }
    try ignoringEnd { try attachment.resize(rows: size.rows, columns: size.columns) }
  }

  // MARK: Output

  /// Writes all of it, also where another program has made the descriptor non-blocking.
  static func write(_ bytes: [UInt8], to descriptor: CInt) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        rest = rest.dropFirst(count)
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&waiting, 1, -1)
      // Nobody reads any more: the program runs on as it does without a reader of its log.
      case EPIPE, EIO, EBADF: return
      default: throw Failure("write: \(Errno.current)")
      }
    }
  }
}
