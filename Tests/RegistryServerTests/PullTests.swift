import DistributionSpec
import HTTPTypes
import ImageSpec
import Testing

@testable import RegistryServer

@Suite struct PullTests {
  @Test func servesABlobWholeAndInParts() async throws {
    let registry = try TestRegistry()
    let bytes = Array("0123456789".utf8)
    let digest = try await registry.push(blob: bytes, to: "team/app")
    let path = "/v2/team/app/blobs/\(digest)"

    let whole = try await registry.send(.get, path)
    #expect(whole.status == 200 && whole.body == bytes)
    #expect(whole["docker-content-digest"] == digest.description && whole["content-length"] == "10")
    let head = try await registry.send(.head, path)
    #expect(head.status == 200 && head.body.isEmpty && head["content-length"] == "10")

    let part = try await registry.send(.get, path, ["range": "bytes=2-4"])
    #expect(part.status == 206 && part.text == "234" && part["content-range"] == "bytes 2-4/10")
    let end = try await registry.send(.get, path, ["range": "bytes=-3"])
    #expect(end.status == 206 && end.text == "789")
    let beyond = try await registry.send(.get, path, ["range": "bytes=10-"])
    #expect(beyond.status == 416 && beyond["content-range"] == "bytes */10")
    let otherState = try await registry.send(.get, path, ["range": "bytes=2-4", "if-range": "\"other\""])
    #expect(otherState.status == 200)

    let known = try await registry.send(.get, path, ["if-none-match": "\"\(digest)\""])
    #expect(known.status == 304 && known.body.isEmpty)
  }

  @Test func servesABlobOnlyWhereItWasPushed() async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: [1, 2, 3], to: "team/app")
    try await registry.push(blob: [4], to: "other")
    let answer = try await registry.send(.get, "/v2/other/blobs/\(digest)")
    #expect(answer.status == 404 && answer.codes == ["BLOB_UNKNOWN"])
    let nowhere = try await registry.send(.get, "/v2/none/blobs/\(digest)")
    #expect(nowhere.status == 404 && nowhere.codes == ["NAME_UNKNOWN"])
  }

  @Test func servesAManifestByTagAndDigest() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "team/app", tag: "1")
    for reference in ["1", image.digest.description] {
      for _ in 0..<2 {
        // The second one comes from memory.
        let answer = try await registry.send(.get, "/v2/team/app/manifests/\(reference)")
        #expect(answer.status == 200 && answer.body == image.bytes)
        #expect(answer["content-type"] == MediaType.manifest.rawValue)
        #expect(answer["docker-content-digest"] == image.digest.description)
      }
    }
    let known = try await registry.send(.get, "/v2/team/app/manifests/1", ["if-none-match": "\"\(image.digest)\""])
    #expect(known.status == 304)
    let unknown = try await registry.send(.get, "/v2/team/app/manifests/2")
    #expect(unknown.status == 404 && unknown.codes == ["MANIFEST_UNKNOWN"])
  }

  @Test func leavesOutAManifestThatTheClientCannotRead() async throws {
    let registry = try TestRegistry()
    try await registry.push(image: "one", to: "app", tag: "1")
    let indexOnly = try await registry.send(.get, "/v2/app/manifests/1", ["accept": MediaType.index.rawValue])
    #expect(indexOnly.status == 404)
    for accept in ["*/*", "application/json", "\(MediaType.index), \(MediaType.manifest);q=0.5"] {
      #expect(try await registry.send(.get, "/v2/app/manifests/1", ["accept": accept]).status == 200)
    }
  }

  @Test func seesAtOnceWhatAnotherProcessChanges() async throws {
    let registry = try TestRegistry()
    let first = try await registry.push(image: "one", to: "app", tag: "1")
    #expect(try await registry.send(.get, "/v2/app/manifests/1").body == first.bytes)
    let other = try TestRegistry(root: registry.root)
    let second = try await other.push(image: "two", to: "app", tag: "1")
    #expect(try await registry.send(.get, "/v2/app/manifests/1").body == second.bytes)
    try await other.send(.delete, "/v2/app/manifests/\(second.digest)", as: "ada:secret")
    #expect(try await registry.send(.get, "/v2/app/manifests/1").status == 404)
  }

  @Test(arguments: [
    ("/v2/UPPER/tags/list", 400, "NAME_INVALID"), ("/v2/app/blobs/sha256:12", 400, "DIGEST_INVALID"),
    ("/v2/app/manifests/-x", 400, "TAG_INVALID"), ("/v2/app/nothing/here", 404, "NOT_FOUND"),
  ])
  func refusesMalformedPaths(_ path: String, _ status: Int, _ code: String) async throws {
    let answer = try await TestRegistry().send(.get, path)
    #expect(answer.status == status && answer.codes == [code])
  }

  @Test func refusesOtherMethods() async throws {
    let answer = try await TestRegistry().send(.patch, "/v2/app/manifests/1")
    #expect(answer.status == 405 && answer.codes == ["UNSUPPORTED"])
  }

  @Test func tellsThatItIsWell() async throws {
    let registry = try TestRegistry(anonymous: .none)
    let answer = try await registry.send(.get, "/healthz")
    #expect(answer.status == 200 && answer.text == "ok\n")
    #expect(try await registry.send(.get, "/elsewhere").status == 404)
  }
}

@Suite struct ListTests {
  @Test func pagesThroughTags() async throws {
    let registry = try TestRegistry()
    for tag in ["c", "a", "b", "B"] { try await registry.push(image: "x", to: "app", tag: tag) }
    #expect(try await registry.send(.get, "/v2/app/tags/list").decoded(TagList.self).tags == ["B", "a", "b", "c"])

    let first = try await registry.send(.get, "/v2/app/tags/list?n=2")
    #expect(try first.decoded(TagList.self).tags == ["B", "a"])
    let link = try #require(first["link"])
    #expect(link.contains("</v2/app/tags/list?n=2&last=a>") && link.contains("rel=\"next\""))
    let second = try await registry.send(.get, "/v2/app/tags/list?n=2&last=a")
    #expect(try second.decoded(TagList.self).tags == ["b", "c"] && second["link"] == nil)

    #expect(try await registry.send(.get, "/v2/app/tags/list?n=0").decoded(TagList.self).tags == [])
    let malformed = try await registry.send(.get, "/v2/app/tags/list?n=-1")
    #expect(malformed.status == 400 && malformed.codes == ["PAGINATION_NUMBER_INVALID"])
    #expect(try await registry.send(.get, "/v2/none/tags/list").codes == ["NAME_UNKNOWN"])
  }

  @Test func pagesThroughRepositories() async throws {
    let registry = try TestRegistry()
    for name in ["b", "a/x", "c"] { try await registry.push(blob: [1], to: name) }
    let first = try await registry.send(.get, "/v2/_catalog?n=2")
    #expect(try first.decoded(Catalog.self).repositories == ["a/x", "b"])
    #expect(first["link"]?.contains("last=b") == true)
    #expect(try await registry.send(.get, "/v2/_catalog?n=2&last=b").decoded(Catalog.self).repositories == ["c"])
  }
}
