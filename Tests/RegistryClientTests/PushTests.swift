import Content
import FoundationEssentials
import Glibc
import ImageSpec
import RegistryClient
import Synchronization
import Testing

@Suite("push")
struct PushTests {
  private func manifest(_ bytes: [UInt8]?) throws -> Manifest {
    try JSONDecoder().decode(Manifest.self, from: Data(#require(bytes)))
  }

  @Test func sendsWhatIsMissingAndTheManifestLast() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let image = try TestImage(layers: [noise(900_000), noise(100, seed: 2)])
    try image.put(in: machine.store, name: "app:1")
    registry.add(blob: image.layers[1], to: "team/app")
    let pushed = try await machine.with(machine.client()) {
      try await $0.push(Reference(parsing: "app:1"), to: registry.name("team/app:1"))
    }
    #expect(pushed.digest == image.descriptor.digest)
    #expect(registry.manifest("1", in: "team/app") == image.manifest)
    #expect(registry.blob(image.layerDigests[0], in: "team/app") == image.layers[0])
    // Two uploads: config and the one layer.
    #expect(registry.server.requests("POST", "/uploads/").count == 2)
    let last = try #require(registry.server.requests.last)
    #expect(last.method == "PUT" && last.path == "/v2/team/app/manifests/1")
    #expect(last.headers["content-type"] == MediaType.manifest.rawValue)
  }

  @Test func mountsWhatAnotherRepositoryHas() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let image = try TestImage(layers: [noise(5000)])
    try image.put(in: machine.store, name: "app:1")
    let events = Mutex<[String]>([])
    try await machine.with(machine.client()) { client in
      _ = try await client.push(Reference(parsing: "app:1"), to: registry.name("first/app:1"))
      _ = try await client.push(Reference(parsing: "app:1"), to: registry.name("second/app:1")) { event in
        if case .mounted(_, let from) = event { events.withLock { $0.append(from) } }
      }
    }
    #expect(events.withLock { $0 } == ["first/app", "first/app"])
    #expect(registry.blob(image.layerDigests[0], in: "second/app") == image.layers[0])
    #expect(registry.server.requests("PUT", "/v2/second/app/blobs").isEmpty)
  }

  @Test func sendsTheBytesWhereAMountIsRefused() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, _, _ in
      request.query.contains("mount=") ? FakeAnswer(403) : nil
    }
    let image = try TestImage(layers: [noise(5000)])
    try image.put(in: machine.store, name: "app:1")
    try await machine.with(machine.client()) { client in
      _ = try await client.push(Reference(parsing: "app:1"), to: registry.name("first/app:1"))
      _ = try await client.push(Reference(parsing: "app:1"), to: registry.name("second/app:1"))
    }
    #expect(registry.blob(image.layerDigests[0], in: "second/app") == image.layers[0])
  }

  @Test func compressesALayerOnceAndKeepsTheImageUnderThePushedDigest() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let tar = [UInt8](repeating: 7, count: 3 << 20)
    let image = try TestImage(layers: [tar], layerType: .layer)
    try image.put(in: machine.store, name: "app:1")
    try machine.store.setName(Reference(parsing: "other:1"), image.descriptor)
    let compressions = Mutex(0)
    let count: TransferProgress = { event in
      if case .compressing = event { compressions.withLock { $0 += 1 } }
    }
    try await machine.with(machine.client()) { client in
      let pushed = try await client.push(Reference(parsing: "app:1"), to: registry.name("app:1"), progress: count)
      let sent = try manifest(registry.manifest("1", in: "app"))
      #expect(sent.layers.map(\.mediaType) == [.layerGzip])
      #expect(sent.config.digest == ContentStore.digest(of: image.config))
      #expect(try #require(registry.blob(sent.layers[0].digest, in: "app")).prefix(2) == [0x1f, 0x8b])
      #expect(sent.layers[0].size < 100_000)
      for name in ["app:1", "other:1"] {
        #expect(try machine.store.resolve(Reference(parsing: name))?.digest == pushed.digest)
      }
      // The same layer in another image.
      let second = try TestImage(layers: [tar], layerType: .layer, seed: "second")
      try second.put(in: machine.store, name: "second:1")
      _ = try await client.push(Reference(parsing: "second:1"), to: registry.name("app:2"), progress: count)
      #expect(try manifest(registry.manifest("2", in: "app")).layers == sent.layers)
    }
    #expect(compressions.withLock { $0 } == 1)
  }

  @Test func goesOnWhereAnUploadBroke() async throws {
    let machine = try Machine()
    let layer = noise(2_000_000)
    let broken = Mutex(false)
    let registry = try FakeRegistry(cut: { request, registry in
      guard request.method == "PUT", request.headers["content-length"] == "2000000" else { return nil }
      let first = broken.withLock { broken in
        defer { broken = true }
        return !broken
      }
      guard first else { return nil }
      // What a registry has taken in before the connection broke.
      let id = String(request.path.split(separator: "/").last ?? "")
      registry.receive(Array(layer[..<700_000]), id)
      return 700_000
    })
    try TestImage(layers: [layer]).put(in: machine.store, name: "app:1")
    _ = try await machine.with(machine.client()) {
      try await $0.push(Reference(parsing: "app:1"), to: registry.name("app:1"))
    }
    let patches = registry.server.requests("PATCH", "/uploads/")
    #expect(patches.map { $0.headers["content-range"] } == ["700000-1999999"])
    #expect(registry.blob(ContentStore.digest(of: layer), in: "app") == layer)
    #expect(machine.waits.all.count == 1)
  }

  @Test func startsAnUploadAnewWhereTheRegistryForgotIt() async throws {
    let machine = try Machine()
    let layer = noise(50_000)
    let registry = try FakeRegistry { request, number, registry in
      guard request.method == "PUT", request.path.contains("/uploads/"), request.body.count == 50_000, number == 1,
        request.path.hasSuffix("/1") || request.path.hasSuffix("/2")
      else { return nil }
      registry.state.withLock { $0.uploads = [:] }
      return FakeAnswer(502)
    }
    try TestImage(layers: [layer]).put(in: machine.store, name: "app:1")
    _ = try await machine.with(machine.client { $0.concurrency = 1 }) {
      try await $0.push(Reference(parsing: "app:1"), to: registry.name("app:1"))
    }
    #expect(registry.blob(ContentStore.digest(of: layer), in: "app") == layer)
  }

  @Test func saysWhatWasTriedAndPutsNoManifestWhereABlobCannotBeSent() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, _, _ in request.method == "POST" ? FakeAnswer(500) : nil }
    try TestImage(layers: [noise(100)]).put(in: machine.store, name: "app:1")
    await #expect {
      try await machine.with(machine.client()) {
        try await $0.push(Reference(parsing: "app:1"), to: registry.name("app:1"))
      }
    } throws: { "\($0)".contains("5 times") && "\($0)".contains(registry.host) }
    #expect(registry.server.requests("PUT", "/manifests/").isEmpty)
  }

  @Test func saysThatPushingIsDenied() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry { request, _, _ in
      request.method == "POST" ? FakeAnswer(403, text: #"{"errors":[{"code":"DENIED","message":"read only"}]}"#) : nil
    }
    try TestImage(layers: [noise(100)]).put(in: machine.store, name: "app:1")
    await #expect {
      try await machine.with(machine.client()) {
        try await $0.push(Reference(parsing: "app:1"), to: registry.name("app:1"))
      }
    } throws: { "\($0)".contains("denies") && "\($0)".contains("read only") }
  }

  @Test func sendsAnIndexWithAllItsImages() async throws {
    let machine = try Machine()
    let registry = try FakeRegistry()
    let images = [
      try TestImage(layers: [noise(100)], platform: Platform(os: "linux", architecture: "amd64")),
      try TestImage(layers: [noise(200)], platform: Platform(os: "linux", architecture: "arm64")),
    ]
    for (number, image) in images.enumerated() { try image.put(in: machine.store, name: "part\(number):1") }
    let bytes = try TestImage.encode(Index(manifests: images.map(\.descriptor)))
    let index = try machine.store.write(bytes, mediaType: .index)
    try machine.store.setName(Reference(parsing: "app:1"), index)
    let pushed = try await machine.with(machine.client()) {
      try await $0.push(Reference(parsing: "app:1"), to: registry.name("app:1"))
    }
    #expect(pushed.digest == index.digest)
    #expect(registry.manifest("1", in: "app") == bytes)
    for image in images { #expect(registry.manifest(image.descriptor.digest.description, in: "app") == image.manifest) }
    #expect(registry.server.requests("PUT", "/manifests/").last?.path == "/v2/app/manifests/1")
  }

  @Test func sendsTheOneImageOfAnIndexThatIsHere() async throws {
    let machine = try Machine()
    let source = try FakeRegistry(), target = try FakeRegistry()
    var descriptors: [Descriptor] = []
    for architecture in ["amd64", "arm64"] {
      let platform = Platform(os: "linux", architecture: architecture)
      var descriptor = try TestImage(layers: [noise(100)], platform: platform).put(in: source, "app", tag: nil)
      descriptor.platform = platform
      descriptors.append(descriptor)
    }
    _ = source.add(manifest: try TestImage.encode(Index(manifests: descriptors)), type: .index, to: "app", tag: "1")
    try await machine.with(machine.client()) { client in
      _ = try await client.pull(source.name("app:1"), platform: Platform(os: "linux", architecture: "arm64"))
      let pushed = try await client.push(source.name("app:1"), to: target.name("copy:1"))
      #expect(pushed.digest == descriptors[1].digest)
    }
  }

  @Test func refusesToPushWhatIsNotThere() async throws {
    let machine = try Machine()
    await #expect {
      try await machine.with(machine.client()) {
        try await $0.push(Reference(parsing: "none:1"), to: Reference(parsing: "127.0.0.1:1/none:1"))
      }
    } throws: { "\($0)".contains("no image none:1") }
  }
}

@Suite("download of a URL")
struct DownloadTests {
  @Test func followsRedirectsAndGoesOnUnderTheSameEntityTag() async throws {
    let machine = try Machine()
    let bytes = noise(400_000)
    let ingest = try machine.store.ingest()
    let served = Mutex(0)
    let server = try FakeServer { request in
      guard request.path == "/file" else { return FakeAnswer(302, [("Location", "/file")]) }
      let number = served.withLock { served in
        served += 1
        return served
      }
      if number == 1 {
        var answer = FakeAnswer(200, [("ETag", "\"v1\"")], bytes, hangUpAfter: 100_000)
        answer.beforeHangUp = { for _ in 0..<10_000 where ingest.offset < 100_000 { usleep(1000) } }
        return answer
      }
      let first = Int(request.headers["range"]?.dropFirst(6).dropLast() ?? "") ?? 0
      return FakeAnswer(
        206, [("ETag", "\"v1\""), ("Content-Range", "bytes \(first)-399999/400000")], Array(bytes[first...]))
    }
    defer { server.stop() }
    let file = try await machine.with(machine.client()) {
      try await $0.download(url: "http://\(server.host)/start", to: ingest)
    }
    #expect(file.size == 400_000 && file.url == "http://\(server.host)/file")
    #expect(try ingest.commit().digest == ContentStore.digest(of: bytes))
    #expect(server.requests.last?.headers["if-range"] == "\"v1\"")
  }

  @Test func stopsAtTheLimit() async throws {
    let machine = try Machine()
    let server = try FakeServer { _ in FakeAnswer(200, [], noise(2000)) }
    defer { server.stop() }
    let ingest = try machine.store.ingest()
    await #expect {
      try await machine.with(machine.client()) {
        try await $0.download(url: "http://\(server.host)/", to: ingest, limit: 1000)
      }
    } throws: { "\($0)".contains("larger than the 1000 bytes") }
    ingest.discard()
  }

  @Test(arguments: ["ftp://host/file", "file:///etc/passwd", "http://", "nonsense"])
  func refusesWhatIsNoWebAddress(_ url: String) async throws {
    let machine = try Machine()
    let ingest = try machine.store.ingest()
    await #expect(throws: RegistryClientError.self) {
      try await machine.with(machine.client()) { try await $0.download(url: url, to: ingest) }
    }
    ingest.discard()
  }
}
