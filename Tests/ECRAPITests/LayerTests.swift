import Content
import DistributionSpec
import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import ImageSpec
import NIOCore
import Testing

@testable import ECRAPI
@testable import RegistryServer

extension TestECR {
  struct Upload: Decodable {
    let uploadId: String?
    let partSize: Int64?
    let lastByteReceived: Int64?
    let lastValidByteReceived: Int64?
    let layerDigest: String?
    let downloadUrl: String?
    let layers: [Layer]?
    let failures: [Failure]?
    struct Layer: Decodable, Equatable {
      let layerDigest: String
      let layerAvailability: String
      let layerSize: Int64?
    }
    struct Failure: Decodable { let failureCode: String }
  }

  /// Sends a layer by ECR's operations, in parts of `size` bytes, and returns the answer of the last of them.
  func upload(_ bytes: [UInt8], to repository: String, parts size: Int = 5 << 20, as digest: String? = nil) async throws
    -> Answer
  {
    let id = try #require(
      try await call("InitiateLayerUpload", #"{"repositoryName":"\#(repository)"}"#).decoded(Upload.self).uploadId)
    for first in stride(from: 0, to: bytes.count, by: size) {
      let part = bytes[first..<min(first + size, bytes.count)]
      let answer = try await send(id, repository, part, first)
      #expect(try answer.decoded(Upload.self).lastByteReceived == Int64(part.endIndex - 1), "\(answer.text)")
    }
    let named = digest ?? ContentStore.digest(of: bytes).description
    return try await call(
      "CompleteLayerUpload", #"{"repositoryName":"\#(repository)","uploadId":"\#(id)","layerDigests":["\#(named)"]}"#)
  }

  func send(_ id: String, _ repository: String, _ part: ArraySlice<UInt8>, _ first: Int) async throws -> Answer {
    try await call(
      "UploadLayerPart",
      """
      {"repositoryName":"\(repository)","uploadId":"\(id)","partFirstByte":\(first),\
      "partLastByte":\(first + part.count - 1),"layerPartBlob":"\(Data(part).base64EncodedString())"}
      """)
  }

  func get(_ url: String) async throws -> (status: Int, body: [UInt8]) {
    let target = try #require(url.firstRange(of: "/ecr/layers")).lowerBound
    let request = RegistryRequest(method: .get, target: String(url[target...]), authority: "ecr.test:5000")
    let response = await server.respond(to: request).response
    if case .file(let file, let range) = response.body {
      return (response.status.code, Array(try file.read(at: 0, count: range.count).readableBytesView))
    }
    return (response.status.code, [])
  }
}

@Suite struct ECRLayerTests {
  private let layer = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

  private func withRepository() async throws -> TestECR {
    let ecr = try TestECR()
    try await ecr.call("CreateRepository", #"{"repositoryName":"app"}"#)
    return ecr
  }

  @Test func anImageGoesInAndOutByOperationsAlone() async throws {
    let ecr = try await withRepository()
    let config = Array(#"{"author":"ada"}"#.utf8)
    let digests = [config, layer].map { ContentStore.digest(of: $0).description }
    for bytes in [config, layer] {
      let answer = try await ecr.upload(bytes, to: "app")
      #expect(answer.status == 200 && answer.text.contains("layerDigest"), "\(answer.text)")
    }
    let check = try await ecr.call(
      "BatchCheckLayerAvailability",
      #"{"repositoryName":"app","layerDigests":["\#(digests[1])","sha256:\#(String(repeating: "0", count: 64))","x",""]}"#
    ).decoded(TestECR.Upload.self)
    #expect(check.layers?.map(\.layerAvailability) == ["AVAILABLE", "UNAVAILABLE"])
    #expect(check.layers?.first?.layerSize == 5000)
    #expect(check.failures?.map(\.failureCode) == ["InvalidLayerDigest", "MissingLayerDigest"])

    let url = #"{"repositoryName":"app","layerDigest":"\#(digests[1])"}"#
    #expect(try await ecr.call("GetDownloadUrlForLayer", url).type == "LayerInaccessibleException")
    let manifest =
      #"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"\#(digests[0])\",\"size\":\#(config.count)},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"\#(digests[1])\",\"size\":5000}]}"#
    let bare = #"{"repositoryName":"app","imageTag":"1","imageManifest":"\#(manifest)""#
    #expect(try await ecr.call("PutImage", bare + "}").message.contains("'imageManifestMediaType'"))
    let put = bare + #","imageManifestMediaType":"application/vnd.oci.image.manifest.v1+json"}"#
    #expect(try await ecr.call("PutImage", put).status == 200)
    let again = try await ecr.call("PutImage", put)
    #expect(again.type == "ImageAlreadyExistsException" && again.message.contains("and tag '1' already exists"))

    let found = try await ecr.call("GetDownloadUrlForLayer", url).decoded(TestECR.Upload.self)
    let address = try #require(found.downloadUrl)
    let got = try await ecr.get(address)
    #expect(got.status == 200 && got.body == layer)
    // Neither for longer, nor for another layer, nor altered, nor without its key.
    for (what, with) in [
      ("expires=", "expires=9"), (digests[1], digests[0]), ("signature=", "signature=A"), ("key=", "key=B"),
    ] {
      #expect(try await ecr.get(address.replacing(what, with: with)).status != 200, "\(what)")
    }
    _ = try ecr.server.authenticator.keys.remove(ecr.key.id)
    #expect(try await ecr.get(address).status == 403)
  }

  @Test func partsFollowOneAnother() async throws {
    let ecr = try await withRepository()
    let id = try #require(
      try await ecr.call("InitiateLayerUpload", #"{"repositoryName":"app"}"#).decoded(TestECR.Upload.self).uploadId)
    #expect(id.count == 36)
    let complete =
      #"{"repositoryName":"app","uploadId":"\#(id)","layerDigests":["\#(ContentStore.digest(of: layer))"]}"#
    #expect(try await ecr.call("CompleteLayerUpload", complete).type == "EmptyUploadException")
    _ = try await ecr.send(id, "app", layer[..<2000], 0)
    let gap = try await ecr.send(id, "app", layer[3000...], 3000)
    #expect(gap.type == "InvalidLayerPartException")
    #expect(try gap.decoded(TestECR.Upload.self).lastValidByteReceived == 1999)
    let short = try await ecr.call(
      "UploadLayerPart",
      #"{"repositoryName":"app","uploadId":"\#(id)","partFirstByte":2000,"partLastByte":4999,"layerPartBlob":"AAAA"}"#)
    #expect(short.type == "InvalidParameterException")
    #expect(try await ecr.send(id, "app", layer[2000...], 2000).status == 200)
    // All is there, but the first part has less than 5 MiB.
    #expect(try await ecr.call("CompleteLayerUpload", complete).type == "LayerPartTooSmallException")
    #expect(try await ecr.upload(layer, to: "app").status == 200)
    let ended = complete.replacing(id, with: "00000000-0000-0000-0000-000000000000")
    #expect(try await ecr.call("CompleteLayerUpload", ended).type == "UploadNotFoundException")
    #expect(try await ecr.upload(layer, to: "app").type == "LayerAlreadyExistsException")
    #expect(
      try await ecr.upload(layer, to: "app", as: "sha256:" + String(repeating: "0", count: 64)).type
        == "InvalidLayerException")
  }

  @Test func namesWhatAnImageLacks() async throws {
    let ecr = try await withRepository()
    try await ecr.push("one", to: "app", tags: ["1"])
    let absent = "sha256:" + String(repeating: "0", count: 64)
    func put(_ manifest: String, _ more: String = "") async throws -> TestECR.Answer {
      let text = try #require(String(data: try JSONEncoder().encode(manifest), encoding: .utf8))
      return try await ecr.call("PutImage", #"{"repositoryName":"app","imageManifest":\#(text)\#(more)}"#)
    }
    let type = "application/vnd.oci.image"
    let image =
      #"{"schemaVersion":2,"mediaType":"\#(type).manifest.v1+json","config":{"mediaType":"\#(type).config.v1+json","digest":"\#(absent)","size":2},"layers":[]}"#
    #expect(try await put(image).type == "LayersNotFoundException")
    let index =
      #"{"schemaVersion":2,"mediaType":"\#(type).index.v1+json","manifests":[{"mediaType":"\#(type).manifest.v1+json","digest":"\#(absent)","size":2}]}"#
    #expect(try await put(index).type == "ReferencedImagesNotFoundException")
    let empty = #"{"schemaVersion":2,"mediaType":"\#(type).index.v1+json","manifests":[]}"#
    #expect(try await put(empty, #","imageDigest":"\#(absent)""#).type == "ImageDigestDoesNotMatchException")
    #expect(try await put(empty, #","imageTag":"not a tag""#).type == "InvalidParameterException")
    #expect(try await put("{").type == "InvalidParameterException")
    #expect(
      try await ecr.call("PutImage", #"{"repositoryName":"none","imageManifest":"{}"}"#).type
        == "RepositoryNotFoundException")
    #expect(try await put(empty, #","imageTag":"all""#).status == 200)
    try await ecr.call("PutImageTagMutability", #"{"repositoryName":"app","imageTagMutability":"IMMUTABLE"}"#)
    #expect(try await put(empty, #","imageTag":"1""#).type == "ImageTagAlreadyExistsException")
    #expect(try await put(empty, #","imageTag":"all""#).type == "ImageAlreadyExistsException")
  }

  @Test func listsReferrersByTypeAPageAtATime() async throws {
    let ecr = try TestECR()
    let subject = try await ecr.push("one", to: "app", tags: ["1"])
    let size = try #require(try ecr.registry.manifests([.tag("1")], in: "app")[0]).size
    for number in 0..<5 {
      let index =
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"artifactType":"text/\#(number % 3)","annotations":{"n":"\#(number)"},"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#(subject)","size":\#(size)}}"#
      _ = try ecr.registry.putManifest(Array(index.utf8), contentType: nil, in: "app", tags: [])
    }
    struct Output: Decodable {
      struct Referrer: Decodable {
        let artifactType: String
        let annotations: [String: String]
      }
      let referrers: [Referrer]
      let nextToken: String?
    }
    func list(_ more: String = "") async throws -> Output {
      try await ecr.call(
        "ListImageReferrers", #"{"repositoryName":"app","subjectId":{"imageDigest":"\#(subject)"}\#(more)}"#
      ).decoded(Output.self)
    }
    var numbers: [String?] = []
    var token: String?
    repeat {
      let page = try await list(#","maxResults":2"# + (token.map { #","nextToken":"\#($0)""# } ?? ""))
      numbers += page.referrers.map { $0.annotations["n"] }
      token = page.nextToken
    } while token != nil
    #expect(numbers == ["0", "1", "2", "3", "4"])
    let some = try await list(#","filter":{"artifactTypes":["text/0","text/2"],"artifactStatus":"ACTIVE"}"#)
    #expect(some.referrers.map(\.artifactType) == ["text/0", "text/2", "text/0"])
    #expect(try await list(#","filter":{"artifactTypes":["text/1"]}"#).referrers.count == 2)
    #expect(try await list(#","filter":{"artifactStatus":"ARCHIVED"}"#).referrers.isEmpty)
  }
}
