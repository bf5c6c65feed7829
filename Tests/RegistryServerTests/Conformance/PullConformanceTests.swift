import Content
import DistributionSpec
import HTTPTypes
import ImageSpec
import Testing

@testable import RegistryServer

/// distribution-spec 1.1, Pull, clause by clause; RFC 9110 where it leans on that.
@Suite struct PullConformanceTests {
  private static let bytes = Array("0123456789".utf8)

  /// A registry with a blob, and the blob's path.
  private func blob() async throws -> (TestRegistry, String, Digest) {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Self.bytes, to: "team/app")
    return (registry, "/v2/team/app/blobs/\(digest)", digest)
  }

  @Test func everyAnswerAboutContentHasItsDigest() async throws {
    let (registry, path, digest) = try await blob()
    let image = try await registry.push(image: "one", to: "team/app", tag: "1")
    for method in [HTTPRequest.Method.get, .head] {
      #expect(try await registry.send(method, path)["docker-content-digest"] == digest.description)
      #expect(try await registry.send(method, "/v2/team/app/manifests/1")["docker-content-digest"] == "\(image.digest)")
    }
    for header in [["if-none-match": "*"], ["range": "bytes=1-2"], ["range": "bytes=99-"], ["range": "bytes=0-1,4-5"]] {
      #expect(try await registry.send(.get, path, header)["docker-content-digest"] == digest.description)
    }
    let manifest = "/v2/team/app/manifests/\(image.digest)"
    #expect(
      try await registry.send(.get, manifest, ["if-none-match": "*"])["docker-content-digest"] == "\(image.digest)")
    #expect(try await registry.send(.delete, manifest, as: "ada:secret")["docker-content-digest"] == "\(image.digest)")
    #expect(try await registry.send(.delete, path, as: "ada:secret")["docker-content-digest"] == digest.description)
  }

  /// "A HEAD request to an existing blob or manifest URL MUST return 200 OK", with what GET would say. (RFC 9110, 9.3.2)
  @Test func headSaysWhatGetSays() async throws {
    let (registry, path, _) = try await blob()
    try await registry.push(image: "one", to: "team/app", tag: "1")
    for path in [path, "/v2/team/app/manifests/1", "/v2/team/app/tags/list", "/v2/_catalog", "/v2/"] {
      let get = try await registry.send(.get, path)
      let head = try await registry.send(.head, path)
      #expect(head.status == 200 && get.status == 200, "\(path)")
      #expect(head.headers[.contentType] == get.headers[.contentType] && head.headers[.eTag] == get.headers[.eTag])
    }
    for path in ["/v2/team/app/blobs/\(TestRegistry.digest([7]))", "/v2/team/app/manifests/none"] {
      #expect(try await registry.send(.head, path).status == 404)
    }
    // Ranges are GET's alone. (RFC 9110, 14.2)
    let head = try await registry.send(.head, path, ["range": "bytes=1-2"])
    #expect(head.status == 200 && head["content-length"] == "10")
  }

  @Test func servesSeveralRangesAsParts() async throws {
    let (registry, path, _) = try await blob()
    let answer = try await registry.send(.get, path, ["range": "bytes=0-1,5-6, -1"])
    #expect(answer.status == 206)
    let type = try #require(answer["content-type"])
    let boundary = try #require(type.split(separator: "=").last)
    #expect(type.hasPrefix("multipart/byteranges; boundary=") && boundary.count >= 20)
    let head = "Content-Type: application/octet-stream\r\nContent-Range: bytes"
    #expect(
      answer.text == "--\(boundary)\r\n\(head) 0-1/10\r\n\r\n01\r\n--\(boundary)\r\n\(head) 5-6/10\r\n\r\n56"
        + "\r\n--\(boundary)\r\n\(head) 9-9/10\r\n\r\n9\r\n--\(boundary)--\r\n")
    #expect(answer["content-length"] == String(answer.body.count))
  }

  @Test(arguments: [
    ("bytes=0-1,2-3", "0123", "bytes 0-3/10"), ("bytes=2-5,3-4", "2345", "bytes 2-5/10"),
    ("bytes=3-4,99-", "34", "bytes 3-4/10"), ("bytes=7-", "789", "bytes 7-9/10"),
  ])
  func joinsRangesThatTouch(_ range: String, _ text: String, _ contentRange: String) async throws {
    let (registry, path, _) = try await blob()
    let answer = try await registry.send(.get, path, ["range": range])
    #expect(answer.status == 206 && answer.text == text && answer["content-range"] == contentRange)
  }

  /// What is malformed, of another unit, or asks for more than there is, is ignored; what means no byte is 416.
  @Test func ignoresRangesThatAreNone() async throws {
    let (registry, path, _) = try await blob()
    let many = "bytes=" + (0..<60).map { "\(9 - $0 % 10)-\(9 - $0 % 10)" }.joined(separator: ",")
    for range in ["bytes=x", "bytes=", "lines=1-2", "bytes=4-2", "bytes=5-9,0-8", many] {
      let answer = try await registry.send(.get, path, ["range": range])
      #expect(answer.status == 200 && answer.body == Self.bytes, "\(range)")
    }
    for range in ["bytes=10-", "bytes=-0", "bytes=10-11,20-30"] {
      let answer = try await registry.send(.get, path, ["range": range])
      #expect(answer.status == 416 && answer["content-range"] == "bytes */10" && answer.codes == ["RANGE_INVALID"])
    }
  }

  @Test func conditionsAreHeld() async throws {
    let (registry, path, digest) = try await blob()
    let tag = "\"\(digest)\""
    #expect(try await registry.send(.get, path)["etag"] == tag)
    for match in [tag, "W/\(tag)", "\"x\", \(tag)", "*"] {
      #expect(try await registry.send(.get, path, ["if-none-match": match]).status == 304)
      #expect(try await registry.send(.head, path, ["if-none-match": match]).status == 304)
    }
    #expect(try await registry.send(.get, path, ["if-none-match": "\"x\""]).status == 200)
    #expect(try await registry.send(.get, path, ["range": "bytes=1-2", "if-range": tag]).status == 206)
    // Only a strong match counts, and a date is of no use. (RFC 9110, 13.1.5)
    for state in ["W/\(tag)", "\"x\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
      #expect(try await registry.send(.get, path, ["range": "bytes=1-2", "if-range": state]).status == 200)
    }
  }

  @Test func anEmptyBlobIsContentToo() async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: [], to: "app")
    let answer = try await registry.send(.get, "/v2/app/blobs/\(digest)")
    #expect(answer.status == 200 && answer.body.isEmpty && answer["content-length"] == "0")
    #expect(try await registry.send(.get, "/v2/app/blobs/\(digest)", ["range": "bytes=0-"]).status == 416)
  }

  /// "If the blob or manifest is not found in the registry, the response code MUST be 404".
  @Test func tellsWhatIsNotThere() async throws {
    let (registry, _, _) = try await blob()
    let absent = TestRegistry.digest([7])
    let answers = [
      ("/v2/team/app/manifests/none", "MANIFEST_UNKNOWN"), ("/v2/team/app/manifests/\(absent)", "MANIFEST_UNKNOWN"),
      ("/v2/team/app/blobs/\(absent)", "BLOB_UNKNOWN"), ("/v2/none/manifests/1", "NAME_UNKNOWN"),
      ("/v2/none/blobs/\(absent)", "NAME_UNKNOWN"), ("/v2/none/tags/list", "NAME_UNKNOWN"),
    ]
    for (path, code) in answers {
      let answer = try await registry.send(.get, path)
      #expect(answer.status == 404 && answer.codes == [code], "\(path)")
      #expect(try answer.decoded(ErrorBody.self).errors[0].detail != nil)
    }
  }

  @Test func aMethodThatIsNotThereIsAnsweredWithThoseThatAre() async throws {
    let registry = try TestRegistry()
    let digest = TestRegistry.digest([7])
    for (path, allowed) in [
      ("/v2/", "GET, HEAD"), ("/v2/_catalog", "GET, HEAD"), ("/v2/app/tags/list", "GET, HEAD"),
      ("/v2/app/manifests/1", "GET, HEAD, PUT, DELETE"), ("/v2/app/blobs/\(digest)", "GET, HEAD, DELETE"),
      ("/v2/app/blobs/uploads/", "POST"), ("/v2/app/blobs/uploads/x", "GET, PUT, PATCH, DELETE"),
      ("/v2/app/referrers/\(digest)", "GET, HEAD"),
    ] {
      let answer = try await registry.send(.options, path)
      #expect(answer.status == 405 && answer["allow"] == allowed && answer.codes == ["UNSUPPORTED"], "\(path)")
    }
  }
}
