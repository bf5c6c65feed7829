import Content
import DistributionSpec
import FoundationEssentials
import HTTPTypes
import ImageSpec
import Lifecycle
import Logging
import Metadata
import Synchronization
import Testing

@testable import RegistryServer

private let day: Int64 = 86_400_000

extension TestRegistry {
  /// Makes an image older than it is.
  func age(_ digest: Digest, days: Int64, in name: String, column: String = "pushed") throws {
    let id = try registry.storedManifest(.digest(digest), in: name).id
    try registry.metadata.write { session in
      try session.execute(
        "UPDATE registry_manifest SET \(column) = ?2 WHERE id = ?1", [id, Registry.now - days * day])
    }
  }

  func digests(in name: String) throws -> Set<Digest> {
    Set(try registry.manifests(in: name, limit: 1000).map(\.digest))
  }

  func drain() async throws { try await registry.jobs.drain(logger: server.logger) }
}

private func policy(_ rules: String...) -> String {
  let rules = rules.enumerated().map { index, rule in
    #"{"rulePriority":\#(index + 1),"description":"a rule of a test",\#(rule)}"#
  }
  return #"{"rules":[\#(rules.joined(separator: ","))]}"#
}

private let expire = #""action":{"type":"expire"}"#
private let transition = #""action":{"type":"transition","targetStorageClass":"archive"}"#
private let oldUntagged =
  #""selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":7},\#(expire)"#
private let oldReleases =
  #""selection":{"tagStatus":"tagged","tagPrefixList":["v"],"countType":"sinceImagePushed","countUnit":"days","countNumber":30},\#(expire)"#
private let unusedAny =
  #""selection":{"tagStatus":"any","countType":"sinceImagePulled","countUnit":"days","countNumber":14},\#(transition)"#

private final class Recorded: Sendable {
  private let events = Mutex<[RegistryEvent]>([])
  var all: [RegistryEvent] { events.withLock { $0 } }
  func append(_ event: RegistryEvent) { events.withLock { $0.append(event) } }
}

@Suite struct LifecycleRunTests {
  /// Some of everything: an index with its members, something about it, images that are used and that are not.
  private func populate(_ test: TestRegistry) async throws -> [String: Digest] {
    var digests: [String: Digest] = [:]
    var members: [[UInt8]] = []
    for name in ["amd64", "arm64"] {
      let image = try await test.push(image: name, to: "app")
      digests[name] = image.digest
      members.append(image.bytes)
    }
    let index = try await test.push(index: members, to: "app", tag: "v1")
    digests["index"] = index.digest
    digests["signature"] = try await test.push(artifact: "signature", about: index.bytes, to: "app").digest
    for tag in ["v2", "used", "unused", "restored"] {
      digests[tag] = try await test.push(image: tag, to: "app", tag: tag).digest
    }
    digests["untagged"] = try await test.push(image: "untagged", to: "app").digest
    for (name, digest) in digests where !["v2", "signature"].contains(name) {
      try test.age(digest, days: 40, in: "app")
    }
    try test.age(#require(digests["used"]), days: 1, in: "app", column: "pulled")
    try test.age(#require(digests["restored"]), days: 20, in: "app", column: "archived")
    try test.age(#require(digests["restored"]), days: 2, in: "app", column: "activated")
    return digests
  }

  @Test func aRunDoesWhatThePreviewSays() async throws {
    let test = try TestRegistry()
    let digests = try await populate(test)
    let before = try test.digests(in: "app")
    let text = policy(oldUntagged, oldReleases, unusedAny)
    #expect(try test.registry.startLifecyclePreview(text, of: "app") == text)
    #expect(try test.registry.lifecyclePreview(of: "app")?.status == .inProgress)
    #expect(throws: RegistryError.lifecyclePreviewInProgress(repository: "app")) {
      try test.registry.startLifecyclePreview(text, of: "app")
    }
    try await test.drain()
    let preview = try #require(try test.registry.lifecyclePreview(of: "app"))
    #expect(preview.status == .complete && preview.outcome.expired == 5 && preview.outcome.archived == 1)
    let results = try test.registry.lifecyclePreviewResults(of: "app", limit: 100)
    #expect(results.map(\.id) == results.map(\.id).sorted())
    let said = Dictionary(uniqueKeysWithValues: results.map { ($0.digest, $0) })
    let expired = ["amd64", "arm64", "index", "signature", "untagged"].compactMap { digests[$0] }
    #expect(Set(said.filter { $0.value.action == .expire }.keys) == Set(expired.map(\.description)))
    #expect(said[try #require(digests["index"]).description]?.rulePriority == 2)
    #expect(said[try #require(digests["signature"]).description]?.rulePriority == 2)
    #expect(said[try #require(digests["arm64"]).description]?.rulePriority == 1)
    let unused = try #require(digests["unused"])
    #expect(said[unused.description]?.action == .archive && said[unused.description]?.tags == ["unused"])
    // A preview changes nothing.
    #expect(try test.digests(in: "app") == before)

    try test.registry.setLifecyclePolicy(text, of: "app")
    #expect(try test.registry.lifecyclePolicy(of: "app")?.evaluated == nil)
    let outcome = try #require(try test.registry.runLifecycle(of: "app"))
    #expect(outcome == preview.outcome)
    #expect(try test.digests(in: "app") == before.subtracting(expired))
    for name in ["v2", "used", "restored"] {
      #expect(try test.storageClass(#require(digests[name]), in: "app") == .standard, "\(name)")
    }
    #expect(try test.storageClass(unused, in: "app") == .archive)
    #expect(try test.registry.lifecyclePolicy(of: "app")?.evaluated != nil)
    #expect(try test.registry.runLifecycle(of: "app") == LifecycleOutcome())
  }

  @Test func deletionsAreToldAndContentIsLetGo() async throws {
    let test = try TestRegistry()
    let image = try await test.push(image: "one", to: "app")
    try test.age(image.digest, days: 10, in: "app")
    let events = Recorded()
    test.registry.events.subscribe([.delete]) { events.append($0) }
    try test.registry.setLifecyclePolicy(policy(oldUntagged), of: "app")
    #expect(try test.registry.runLifecycle(of: "app")?.expired == 1)
    #expect(events.all.map(\.digest) == [image.digest.description])
    #expect(events.all.first?.origin.principal == "lifecycle-policy")
    #expect(events.all.first?.details == ["rulePriority": "1"])
    #expect(try await test.send(.get, "/v2/app/manifests/\(image.digest)").status == 404)
    _ = try test.store.collect()
    #expect(throws: (any Error).self) { try test.store.read(image.digest, limit: 1 << 20) }
  }

  @Test func whatHasChangedSinceIsLeftAlone() async throws {
    let test = try TestRegistry()
    var digests: [Digest] = []
    for text in ["tagged", "listed", "restored", "plain"] {
      let image = try await test.push(image: text, to: "app")
      try test.age(image.digest, days: 10, in: "app")
      digests.append(image.digest)
    }
    let plan = try test.registry.planLifecycle(LifecyclePolicy(parsing: policy(oldUntagged)), of: "app")
    #expect(plan.decisions.count == 4)
    // All of this happens between the plan and its being carried out.
    try await test.push(image: "tagged", to: "app", tag: "keep")
    let listed = try test.registry.manifest(.digest(digests[1]), in: "app").bytes
    try await test.push(index: [listed], to: "app", tag: "list")
    try test.registry.archive(digests[2], in: "app")
    try test.registry.restore(digests[2], in: "app")
    let done = try plan.batches.flatMap { try test.registry.carryOut($0, of: plan) }
    #expect(done.count == 1 && done.first?.action == .expire)
    #expect(try test.digests(in: "app").isSuperset(of: digests.prefix(3)))
  }

  @Test func aRunEndsWithItsPolicy() async throws {
    let test = try TestRegistry()
    let image = try await test.push(image: "one", to: "app")
    try test.age(image.digest, days: 10, in: "app")
    try test.registry.setLifecyclePolicy(policy(oldUntagged), of: "app")
    let stored = try #require(try test.registry.lifecyclePolicy(of: "app"))
    let plan = try test.registry.planLifecycle(LifecyclePolicy(parsing: stored.text), of: "app")
    try test.registry.setLifecyclePolicy(policy(oldUntagged), of: "app")
    #expect(try test.registry.carryOut(plan.decisions[...], of: plan, stored: stored).isEmpty)
    _ = try test.registry.removeLifecyclePolicy(of: "app")
    #expect(try test.registry.carryOut(plan.decisions[...], of: plan, stored: stored).isEmpty)
    // Nor does a repository of the same name stand in for one that is gone.
    _ = try test.registry.deleteRepository("app", force: true)
    try await test.push(image: "one", to: "app")
    #expect(try test.registry.carryOut(plan.decisions[...], of: plan).isEmpty)
    #expect(try test.digests(in: "app") == [image.digest])
  }

  @Test func imagesComeNewestFirstAndRestoredOnesByTheirRestoration() async throws {
    let test = try TestRegistry()
    var digests: [Digest] = []
    for number in 0..<6 {
      let image = try await test.push(image: "\(number)", to: "app", tag: "t\(number)")
      try test.age(image.digest, days: Int64(20 - 2 * number), in: "app")
      digests.append(image.digest)
    }
    try test.age(digests[0], days: 13, in: "app", column: "activated")
    try test.age(digests[1], days: 2, in: "app", column: "activated")
    let repository = try test.registry.repository("app").id
    var images = LifecycleImages(test.registry.metadata, repository: repository)
    var order: [String] = []
    while let image = try images.next() { order += image.tags }
    #expect(order == ["t1", "t5", "t4", "t0", "t3", "t2"])
  }
}

@Suite struct LifecycleScheduleTests {
  @Test func ofSeveralServersOneRunsAPolicyWhenItIsDue() async throws {
    let test = try TestRegistry()
    let other = try TestRegistry(root: test.root)
    let image = try await test.push(image: "one", to: "app")
    try test.age(image.digest, days: 10, in: "app")
    try test.registry.setLifecyclePolicy(policy(oldUntagged), of: "app")
    let hour: Int64 = 3_600_000
    func owed() throws -> Int { try test.registry.jobs.pending(Registry.lifecycleJob) }
    for server in [test, other] { try server.registry.enqueueDueLifecycles(every: hour) }
    #expect(try owed() == 0)

    try test.registry.metadata.write { try $0.execute("UPDATE registry_lifecycle SET since = since - ?1", [hour]) }
    for server in [test, other] { try server.registry.enqueueDueLifecycles(every: hour) }
    #expect(try owed() == 1)
    try await other.drain()
    #expect(try owed() == 0 && test.digests(in: "app").isEmpty)
    let policy = try #require(try test.registry.lifecyclePolicy(of: "app"))
    #expect(policy.evaluated ?? 0 > Registry.now - 60_000)
    // The next time is counted from this one.
    try test.registry.enqueueDueLifecycles(every: hour)
    #expect(try owed() == 0)
  }

  @Test func policiesOfAllRealmsAreRun() async throws {
    let test = try TestRegistry()
    let realm = try #require(Realm(account: "111111111111", region: "eu-west-1"))
    let registry = test.registry.at(realm)
    _ = try registry.createRepository("app")
    try registry.setLifecyclePolicy(policy(oldUntagged), of: "app")
    try test.registry.enqueueDueLifecycles(every: -1)
    try await test.drain()
    #expect(try registry.lifecyclePolicy(of: "app")?.evaluated != nil)
    #expect(try test.registry.repositoriesWithLifecycle(limit: 10).map(\.realm) == [realm])
  }

  @Test func aPreviewShowsItsResultsForADay() async throws {
    let test = try TestRegistry()
    let image = try await test.push(image: "one", to: "app")
    try test.age(image.digest, days: 10, in: "app")
    _ = try test.registry.startLifecyclePreview(policy(oldUntagged), of: "app")
    try await test.drain()
    #expect(try test.registry.lifecyclePreviewResults(of: "app", limit: 10).count == 1)
    try test.registry.metadata.write { session in
      try session.execute("UPDATE registry_lifecycle_preview SET started = started - ?1", [day + 1])
    }
    #expect(try test.registry.lifecyclePreview(of: "app")?.status == .expired)
    try test.registry.prunePreviews()
    #expect(try test.registry.lifecyclePreviewResults(of: "app", limit: 10).isEmpty)
    #expect(try test.registry.lifecyclePreview(of: "app")?.status == .expired)
    // And the next one shows its own alone.
    _ = try test.registry.startLifecyclePreview(policy(oldReleases), of: "app")
    try await test.drain()
    #expect(try test.registry.lifecyclePreview(of: "app")?.status == .complete)
    #expect(try test.registry.lifecyclePreviewResults(of: "app", limit: 10).isEmpty)
  }

  @Test func aTemplateGivesItsPolicyToNewRepositories() throws {
    let test = try TestRegistry()
    let text = policy(oldUntagged)
    var template = CreationTemplate(prefix: "team", purposes: [.createOnPush], at: 0)
    template.lifecyclePolicy = text
    try test.registry.setCreationTemplate(template)
    _ = try test.registry.makeRepository("team/app", for: .createOnPush)
    #expect(try test.registry.lifecyclePolicy(of: "team/app")?.text == text)
  }

  @Test func aRepositoryTakesAllOfItAlong() async throws {
    let test = try TestRegistry()
    let image = try await test.push(image: "one", to: "app")
    try test.age(image.digest, days: 10, in: "app")
    try test.registry.setLifecyclePolicy(policy(oldUntagged), of: "app")
    _ = try test.registry.startLifecyclePreview(nil, of: "app")
    try test.registry.enqueueDueLifecycles(every: -1)
    _ = try test.registry.deleteRepository("app", force: true)
    // Jobs find nothing to do.
    try await test.drain()
    _ = try test.registry.createRepository("app")
    #expect(try test.registry.lifecyclePolicy(of: "app") == nil)
    #expect(try test.registry.lifecyclePreview(of: "app") == nil)
    #expect(throws: RegistryError.lifecyclePolicyUnknown(repository: "app")) {
      try test.registry.startLifecyclePreview(nil, of: "app")
    }
  }
}
