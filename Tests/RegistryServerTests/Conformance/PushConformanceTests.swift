import Content
import DistributionSpec
import HTTPTypes
import ImageSpec
import Kernel
import SystemPackage
import Testing

@testable import RegistryServer

/// distribution-spec 1.1, Push: blobs, in every way there is and with every digest.
@Suite struct PushConformanceTests {
  private static let bytes = Array("the quick brown fox".utf8)
  private static let algorithms: [Digest.Algorithm] = [.sha256, .sha512]

  private func begin(_ registry: TestRegistry, query: String = "") async throws -> String {
    let answer = try await registry.send(.post, "/v2/app/blobs/uploads/\(query)")
    #expect(answer.status == 202 && answer["range"] == "0-0")
    return try #require(answer["location"])
  }

  private func expectBlob(_ registry: TestRegistry, _ answer: TestRegistry.Answer, _ digest: Digest) async throws {
    #expect(answer.status == 201 && answer["docker-content-digest"] == digest.description, "\(answer.text)")
    let location = try #require(answer["location"])
    #expect(try await registry.send(.get, location).body == Self.bytes)
  }

  @Test(arguments: algorithms) func takesABlobByPostAlone(_ algorithm: Digest.Algorithm) async throws {
    let registry = try TestRegistry()
    let digest = ContentStore.digest(of: Self.bytes, algorithm)
    let answer = try await registry.send(.post, "/v2/app/blobs/uploads/?digest=\(digest)", body: Self.bytes)
    try await expectBlob(registry, answer, digest)
  }

  @Test(arguments: algorithms) func takesABlobByPostAndPut(_ algorithm: Digest.Algorithm) async throws {
    let registry = try TestRegistry()
    let digest = ContentStore.digest(of: Self.bytes, algorithm)
    let location = try await begin(registry)
    try await expectBlob(
      registry, try await registry.send(.put, "\(location)?digest=\(digest)", body: Self.bytes), digest)
  }

  /// "Chunks MUST be uploaded in order … If a chunk is uploaded out of order, the registry MUST respond with a 416", by
  /// PATCH and by the closing PUT; the session goes on.
  @Test(arguments: algorithms, [true, false])
  func takesABlobInChunksAndRefusesOthers(_ algorithm: Digest.Algorithm, _ lastByPut: Bool) async throws {
    let registry = try TestRegistry()
    let digest = ContentStore.digest(of: Self.bytes, algorithm)
    var location = try await begin(registry)
    let chunks = [0..<7, 7..<14, 14..<Self.bytes.count]
    for (index, chunk) in chunks.enumerated() {
      let isLast = index == chunks.count - 1
      let closes = isLast && lastByPut
      let wrong = isLast ? 0..<5 : chunks[index + 1]
      let target = closes ? "\(location)?digest=\(digest)" : location
      let refused = try await registry.send(
        closes ? .put : .patch, target, ["content-range": "\(wrong.lowerBound)-\(wrong.upperBound - 1)"],
        body: Array(Self.bytes[wrong]))
      if index > 0 || wrong.lowerBound > 0 {
        #expect(refused.status == 416 && refused["location"] != nil && refused.codes == ["RANGE_INVALID"])
        #expect(refused["range"] == "0-\(max(0, chunk.lowerBound - 1))")
      }
      let status = try await registry.send(.get, location)
      #expect(status.status == 204 && status["range"] == "0-\(max(0, chunk.lowerBound - 1))")
      #expect(status["location"] == location)
      let taken = try await registry.send(
        closes ? .put : .patch, target, ["content-range": "\(chunk.lowerBound)-\(chunk.upperBound - 1)"],
        body: Array(Self.bytes[chunk]))
      if closes {
        try await expectBlob(registry, taken, digest)
        return
      }
      #expect(taken.status == 202 && taken["range"] == "0-\(chunk.upperBound - 1)")
      location = try #require(taken["location"])
    }
    try await expectBlob(registry, try await registry.send(.put, "\(location)?digest=\(digest)"), digest)
  }

  @Test(arguments: algorithms) func takesABlobAsAStream(_ algorithm: Digest.Algorithm) async throws {
    let registry = try TestRegistry()
    let digest = ContentStore.digest(of: Self.bytes, algorithm)
    let location = try await begin(registry)
    #expect(try await registry.send(.patch, location, body: Self.bytes).status == 202)
    try await expectBlob(registry, try await registry.send(.put, "\(location)?digest=\(digest)"), digest)
  }

  /// `digest-algorithm` is a hint: another digest at the end is taken as well. (distribution-spec 1.2)
  @Test(arguments: algorithms, algorithms)
  func takesAHintOfTheAlgorithm(_ hinted: Digest.Algorithm, _ actual: Digest.Algorithm) async throws {
    let registry = try TestRegistry()
    let digest = ContentStore.digest(of: Self.bytes, actual)
    let location = try await begin(registry, query: "?digest-algorithm=\(hinted)")
    #expect(try await registry.send(.patch, location, body: Array(Self.bytes[..<5])).status == 202)
    // Opened anew, from what is on the disk.
    registry.server.uploads.suspendAll()
    #expect(try await registry.send(.patch, location, body: Array(Self.bytes[5...])).status == 202)
    try await expectBlob(registry, try await registry.send(.put, "\(location)?digest=\(digest)"), digest)
    let unknown = try await registry.send(.post, "/v2/app/blobs/uploads/?digest-algorithm=md5")
    #expect(unknown.status == 400 && unknown.codes == ["DIGEST_INVALID"])
  }

  @Test(arguments: algorithms) func refusesAnotherDigest(_ algorithm: Digest.Algorithm) async throws {
    let registry = try TestRegistry()
    let wrong = ContentStore.digest(of: [1], algorithm)
    let post = try await registry.send(.post, "/v2/app/blobs/uploads/?digest=\(wrong)", body: Self.bytes)
    let put = try await registry.send(.put, "\(try await begin(registry))?digest=\(wrong)", body: Self.bytes)
    for answer in [post, put] {
      #expect(answer.status == 400 && answer.codes == ["DIGEST_INVALID"])
      #expect(answer.text.contains(ContentStore.digest(of: Self.bytes, algorithm).description))
    }
    #expect(try await registry.send(.head, "/v2/app/blobs/\(wrong)").status == 404)
  }

  @Test(arguments: [
    "sha256:baddigeststring", "sha256:" + String(repeating: "A", count: 64), "md5:d41d8cd98f00b204e9800998ecf8427e",
    "sha256", "", "sha512:" + String(repeating: "a", count: 64), "sha256:../../../etc/passwd",
  ])
  func refusesWhatIsNoDigest(_ text: String) async throws {
    let registry = try TestRegistry()
    let query = PercentEncoding.encode(text)
    for target in ["/v2/app/blobs/uploads/?digest=\(query)", "/v2/app/blobs/uploads/?mount=\(query)&from=other"] {
      let answer = try await registry.send(.post, target, body: Self.bytes)
      #expect(answer.status == 400 && answer.codes == ["DIGEST_INVALID"])
    }
    let answer = try await registry.send(.put, "\(try await begin(registry))?digest=\(query)", body: Self.bytes)
    #expect(answer.status == 400 && answer.codes == ["DIGEST_INVALID"])
  }

  @Test func anUploadThatIsNotThereIsUnknown() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    #expect(try await registry.send(.delete, location).status == 204)
    for id in [location, "/v2/app/blobs/uploads/..", "/v2/app/blobs/uploads/%00", "/v2/app/blobs/uploads/a%2fb"] {
      for method in [HTTPRequest.Method.get, .patch, .delete] {
        let answer = try await registry.send(method, id, body: method == .patch ? [1] : [])
        #expect(answer.status == 404, "\(method) \(id)")
      }
      let put = try await registry.send(.put, "\(id)?digest=\(TestRegistry.digest([1]))", body: [1])
      #expect(put.status == 404)
    }
  }

  /// "If a registry is unable to mount the requested blob, it SHOULD return a 202", with or without a `from`.
  @Test func mountsWhereItCanAndBeginsAnUploadWhereNot() async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Self.bytes, to: "source")
    for (query, status) in [
      ("mount=\(digest)&from=source", 201), ("mount=\(digest)", 201), ("mount=\(digest)&from=", 201),
      ("mount=\(digest)&from=app/none", 202), ("mount=\(digest)&from=..%2fsource", 202),
      ("mount=\(TestRegistry.digest([8]))", 202),
    ] {
      let name = "target\(query.hashValue.magnitude)"
      let answer = try await registry.send(.post, "/v2/\(name)/blobs/uploads/?\(query)")
      #expect(answer.status == status && answer["location"] != nil, "\(query)")
      if status == 201 {
        #expect(answer["docker-content-digest"] == digest.description)
        #expect(try await registry.send(.get, try #require(answer["location"])).body == Self.bytes)
      }
    }
  }

  @Test func aRepeatedPushOfABlobSucceeds() async throws {
    let registry = try TestRegistry()
    for _ in 0..<2 { try await registry.push(blob: Self.bytes, to: "app") }
    let location = try await begin(registry)
    let answer = try await registry.send(
      .put, "\(location)?digest=\(TestRegistry.digest(Self.bytes))", body: Self.bytes)
    #expect(answer.status == 201)
  }
}
