internal import Glibc
internal import Kernel

/// The terminal on standard input in raw mode, put back with the object.
final class RawTerminal {
  private let settings: TerminalSettings?

  /// Of no terminal nothing changes.
  init() { settings = try? Terminals.makeRaw(STDIN_FILENO) }

  deinit { if let settings { Terminals.restore(STDIN_FILENO, settings) } }

  /// That of standard input or output; nil where neither is a terminal.
  static var size: (rows: UInt16, columns: UInt16)? {
    for descriptor in [STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO] {
      if let size = try? Terminals.size(descriptor), size.rows > 0, size.columns > 0 { return size }
    }
    return nil
  }
}

/// Signals of a command that is attached to a program: taken in order, in place of what they do by themselves.
struct AttachedSignals: ~Copyable {
  /// What is handed on to the program.
  private static let forwarded = [
    SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT, SIGIO, SIGPWR, SIGXCPU, SIGVTALRM, SIGPROF,
  ]

  private let descriptor: SignalDescriptor

  /// Call it before there are threads: theirs are blocked with these.
  init() throws { descriptor = try SignalDescriptor(Self.forwarded + [SIGWINCH]) }

  var number: CInt { descriptor.number }
  func next() -> CInt? { descriptor.next() }
}
