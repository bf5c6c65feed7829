import Content
import ImageSpec
import RegistryClient
import Synchronization
import Testing

@Suite("pull")
struct PullTests {
  @Test func bringsAnImageAndNamesIt() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let image = try TestImage(layers: [noise(300_000), noise(10, seed: 2)])
    let descriptor = image.put(in: registry, "team/app")
    let pulled = try await machine.with(machine.client()) { try await $0.pull(registry.name("team/app:1")) }
    #expect(pulled == descriptor)
    #expect(try machine.store.resolve(registry.name("team/app:1"))?.digest == descriptor.digest)
    #expect(try machine.store.read(image.layerDigests[0]) == image.layers[0])
  }

  @Test func asksNothingButTheDigestOfAnUnchangedImage() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    try TestImage(layers: [noise(1000)]).put(in: registry, "app")
    try await machine.with(machine.client()) { client in
      _ = try await client.pull(registry.name("app:1"))
      let before = registry.server.requests.count
      _ = try await client.pull(registry.name("app:1"))
      #expect(registry.server.requests.dropFirst(before).map(\.method) == ["HEAD"])
    }
  }

  @Test func choosesThePlatformOfAnIndex() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let arm = Platform(os: "linux", architecture: "arm64"), amd = Platform(os: "linux", architecture: "amd64")
    let first = try TestImage(layers: [noise(100)], platform: arm),
      second = try TestImage(layers: [noise(200)], platform: amd)
    var descriptors = [first.put(in: registry, "app", tag: nil), second.put(in: registry, "app", tag: nil)]
    descriptors[0].platform = arm
    descriptors[1].platform = amd
    let index = registry.add(
      manifest: try TestImage.encode(Index(manifests: descriptors)), type: .index, to: "app", tag: "1")
    let pulled = try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1"), platform: amd) }
    #expect(pulled.digest == index.digest)
    #expect(machine.store.contains(second.layerDigests[0]))
    #expect(!machine.store.contains(first.layerDigests[0]))
  }

  @Test func namesThePlatformsWhereNoneFits() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    var descriptor = try TestImage(layers: []).put(in: registry, "app", tag: nil)
    descriptor.platform = Platform(os: "linux", architecture: "s390x")
    _ = registry.add(manifest: try TestImage.encode(Index(manifests: [descriptor])), type: .index, to: "app", tag: "1")
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1")) }
    } throws: { "\($0)".contains("linux/s390x") && "\($0)".contains(Platform.host.description) }
  }

  // MARK: Breaking off

  @Test func goesOnWhereAConnectionBroke() async throws {
    let machine = try Machine()
    let layer = noise(1_000_000)
    let tap = RecordingTap()
    let registry = try FakeRegistry { request, number, registry in
      guard request.path.hasSuffix(ContentStore.digest(of: layer).description), number < 3 else { return nil }
      var answer = registry.served(layer, request)
      answer.hangUpAfter = 300_000
      answer.beforeHangUp = { tap.wait(for: number * 300_000) }
      return answer
    }
    try TestImage(layers: [layer]).put(in: registry, "app")
    _ = try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1"), tap: { _, _, _ in tap }) }
    let gets = registry.server.requests("GET", ContentStore.digest(of: layer).description)
    // Each goes on behind what has come, which may be less than what was sent.
    let starts = gets.map { $0.headers["range"].flatMap { Int($0.dropFirst("bytes=".count).dropLast()) } }
    #expect(gets.count == 3 && starts.first == .some(nil))
    let (second, third) = (try #require(starts[1]), try #require(starts[2]))
    #expect((1...300_000).contains(second) && (second + 1...second + 300_000).contains(third))
    #expect(tap.now.bytes == layer)
    #expect(tap.now.isFinished && !tap.now.isCancelled)
    #expect(machine.waits.all == [.milliseconds(400), .milliseconds(800)])
  }

  @Test func takesUpWhatAnEarlierProcessLeft() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let layer = noise(700_000)
    try TestImage(layers: [layer]).put(in: registry, "app")
    let ingest = try machine.store.ingest("pull-\(ContentStore.digest(of: layer))")
    try ingest.append(Array(layer[..<500_000]))
    ingest.suspend()
    let tap = RecordingTap()
    _ = try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1"), tap: { _, _, _ in tap }) }
    #expect(
      registry.server.requests("GET", "\(ContentStore.digest(of: layer))").map { $0.headers["range"] } == [
        "bytes=500000-"
      ])
    #expect(tap.now.bytes == layer)
  }

  @Test func startsOverWhereWhatWasLeftIsWrong() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let layer = noise(200_000)
    try TestImage(layers: [layer]).put(in: registry, "app")
    let ingest = try machine.store.ingest("pull-\(ContentStore.digest(of: layer))")
    try ingest.append(noise(100_000, seed: 77))
    ingest.suspend()
    let taps = Mutex<[RecordingTap]>([])
    _ = try await machine.with(machine.client()) { client in
      try await client.pull(registry.name("app:1")) { _, _, _ in
        let tap = RecordingTap()
        taps.withLock { $0.append(tap) }
        return tap
      }
    }
    let all = taps.withLock { $0.map(\.now) }
    #expect(all.map(\.isCancelled) == [true, false])
    #expect(all.last?.bytes == layer)
  }

  @Test func startsOverWhereTheRegistryKnowsNoRanges() async throws {
    let machine = try Machine()
    let layer = noise(600_000)
    let registry = try FakeRegistry(ranges: false) { request, number, registry in
      guard request.path.hasSuffix(ContentStore.digest(of: layer).description), number == 1 else { return nil }
      return FakeAnswer(200, [], layer, hangUpAfter: 400_000)
    }
    try TestImage(layers: [layer]).put(in: registry, "app")
    let tap = RecordingTap()
    _ = try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1"), tap: { _, _, _ in tap }) }
    #expect(tap.now.bytes == layer)
    #expect(try machine.store.read(ContentStore.digest(of: layer)) == layer)
  }

  @Test func keepsTheBytesOfAPullThatFailed() async throws {
    let machine = try Machine()
    let layer = noise(500_000)
    let tap = RecordingTap()
    let registry = try FakeRegistry { request, number, registry in
      guard request.path.hasSuffix(ContentStore.digest(of: layer).description) else { return nil }
      guard number == 1 else { return FakeAnswer(500) }
      var answer = FakeAnswer(200, [], layer, hangUpAfter: 200_000)
      answer.beforeHangUp = { tap.wait(for: 200_000) }
      return answer
    }
    try TestImage(layers: [layer]).put(in: registry, "app")
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1"), tap: { _, _, _ in tap }) }
    } throws: { error in
      let text = "\(error)"
      return text.contains(registry.host) && text.contains("5 times") && text.contains("status 500")
        && text.contains("layer")
    }
    #expect(tap.now.isCancelled && !tap.now.isFinished)
    let ingest = try machine.store.ingest("pull-\(ContentStore.digest(of: layer))")
    // What has come, which may be less than what was sent; the next attempts have asked for the rest of it.
    #expect((1...200_000).contains(ingest.offset))
    let gets = registry.server.requests("GET", ContentStore.digest(of: layer).description)
    #expect(gets.dropFirst().allSatisfy { $0.headers["range"] == "bytes=\(ingest.offset)-" })
    #expect(try machine.store.names().isEmpty)
  }

  @Test func endsAnAnswerThatGoesSilent() async throws {
    let machine = try Machine()
    let layer = noise(1000)
    // The head promises more than ever comes, and the connection stays open.
    let registry = try FakeRegistry { request, number, _ in
      guard request.path.hasSuffix(ContentStore.digest(of: layer).description) else { return nil }
      return FakeAnswer(200, [("Content-Length", "1000")], Array(layer[..<100]))
    }
    try TestImage(layers: [layer]).put(in: registry, "app")
    await #expect {
      try await machine.with(machine.client(idle: 1) { $0.retry.attempts = 1 }) {
        try await $0.pull(registry.name("app:1"))
      }
    } throws: { "\($0)".contains("silent") }
  }

  // MARK: Wrong content

  @Test func namesADigestThatIsWrongAndStoresNothing() async throws {
    let machine = try Machine()
    let layer = noise(50_000)
    let wrong = noise(50_000, seed: 9)
    let registry = try FakeRegistry { request, _, _ in
      request.path.hasSuffix(ContentStore.digest(of: layer).description) ? FakeAnswer(200, [], wrong) : nil
    }
    try TestImage(layers: [layer]).put(in: registry, "app")
    struct Broken: Error {}
    // The tap stumbles over the bytes too; the digest says what is really wrong.
    let tap = RecordingTap(failing: Broken())
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1"), tap: { _, _, _ in tap }) }
    } throws: { error in
      let text = "\(error)"
      return text.contains("digest mismatch") && text.contains(ContentStore.digest(of: layer).description)
        && text.contains(ContentStore.digest(of: wrong).description)
    }
    #expect(!machine.contains([ContentStore.digest(of: layer), ContentStore.digest(of: wrong)]))
    #expect(!machine.store.ingestExists("pull-\(ContentStore.digest(of: layer))"))
    #expect(tap.now.isCancelled)
  }

  @Test func aTapThatFailsFailsThePull() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    try TestImage(layers: [noise(5000)]).put(in: registry, "app")
    struct Full: Error {}
    await #expect(throws: Full.self) {
      try await machine.with(machine.client()) {
        try await $0.pull(registry.name("app:1"), tap: { _, _, _ in RecordingTap(failing: Full()) })
      }
    }
    #expect(try machine.store.names().isEmpty)
  }

  @Test func refusesABlobOfAnotherSize() async throws {
    let machine = try Machine()
    let layer = noise(50_000)
    let registry = try FakeRegistry { request, _, _ in
      request.path.hasSuffix(ContentStore.digest(of: layer).description) ? FakeAnswer(200, [], layer + [1]) : nil
    }
    try TestImage(layers: [layer]).put(in: registry, "app")
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1")) }
    } throws: { "\($0)".contains("size mismatch") }
  }

  @Test func refusesAManifestThatIsNotWhatItsDigestSays() async throws {
    let machine = try Machine()
    let image = try TestImage(layers: [])
    let registry = try FakeRegistry { request, _, _ in
      request.path.contains("/manifests/")
        ? FakeAnswer(200, [("Content-Type", MediaType.manifest.rawValue)], image.manifest + [0x20]) : nil
    }
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app@\(image.descriptor.digest)")) }
    } throws: { "\($0)".contains("digest mismatch") }
  }

  @Test(arguments: [
    (MediaType.index.rawValue, #"{"schemaVersion":2,"config":{},"layers":[]}"#, "content is that of a manifest"),
    (MediaType.manifest.rawValue, #"{"schemaVersion":2,"manifests":[]}"#, "content is that of an index"),
    (MediaType.manifest.rawValue, #"{"schemaVersion":2,"manifests":[],"layers":[]}"#, "either"),
    (
      "application/vnd.docker.distribution.manifest.v1+prettyjws", #"{"schemaVersion":1,"name":"a"}"#,
      "schema version 1"
    ),
    (MediaType.manifest.rawValue, "<html>", "JSON"),
    (MediaType.manifest.rawValue, #"{"schemaVersion":2,"config":{"digest":"x"},"layers":[]}"#, "config"),
  ])
  func refusesWhatIsNoManifest(type: String, body: String, word: String) async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, _, _ in
      request.path.contains("/manifests/") ? FakeAnswer(200, [("Content-Type", type)], text: body) : nil
    }
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1")) }
    } throws: { "\($0)".contains(word) }
  }

  @Test func refusesAManifestThatIsTooLarge() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, _, _ in
      request.path.contains("/manifests/")
        ? FakeAnswer(200, [("Content-Type", MediaType.manifest.rawValue)], [UInt8](repeating: 0x20, count: 9 << 20))
        : nil
    }
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1")) }
    } throws: { "\($0)".contains("larger than") }
  }

  // MARK: Layers

  @Test func fetchesALayerThatComesTwiceOnceAndUnpacksItTwice() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let layer = noise(20_000)
    try TestImage(layers: [layer, noise(5, seed: 4), layer]).put(in: registry, "app")
    let taps = [RecordingTap(), RecordingTap(), RecordingTap()]
    _ = try await machine.with(machine.client()) {
      try await $0.pull(registry.name("app:1"), tap: { _, _, index in taps[index] })
    }
    #expect(registry.server.requests("GET", "\(ContentStore.digest(of: layer))").count == 1)
    #expect(taps[0].now.bytes == layer && taps[2].now.bytes == layer)
    #expect(taps.allSatisfy { $0.now.isFinished })
  }

  @Test func reportsWhatHappens() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let image = try TestImage(layers: [noise(2_000_000)])
    image.put(in: registry, "app")
    let events = Mutex<[TransferEvent]>([])
    _ = try await machine.with(machine.client()) {
      try await $0.pull(registry.name("app:1"), progress: { event in events.withLock { $0.append(event) } })
    }
    let reached = events.withLock { events in
      events.compactMap { event -> Int64? in
        if case .advanced(image.layerDigests[0], let bytes, 2_000_000) = event { bytes } else { nil }
      }
    }
    #expect(reached.last == 2_000_000)
    #expect(reached == reached.sorted() && reached.count > 2)
  }

  // MARK: Other answers

  @Test func followsARedirectWithoutTheSignIn() async throws {
    let machine = try Machine()
    let layer = noise(10_000)
    let elsewhere = try FakeServer { request in FakeAnswer(200, [], layer) }
    defer { elsewhere.stop() }
    let storage = "http://\(elsewhere.host)/bucket/key?signature=abc"
    let registry = try FakeRegistry { request, _, _ in
      guard request.headers["authorization"] != nil else {
        return FakeAnswer(401, [("WWW-Authenticate", "Basic realm=\"r\"")])
      }
      return request.path.hasSuffix(ContentStore.digest(of: layer).description)
        ? FakeAnswer(307, [("Location", storage)]) : nil
    }
    try TestImage(layers: [layer]).put(in: registry, "app")
    let client = machine.client(credentials: [registry.host: Credential(username: "ada", password: "secret")])
    _ = try await machine.with(client) { try await $0.pull(registry.name("app:1")) }
    #expect(elsewhere.requests.map { $0.headers["authorization"] } == [nil])
    #expect(elsewhere.requests.map(\.target) == ["/bucket/key?signature=abc"])
  }

  @Test func waitsAsLongAsTheRegistryAsks() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, number, _ in
      request.path.contains("/manifests/") && number == 1
        ? FakeAnswer(
          429, [("Retry-After", "7")], text: #"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#) : nil
    }
    try TestImage(layers: []).put(in: registry, "app")
    _ = try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1")) }
    #expect(machine.waits.all == [.seconds(7)])
  }

  @Test func saysWhatWasTriedWhereTheRegistryStaysBroken() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, _, _ in
      request.path.contains("/manifests/")
        ? FakeAnswer(503, text: #"{"errors":[{"code":"UNAVAILABLE","message":"moving house"}]}"#) : nil
    }
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app:1")) }
    } throws: { error in
      let text = "\(error)"
      return text.contains(registry.host) && text.contains("5 times") && text.contains("moving house")
        && text.contains("app:1")
    }
    #expect(machine.waits.all == [.milliseconds(400), .milliseconds(800), .milliseconds(1600), .milliseconds(3200)])
  }

  @Test func doesNotAskAgainForWhatIsNotThere() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(registry.name("app:none")) }
    } throws: { "\($0)".contains("not found") && "\($0)".contains("app:none") }
    #expect(machine.waits.all.isEmpty)
  }

  @Test func saysThatNobodyListens() async throws {
    let machine = try Machine()
    let server = try FakeServer { _ in FakeAnswer() }
    let name = try Reference(parsing: "\(server.host)/app:1")
    server.stop()
    await #expect {
      try await machine.with(machine.client()) { try await $0.pull(name) }
    } throws: { "\($0)".contains("connection refused") && "\($0)".contains("3 times") }
  }

  @Test func readsTagsPageByPage() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, number, _ in
      guard request.path == "/v2/app/tags/list" else { return nil }
      return number == 1
        ? FakeAnswer(
          200, [("Link", "</v2/app/tags/list?last=b&n=2>; rel=\"next\"")], text: #"{"name":"app","tags":["a","b"]}"#)
        : FakeAnswer(200, text: #"{"name":"app","tags":["c"]}"#)
    }
    let tags = try await machine.with(machine.client()) { try await $0.tags(registry.name("app")) }
    #expect(tags == ["a", "b", "c"])
    #expect(registry.server.requests.last?.query == "last=b&n=2")
  }
}
