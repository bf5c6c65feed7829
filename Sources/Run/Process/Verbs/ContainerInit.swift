import Glibc
import Kernel
import SystemPackage

/// Process 1 in front of a program that does not expect to be it: hands signals on, and reaps what is orphaned.
/// (annotation `dev.clipper.init`)
enum ContainerInit {
  /// - Parameters:
  ///   - program: the file to execute.
  ///   - arguments: the whole argument vector.
  /// - Returns: the program's status.
  static func run(program: String, _ arguments: [String]) -> Int32 {
    // Faults of this process are its own.
    let own: Set<CInt> = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGKILL, SIGSTOP]
    var set = sigset_t(), before = sigset_t()
    sigfillset(&set)
    for signal in own { sigdelset(&set, signal) }
    sigprocmask(SIG_SETMASK, &set, &before)
    signal(SIGTTIN, SIG_IGN)
    signal(SIGTTOU, SIG_IGN)
    let child = fork(program, arguments, &before)
    guard child > 0 else { return 126 }
    while true {
      var number: CInt = 0
      guard sigwait(&set, &number) == 0 else { continue }
      guard number == SIGCHLD else {
        if number != SIGTTIN, number != SIGTTOU { kill(child, number) }
        continue
      }
      var status: CInt = 0
      while case let pid = waitpid(-1, &status, WNOHANG), pid > 0 {
        if pid == child { return ExitStatus(waitStatus: status).code }
      }
    }
  }

  private static func fork(_ program: String, _ arguments: [String], _ mask: inout sigset_t) -> Int32 {
    guard let outcome = try? Cloning.fork() else { return -1 }
    switch outcome {
    case .parent(let pid): return pid
    case .child:
      // A process group of its own, in front where there is a terminal.
      setpgid(0, 0)
      if isatty(0) == 1 { tcsetpgrp(0, getpid()) }
      signal(SIGTTIN, SIG_DFL)
      signal(SIGTTOU, SIG_DFL)
      sigprocmask(SIG_SETMASK, &mask, nil)
      let error = Execution.execute(program, arguments, environment: currentEnvironment())
      Log.print("exec: \"\(arguments.first ?? program)\": \(error)")
      _exit(error == .noSuchFileOrDirectory ? 127 : 126)
    }
  }
}
