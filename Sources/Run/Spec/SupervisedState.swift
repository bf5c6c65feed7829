/// `state.json` of a supervised container. When nobody holds the lock beside it and the status is not `exited`, the
/// supervisor was killed and the container with it.
public struct SupervisedState: Hashable, Sendable, Codable {
  public enum Status: String, Hashable, Sendable, Codable { case created, running, paused, restarting, exited }

  public var status: Status
  /// Process 1 of the container, in the host's PID namespace; nil while none runs.
  public var pid: Int32?
  /// Clock ticks since boot, field 22 of /proc/pid/stat: tells a reused PID.
  public var pidStartTime: UInt64?
  public var supervisor: Int32
  /// RFC 3339 with nanoseconds, as `finishedAt`.
  public var startedAt: String?
  public var finishedAt: String?
  /// As a shell says it: 128 and the signal's number for a process that a signal ended.
  public var exitCode: Int32?
  public var oomKilled: Bool
  public var restartCount: Int
  /// Why it could not be started, or was ended.
  public var error: String?
  /// nil without a health check.
  public var health: HealthState?
  /// The readiness probe's answer; true without one while the container runs.
  public var ready: Bool
  /// The startup probe has succeeded, or there is none.
  public var started: Bool

  public init(
    status: Status, pid: Int32? = nil, pidStartTime: UInt64? = nil, supervisor: Int32, startedAt: String? = nil,
    finishedAt: String? = nil, exitCode: Int32? = nil, oomKilled: Bool = false, restartCount: Int = 0,
    error: String? = nil, health: HealthState? = nil, ready: Bool = false, started: Bool = false
  ) {
    self.status = status
    self.pid = pid
    self.pidStartTime = pidStartTime
    self.supervisor = supervisor
    self.startedAt = startedAt
    self.finishedAt = finishedAt
    self.exitCode = exitCode
    self.oomKilled = oomKilled
    self.restartCount = restartCount
    self.error = error
    self.health = health
    self.ready = ready
    self.started = started
  }
}

public struct HealthState: Hashable, Sendable, Codable {
  public enum Status: String, Hashable, Sendable, Codable { case starting, healthy, unhealthy }

  public struct Entry: Hashable, Sendable, Codable {
    /// RFC 3339 with nanoseconds.
    public var start: String
    public var end: String
    public var exitCode: Int32
    /// At most 4096 bytes.
    public var output: String

    public init(start: String, end: String, exitCode: Int32, output: String) {
      self.start = start
      self.end = end
      self.exitCode = exitCode
      self.output = output
    }
  }

  public var status: Status
  public var failingStreak: Int
  /// The last five, oldest first.
  public var log: [Entry]

  public init(status: Status = .starting, failingStreak: Int = 0, log: [Entry] = []) {
    self.status = status
    self.failingStreak = failingStreak
    self.log = log
  }
}

/// The line that a supervisor writes to its ready descriptor: either both process IDs or an error.
public struct SupervisorReport: Hashable, Sendable, Codable {
  public var pid: Int32?
  public var supervisor: Int32?
  public var error: StartFailure?

  public init(pid: Int32, supervisor: Int32) {
    self.pid = pid
    self.supervisor = supervisor
  }

  public init(error: StartFailure) { self.error = error }
}

/// Why a container did not start.
public struct StartFailure: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  public enum Kind: String, Hashable, Sendable, Codable {
    case programNotFound, programNotExecutable, workingDirectory, user, rootfs, mount, resources, seccomp, busy, other
  }

  public var kind: Kind
  public var message: String

  public init(kind: Kind, message: String) {
    self.kind = kind
    self.message = message
  }

  public var description: String { message }

  /// The status of `run` for this failure, as Docker's: 127 not found, 126 not executable, 125 for the rest.
  public var exitStatus: Int32 {
    switch kind {
    case .programNotFound: 127
    case .programNotExecutable: 126
    default: 125
    }
  }
}
