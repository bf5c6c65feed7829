import Content
import DistributionSpec
import HTTPTypes
import ImageSpec
import Metadata
import Kernel
import SystemPackage
import Testing

@testable import RegistryServer

@Suite struct UploadTests {
  private static let bytes = Array("hello, registry".utf8)
  private static let digest = TestRegistry.digest(bytes)

  private func begin(_ registry: TestRegistry, _ name: String = "app") async throws -> String {
    let answer = try await registry.send(.post, "/v2/\(name)/blobs/uploads/")
    #expect(answer.status == 202 && answer["range"] == "0-0")
    return try #require(answer["location"])
  }

  @Test func onlyTheStoresOwnerMountsWhatNoRepositoryHas() async throws {
    let test = try TestRegistry()
    let blob = try test.store.write(Array("the engine's own".utf8), mediaType: .layer)
    let target = "/v2/app/blobs/uploads/?mount=\(blob.digest)&store=local"
    #expect(try await test.send(.post, target, as: "ada:secret").status == 403)
    #expect(try test.registry.blob(blob.digest, in: "app") == nil)
    #expect(try await test.send(.post, target, as: "ada:secret", isFromOwner: true).status == 201)
    #expect(try await test.send(.get, "/v2/app/blobs/\(blob.digest)").text == "the engine's own")
    let absent = target.replacing("\(blob.digest)", with: "sha256:" + String(repeating: "0", count: 64))
    #expect(try await test.send(.post, absent, as: "ada:secret", isFromOwner: true).status == 404)
  }

  @Test func takesABlobInOnePut() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    let answer = try await registry.send(.put, "\(location)?digest=\(Self.digest)", body: Self.bytes)
    #expect(answer.status == 201 && answer["location"] == "/v2/app/blobs/\(Self.digest)")
    #expect(answer["docker-content-digest"] == Self.digest.description)
    #expect(try await registry.send(.get, "/v2/app/blobs/\(Self.digest)").body == Self.bytes)
    // The upload is over.
    #expect(try await registry.send(.get, location).codes == ["BLOB_UPLOAD_UNKNOWN"])
  }

  @Test func takesABlobInChunks() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    let first = try await registry.send(
      .patch, location, ["content-range": "0-4", "content-type": "application/octet-stream"],
      body: Array(Self.bytes[..<5]))
    #expect(first.status == 202 && first["range"] == "0-4")
    let status = try await registry.send(.get, try #require(first["location"]))
    #expect(status.status == 204 && status["range"] == "0-4")

    // Out of order: the answer says where to go on, and nothing is lost.
    let gap = try await registry.send(.patch, location, ["content-range": "7-8"], body: [1, 2])
    #expect(gap.status == 416 && gap["range"] == "0-4" && gap["location"] == location && gap.codes == ["RANGE_INVALID"])
    let again = try await registry.send(.patch, location, ["content-range": "0-4"], body: Array(Self.bytes[..<5]))
    #expect(again.status == 416)

    let rest = Array(Self.bytes[5...])
    let last = try await registry.send(
      .put, "\(location)?digest=\(Self.digest)", ["content-range": "5-\(Self.bytes.count - 1)"], body: rest)
    #expect(last.status == 201)
    #expect(try await registry.send(.get, "/v2/app/blobs/\(Self.digest)").body == Self.bytes)
  }

  @Test func refusesAChunkOfAnotherLengthThanAnnounced() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    let answer = try await registry.send(.patch, location, ["content-range": "0-9"], body: [1, 2])
    #expect(answer.status == 400 && answer.codes == ["SIZE_INVALID"])
    let malformed = try await registry.send(.patch, location, ["content-range": "x"], body: [1, 2])
    #expect(malformed.status == 400 && malformed.codes == ["RANGE_INVALID"])
  }

  @Test func keepsNothingOfABlobWithAnotherDigest() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    let wrong = TestRegistry.digest([9])
    let answer = try await registry.send(.put, "\(location)?digest=\(wrong)", body: Self.bytes)
    #expect(answer.status == 400 && answer.codes == ["DIGEST_INVALID"])
    #expect(answer.text.contains(Self.digest.description))
    #expect(!registry.store.contains(Self.digest) && !registry.store.contains(wrong))
    #expect(try await registry.send(.get, location).status == 404)
    let missing = try await registry.send(.put, try await begin(registry), body: Self.bytes)
    #expect(missing.status == 400 && missing.codes == ["DIGEST_INVALID"])
  }

  @Test func takesASHA512Blob() async throws {
    let registry = try TestRegistry()
    let digest = ContentStore.digest(of: Self.bytes, .sha512)
    let answer = try await registry.send(.post, "/v2/app/blobs/uploads/?digest=\(digest)", body: Self.bytes)
    #expect(answer.status == 201)
    #expect(try await registry.send(.get, "/v2/app/blobs/\(digest)").body == Self.bytes)
  }

  @Test func cancelsAnUpload() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    try await registry.send(.patch, location, body: [1, 2, 3])
    #expect(try await registry.send(.delete, location).status == 204)
    #expect(try await registry.send(.get, location).codes == ["BLOB_UPLOAD_UNKNOWN"])
    let ingests = try openat2(workingDirectory, registry.root.appending("ingests").string, flags: 0)
    #expect(try directoryEntries(ingests.number).isEmpty)
  }

  @Test func keepsAnUploadToItsRepository() async throws {
    let registry = try TestRegistry()
    let id = try #require(try await begin(registry).split(separator: "/").last)
    #expect(try await registry.send(.patch, "/v2/other/blobs/uploads/\(id)", body: [1]).status == 404)
    #expect(try await registry.send(.patch, "/v2/app/blobs/uploads/nothing", body: [1]).status == 404)
  }

  @Test func goesOnWithAnUploadAfterARestart() async throws {
    let directory = try TestRegistry.makeDirectory()
    defer { try? removeTree(directory) }
    var location = ""
    do {
      let registry = try TestRegistry(root: directory)
      location = try await begin(registry)
      try await registry.send(.patch, location, body: Array(Self.bytes[..<5]))
    }
    let registry = try TestRegistry(root: directory)
    let status = try await registry.send(.get, location)
    #expect(status.status == 204 && status["range"] == "0-4")
    #expect(
      try await registry.send(.put, "\(location)?digest=\(Self.digest)", body: Array(Self.bytes[5...])).status == 201)
    #expect(try await registry.send(.get, "/v2/app/blobs/\(Self.digest)").body == Self.bytes)
  }

  /// As on a full disk: its bytes are there, and its time cannot be noted.
  @Test func leavesAnUploadToTheNextRequestWhateverFails() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    let id = try #require(location.split(separator: "/").last.map(String.init))
    let main = registry.registry.at(.main)
    let uploads = registry.server.uploads
    let writer = try uploads.open(id, in: "app", of: main)
    try main.metadata.write { try $0.execute("ALTER TABLE registry_upload RENAME TO elsewhere") }
    #expect(throws: (any Error).self) { try writer.release() }
    try main.metadata.write { try $0.execute("ALTER TABLE elsewhere RENAME TO registry_upload") }
    #expect(try await registry.send(.delete, location).status == 204)
  }

  @Test func goesOnWithAnUploadThatWasQuiet() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    try await registry.send(.patch, location, body: Array(Self.bytes[..<5]))
    registry.server.uploads.suspendAll()
    #expect(
      try await registry.send(.put, "\(location)?digest=\(Self.digest)", body: Array(Self.bytes[5...])).status == 201)
  }

  @Test func endsUploadsThatWereLeft() async throws {
    let registry = try TestRegistry()
    let location = try await begin(registry)
    try await registry.send(.patch, location, body: [1, 2, 3])
    #expect(try registry.server.uploads.expire(olderThan: 60_000) == 0)
    #expect(try registry.server.uploads.expire(olderThan: -1) == 1)
    #expect(try await registry.send(.get, location).status == 404)
  }

  @Test func mountsABlobOfAnotherRepository() async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Self.bytes, to: "source")
    let mounted = try await registry.send(.post, "/v2/target/blobs/uploads/?mount=\(digest)&from=source")
    #expect(mounted.status == 201 && mounted["location"] == "/v2/target/blobs/\(digest)")
    #expect(try await registry.send(.get, "/v2/target/blobs/\(digest)").body == Self.bytes)
    // From wherever it is.
    #expect(try await registry.send(.post, "/v2/third/blobs/uploads/?mount=\(digest)").status == 201)
    // Nothing to mount: an upload begins in its place.
    for query in ["mount=\(digest)&from=nowhere", "mount=\(TestRegistry.digest([7]))&from=source"] {
      let answer = try await registry.send(.post, "/v2/fourth/blobs/uploads/?\(query)")
      #expect(answer.status == 202 && answer["location"] != nil)
    }
  }

  @Test func mountsNothingThatTheStoreAloneHas() async throws {
    let registry = try TestRegistry()
    let descriptor = try registry.store.write(Array("a local image's layer".utf8), mediaType: .layer)
    let answer = try await registry.send(.post, "/v2/app/blobs/uploads/?mount=\(descriptor.digest)&from=app")
    #expect(answer.status == 202)
    #expect(try await registry.send(.get, "/v2/app/blobs/\(descriptor.digest)").status == 404)
  }

  @Test func makesNoRepositoryWherePushesMayNot() async throws {
    let registry = try TestRegistry(createsOnPush: false)
    let refused = try await registry.send(.post, "/v2/app/blobs/uploads/")
    #expect(refused.status == 404 && refused.codes == ["NAME_UNKNOWN"])
    _ = try registry.registry.createRepository("app")
    try await registry.push(blob: Self.bytes, to: "app")
  }

  @Test func deletesABlobThatNoManifestNames() async throws {
    let registry = try TestRegistry()
    let loose = try await registry.push(blob: Self.bytes, to: "app")
    try await registry.push(image: "one", to: "app", tag: "1")
    #expect(try await registry.send(.delete, "/v2/app/blobs/\(loose)", as: "ada:secret").status == 202)
    #expect(try await registry.send(.get, "/v2/app/blobs/\(loose)").status == 404)
    #expect(try await registry.send(.delete, "/v2/app/blobs/\(loose)", as: "ada:secret").status == 404)
    let layer = TestRegistry.digest(Array("layer of one".utf8))
    #expect(try await registry.send(.delete, "/v2/app/blobs/\(layer)", as: "ada:secret").codes == ["UNSUPPORTED"])
    #expect(try await registry.send(.delete, "/v2/app/blobs/\(layer)").status == 401)
  }
}

@Suite struct CollectionTests {
  @Test func keepsWhatARepositoryHasAndNothingElse() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app", tag: "1")
    let layer = TestRegistry.digest(Array("layer of one".utf8))
    let loose = try await registry.push(blob: [1, 2, 3], to: "app")
    _ = try registry.store.collect()
    for digest in [image.digest, layer, loose] { #expect(registry.store.contains(digest)) }

    try await registry.send(.delete, "/v2/app/manifests/\(image.digest)", as: "ada:secret")
    try registry.registry.dropUnusedBlobs(olderThan: -1)
    _ = try registry.store.collect()
    for digest in [image.digest, layer, loose] { #expect(!registry.store.contains(digest)) }
  }

  @Test func letsGoOfADeletedRepository() async throws {
    let registry = try TestRegistry()
    let image = try await registry.push(image: "one", to: "app", tag: "1")
    try await registry.send(
      .post, "/v2/copy/blobs/uploads/?mount=\(TestRegistry.digest(Array("layer of one".utf8)))&from=app")
    #expect(throws: RegistryError.repositoryNotEmpty("app")) { try registry.registry.deleteRepository("app") }
    _ = try registry.registry.deleteRepository("app", force: true)
    #expect(try await registry.send(.get, "/v2/app/manifests/1").codes == ["NAME_UNKNOWN"])
    _ = try registry.store.collect()
    #expect(!registry.store.contains(image.digest))
    // Another repository still has the layer.
    #expect(registry.store.contains(TestRegistry.digest(Array("layer of one".utf8))))
  }
}
