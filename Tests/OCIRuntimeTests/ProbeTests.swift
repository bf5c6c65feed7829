import RuntimeSpec
import Testing

@testable import OCIRuntime

@Suite struct ProbeTests {
  private func outcome(_ code: Int32) -> Job.Outcome {
    Job.Outcome(code: code, output: [], started: Timestamp(seconds: 0, nanoseconds: 0), timedOut: false)
  }

  private let action = ProbeAction.exec(["true"])
  private let second: Int64 = 1_000_000_000

  @Test func healthHasAStartPeriod() {
    var state = SupervisedState(status: .running, supervisor: 1)
    var probes = ProbeSet([
      Probe(
        kind: .health, action: action, period: 10 * second, startPeriod: 30 * second, startInterval: second,
        failureThreshold: 2)
    ])
    probes.begin(now: 0, &state)
    #expect(state.health?.status == .starting)
    _ = probes.due(0)
    _ = probes.take(outcome(1), of: 0, now: second, &state)
    #expect(state.health?.failingStreak == 0)
    #expect(probes.next == 2 * second)
    _ = probes.take(outcome(1), of: 0, now: 31 * second, &state)
    #expect(state.health?.status == .starting)
    _ = probes.take(outcome(1), of: 0, now: 41 * second, &state)
    #expect(state.health?.status == .unhealthy)
    #expect(probes.next == 51 * second)
    _ = probes.take(outcome(0), of: 0, now: 51 * second, &state)
    #expect(state.health?.status == .healthy)
    #expect(state.health?.failingStreak == 0)
  }

  @Test func othersWaitForTheStartupProbe() {
    var state = SupervisedState(status: .running, supervisor: 1)
    var probes = ProbeSet([
      Probe(kind: .startup, action: action, failureThreshold: 2),
      Probe(kind: .liveness, action: action, failureThreshold: 1),
    ])
    probes.begin(now: 0, &state)
    #expect(!state.started && !state.ready)
    #expect(probes.due(0) == [0])
    #expect(!probes.take(outcome(1), of: 0, now: second, &state).endsContainer)
    _ = probes.take(outcome(0), of: 0, now: 2 * second, &state)
    #expect(state.started && state.ready)
    #expect(probes.due(100 * second) == [1])
    #expect(probes.take(outcome(1), of: 1, now: 100 * second, &state).endsContainer)
  }

  @Test func readinessTurnsByItsThresholds() {
    var state = SupervisedState(status: .running, supervisor: 1)
    var probes = ProbeSet([Probe(kind: .readiness, action: action, successThreshold: 2, failureThreshold: 2)])
    probes.begin(now: 0, &state)
    #expect(!state.ready)
    for (code, ready) in [(0, false), (0, true), (1, true), (1, false), (0, false), (0, true)] as [(Int32, Bool)] {
      #expect(!probes.take(outcome(code), of: 0, now: 0, &state).endsContainer)
      #expect(state.ready == ready)
    }
  }

  @Test(arguments: [
    (RestartPolicy.Policy.no, 0, 1 as Int32, false), (.always, 0, 0, true), (.unlessStopped, 0, 0, true),
    (.onFailure, 0, 0, false),
    (.onFailure, 0, 1, true),
  ])
  func restartsByPolicy(_ policy: RestartPolicy.Policy, _ maximum: Int, _ code: Int32, _ expected: Bool) {
    #expect(Restarts.isDue(RestartPolicy(policy: policy, maximumRetries: maximum), code: code, count: 1000) == expected)
  }

  @Test func retriesHaveAMaximum() {
    let policy = RestartPolicy(policy: .onFailure, maximumRetries: 3)
    #expect((0..<5).map { Restarts.isDue(policy, code: 1, count: $0) } == [true, true, true, false, false])
  }

  @Test func theDelayDoublesToAMinute() {
    var delay = Restarts.firstDelay
    var delays: [Int64] = []
    for _ in 0..<12 {
      delays.append(delay / 1_000_000)
      delay = Restarts.next(delay)
    }
    #expect(delays == [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000])
  }

  @Test func requestsOfClients() {
    func request(_ kind: UInt8, _ body: [UInt8] = []) -> Client.Request? { Client.request(kind, body[...]) }
    if case .resize(let rows, let columns)? = request(1, [0, 24, 1, 0]) {
      #expect((rows, columns) == (24, 256))
    } else {
      Issue.record("no resize")
    }
    if case .stop(let seconds, _)? = request(4, [0, 0, 1, 0]) {
      #expect(seconds == 256)
    } else {
      Issue.record("no stop")
    }
    if case .stop(let seconds, _)? = request(4, [255, 255, 255, 255]) {
      #expect(seconds == nil)
    } else {
      Issue.record("no stop")
    }
    if case .stop(let seconds, _)? = request(4, [255, 255, 255, 254]) {
      #expect(seconds == -1)
    } else {
      Issue.record("no stop")
    }
    for (kind, body) in [(1, [0]), (4, []), (7, [0]), (7, [65]), (7, []), (3, [1]), (9, [])] as [(UInt8, [UInt8])] {
      #expect(request(kind, body) == nil)
    }
  }
}
