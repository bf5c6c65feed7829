import Glibc
import Kernel
import RuntimeSpec

/// The probes of a container and what their answers mean: the kubelet's for startup, liveness and readiness, docker's
/// for health.
struct ProbeSet {
  struct Entry {
    let probe: Probe
    /// nil: it runs, waits for the startup probe, or is done.
    var nextAt: Int64?
    var successes = 0
    var failures = 0
    var isDone = false
    var lastBegan: Int64 = 0
  }

  struct Change {
    var isWorthSaving = false
    var endsContainer = false
  }

  private(set) var all: [Entry]
  private var startedAt: Int64 = 0

  init(_ probes: [Probe]) { all = probes.map { Entry(probe: $0) } }

  /// The container has been started.
  mutating func begin(now: Int64, _ state: inout SupervisedState) {
    startedAt = now
    let waitsForStartup = all.contains { $0.probe.kind == .startup }
    for index in all.indices {
      let probe = all[index].probe
      all[index] = Entry(probe: probe)
      let waits = waitsForStartup && (probe.kind == .liveness || probe.kind == .readiness)
      all[index].nextAt = waits ? nil : now + probe.initialDelay
    }
    state.started = !waitsForStartup
    state.ready = !waitsForStartup && !all.contains { $0.probe.kind == .readiness }
    state.health = all.contains { $0.probe.kind == .health } ? HealthState() : nil
  }

  var next: Int64? { all.compactMap(\.nextAt).min() }

  /// Those whose time has come; they run from here on.
  mutating func due(_ now: Int64) -> [Int] {
    let due = all.indices.filter { all[$0].nextAt.map { $0 <= now } ?? false }
    for index in due {
      all[index].nextAt = nil
      all[index].lastBegan = now
    }
    return due
  }

  /// They do not run now after all.
  mutating func postpone(_ indexes: [Int], until time: Int64) { for index in indexes { all[index].nextAt = time } }

  mutating func take(_ outcome: Job.Outcome, of index: Int, now: Int64, _ state: inout SupervisedState) -> Change {
    let probe = all[index].probe
    var change = Change()
    if outcome.code == 0 {
      all[index].successes += 1
      all[index].failures = 0
    } else {
      all[index].failures += 1
      all[index].successes = 0
    }
    let succeeded = all[index].successes >= max(probe.successThreshold, 1)
    let failed = all[index].failures >= max(probe.failureThreshold, 1)
    switch probe.kind {
    case .health:
      takeHealth(outcome, index, now, &state)
      change.isWorthSaving = true
    case .startup:
      if succeeded {
        all[index].isDone = true
        state.started = true
        state.ready = !all.contains { $0.probe.kind == .readiness }
        change.isWorthSaving = true
        for other in all.indices where [.liveness, .readiness].contains(all[other].probe.kind) {
          all[other].nextAt = max(now, startedAt + all[other].probe.initialDelay)
        }
      }
      change.endsContainer = failed && probe.terminate
    case .liveness: change.endsContainer = failed && probe.terminate
    case .readiness:
      if succeeded != failed, state.ready != succeeded {
        state.ready = succeeded
        change.isWorthSaving = true
      }
    }
    all[index].nextAt = all[index].isDone ? nil : nextTime(index, now, state)
    return change
  }

  private func nextTime(_ index: Int, _ now: Int64, _ state: SupervisedState) -> Int64 {
    let probe = all[index].probe
    guard probe.kind == .health else { return max(now, all[index].lastBegan + probe.period) }
    let inStartPeriod = state.health?.status == .starting && now < startedAt + probe.startPeriod
    return now + (inStartPeriod && probe.startInterval > 0 ? probe.startInterval : probe.period)
  }

  private mutating func takeHealth(_ outcome: Job.Outcome, _ index: Int, _ now: Int64, _ state: inout SupervisedState) {
    let probe = all[index].probe
    var health = state.health ?? HealthState()
    let text =
      outcome.timedOut
      ? "Health check exceeded timeout (\(probe.timeout / 1_000_000) ms)"
      : String(decoding: outcome.output, as: UTF8.self)
    health.log.append(
      HealthState.Entry(
        start: outcome.started.text, end: Timestamp.now().text, exitCode: outcome.timedOut ? -1 : outcome.code,
        output: text))
    // Docker keeps five.
    if health.log.count > 5 { health.log.removeFirst(health.log.count - 5) }
    if outcome.code == 0 {
      health.status = .healthy
      health.failingStreak = 0
    } else if health.status != .starting || now >= startedAt + probe.startPeriod {
      health.failingStreak += 1
      if health.failingStreak >= max(probe.failureThreshold, 1) { health.status = .unhealthy }
    }
    state.health = health
  }
}
