import Content
import DistributionSpec
import HTTPTypes
import ImageSpec
import Kernel
import SystemPackage
import Testing

@testable import RegistryServer

/// What nobody sends by mistake: the right error, and nothing more.
@Suite struct HostileRequestTests {
  private static let type = ["content-type": MediaType.manifest.rawValue]
  private static let long = String(repeating: "a", count: 10_000)

  @Test(arguments: [
    "..", "../..", "%2e%2e", "%2e%2e/%2e%2e", "app%2f..", "app%2Fother", "app%00", "%00", ".", "app//x", "app/./x",
    "app\\x",
    "APP", "app:1", "app@x", "-app", "app-", "app___x", "%c3%28", "%zz", "a%", "app%20x", "app%0d%0aX: y", long,
    String(repeating: "a/", count: 5_000) + "a", "~", "$(id)", "app;x", "app'--",
  ])
  func refusesNamesThatAreNone(_ name: String) async throws {
    let registry = try TestRegistry()
    let digest = TestRegistry.digest([1])
    for (method, path) in [
      (HTTPRequest.Method.get, "/v2/\(name)/tags/list"), (.get, "/v2/\(name)/manifests/1"),
      (.get, "/v2/\(name)/blobs/\(digest)"),
      (.post, "/v2/\(name)/blobs/uploads/"), (.put, "/v2/\(name)/manifests/1"),
      (.get, "/v2/\(name)/referrers/\(digest)"),
    ] {
      let answer = try await registry.send(method, path)
      #expect(answer.status == 400 || answer.status == 404, "\(path.prefix(80)): \(answer.status)")
      #expect(answer.codes == ["NAME_INVALID"] || answer.codes == ["NOT_FOUND"])
      #expect(answer.body.count < 1000)
    }
    #expect(try registry.registry.repositories(limit: 10).isEmpty)
  }

  @Test(arguments: [
    "sha256:" + String(repeating: "a", count: 63), "sha256:" + String(repeating: "a", count: 10_000),
    "sha256:..%2f..%2fpasswd",
    "sha256:%00", "sha256:" + String(repeating: "g", count: 64), "SHA256:" + String(repeating: "a", count: 64),
    "%2e%2e", "..",
    "sha1:aaaa", ":", "sha256:", long,
  ])
  func refusesDigestsThatAreNone(_ digest: String) async throws {
    let registry = try TestRegistry()
    try await registry.push(blob: [1], to: "app")
    for path in ["/v2/app/blobs/\(digest)", "/v2/app/referrers/\(digest)"] {
      let answer = try await registry.send(.get, path)
      #expect(answer.status == 400 || answer.status == 404, "\(path.prefix(80)): \(answer.status)")
      #expect(answer.body.count < 1000)
    }
  }

  @Test(arguments: ["..", "%2e%2e", "a%2fb", "a%00", ".a", "-a", "a b", "ä", String(repeating: "t", count: 129), long])
  func refusesTagsThatAreNone(_ tag: String) async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app")
    for answer in [
      try await registry.send(
        .get, "/v2/app/manifests/\(PercentEncoding.decode(tag) == tag ? PercentEncoding.encode(tag) : tag)"),
      try await registry.send(
        .put, "/v2/app/manifests/\(image.digest)?tag=\(tag.contains("%") ? tag : PercentEncoding.encode(tag))",
        Self.type,
        body: image.bytes),
    ] {
      #expect(answer.status == 400 || answer.status == 404, "\(tag.prefix(80)): \(answer.status)")
      #expect(answer.body.count < 1000)
    }
    #expect(try await registry.send(.get, "/v2/app/tags/list").decoded(TagList.self).tags.isEmpty)
  }

  /// Deep JSON, by every bracket there is; parsers recurse.
  @Test(arguments: ["[", "{\"a\":", "{\"schemaVersion\":2,\"layers\":["])
  func refusesDeepJSON(_ opening: String) async throws {
    let registry = try TestRegistry()
    for depth in [100, 10_000, 200_000] {
      let bytes = Array(String(repeating: opening, count: depth).utf8)
      guard bytes.count <= ManifestDocument.sizeLimit else { continue }
      let answer = try await registry.send(.put, "/v2/app/manifests/1", Self.type, body: bytes)
      #expect(answer.status == 400 && answer.codes == ["MANIFEST_INVALID"])
    }
  }

  /// Sizes that nobody has checked, as the content is elsewhere: their sum is no number of 64 bits.
  @Test func addsUpSizesBeyondAllBounds() async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Array("{}".utf8), to: "app")
    let foreign = MediaType("application/vnd.oci.image.layer.nondistributable.v1.tar")
    let layers = (0..<15_000).map { number in
      Descriptor(mediaType: foreign, digest: TestRegistry.digest(Array("\(number)".utf8)), size: .max)
    }
    let bytes = TestRegistry.json(
      Manifest(config: Descriptor(mediaType: .empty, digest: digest, size: 2), layers: layers))
    #expect(bytes.count < ManifestDocument.sizeLimit)
    let answer = try await registry.send(.put, "/v2/app/manifests/1", Self.type, body: bytes)
    #expect(answer.status == 201)
    let index = TestRegistry.json(Index(manifests: [TestRegistry.descriptor(bytes)]))
    let type = ["content-type": MediaType.index.rawValue]
    #expect(try await registry.send(.put, "/v2/app/manifests/2", type, body: index).status == 201)
  }

  @Test(arguments: [#"-1"#, "1.5", "1e3", "99999999999999999999", "\"2\"", "null", "[]"])
  func refusesSizesThatAreNone(_ size: String) async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Array("{}".utf8), to: "app")
    let text =
      #"{"schemaVersion":2,"config":{"mediaType":"a","digest":"\#(digest)","size":\#(size)},"layers":[]}"#
    let answer = try await registry.send(.put, "/v2/app/manifests/1", Self.type, body: Array(text.utf8))
    #expect(answer.status == 400 && answer.codes == ["MANIFEST_INVALID"], "\(answer.status)")
  }

  @Test(arguments: [
    "0-", "-5", "5-1", "a-b", "0-99999999999999999999", "1-2-3", "0x1-5", "9223372036854775807-9223372036854775807", "",
    " ",
  ])
  func refusesChunksOfNoRange(_ range: String) async throws {
    let registry = try TestRegistry()
    let location = try #require(try await registry.send(.post, "/v2/app/blobs/uploads/")["location"])
    let answer = try await registry.send(.patch, location, ["content-range": range], body: [1])
    #expect(answer.status == 400 || answer.status == 416, "\(answer.status)")
    #expect(answer.codes == ["RANGE_INVALID"] || answer.codes == ["SIZE_INVALID"])
    // The upload is as it was.
    #expect(try await registry.send(.patch, location, ["content-range": "0-0"], body: [1]).status == 202)
  }

  /// What cannot fit is refused before a byte of it is read.
  @Test func refusesAnUploadThatCannotFit() async throws {
    let registry = try TestRegistry()
    let size = String(1 << 60)
    let post = "/v2/app/blobs/uploads/?digest=\(TestRegistry.digest([1]))"
    let location = try #require(try await registry.send(.post, "/v2/app/blobs/uploads/")["location"])
    for answer in [
      try await registry.send(.post, post, ["content-length": size]),
      try await registry.send(.patch, location, ["content-length": size]),
      try await registry.send(.put, "\(location)?digest=\(TestRegistry.digest([1]))", ["content-length": size]),
    ] {
      #expect(answer.status == 507 && answer.codes == ["UNAVAILABLE"])
    }
    let ingests = try openat2(workingDirectory, registry.root.appending("ingests").string, flags: 0)
    // The session alone, and nothing in it.
    #expect(try directoryEntries(ingests.number).count == 1)
    #expect(try await registry.send(.get, location)["range"] == "0-0")
  }

  @Test(arguments: ["digest", "mount", "tag", "n", "last", "artifactType", "from"])
  func survivesQueriesOfAnySize(_ name: String) async throws {
    let registry = try TestRegistry()
    try await registry.push(image: "one", to: "app", tag: "1")
    for value in [Self.long, "%00", "%ff%fe", "..%2f..", "'; DROP TABLE registry_tag; --", "", "&=&=&", "%"] {
      for (method, path) in [
        (HTTPRequest.Method.get, "/v2/app/tags/list"), (.get, "/v2/_catalog"), (.post, "/v2/app/blobs/uploads/"),
        (.get, "/v2/app/referrers/\(TestRegistry.digest([1]))"),
      ] {
        let answer = try await registry.send(method, "\(path)?\(name)=\(value)")
        #expect(answer.status < 500, "\(path)?\(name)=\(value.prefix(20)): \(answer.status)")
      }
    }
    #expect(try await registry.send(.get, "/v2/app/manifests/1").status == 200)
  }
}
