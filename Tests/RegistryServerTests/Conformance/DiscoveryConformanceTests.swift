import DistributionSpec
import HTTPTypes
import ImageSpec
import Testing

@testable import RegistryServer

/// distribution-spec 1.1, Content Discovery and Content Management.
@Suite struct DiscoveryConformanceTests {
  private static let type = ["content-type": MediaType.manifest.rawValue]
  private static let config = Array("{}".utf8)

  private func pushReferrer(
    _ registry: TestRegistry, _ subject: Descriptor, _ type: String?, annotations: [String: String]? = nil
  ) async throws -> Digest {
    let digest = try await registry.push(blob: Self.config, to: "app")
    let bytes = TestRegistry.json(
      Manifest(
        artifactType: type, config: Descriptor(mediaType: .empty, digest: digest, size: 2), layers: [],
        subject: subject,
        annotations: annotations))
    let answer = try await registry.send(
      .put, "/v2/app/manifests/\(TestRegistry.digest(bytes))", Self.type, body: bytes)
    #expect(answer.status == 201 && answer["oci-subject"] == subject.digest.description, "\(answer.text)")
    return TestRegistry.digest(bytes)
  }

  /// "MUST NOT return a 404 Not Found to a referrers API request": not even where the repository is not there.
  @Test func everythingHasReferrersIfOnlyNone() async throws {
    let registry = try TestRegistry()
    for name in ["none", "app"] {
      if name == "app" { try await registry.push(blob: Self.config, to: name) }
      let answer = try await registry.send(.get, "/v2/\(name)/referrers/\(TestRegistry.digest([1]))")
      let index = try answer.decoded(Index.self)
      #expect(answer.status == 200 && answer["content-type"] == MediaType.index.rawValue)
      #expect(index.schemaVersion == 2 && index.mediaType == .index && index.manifests.isEmpty)
    }
    #expect(try await registry.send(.get, "/v2/app/referrers/sha256:x").codes == ["DIGEST_INVALID"])
  }

  /// A subject may come later or never; descriptors carry artifactType (or the config's type) and annotations.
  @Test func listsReferrersOfWhatIsNotThere() async throws {
    let registry = try TestRegistry()
    let subject = Descriptor(mediaType: .manifest, digest: TestRegistry.digest([5]), size: 123)
    let typed = try await pushReferrer(registry, subject, "application/vnd.example.sbom", annotations: ["a": "b"])
    let untyped = try await pushReferrer(registry, subject, nil)
    let empty = try await pushReferrer(registry, subject, "")
    let found = try await registry.send(.get, "/v2/app/referrers/\(subject.digest)").decoded(Index.self).manifests
    #expect(found.map(\.digest) == [typed, untyped, empty])
    #expect(
      found.map(\.artifactType) == ["application/vnd.example.sbom", MediaType.empty.rawValue, MediaType.empty.rawValue])
    #expect(found[0].annotations == ["a": "b"] && found[0].mediaType == .manifest && found[0].size > 100)

    try await registry.send(.delete, "/v2/app/manifests/\(typed)", as: "ada:secret")
    let left = try await registry.send(.get, "/v2/app/referrers/\(subject.digest)").decoded(Index.self).manifests
    #expect(left.map(\.digest) == [untyped, empty])
  }

  @Test func pagesThroughReferrersKeepingTheFilter() async throws {
    let registry = try TestRegistry()
    let subject = Descriptor(mediaType: .manifest, digest: TestRegistry.digest([5]), size: 123)
    var expected: [Digest] = []
    for number in 0..<7 {
      let digest = try await pushReferrer(
        registry, subject, number % 2 == 0 ? "application/even" : "application/odd", annotations: ["n": "\(number)"])
      if number % 2 == 0 { expected.append(digest) }
    }
    var found: [Digest] = []
    var next: String? = "/v2/app/referrers/\(subject.digest)?artifactType=application%2Feven&n=3"
    while let path = next {
      let answer = try await registry.send(.get, path)
      #expect(answer["oci-filters-applied"] == "artifactType")
      found += try answer.decoded(Index.self).manifests.map(\.digest)
      next = answer["link"].flatMap { LinkHeader.next([$0]) }
    }
    #expect(found == expected)
  }

  /// A list that would be larger than the 4 MiB that clients read of it is cut: annotations may be megabytes each.
  @Test func keepsAPageOfReferrersSmall() async throws {
    let registry = try TestRegistry()
    let subject = Descriptor(mediaType: .manifest, digest: TestRegistry.digest([5]), size: 123)
    for number in 0..<5 {
      _ = try await pushReferrer(
        registry, subject, "application/x", annotations: ["text": String(repeating: "\(number)", count: 1 << 20)])
    }
    var count = 0, pages = 0
    var next: String? = "/v2/app/referrers/\(subject.digest)"
    while let path = next {
      let answer = try await registry.send(.get, path)
      #expect(answer.body.count < 4 << 20)
      count += try answer.decoded(Index.self).manifests.count
      pages += 1
      next = answer["link"].flatMap { LinkHeader.next([$0]) }
    }
    #expect(count == 5 && pages > 1)
  }

  @Test func listsTagsByNAndLast() async throws {
    let registry = try TestRegistry()
    #expect(try await registry.send(.get, "/v2/app/tags/list").status == 404)
    let untagged = try await registry.push(image: "x", to: "app")
    #expect(try await registry.send(.get, "/v2/app/tags/list").text == #"{"name":"app","tags":[]}"#)
    for tag in ["a", "b", "c", "d"] {
      try await registry.send(.put, "/v2/app/manifests/\(tag)", Self.type, body: untagged.bytes)
    }
    for (query, tags, hasMore) in [
      ("", ["a", "b", "c", "d"], false), ("?n=4", ["a", "b", "c", "d"], false), ("?n=3", ["a", "b", "c"], true),
      ("?n=0", [], false), ("?last=b", ["c", "d"], false), ("?n=1&last=b", ["c"], true),
      ("?last=bb", ["c", "d"], false),
      ("?n=2&last=zzz", [], false), ("?n=99999999999", ["a", "b", "c", "d"], false),
    ] {
      let answer = try await registry.send(.get, "/v2/app/tags/list\(query)")
      #expect(try answer.status == 200 && answer.decoded(TagList.self).tags == tags, "\(query)")
      #expect((answer["link"] != nil) == hasMore, "\(query)")
    }
    for query in ["?n=x", "?n=-1", "?n=1e3", "?n=99999999999999999999"] {
      #expect(try await registry.send(.get, "/v2/app/tags/list\(query)").status == 400)
    }
  }

  @Test func deletesAtOnce() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "x", to: "app", tag: "1")
    try await registry.push(image: "x", to: "app", tag: "2")
    let paths = ["/v2/app/manifests/1", "/v2/app/manifests/\(image.digest)"]
    for path in paths {
      #expect(try await registry.send(.delete, path, as: "ada:secret").status == 202)
      #expect(try await registry.send(.head, path).status == 404)
      #expect(try await registry.send(.delete, path, as: "ada:secret").status == 404)
    }
    // With the digest its tags went.
    #expect(try await registry.send(.head, "/v2/app/manifests/2").status == 404)
    let layer = TestRegistry.digest(Array("layer of x".utf8))
    #expect(try await registry.send(.delete, "/v2/app/blobs/\(layer)", as: "ada:secret").status == 202)
    #expect(try await registry.send(.head, "/v2/app/blobs/\(layer)").status == 404)
    #expect(try await registry.send(.delete, "/v2/none/manifests/\(image.digest)", as: "ada:secret").status == 404)
  }
}
