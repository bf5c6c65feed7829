import Content
import FoundationEssentials
import Glibc
import HTTPTypes
import ImageSpec
import Kernel
import Logging
import Metadata
import Synchronization
import SystemPackage
import Testing

@testable import RegistryServer

@Suite struct GarbageCollectionTests {
  /// All that is unused counts as old.
  private static let atOnce: Int64 = -60_000

  @Test func removesWhatNoImageNames() async throws {
    let registry = try TestRegistry()
    let kept = try await registry.push(image: "kept", to: "app", tag: "1").digest
    let gone = try await registry.push(image: "gone", to: "team/app", tag: "1").digest
    let loose = try await registry.push(blob: Array("loose".utf8), to: "app")
    #expect(try await registry.send(.delete, "/v2/team/app/manifests/\(gone)", as: "ada:secret").status == 202)

    try Self.age(registry)
    let planned = try registry.registry.collectGarbage(unusedFor: Self.atOnce, dryRun: true)
    #expect(Set(planned.links.map(\.repository)) == ["app", "team/app"] && planned.links.count == 3)
    #expect(planned.links.contains { $0.digest == loose && $0.size == 5 && $0.realm == .main })
    #expect(planned.content.blobs.count == 4 && planned.content.bytes == planned.content.blobs.reduce(0) { $0 + $1.size })
    // Nothing was changed by looking.
    #expect(registry.store.contains(loose) && registry.store.contains(gone))

    let report = try registry.registry.collectGarbage(unusedFor: Self.atOnce)
    #expect(Set(report.content.digests) == Set(planned.content.digests) && Set(report.links) == Set(planned.links))
    #expect(!registry.store.contains(loose) && !registry.store.contains(gone) && registry.store.contains(kept))
    #expect(try await registry.send(.get, "/v2/app/manifests/1").status == 200)
    #expect(try await registry.send(.head, "/v2/app/blobs/\(loose)").status == 404)
    let again = try registry.registry.collectGarbage(unusedFor: Self.atOnce)
    #expect(again.links.isEmpty && again.content.blobs.isEmpty)
  }

  @Test func leavesWhatMayStillBecomeAnImage() async throws {
    let registry = try TestRegistry()
    let blob = try await registry.push(blob: Array("young".utf8), to: "app")
    #expect(try registry.registry.collectGarbage(unusedFor: 60_000).links.isEmpty)
    #expect(registry.store.contains(blob))
  }

  @Test func keepsAnImageOfAnotherRepositoryAndRealm() async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Array("shared".utf8), to: "one")
    let other = registry.registry.at(try #require(Realm(account: "111111111111", region: "eu-west-1")))
    #expect(try other.mountBlob(digest, from: "one", of: registry.registry, to: "two"))
    try registry.registry.deleteBlob(digest, in: "one")
    try Self.age(registry)
    #expect(try registry.registry.collectGarbage(unusedFor: 60_000).content.blobs.isEmpty)
    #expect(registry.store.contains(digest))
    #expect(try registry.registry.collectGarbage(unusedFor: Self.atOnce).links.map(\.realm) == [other.realm])
    #expect(!registry.store.contains(digest))
  }

  /// Lets a while go by: what was written within the last tick of the file system's clock is not collected.
  private static func age(_ registry: TestRegistry) throws {
    let directory = registry.root.appending("content/blobs/sha256")
    let long = timespec(tv_sec: time(nil) - 3600, tv_nsec: 0)
    for name in try directoryEntries(of: directory) {
      #expect(utimensat(AT_FDCWD, directory.appending(name).string, [long, long], 0) == 0)
    }
  }

  /// Another process sees the hold of a push before its row: what it does about it waits for the row.
  @Test func leavesAPushOfAnotherProcessItsHold() throws {
    let registry = try TestRegistry(), other = try TestRegistry(root: registry.root)
    let blob = try registry.store.write(Array("pushed".utf8), mediaType: .layer)
    var seen: [String: Set<Digest>] = [:]
    var isLocked = false
    try registry.registry.storage.hold([blob.digest], owner: "registry/app", isKept: { _, _ in false }) { session in
      seen = try other.registry.strayHolds()
      let lock = try openat2(AT_FDCWD, registry.root.appending("registry.lock").string, flags: O_RDWR)
      isLocked = flock(lock.number, LOCK_EX | LOCK_NB) != 0
      let repository = try registry.registry.forPush(session, "app")
      try session.execute(
        "INSERT INTO registry_blob (repository, digest, size, linked) VALUES (?1, ?2, 6, ?3)",
        [repository.id, blob.digest.description, Registry.now])
    }
    // It was taken for stray, could not be let go in between, and is not let go afterwards.
    #expect(seen == ["registry/app": [blob.digest]] && isLocked)
    for (owner, digests) in seen { try other.registry.releaseStray(digests, owner) }
    #expect(try registry.store.held(byOwnersWith: "registry/app").map(\.digest) == [blob.digest])
  }

  /// A process may die between a hold and its row.
  @Test func letsGoOfHoldsThatNothingStandsFor() throws {
    let registry = try TestRegistry()
    let stray = try registry.store.write(Array("stray".utf8), mediaType: .layer)
    try registry.store.hold([stray.digest], owner: "registry/app")
    try Self.age(registry)
    #expect(try registry.registry.collectGarbage(dryRun: true).content.digests == [stray.digest])
    #expect(try registry.registry.collectGarbage().content.digests == [stray.digest])
  }

  /// What this host's images name is read from their manifests; what a registry has is not.
  @Test func walksImagesOfTheHostAlone() throws {
    let registry = try TestRegistry()
    let store = registry.store
    let layer = try store.write(Array("layer".utf8), mediaType: .layer)
    let config = try store.write(Array("{}".utf8), mediaType: .config)
    let manifest = TestRegistry.manifest(config: Array("{}".utf8), layers: [Array("layer".utf8)])
    let image = try store.write(manifest, mediaType: .manifest)
    try store.keepUnnamed(image)
    #expect(try registry.registry.collectGarbage().content.blobs.isEmpty)
    #expect(store.contains(layer.digest) && store.contains(config.digest))
    #expect(try store.forgetUnnamed(image.digest))
    try Self.age(registry)
    #expect(Set(try registry.registry.collectGarbage().content.digests) == [layer.digest, config.digest, image.digest])
  }

  @Test(.timeLimit(.minutes(5))) func goesOnWhileOthersPushAndDelete() async throws {
    let registry = try TestRegistry()
    // Another process on the same root.
    let other = try TestRegistry(root: registry.root)
    let done = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while done.value == 0 {
          _ = try await other.server.blocking { try other.registry.collectGarbage(unusedFor: 3_600_000) }
        }
      }
      for number in 0..<20 {
        let digest = try await registry.push(image: "image \(number)", to: "app", tag: "t\(number)").digest
        if number % 2 == 1 {
          #expect(try await registry.send(.delete, "/v2/app/manifests/\(digest)", as: "ada:secret").status == 202)
        }
      }
      done.add()
      try await group.waitForAll()
    }
    for number in 0..<20 {
      let answer = try await registry.send(.get, "/v2/app/manifests/t\(number)")
      #expect(answer.status == (number % 2 == 1 ? 404 : 200))
    }
  }
}

@Suite struct ReadOnlyTests {
  @Test func refusesChangesAndAnswersTheRest() async throws {
    let registry = try TestRegistry()
    let (manifest, digest) = try await registry.push(image: "x", to: "app", tag: "1")
    // By another process.
    try TestRegistry(root: registry.root).registry.setMode(RegistryMode(isReadOnly: true, reason: "moving house"))
    for (method, path) in [
      (HTTPRequest.Method.put, "/v2/app/manifests/2"), (.delete, "/v2/app/manifests/\(digest)"),
      (.post, "/v2/app/blobs/uploads/"), (.delete, "/v2/app/blobs/\(digest)"),
    ] {
      let answer = try await registry.send(method, path, body: method == .put ? manifest : [], as: "ada:secret")
      #expect(answer.status == 405 && answer.codes == ["UNSUPPORTED"] && answer.text.contains("moving house"))
    }
    #expect(try await registry.send(.get, "/v2/app/manifests/1").status == 200)
    #expect(try await registry.send(.get, "/v2/app/tags/list").status == 200)
    // Whoever may not do it anyway learns nothing of it.
    #expect(try await registry.send(.delete, "/v2/app/manifests/\(digest)").status == 401)
    try registry.registry.setMode(RegistryMode(isReadOnly: false))
    #expect(try await registry.send(.delete, "/v2/app/manifests/1", as: "ada:secret").status == 202)
    registry.server.keepReadOnly("")
    #expect(try await registry.send(.post, "/v2/app/blobs/uploads/").status == 405)
  }
}

@Suite struct QuotaTests {
  @Test func limitsARepository() async throws {
    let registry = try TestRegistry()
    try await registry.push(image: "a", to: "app", tag: "1")
    try registry.registry.setQuota(Quota(images: 1, tags: 2), of: "app")
    try await registry.push(blob: Array("layer of b".utf8), to: "app")
    let config = Array(#"{"architecture":"amd64","os":"linux","author":"b"}"#.utf8)
    try await registry.push(blob: config, to: "app")
    let second = TestRegistry.manifest(config: config, layers: [Array("layer of b".utf8)])
    let refused = try await registry.send(.put, "/v2/app/manifests/2", body: second)
    #expect(refused.status == 403 && refused.codes == ["DENIED"] && refused.text.contains("1 images"))
    #expect(try await registry.send(.get, "/v2/app/manifests/2").status == 404)
    // Another tag of what is there is no image; a third tag is too many. What is there already is no growth.
    let first = try await registry.send(.get, "/v2/app/manifests/1").body
    #expect(try await registry.send(.put, "/v2/app/manifests/again", body: first).status == 201)
    let third = try await registry.send(.put, "/v2/app/manifests/third", body: first)
    #expect(third.status == 403 && third.text.contains("2 tags"))
    #expect(try await registry.send(.put, "/v2/app/manifests/again", body: first).status == 201)
    #expect(try registry.registry.usage(of: "app").images == 1 && registry.registry.usage(of: "app").tags == 2)
    // Others are free.
    try await registry.push(image: "b", to: "other", tag: "1")
    #expect(try registry.registry.repositoriesWithQuota().map(\.name) == ["app"])
    try registry.registry.setQuota(Quota(), of: "app")
    #expect(try await registry.send(.put, "/v2/app/manifests/2", body: second).status == 201)
  }

  @Test func limitsAnAccount() async throws {
    let registry = try TestRegistry()
    let bytes = [UInt8](repeating: 7, count: 1000)
    try await registry.push(blob: bytes, to: "one")
    try registry.registry.setQuota(Quota(bytes: 1999, repositories: 2), of: nil)
    // The same blob once more in another repository counts once more.
    let digest = TestRegistry.digest(bytes)
    let refused = try await registry.send(.post, "/v2/two/blobs/uploads/?mount=\(digest)&from=one")
    #expect(refused.status == 403 && refused.text.contains("1999 bytes"))
    #expect(try await registry.send(.head, "/v2/two/blobs/\(digest)").status == 404)
    // Nothing of it is kept by what was refused.
    #expect(try registry.store.held(byOwnersWith: "registry/two").isEmpty)
    try await registry.push(blob: [1], to: "two")
    let third = try await registry.send(.post, "/v2/three/blobs/uploads/?digest=\(TestRegistry.digest([2]))", body: [2])
    #expect(third.status == 403 && third.text.contains("2 repositories"))
    // Another account has its own.
    let other = registry.registry.at(try #require(Realm(account: "111111111111", region: "eu-west-1")))
    #expect(try other.createRepository("three").name == "three" && other.usage(of: nil).repositories == 1)
  }

  /// What was refused at its end is over: it neither stays busy nor waits to expire.
  @Test func endsTheUploadThatIsRefused() async throws {
    let registry = try TestRegistry()
    registry.registry.quotaDefaults.quotas.repository = Quota(bytes: 2)
    try await registry.push(blob: [1], to: "app")
    let location = try #require(try await registry.send(.post, "/v2/app/blobs/uploads/")["location"])
    #expect(try await registry.send(.patch, location, body: [1, 2, 3]).status == 202)
    let digest = TestRegistry.digest([1, 2, 3])
    #expect(try await registry.send(.put, "\(location)?digest=\(digest)").status == 403)
    #expect(try await registry.send(.put, "\(location)?digest=\(digest)").codes == ["BLOB_UPLOAD_UNKNOWN"])
    #expect(try registry.registry.metadata.read { try $0.value(Int.self, "SELECT COUNT(*) FROM registry_upload") } == 0)
  }

  /// Pushes at once, each of which would fit alone: exactly as many get in as there is room for.
  @Test func isExactWhenManyPushAtOnce() async throws {
    let registry = try TestRegistry()
    try registry.registry.setQuota(Quota(bytes: 700, tags: 5), of: nil)
    _ = try registry.registry.createRepository("app")
    let image = try await registry.push(image: "one", to: "app")
    let before = try #require(try registry.registry.usage(of: nil).bytes)
    let room = 700 - before
    let (blobs, tags) = try await withThrowingTaskGroup(of: (isBlob: Bool, status: Int).self) { group in
      for number in 0..<24 {
        let bytes = [UInt8](repeating: UInt8(number), count: 40)
        group.addTask {
          let path = "/v2/\(number % 2 == 0 ? "app" : "other")/blobs/uploads/?digest=\(TestRegistry.digest(bytes))"
          return (true, try await registry.send(.post, path, body: bytes).status)
        }
        group.addTask {
          (false, try await registry.send(.put, "/v2/app/manifests/v\(number)", body: image.bytes).status)
        }
      }
      var taken = (blobs: 0, tags: 0)
      for try await (isBlob, status) in group {
        #expect(status == 201 || status == 403)
        if status == 201 { isBlob ? (taken.blobs += 1) : (taken.tags += 1) }
      }
      return taken
    }
    #expect(Int64(blobs) == room / 40 && tags == 5)
    let usage = try registry.registry.usage(of: nil)
    #expect(usage.bytes == before + Int64(blobs) * 40 && usage.tags == 5)
  }

  @Test func hasDefaultsOfTheServer() async throws {
    let registry = try TestRegistry()
    registry.registry.quotaDefaults.quotas.repository = Quota(bytes: 10)
    let refused = try await registry.send(
      .post, "/v2/app/blobs/uploads/?digest=\(TestRegistry.digest(Array("eleven byte".utf8)))", body: Array("eleven byte".utf8))
    #expect(refused.status == 403)
    try await registry.push(blob: [1], to: "app")
    try registry.registry.setQuota(Quota(bytes: 100), of: "app")
    try await registry.push(blob: Array("eleven byte".utf8), to: "app")
  }
}

@Suite struct WebhookTests {
  private static func hook(
    _ port: UInt16, secret: String? = nil, events: [RegistryEvent.Kind] = [.push, .delete], repositories: [String] = [],
    format: Webhook.Format = .cloudEvents
  ) throws -> Webhook {
    try Webhook(
      name: "ci", url: "http://127.0.0.1:\(port)/hook?x=1", secret: secret, events: events, repositories: repositories,
      format: format)
  }

  /// Delivers what is owed to a receiver that answers with these statuses, one after the other.
  private func received(
    _ statuses: [Int], by registry: TestRegistry, _ make: (UInt16) throws -> Webhook,
    _ act: () async throws -> Void
  ) async throws -> [WebhookReceiver.Request] {
    let receiver = try WebhookReceiver(statuses)
    let delivery = WebhookDelivery(registry.registry)
    delivery.begin()
    try registry.registry.setWebhook(make(receiver.port))
    try await act()
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    try await registry.registry.jobs.drain(logger: logger)
    await delivery.stop()
    return receiver.requests
  }

  @Test func tellsOfAPush() async throws {
    let registry = try TestRegistry()
    var digest = ""
    let requests = try await received([200], by: registry, { try Self.hook($0, secret: "s3cret", repositories: ["team/*"]) }) {
      try await registry.push(image: "x", to: "app", tag: "1")
      digest = try await registry.push(image: "y", to: "team/app", tag: "2", as: "ada:secret").digest.description
    }
    #expect(requests.count == 1)
    let request = try #require(requests.first)
    #expect(request.line == "POST /hook?x=1 HTTP/1.1")
    #expect(request.headers["content-type"] == "application/cloudevents+json; charset=utf-8")
    struct Event: Decodable {
      struct Content: Decodable { let repository: String, digest: String, tag: String, account: String, principal: String }
      let specversion: String, id: String, type: String, source: String, subject: String, time: String
      let data: Content
    }
    let event = try JSONDecoder().decode(Event.self, from: Data(request.body))
    #expect(event.specversion == "1.0" && event.type == "dev.clipper.registry.push")
    #expect(event.source == "/registry/000000000000/local" && event.subject == "team/app:2@\(digest)")
    #expect(event.data.repository == "team/app" && event.data.tag == "2" && event.data.principal == "ada")
    #expect(event.id == request.headers["webhook-id"] && event.time.hasSuffix("Z"))
    let message = WebhookMessage(contentType: "", body: request.body)
    #expect(request.headers["x-clipper-signature-256"] == message.signature("s3cret"))
    #expect(message.signature("s3cret") != message.signature("other"))
    let known = WebhookMessage(contentType: "", body: Array("The quick brown fox jumps over the lazy dog".utf8))
    #expect(
      known.signature("key") == "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8")
  }

  @Test func comesAgainUntilItIsTaken() async throws {
    let registry = try TestRegistry()
    let receiver = try WebhookReceiver([500, 302])
    let delivery = WebhookDelivery(registry.registry)
    delivery.begin()
    try registry.registry.setWebhook(Self.hook(receiver.port))
    try await registry.push(image: "x", to: "app", tag: "1")
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    try await registry.registry.jobs.drain(logger: logger)
    #expect(receiver.requests.count == 1 && receiver.requests[0].headers["x-clipper-signature-256"] == nil)
    // Still owed, and owed once.
    #expect(try registry.registry.jobs.pending(WebhookDelivery.jobKind) == 1)
    // A redirect is an answer like any other that is not 2xx.
    let event = RegistryEvent(.push, in: registry.registry, repository: "app", by: .unknown)
    await #expect(throws: WebhookError.refused(status: 302)) {
      try await delivery.send(event, id: "1", to: Self.hook(receiver.port))
    }
    await delivery.stop()
  }

  @Test func speaksAsEventBridge() async throws {
    let registry = try TestRegistry()
    let requests = try await received([204, 204], by: registry, { try Self.hook($0, format: .eventBridge) }) {
      let digest = try await registry.push(image: "x", to: "app", tag: "1").digest
      try registry.registry.deleteManifest(digest, in: "app")
    }
    let bodies = requests.map { String(decoding: $0.body, as: UTF8.self) }
    #expect(bodies.count == 2)
    #expect(bodies[0].contains(#""detail-type":"ECR Image Action""#) && bodies[0].contains(#""source":"aws.ecr""#))
    #expect(bodies[0].contains(#""action-type":"PUSH""#) && bodies[0].contains(#""image-tag":"1""#))
    #expect(bodies[1].contains(#""action-type":"DELETE""#) && bodies[1].contains(#""repository-name":"app""#))
  }

  @Test func forgetsAnAddressThatWantsNothingAnyMore() async throws {
    let registry = try TestRegistry()
    let requests = try await received([410], by: registry, { try Self.hook($0) }) {
      try await registry.push(image: "x", to: "app", tag: "1")
    }
    #expect(requests.count == 1)
    #expect(try registry.registry.jobs.pending(WebhookDelivery.jobKind) == 0)
    #expect(try registry.registry.jobs.failed(WebhookDelivery.jobKind).count == 1)
    #expect(try registry.registry.undeliveredEvents().count == 1)
  }

  @Test func owesNothingWhereAPushFails() async throws {
    let registry = try TestRegistry()
    let requests = try await received([], by: registry, { try Self.hook($0) }) {
      registry.registry.quotaDefaults.quotas.repository = Quota(images: 0)
      let refused = try await registry.send(
        .put, "/v2/app/manifests/1", body: TestRegistry.json(ImageIndex.empty))
      #expect(refused.status == 403)
    }
    #expect(requests.isEmpty)
    #expect(try registry.registry.jobs.pending(WebhookDelivery.jobKind) == 0)
  }

  private enum ImageIndex {
    static let empty = ["schemaVersion": Entry.number(2), "manifests": .list]
    enum Entry: Encodable {
      case number(Int), list
      func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .number(let number): try container.encode(number)
        case .list: try container.encode([String]())
        }
      }
    }
  }

  @Test(arguments: [
    "ftp://x/", "https://", "http:///path", "https://user:password@host/", "https://a b/", "x", "https://h\u{e9}/",
  ])
  func refusesOtherAddresses(_ url: String) {
    #expect(throws: WebhookError.malformedURL(url)) { try Webhook(name: "a", url: url) }
  }

  @Test func refusesWhatItCannotDo() {
    #expect(throws: WebhookError.notInFormat(.pull)) {
      try Webhook(name: "a", url: "http://x", events: [.pull], format: .eventBridge)
    }
    #expect(throws: WebhookError.malformedName("a/b")) { try Webhook(name: "a/b", url: "http://x") }
    #expect(throws: WebhookError.noEvents) { try Webhook(name: "a", url: "http://x", events: []) }
  }
}
