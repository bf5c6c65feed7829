import AsyncHTTPClient
import NIOCore
import TestServices
import Testing

@testable import S3Storage

/// Against each server of the protocol that this machine has.
@Suite struct S3ClientTests {
  private func client(_ kind: ObjectStorage.Kind) throws -> S3Client {
    let storage = try #require(try ObjectStorage.shared(kind))
    return try S3Client(
      S3Location(parsing: storage.makeBucket { try S3Client.makeBucket($0, $1) }), environment: storage.environment)
  }

  private static func bytes(_ count: Int, seed: UInt8 = 1) -> ByteBuffer {
    ByteBuffer(bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) ^ seed })
  }

  @Test(arguments: ObjectStorage.installed) func objectsComeBackAsTheyWere(_ kind: ObjectStorage.Kind) async throws {
    let client = try client(kind)
    let body = Self.bytes(100_000)
    try client.put("a/b-1", body)
    try client.put("empty", ByteBuffer())
    #expect(try client.get("a/b-1", limit: 100_000) == body)
    #expect(try client.get("empty", limit: 10)?.readableBytes == 0)
    #expect(try client.size("a/b-1") == 100_000)
    #expect(try client.get("none", limit: 10) == nil)
    #expect(try client.size("none") == nil)
    #expect(throws: S3Error.self) { try client.get("a/b-1", limit: 99_999) }
    var part = ByteBuffer()
    for try await piece in try await client.stream("a/b-1", 50_000..<70_001) { part.writeImmutableBuffer(piece) }
    #expect(part == body.getSlice(at: 50_000, length: 20_001))
    await #expect(throws: S3Error.self) { _ = try await client.stream("none", 0..<1) }
    try client.delete(["a/b-1", "none"])
    #expect(try client.size("a/b-1") == nil)
  }

  @Test(arguments: ObjectStorage.installed) func anObjectIsMadeOfParts(_ kind: ObjectStorage.Kind) async throws {
    let client = try client(kind)
    let upload = try client.beginMultipart("big")
    let parts = [Self.bytes(5 << 20, seed: 1), Self.bytes(5 << 20, seed: 2), Self.bytes(10, seed: 3)]
    let sent = parts.enumerated().map { client.sendPart("big", upload: upload, number: $0 + 1, $1) }
    let tags = try sent.map { try client.finishPart($0) }
    let size = Int64(parts.reduce(0) { $0 + $1.readableBytes })
    try client.completeMultipart("big", upload: upload, parts: tags, size: size)
    // As after an answer that was lost.
    try client.completeMultipart("big", upload: upload, parts: tags, size: size)
    var whole = ByteBuffer()
    for part in parts { whole.writeImmutableBuffer(part) }
    #expect(try client.size("big") == size)
    var read = ByteBuffer()
    for try await piece in try await client.stream("big", 0..<size) { read.writeImmutableBuffer(piece) }
    #expect(read == whole)
  }

  @Test(arguments: ObjectStorage.installed) func anUploadThatIsGivenUpLeavesNothing(_ kind: ObjectStorage.Kind) throws {
    let client = try client(kind)
    let upload = try client.beginMultipart("big")
    let sent = client.sendPart("big", upload: upload, number: 1, Self.bytes(100))
    _ = try client.finishPart(sent)
    try client.abortMultipart("big", upload: upload)
    try client.abortMultipart("big", upload: upload)
    #expect(try client.size("big") == nil)
    #expect(throws: S3Error.self) {
      try client.completeMultipart("big", upload: upload, parts: ["\"x\""], size: 100)
    }
  }

  @Test(arguments: ObjectStorage.installed) func onlyTheFirstOfTwoIsStored(_ kind: ObjectStorage.Kind) throws {
    let client = try client(kind)
    #expect(try client.putIfAbsent("once", ByteBuffer(string: "a")))
    #expect(try !client.putIfAbsent("once", ByteBuffer(string: "b")))
    #expect(try client.get("once", limit: 10) == ByteBuffer(string: "a"))
  }

  @Test(arguments: ObjectStorage.installed) func aLinkReadsWithoutCredentials(_ kind: ObjectStorage.Kind) async throws {
    let client = try client(kind)
    try client.put("a/b", ByteBuffer(string: "hello"))
    let url = client.presignedURL("a/b", seconds: 60)
    let answer = try await HTTPClient.shared.get(url: url).get()
    #expect(answer.status == .ok && answer.body == ByteBuffer(string: "hello"))
    #expect(answer.headers.first(name: "content-type") == "application/octet-stream")
  }

  @Test(arguments: ObjectStorage.installed) func aWrongSecretIsSaid(_ kind: ObjectStorage.Kind) throws {
    // moto believes everybody.
    guard kind != .moto else { return }
    let storage = try #require(try ObjectStorage.shared(kind))
    let location = try S3Location(parsing: storage.makeBucket { try S3Client.makeBucket($0, $1) })
    var environment = storage.environment
    environment["AWS_SECRET_ACCESS_KEY"] = "wr0ng-s3cret"
    let client = try S3Client(location, environment: environment)
    let error = #expect(throws: S3Error.self) { try client.put("a", ByteBuffer()) }
    #expect("\(try #require(error))".contains("SignatureDoesNotMatch"))
    #expect(!"\(try #require(error))".contains("s3cret"))
  }

  @Test func nobodyListening() throws {
    let client = try S3Client(
      S3Location(parsing: "s3://abc?endpoint=http://127.0.0.1:9"),
      environment: ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"])
    let error = #expect(throws: S3Error.self) { try client.put("a", ByteBuffer()) }
    #expect("\(try #require(error))".contains("cannot be reached"))
  }
}

extension S3Client {
  /// Creates the bucket of a URL.
  static func makeBucket(_ url: String, _ environment: [String: String]) throws {
    _ = try S3Client(S3Location(parsing: url), environment: environment).send(Request(method: .PUT))
  }
}
