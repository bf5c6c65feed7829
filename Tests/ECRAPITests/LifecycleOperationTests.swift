import Content
import DistributionSpec
import FoundationEssentials
import ImageSpec
import Logging
import Testing

@testable import ECRAPI
@testable import RegistryServer

private let untaggedPolicy =
  #"{"rules":[{"rulePriority":5,"description":"no untagged image is kept for long","selection":{"tagStatus":"untagged","#
  + #""countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}"#
private let archivePolicy =
  #"{"rules":[{"rulePriority":7,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2},"#
  + #""action":{"type":"transition","targetStorageClass":"archive"}}]}"#

private func quoted(_ text: String) -> String {
  (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? ""
}

private struct Policy: Decodable {
  let lifecyclePolicyText: String
  let lastEvaluatedAt: Double?
}

private struct Preview: Decodable {
  struct Result: Decodable {
    struct Action: Decodable, Equatable {
      let type: String
      let targetStorageClass: String?
    }
    let imageTags: [String]
    let imageDigest: String
    let action: Action
    let appliedRulePriority: Int
    let storageClass: String
  }
  struct Summary: Decodable {
    struct Count: Decodable {
      let targetStorageClass: String
      let imageTotalCount: Int
    }
    let expiringImageTotalCount: Int
    let transitioningImageTotalCounts: [Count]?
  }
  let status: String
  let previewResults: [Result]
  let summary: Summary?
  let nextToken: String?
}

@Suite struct LifecyclePolicyOperationTests {
  @Test func policiesArePutFetchedAndTakenAway() async throws {
    let test = try TestECR()
    _ = try test.registry.createRepository("app")
    let named = #""repositoryName":"app""#
    for operation in ["GetLifecyclePolicy", "DeleteLifecyclePolicy", "StartLifecyclePolicyPreview"] {
      #expect(try await test.call(operation, "{\(named)}").type == "LifecyclePolicyNotFoundException")
    }
    let put = try await test.call("PutLifecyclePolicy", "{\(named),\"lifecyclePolicyText\":\(quoted(untaggedPolicy))}")
    #expect(try put.decoded(Policy.self).lifecyclePolicyText == untaggedPolicy)
    let got = try await test.call("GetLifecyclePolicy", "{\(named)}").decoded(Policy.self)
    #expect(got.lifecyclePolicyText == untaggedPolicy && got.lastEvaluatedAt == nil)
    _ = try test.registry.runLifecycle(of: "app")
    #expect(try await test.call("GetLifecyclePolicy", "{\(named)}").decoded(Policy.self).lastEvaluatedAt != nil)
    #expect(
      try await test.call("DeleteLifecyclePolicy", "{\(named)}").decoded(Policy.self).lifecyclePolicyText
        == untaggedPolicy)
    #expect(try await test.call("GetLifecyclePolicy", "{\(named)}").type == "LifecyclePolicyNotFoundException")
  }

  @Test func whatIsNoPolicyIsRefusedInECRsWords() async throws {
    let test = try TestECR()
    _ = try test.registry.createRepository("app")
    let text = untaggedPolicy.replacing("expire", with: "shred")
    for operation in ["PutLifecyclePolicy", "StartLifecyclePolicyPreview"] {
      let answer = try await test.call(operation, #"{"repositoryName":"app","lifecyclePolicyText":\#(quoted(text))}"#)
      #expect(answer.type == "InvalidParameterException")
      #expect(
        answer.message.hasPrefix(
          "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: "
        ), "\(answer.message)")
    }
    let answer = try await test.call(
      "PutLifecyclePolicy", #"{"repositoryName":"none","lifecyclePolicyText":\#(quoted(untaggedPolicy))}"#)
    #expect(answer.type == "RepositoryNotFoundException")
  }

  @Test func aPreviewIsReadInPages() async throws {
    let test = try TestECR()
    var digests: [String] = []
    for number in 0..<5 { digests.append(try await test.push("\(number)", to: "app")) }
    for number in 0..<3 { try await test.push("tagged \(number)", to: "app", tags: ["t\(number)"]) }
    let named = #""repositoryName":"app""#
    #expect(
      try await test.call("GetLifecyclePolicyPreview", "{\(named)}").type == "LifecyclePolicyPreviewNotFoundException")
    let start = "{\(named),\"lifecyclePolicyText\":\(quoted(untaggedPolicy))}"
    #expect(try await test.call("StartLifecyclePolicyPreview", start).text.contains("IN_PROGRESS"))
    #expect(
      try await test.call("StartLifecyclePolicyPreview", start).type == "LifecyclePolicyPreviewInProgressException")
    let early = try await test.call("GetLifecyclePolicyPreview", "{\(named)}").decoded(Preview.self)
    #expect(early.status == "IN_PROGRESS" && early.previewResults.isEmpty && early.summary == nil)
    try await test.registry.jobs.drain(logger: test.server.logger)

    var found: [String] = []
    var token = ""
    repeat {
      let page = try await test.call("GetLifecyclePolicyPreview", "{\(named),\"maxResults\":3\(token)}").decoded(
        Preview.self)
      #expect(page.status == "COMPLETE" && page.summary?.expiringImageTotalCount == 4)
      #expect(page.summary?.transitioningImageTotalCounts == nil && page.previewResults.count <= 3)
      for result in page.previewResults {
        #expect(result.action == .init(type: "EXPIRE", targetStorageClass: nil) && result.appliedRulePriority == 5)
        #expect(result.storageClass == "STANDARD" && result.imageTags.isEmpty)
      }
      found += page.previewResults.map(\.imageDigest)
      token = page.nextToken.map { ",\"nextToken\":\"\($0)\"" } ?? ""
    } while !token.isEmpty
    #expect(found == Array(digests.prefix(4)))

    func ask(_ members: String) async throws -> [String] {
      try await test.call("GetLifecyclePolicyPreview", "{\(named),\(members)}").decoded(Preview.self).previewResults
        .map(
          \.imageDigest)
    }
    #expect(try await ask(#""filter":{"tagStatus":"TAGGED"}"#).isEmpty)
    #expect(try await ask(#""filter":{"tagStatus":"UNTAGGED"}"#).count == 4)
    let ids = [digests[1], digests[4], digests[1]].map { #"{"imageDigest":"\#($0)"}"# } + [#"{"imageTag":"t1"}"#]
    #expect(try await ask("\"imageIds\":[\(ids.joined(separator: ","))]") == [digests[1]])
    let mixed = try await test.call(
      "GetLifecyclePolicyPreview", "{\(named),\"maxResults\":1,\"imageIds\":[\(ids[0])]}")
    #expect(mixed.type == "InvalidParameterException")
    #expect(
      try await test.call("GetLifecyclePolicyPreview", "{\(named),\"nextToken\":\"?\"}").type
        == "InvalidParameterException")
  }

  @Test func aPreviewCountsTransitions() async throws {
    let test = try TestECR()
    for number in 0..<5 { try await test.push("\(number)", to: "app", tags: ["t\(number)"]) }
    try test.registry.setLifecyclePolicy(archivePolicy, of: "app")
    _ = try await test.call("StartLifecyclePolicyPreview", #"{"repositoryName":"app"}"#)
    try await test.registry.jobs.drain(logger: test.server.logger)
    let preview = try await test.call("GetLifecyclePolicyPreview", #"{"repositoryName":"app"}"#).decoded(Preview.self)
    #expect(preview.previewResults.map(\.imageTags) == [["t0"], ["t1"], ["t2"]])
    #expect(preview.previewResults.first?.action == .init(type: "TRANSITION", targetStorageClass: "ARCHIVE"))
    #expect(preview.summary?.expiringImageTotalCount == 0)
    #expect(preview.summary?.transitioningImageTotalCounts?.first?.imageTotalCount == 3)
    #expect(preview.summary?.transitioningImageTotalCounts?.first?.targetStorageClass == "ARCHIVE")
  }
}

@Suite struct StorageClassOperationTests {
  private struct Details: Decodable {
    struct Detail: Decodable {
      let imageTags: [String]
      let imageStatus: String
      let lastArchivedAt: Double?
      let lastActivatedAt: Double?
    }
    let imageDetails: [Detail]
  }
  private struct Images: Decodable {
    struct Image: Decodable { let imageTag: String? }
    let imageIds: [Image]
  }
  private struct Status: Decodable { let imageStatus: String }

  @Test func listingsGoByStatus() async throws {
    let test = try TestECR()
    for tag in ["a", "b", "c"] { try await test.push(tag, to: "app", tags: [tag]) }
    func update(_ tag: String, _ target: String) async throws -> String {
      try await test.call(
        "UpdateImageStorageClass",
        #"{"repositoryName":"app","imageId":{"imageTag":"\#(tag)"},"targetStorageClass":"\#(target)"}"#
      ).decoded(Status.self).imageStatus
    }
    #expect(try await update("b", "ARCHIVE") == "ARCHIVED")
    #expect(try await update("b", "ARCHIVE") == "ARCHIVED")
    #expect(try await update("a", "STANDARD") == "ACTIVE")

    func listed(_ status: String?) async throws -> [String?] {
      let filter = status.map { #","filter":{"imageStatus":"\#($0)"}"# } ?? ""
      let body = #"{"repositoryName":"app"\#(filter)}"#
      let ids = try await test.call("ListImages", body).decoded(Images.self).imageIds.map(\.imageTag)
      let details = try await test.call("DescribeImages", body).decoded(Details.self).imageDetails
      #expect(details.map(\.imageTags.first) == ids)
      return ids
    }
    #expect(try await listed(nil) == ["a", "c"])
    #expect(try await listed("ACTIVE") == ["a", "c"])
    #expect(try await listed("ARCHIVED") == ["b"])
    #expect(try await listed("ANY") == ["a", "b", "c"])
    #expect(try await listed("ACTIVATING") == [])
    let named = #"{"repositoryName":"app","imageIds":[{"imageTag":"b"}]}"#
    let archived = try #require(
      try await test.call("DescribeImages", named).decoded(Details.self).imageDetails.first)
    #expect(archived.imageStatus == "ARCHIVED" && archived.lastArchivedAt != nil && archived.lastActivatedAt == nil)
    #expect(try await test.call("BatchGetImage", named).text.contains("ImageInaccessible"))
    #expect(
      try await test.call("StartImageScan", #"{"repositoryName":"app","imageId":{"imageTag":"b"}}"#).type
        == "ImageArchivedException")
    #expect(try await update("b", "STANDARD") == "ACTIVE")
    let restored = try #require(
      try await test.call("DescribeImages", named).decoded(Details.self).imageDetails.first)
    #expect(restored.imageStatus == "ACTIVE" && restored.lastActivatedAt != nil)
    #expect(try await test.call("BatchGetImage", named).text.contains(#""failures":[]"#))
  }

  @Test func whatCannotBeIsSaid() async throws {
    let test = try TestECR()
    let digest = try await test.push("one", to: "app")
    let size = try test.registry.manifests(in: "app", limit: 1)[0].size
    let index =
      #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"#
      + #""application/vnd.oci.image.manifest.v1+json","digest":"\#(digest)","size":\#(size)}]}"#
    _ = try test.registry.putManifest(Array(index.utf8), contentType: nil, in: "app", tags: ["list"])
    func update(_ image: String, in repository: String = "app") async throws -> TestECR.Answer {
      try await test.call(
        "UpdateImageStorageClass",
        #"{"repositoryName":"\#(repository)","imageId":{\#(image)},"targetStorageClass":"ARCHIVE"}"#)
    }
    #expect(
      try await update(#""imageDigest":"\#(digest)""#).type == "ImageStorageClassUpdateNotSupportedException")
    #expect(try await update(#""imageTag":"none""#).type == "ImageNotFoundException")
    #expect(try await update("").type == "InvalidParameterException")
    #expect(try await update(#""imageTag":"list""#, in: "none").type == "RepositoryNotFoundException")
    #expect(try await update(#""imageTag":"list""#).status == 200)
    #expect(try await update(#""imageDigest":"\#(digest)""#).status == 200)
  }

  @Test func layersOfArchivedImagesAloneAreArchived() async throws {
    let test = try TestECR()
    try await test.push("one", to: "app", tags: ["v1"])
    let config = Array("{\"author\":\"one\"}".utf8)
    let layer = ContentStore.digest(of: config)
    func availability() async throws -> String? {
      try await test.call(
        "BatchCheckLayerAvailability", #"{"repositoryName":"app","layerDigests":["\#(layer)"]}"#
      ).decoded(TestECR.Upload.self).layers?.first?.layerAvailability
    }
    #expect(try await availability() == "AVAILABLE")
    let image = try test.registry.storedManifest(.tag("v1"), in: "app")
    try test.registry.archive(image.digest, in: "app")
    #expect(try await availability() == "ARCHIVED")
    let url = #"{"repositoryName":"app","layerDigest":"\#(layer)"}"#
    #expect(try await test.call("GetDownloadUrlForLayer", url).type == "LayerInaccessibleException")
    // The same image again is not there already: it comes back.
    let manifest = String(decoding: try test.registry.store.read(image.digest, limit: 1 << 20), as: UTF8.self)
    let put = #"{"repositoryName":"app","imageTag":"v1","imageManifest":\#(quoted(manifest))}"#
    #expect(try await test.call("PutImage", put).status == 200)
    #expect(try await test.call("PutImage", put).type == "ImageAlreadyExistsException")
    #expect(try await availability() == "AVAILABLE")
  }

  @Test func exclusionsAreListedInPages() async throws {
    let test = try TestECR()
    func arn(_ name: String) -> String { "arn:aws:iam::123456789012:user/\(name)" }
    struct Exclusions: Decodable {
      let pullTimeUpdateExclusions: [String]
      let nextToken: String?
    }
    for name in ["a", "b", "c"] {
      let answer = try await test.call("RegisterPullTimeUpdateExclusion", #"{"principalArn":"\#(arn(name))"}"#)
      #expect(answer.status == 200 && answer.text.contains("createdAt"))
    }
    #expect(
      try await test.call("RegisterPullTimeUpdateExclusion", #"{"principalArn":"\#(arn("a"))"}"#).type
        == "ExclusionAlreadyExistsException")
    #expect(
      try await test.call("RegisterPullTimeUpdateExclusion", #"{"principalArn":"ada"}"#).type
        == "InvalidParameterException")
    let first = try await test.call("ListPullTimeUpdateExclusions", #"{"maxResults":2}"#).decoded(Exclusions.self)
    #expect(first.pullTimeUpdateExclusions == [arn("a"), arn("b")])
    let token = try #require(first.nextToken)
    let second = try await test.call("ListPullTimeUpdateExclusions", #"{"nextToken":"\#(token)"}"#).decoded(
      Exclusions.self)
    #expect(second.pullTimeUpdateExclusions == [arn("c")] && second.nextToken == nil)
    let body = #"{"principalArn":"\#(arn("a"))"}"#
    #expect(try await test.call("DeregisterPullTimeUpdateExclusion", body).status == 200)
    #expect(try await test.call("DeregisterPullTimeUpdateExclusion", body).type == "ExclusionNotFoundException")
  }
}
