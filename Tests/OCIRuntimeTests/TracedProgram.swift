import Glibc
import Kernel
import SystemPackage

/// A program under ptrace(2) that is killed after one of its system calls, so that a test can end it between any two of
/// its steps. All of it happens on the calling thread, which is the tracer.
struct TracedProgram {
  enum Victim {
    /// The program itself; what it starts runs untraced.
    case program
    /// Whichever of its children comes to the chosen call; the program goes on.
    case child
  }

  private let victim: Victim
  /// The tracees, each with the call that it is in; nil: none.
  private var tracees: [pid_t: UInt64?] = [:]
  private var calls = 0

  /// Runs a program to its end, or kills the victim right after the call of the given number that can have changed
  /// anything. false: there are not so many.
  static func run(_ command: [String], killing victim: Victim, afterCall number: Int) throws -> Bool {
    var traced = TracedProgram(victim: victim)
    return try traced.run(command, number)
  }

  private init(victim: Victim) { self.victim = victim }

  private mutating func run(_ command: [String], _ number: Int) throws -> Bool {
    // It waits until it is traced.
    var spawn = Spawn("/bin/sh", ["-c", "kill -STOP $$; exec \"$@\"", "sh"] + command)
    let null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR)
    spawn.descriptors = (0...2).map { (null.number, $0) }
    let program = try spawn.start()
    var status: CInt = 0
    try Errno.retrying { waitpid(program, &status, WUNTRACED) }
    // TRACESYSGOOD, TRACEEXEC, EXITKILL; for children TRACEFORK, TRACEVFORK, TRACECLONE.
    let options = 1 | 0x10 | 0x10_0000 | (victim == .child ? 0xe : 0)
    try Self.ptrace(0x4206 /* PTRACE_SEIZE */, program, 0, options)
    tracees[program] = .some(nil)
    kill(program, SIGCONT)
    defer { detachAll() }
    return try follow(program, number)
  }

  private mutating func follow(_ program: pid_t, _ number: Int) throws -> Bool {
    var isExecuting = false
    var isKilled = false
    while true {
      var status: CInt = 0
      // __WALL; __WNOTHREAD: not the children of tests on other threads.
      let from = victim == .program ? program : -1
      let pid = try Errno.retrying { waitpid(from, &status, 0x4000_0000 | 0x2000_0000) }
      guard status & 0xff == 0x7f else {
        tracees[pid] = nil
        if pid == program { return isKilled }
        continue
      }
      let signal = status >> 8 & 0xff
      let event = status >> 16
      if event == 4 /* PTRACE_EVENT_EXEC */ {
        if pid == program { isExecuting = true } else if tracees[pid] != nil {
          // The container's program, or a hook.
          try Self.ptrace(17 /* PTRACE_DETACH */, pid, 0, 0)
          tracees[pid] = nil
          continue
        }
      }
      if tracees[pid] == nil { tracees[pid] = .some(nil) }
      if signal == SIGTRAP | 0x80, isExecuting, isVictim(pid, program), try hasMadeCall(pid) {
        calls += 1
        if calls == number, !isKilled {
          isKilled = true
          kill(pid, SIGKILL)
          continue
        }
      }
      let delivered = event != 0 || signal == SIGTRAP || signal == SIGTRAP | 0x80 || signal == SIGCONT ? 0 : signal
      // It may have been killed meanwhile.
      try? Self.ptrace(24 /* PTRACE_SYSCALL */, pid, 0, Int(delivered))
    }
  }

  private func isVictim(_ pid: pid_t, _ program: pid_t) -> Bool { (pid == program) == (victim == .program) }

  /// At the end of a call that can have changed something outside of the process.
  private mutating func hasMadeCall(_ pid: pid_t) throws -> Bool {
    var info = [UInt8](repeating: 0, count: 88)
    try info.withUnsafeMutableBytes { buffer in
      try Self.ptrace(0x420e /* PTRACE_GET_SYSCALL_INFO */, pid, buffer.count, Int(bitPattern: buffer.baseAddress))
    }
    if info[0] == 1 /* entry */ {
      tracees[pid] = info.withUnsafeBytes { $0.load(fromByteOffset: 24, as: UInt64.self) }
      return false
    }
    guard info[0] == 2 /* exit */, let call = tracees[pid] ?? nil else { return false }
    return !Self.harmless.contains(call)
  }

  private mutating func detachAll() {
    for pid in tracees.keys {
      guard (try? Self.ptrace(0x4207 /* PTRACE_INTERRUPT */, pid, 0, 0)) != nil else { continue }
      var status: CInt = 0
      guard waitpid(pid, &status, 0x4000_0000) == pid, status & 0xff == 0x7f else { continue }
      try? Self.ptrace(17, pid, 0, 0)
    }
    tracees = [:]
  }

  /// Calls that only look, or that change this process's memory alone. Elsewhere than on x86-64 none is known.
  private static let harmless: Set<UInt64> = {
    #if arch(x86_64)
      [
        0, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 17, 21, 28, 39, 63, 72, 79, 89, 97, 99, 102, 104, 107, 108, 110, 125, 137,
        138, 158, 186, 202, 204, 217, 218, 228, 262, 267, 271, 273, 302, 318, 334, 439,
      ]
    #else
      []
    #endif
  }()

  /// Variadic in C, and so not imported.
  private static func ptrace(_ request: Int, _ pid: pid_t, _ address: Int, _ data: Int) throws {
    typealias Call = @convention(c) (Int, pid_t, Int, Int) -> Int
    let call = unsafeBitCast(dlsym(nil, "ptrace"), to: Call.self)
    guard call(request, pid, address, data) >= 0 else { throw Errno.current }
  }
}
