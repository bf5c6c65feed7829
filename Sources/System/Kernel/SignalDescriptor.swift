internal import CKernel
import Glibc
public import SystemPackage

/// Blocked signals, to be read and polled for. (signalfd(2))
public struct SignalDescriptor: ~Copyable, Sendable {
  private let descriptor: OwnedDescriptor

  /// Blocks the signals for the calling thread.
  public init(_ signals: [CInt]) throws(Errno) {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    sigprocmask(SIG_BLOCK, &set, nil)
    descriptor = OwnedDescriptor(try Errno.check(signalfd(-1, &set, CInt(SFD_CLOEXEC | SFD_NONBLOCK))))
  }

  public var number: CInt { descriptor.number }

  /// The next signal that has come; nil for none.
  public func next() -> CInt? {
    var info = signalfd_siginfo()
    let count = read(descriptor.number, &info, MemoryLayout<signalfd_siginfo>.size)
    return count == MemoryLayout<signalfd_siginfo>.size ? CInt(info.ssi_signo) : nil
  }
}
