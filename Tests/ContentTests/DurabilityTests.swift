import Dispatch
import Synchronization
import Testing

@testable import Content

@Suite struct DurabilityTests {
  @Test func workThatSeveralWaitForCoversWhatEachDidBefore() {
    let work = GroupedWork()
    let written = Atomic(0), durable = Atomic(0), runs = Atomic(0), early = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for _ in 0..<500 {
        let own = written.add(1, ordering: .sequentiallyConsistent).newValue
        work.run {
          runs.add(1, ordering: .relaxed)
          durable.store(written.load(ordering: .sequentiallyConsistent), ordering: .sequentiallyConsistent)
        }
        if durable.load(ordering: .sequentiallyConsistent) < own { early.add(1, ordering: .relaxed) }
      }
    }
    #expect(early.load(ordering: .relaxed) == 0)
    #expect(runs.load(ordering: .relaxed) <= 4000)
  }

  @Test func workThatFailsIsDoneAgainForTheNext() throws {
    struct Failed: Error {}
    let work = GroupedWork()
    #expect(throws: Failed.self) { try work.run { throw Failed() } }
    var isDone = false
    work.run { isDone = true }
    #expect(isDone)
  }
}
