import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Probes and hooks of the lifecycle.
extension Supervisor {
  func run(_ action: ProbeAction, as purpose: Job.Purpose, timeout: Int64) {
    guard let bundle, let container else { return }
    do {
      jobs.append(try Job(action, purpose, timeout: timeout, bundle: bundle, container: container, context: context))
    } catch {
      result(
        of: purpose, Job.Outcome(code: -1, output: Array("\(error)".utf8), started: Timestamp.now(), timedOut: false))
    }
  }

  func jobEnded(_ job: Job) {
    jobs.removeAll { $0 === job }
    result(of: job.purpose, job.end())
  }

  func result(of purpose: Job.Purpose, _ outcome: Job.Outcome) {
    switch purpose {
    case .postStart:
      guard outcome.code != 0 else { return }
      state.error = "the postStart hook failed: \(String(decoding: outcome.output.prefix(1024), as: UTF8.self))"
      terminate(seconds: supervision.stop.timeout)
    case .preStop: if let process { try? sendSignal(process.number, supervision.stop.signal) }
    case .probe(let index):
      guard process != nil else { return }
      let change = probes.take(outcome, of: index, now: Timestamp.monotonic(), &state)
      if change.isWorthSaving { try? save() }
      if change.endsContainer {
        state.error = "the \(probes.all[index].probe.kind.rawValue) probe failed"
        terminate(seconds: supervision.stop.timeout)
      }
    }
  }
}
