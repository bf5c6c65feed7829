import Content
import DistributionSpec
import HTTPTypes
import Logging
import Metadata
import Synchronization
import Testing

@testable import RegistryServer

@Suite struct JobTests {
  private final class Record: Sendable {
    let done = Mutex<[String]>([])
    func add(_ text: String) { done.withLock { $0.append(text) } }
    var all: [String] { done.withLock { $0 } }
  }

  private struct Refusal: PermanentJobFailure {}
  private struct Trouble: Error {}

  @Test func aJobIsDoneByWhoeverComesNext() async throws {
    let test = try TestRegistry()
    try test.registry.jobs.enqueue("greet", ["hello"])
    // A process that knows nothing of the kind leaves it.
    try await test.registry.jobs.drain(logger: Logger(label: "test"))
    #expect(try test.registry.jobs.pending("greet") == 1)
    let next = try TestRegistry(root: test.root)
    let record = Record()
    next.registry.jobs.register("greet") { record.add($0) }
    try await next.registry.jobs.drain(logger: Logger(label: "test"))
    #expect(record.all == [#"["hello"]"#])
    #expect(try next.registry.jobs.pending("greet") == 0)
  }

  @Test func aJobThatFailsIsOwedStillAndOneThatCannotSucceedIsKeptWithItsError() async throws {
    let test = try TestRegistry()
    var quiet = Logger(label: "test")
    quiet.logLevel = .critical
    test.registry.jobs.register("fails") { _ in throw Trouble() }
    test.registry.jobs.register("refuses") { _ in throw Refusal() }
    try test.registry.jobs.enqueue("fails", 1)
    try test.registry.jobs.enqueue("refuses", 2)
    try await test.registry.jobs.drain(logger: quiet)
    #expect(try test.registry.jobs.pending("fails") == 1)
    #expect(try test.registry.jobs.pending("refuses") == 0)
    #expect(try test.registry.jobs.failed("refuses").map(\.payload) == ["2"])
  }

  @Test func whatChangesSomethingWaitsWhileTheRegistryIsReadOnly() async throws {
    let test = try TestRegistry()
    let record = Record()
    let jobs = test.registry.jobs
    jobs.register("change") { record.add("change \($0)") }
    jobs.register("tell", inReadOnlyMode: true) { record.add("tell \($0)") }
    // The mode may change while a job is done.
    jobs.register("begun") { [registry = test.registry] in
      record.add("begun \($0)")
      guard record.all.count == 1 else { return }
      try registry.setMode(RegistryMode(isReadOnly: true))
      throw ReadOnlyRefusal(reason: nil)
    }
    try jobs.enqueue("begun", 0)
    try await jobs.drain(logger: Logger(label: "test"))
    for kind in ["change", "tell"] { try jobs.enqueue(kind, 1) }
    try await jobs.drain(logger: Logger(label: "test"))
    #expect(record.all == ["begun 0", "tell 1"])
    #expect(try jobs.pending("change") == 1)
    #expect(try jobs.pending("begun") == 1)
    let attempts = try test.registry.metadata.read { session in
      try session.values(Int64.self, "SELECT attempts FROM registry_job ORDER BY id")
    }
    #expect(attempts == [0, 0], "nothing was tried, or it does not count")
    try test.registry.setMode(RegistryMode(isReadOnly: false))
    try await jobs.drain(logger: Logger(label: "test"))
    #expect(record.all == ["begun 0", "tell 1", "begun 0", "change 1"])
  }

  @Test func whatIsRecordedWithinAPushIsThereOnlyIfThePushIs() async throws {
    let test = try TestRegistry()
    test.registry.events.recordWithin([.push]) { [jobs = test.registry.jobs] event, session in
      try jobs.enqueue("pushed", event, in: session)
      if event.tag == "refused" { throw Trouble() }
    }
    try await test.push(image: "a", to: "app", tag: "v1")
    #expect(try test.registry.jobs.pending("pushed") == 1)
    let digest = try #require(try test.registry.manifests([.tag("v1")], in: "app")[0]).digest
    let bytes = try test.store.read(digest)
    let refused = try await test.send(
      .put, "/v2/app/manifests/refused", ["content-type": "application/vnd.oci.image.manifest.v1+json"], body: bytes)
    #expect(refused.status == 500)
    #expect(try test.registry.jobs.pending("pushed") == 1)
    #expect(try test.registry.tags("app", limit: 5) == ["v1"])
  }

  @Test func listenersHearOfPushesPullsAndDeletions() async throws {
    let test = try TestRegistry(anonymous: .push)
    let record = Record()
    test.registry.events.subscribe([.push, .pull, .delete]) { record.add("\($0.kind) \($0.tag ?? "-")") }
    let image = try await test.push(image: "a", to: "app", tag: "v1")
    try await test.send(.get, "/v2/app/manifests/v1")
    try await test.send(.head, "/v2/app/manifests/v1")
    try await test.send(.delete, "/v2/app/manifests/\(image.digest)", as: "ada:secret")
    #expect(record.all == ["push v1", "pull v1", "delete -"])
  }
}
