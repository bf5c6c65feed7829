internal import CKernel
import Glibc
public import SystemPackage

/// Starts another program. Close-on-exec descriptors stay here; those in `descriptors` appear there under their new
/// numbers. (posix_spawn(3))
public struct Spawn: Sendable {
  public var path: FilePath
  /// The whole argument vector, the program's name first.
  public var arguments: [String]
  /// `NAME=value`; nil hands this process's environment on.
  public var environment: [String]?
  /// (number here, number there). 0, 1 and 2 that are not named are inherited.
  public var descriptors: [(CInt, CInt)] = []
  /// Where the program begins; nil is this process's working directory.
  public var directory: FilePath?
  /// A session of its own: signals from the terminal do not reach it.
  public var newSession = false
  /// A process group of its own, by which all that it starts can be ended together.
  public var newGroup = false

  public init(_ path: FilePath, _ arguments: [String]) {
    self.path = path
    self.arguments = [path.string] + arguments
  }

  /// The new process's ID. The caller reaps it.
  public func start() throws(Errno) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Two passes, over numbers that no target uses: a source may itself be a target.
    let safe = (descriptors.map { max($0.0, $0.1) }.max() ?? 2) + 1
    for (index, (source, _)) in descriptors.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, source, safe + CInt(index))
    }
    for (index, (_, target)) in descriptors.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, safe + CInt(index), target)
      posix_spawn_file_actions_addclose(&actions, safe + CInt(index))
    }
    if let directory { kernel_spawn_chdir(&actions, directory.string) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t(), all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var flags = CShort(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
    if newSession { flags |= 0x80 /* POSIX_SPAWN_SETSID */ }
    if newGroup { flags |= CShort(POSIX_SPAWN_SETPGROUP) }
    posix_spawnattr_setflags(&attributes, flags)

    var argv = arguments.map { strdup($0) } + [nil]
    var envp = (environment ?? []).map { strdup($0) } + [nil]
    defer {
      for pointer in argv { free(pointer) }
      for pointer in envp { free(pointer) }
    }
    var pid: pid_t = 0
    let result =
      environment == nil
      ? posix_spawn(&pid, path.string, &actions, &attributes, &argv, environ)
      : posix_spawn(&pid, path.string, &actions, &attributes, &argv, &envp)
    guard result == 0 else { throw Errno(rawValue: result) }
    return pid
  }
}

/// How a process ended.
public enum ExitStatus: Hashable, Sendable {
  case exited(CInt)
  case signaled(CInt)

  public init(waitStatus status: CInt) {
    self = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signaled(status & 0x7f)
  }

  /// As a shell says it: the status, or 128 and the signal's number.
  public var code: CInt {
    switch self {
    case .exited(let code): code
    case .signaled(let signal): 128 + signal
    }
  }
}

/// Waits until a child of this process has ended, and reaps it.
public func waitForProcess(_ pid: Int32) throws(Errno) -> ExitStatus {
  var status: CInt = 0
  try Errno.retrying { waitpid(pid, &status, 0) }
  return ExitStatus(waitStatus: status)
}
