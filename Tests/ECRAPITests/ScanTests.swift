import Content
import FoundationEssentials
import ImageSpec
import Kernel
import Layers
import Metadata
import RegistryServer
import Scanning
import Synchronization
import SystemPackage
import Testing

@testable import ECRAPI

@Suite struct ScanTests {
  /// A registry that knows of three vulnerabilities of what `push` pushes.
  private func fixture() async throws -> TestECR {
    let ecr = try TestECR()
    try load(ecr, "s", [("CVE-2026-1", "9.0", "N/S:U/C:H/I:H/A:H"), ("CVE-2026-2", "2.0", "N/S:U/C:L/I:N/A:N"), ("GHSA-3", "2.0", nil)])
    try await ecr.call("CreateRepository", #"{"repositoryName":"app"}"#)
    return ecr
  }

  private func load(_ ecr: TestECR, _ source: String, _ records: [(id: String, fixed: String, vector: String?)]) throws {
    let text = records.map { record in
      let severity = record.vector.map {
        #","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:\#($0)"}]"#
      }
      return #"{"id":"\#(record.id)","modified":"2026-01-02T03:04:05Z","summary":"of x"\#(severity ?? ""),"affected":[{"package":{"#
        + #""ecosystem":"PyPI","name":"x"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"\#(record.fixed)"}]}]}]}"#
    }
    let file = ecr.root.appending("\(source).json")
    try writeFileAtomically(file, Array("[\(text.joined(separator: ","))]".utf8))
    _ = try ecr.registry.advisories.load([file], as: source)
  }

  /// Pushes an image that has the package x in version 1.0. Returns its digest.
  @discardableResult
  private func push(_ ecr: TestECR, tag: String, in repository: String = "app") async throws -> String {
    var archive: [UInt8] = []
    let writer = TarWriter { archive += $0 }
    let content = Array("x==1.0 # \(tag)\n".utf8)
    var entry = TarEntry(kind: .file, name: Array("requirements.txt".utf8), mode: 0o644)
    entry.size = Int64(content.count)
    try writer.begin(entry)
    try writer.content(content)
    try writer.finish()
    return try await push(ecr, layer: archive, tag: tag, in: repository)
  }

  private func push(_ ecr: TestECR, layer: [UInt8], tag: String, in repository: String) async throws -> String {
    let config = Array(#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#.utf8)
    let manifest = Manifest(
      config: Descriptor(
        mediaType: .config, digest: try await ecr.pushBlob(config, to: repository), size: Int64(config.count)),
      layers: [
        Descriptor(mediaType: .layer, digest: try await ecr.pushBlob(layer, to: repository), size: Int64(layer.count))
      ])
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let bytes = Array(try encoder.encode(manifest))
    return try ecr.registry.putManifest(bytes, contentType: .manifest, in: repository, tags: [tag]).digest.description
  }

  private struct Described: Decodable {
    struct Status: Decodable { let status: String }
    struct Finding: Decodable {
      struct Attribute: Decodable {
        let key: String
        let value: String
      }
      let name: String
      let severity: String
      let attributes: [Attribute]
    }
    struct Enhanced: Decodable {
      let title: String
      let severity: String
      let fixAvailable: String
    }
    struct Findings: Decodable {
      let findingSeverityCounts: [String: Int]
      let findings: [Finding]?
      let enhancedFindings: [Enhanced]?
    }
    let imageScanStatus: Status
    let imageScanFindings: Findings?
    let nextToken: String?
  }

  private func describe(_ ecr: TestECR, _ more: String = "", tag: String = "1") async throws -> Described {
    try await ecr.call(
      "DescribeImageScanFindings", #"{"repositoryName":"app","imageId":{"imageTag":"\#(tag)"}\#(more)}"#
    ).decoded(Described.self)
  }

  private let image = #"{"repositoryName":"app","imageId":{"imageTag":"1"}}"#

  @Test func scansOnDemand() async throws {
    let ecr = try await fixture()
    try await push(ecr, tag: "1")
    #expect(try await ecr.call("DescribeImageScanFindings", image).type == "ScanNotFoundException")
    #expect(try await ecr.call("StartImageScan", image).decoded(Described.self).imageScanStatus.status == "IN_PROGRESS")
    #expect(try await describe(ecr).imageScanStatus.status == "IN_PROGRESS")
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    let found = try await describe(ecr)
    #expect(found.imageScanStatus.status == "COMPLETE")
    #expect(found.imageScanFindings?.findingSeverityCounts == ["CRITICAL": 1, "MEDIUM": 1, "UNDEFINED": 1])
    let findings = found.imageScanFindings?.findings ?? []
    #expect(findings.map(\.name) == ["CVE-2026-1", "CVE-2026-2", "GHSA-3"])
    let attributes = Dictionary(uniqueKeysWithValues: findings[0].attributes.map { ($0.key, $0.value) })
    #expect(attributes["package_name"] == "x" && attributes["package_version"] == "1.0" && attributes["CVSS3_SCORE"] == "9.8")
    let described = try await ecr.call("DescribeImages", #"{"repositoryName":"app"}"#).text
    #expect(described.contains(#""imageScanStatus":{"description":"The scan was completed successfully.","status":"COMPLETE"}"#))
    #expect(described.contains(#""findingSeverityCounts":{"CRITICAL":1,"MEDIUM":1,"UNDEFINED":1}"#))
  }

  @Test func pagesFindings() async throws {
    let ecr = try await fixture()
    try await push(ecr, tag: "1")
    try await ecr.call("StartImageScan", image)
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    let first = try await describe(ecr, #","maxResults":2"#)
    #expect(first.imageScanFindings?.findings?.map(\.name) == ["CVE-2026-1", "CVE-2026-2"])
    let last = try await describe(ecr, #","maxResults":2,"nextToken":"\#(first.nextToken ?? "")""#)
    #expect(last.imageScanFindings?.findings?.map(\.name) == ["GHSA-3"] && last.nextToken == nil)
    let bad = #"{"repositoryName":"app","imageId":{"imageTag":"1"},"nextToken":"LTE="}"#
    #expect(try await ecr.call("DescribeImageScanFindings", bad).type == "InvalidParameterException")
  }

  @Test func scansAnImageOnceADay() async throws {
    let ecr = try await fixture()
    try await push(ecr, tag: "1")
    try await ecr.call("StartImageScan", image)
    #expect(try await ecr.call("StartImageScan", image).type == "LimitExceededException")
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    #expect(try await ecr.call("StartImageScan", image).type == "LimitExceededException")
    try ecr.registry.metadata.write { try $0.execute("UPDATE registry_scan SET requested = requested - 86400001") }
    #expect(try await ecr.call("StartImageScan", image).status == 200)
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    #expect(try await describe(ecr).imageScanFindings?.findings?.count == 3)
  }

  @Test func scansWhatIsPushedWhereItIsToldTo() async throws {
    let ecr = try await fixture()
    try await push(ecr, tag: "before")
    #expect(try ecr.registry.jobs.pending("scan") == 0)
    let on = #"{"repositoryName":"app","imageScanningConfiguration":{"scanOnPush":true}}"#
    #expect(try await ecr.call("PutImageScanningConfiguration", on).status == 200)
    #expect(try await ecr.call("DescribeRepositories").text.contains(#""imageScanningConfiguration":{"scanOnPush":true}"#))
    try await push(ecr, tag: "1")
    #expect(try await describe(ecr).imageScanStatus.status == "PENDING")
    // Pushed again, it is still one scan.
    try await push(ecr, tag: "1")
    #expect(try ecr.registry.jobs.pending("scan") == 1)
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    #expect(try await describe(ecr).imageScanStatus.status == "COMPLETE")
    let made = #"{"repositoryName":"made","imageScanningConfiguration":{"scanOnPush":true}}"#
    #expect(try await ecr.call("CreateRepository", made).text.contains(#""scanOnPush":true"#))
    try await push(ecr, tag: "1", in: "made")
    #expect(try ecr.registry.jobs.pending("scan") == 1)
    #expect(try await ecr.call("DeleteRepository", #"{"repositoryName":"made","force":true}"#).text.contains(#""scanOnPush":true"#))
    // What is gone when its turn comes is let be.
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    #expect(try ecr.registry.jobs.failed("scan").isEmpty)
  }

  @Test func isDoneByTheNextServer() async throws {
    let ecr = try await fixture()
    try await ecr.call("PutImageScanningConfiguration", #"{"repositoryName":"app","imageScanningConfiguration":{"scanOnPush":true}}"#)
    try await push(ecr, tag: "1")
    let registry = try Registry(
      ContentStore.open(ecr.root, longLived: true, readers: 1), metadata: ecr.registry.metadata)
    let next = RegistryServer(
      registry, authenticator: ecr.server.authenticator, policy: AccessPolicy(), logger: ecr.server.logger)
    try await registry.jobs.drain(logger: next.logger)
    withExtendedLifetime(next) {}
    #expect(try await describe(ecr).imageScanStatus.status == "COMPLETE")
  }

  @Test func followsTheRegistrysRules() async throws {
    let ecr = try await fixture()
    for name in ["team/a", "other/team"] { try await ecr.call("CreateRepository", #"{"repositoryName":"\#(name)"}"#) }
    let rules = #"{"scanType":"BASIC","rules":[{"scanFrequency":"SCAN_ON_PUSH","repositoryFilters":[{"filter":"team/*","filterType":"WILDCARD"}]}]}"#
    #expect(try await ecr.call("PutRegistryScanningConfiguration", rules).status == 200)
    let got = try await ecr.call("GetRegistryScanningConfiguration").text
    #expect(got.contains(#""filter":"team/*""#) && got.contains(#""registryId":"123456789012""#))
    let batch = try await ecr.call(
      "BatchGetRepositoryScanningConfiguration", #"{"repositoryNames":["team/a","other/team","none"]}"#
    ).text
    #expect(batch.contains(#""repositoryName":"team/a","scanFrequency":"SCAN_ON_PUSH","scanOnPush":true"#))
    #expect(batch.contains(#""repositoryName":"other/team","scanFrequency":"MANUAL","scanOnPush":false"#))
    #expect(batch.contains(#""failureCode":"REPOSITORY_NOT_FOUND""#))
    try await push(ecr, tag: "1", in: "team/a")
    try await push(ecr, tag: "1", in: "other/team")
    #expect(try ecr.registry.jobs.pending("scan") == 1)
  }

  @Test(arguments: [
    #"{"scanType":"BASIC","rules":[{"scanFrequency":"CONTINUOUS_SCAN","repositoryFilters":[]}]}"#,
    #"{"scanType":"ENHANCED","rules":[{"scanFrequency":"MANUAL","repositoryFilters":[]}]}"#,
    #"{"rules":[{"scanFrequency":"MANUAL","repositoryFilters":[]},{"scanFrequency":"MANUAL","repositoryFilters":[]}]}"#,
    #"{"scanType":"MAGIC"}"#, #"{"rules":[{"scanFrequency":"MANUAL","repositoryFilters":[{"filter":"UPPER","filterType":"WILDCARD"}]}]}"#,
  ])
  func refusesRulesThatCannotBe(_ rules: String) async throws {
    #expect(try await TestECR().call("PutRegistryScanningConfiguration", rules).type == "InvalidParameterException")
  }

  @Test func showsEnhancedFindingsAndRenewsThem() async throws {
    let ecr = try await fixture()
    let rules = #"{"scanType":"ENHANCED","rules":[{"scanFrequency":"CONTINUOUS_SCAN","repositoryFilters":[{"filter":"app","filterType":"WILDCARD"}]}]}"#
    #expect(try await ecr.call("PutRegistryScanningConfiguration", rules).status == 200)
    try await push(ecr, tag: "1")
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    let found = try await describe(ecr)
    #expect(found.imageScanStatus.status == "ACTIVE" && found.imageScanFindings?.findings == nil)
    #expect(found.imageScanFindings?.enhancedFindings?.map(\.title) == ["CVE-2026-1 - x", "CVE-2026-2 - x", "GHSA-3 - x"])
    #expect(found.imageScanFindings?.enhancedFindings?.last?.severity == "UNTRIAGED")
    #expect(try await ecr.call("StartImageScan", image).type == "ValidationException")
    // What is loaded later is found in what was pushed before.
    try load(ecr, "later", [("CVE-2026-9", "3.0", nil)])
    try ImageScans.enqueueRenewal(ecr.registry)
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    #expect(try await describe(ecr).imageScanFindings?.enhancedFindings?.count == 4)
  }

  @Test func refusesWhatIsNoImage() async throws {
    let ecr = try await fixture()
    let index = try JSONEncoder().encode(Index(manifests: []))
    _ = try ecr.registry.putManifest(Array(index), contentType: .index, in: "app", tags: ["1"])
    #expect(try await ecr.call("StartImageScan", image).type == "UnsupportedImageTypeException")
    #expect(try await ecr.call("StartImageScan", #"{"repositoryName":"app","imageId":{"imageTag":"none"}}"#).type == "ImageNotFoundException")
    #expect(try await ecr.call("StartImageScan", #"{"repositoryName":"none","imageId":{"imageTag":"1"}}"#).type == "RepositoryNotFoundException")
    #expect(try await ecr.call("StartImageScan", #"{"repositoryName":"app","imageId":{}}"#).type == "InvalidParameterException")
  }

  @Test func leavesTheArchiveAlone() async throws {
    let ecr = try await fixture()
    let digest = try await Digest(parsing: push(ecr, tag: "1"))
    try await ecr.call("StartImageScan", image)
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    try ecr.registry.archive(digest, in: "app")
    #expect(try await ecr.call("StartImageScan", image).type == "ImageArchivedException")
    #expect(try await describe(ecr).imageScanStatus.status == "IMAGE_ARCHIVED")
  }

  @Test func tellsWhyAScanFailed() async throws {
    let ecr = try await fixture()
    _ = try await push(ecr, layer: Array("this is no archive".utf8), tag: "1", in: "app")
    try await ecr.call("StartImageScan", image)
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    let text = try await ecr.call("DescribeImageScanFindings", image).text
    #expect(text.contains(#""status":"FAILED""#) && text.contains("is broken"))
    // A scan that failed may be asked for again at once.
    #expect(try await ecr.call("StartImageScan", image).status == 200)
  }

  @Test func publishesAnEventAndKeepsRealmsApart() async throws {
    let ecr = try await fixture()
    let realm = try #require(Realm(account: "210987654321", region: "eu-west-1"))
    let other = ecr.registry.at(realm)
    #expect(try other.scanningConfiguration() == ScanningConfiguration())
    try ecr.registry.setScanningConfiguration(ScanningConfiguration(.basic, rules: [.init(.onPush, filters: ["*"])]))
    #expect(try other.scanningConfiguration().rules.isEmpty)
    let events = Mutex<[RegistryEvent]>([])
    ecr.registry.events.subscribe([.scan]) { event in events.withLock { $0.append(event) } }
    let digest = try await push(ecr, tag: "1")
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    let event = try #require(events.withLock { $0.first })
    #expect(event.repository == "app" && event.digest == digest && event.details["CRITICAL"] == "1" && event.details["status"] == "COMPLETE")
  }

  @Test func givesABillOfMaterials() async throws {
    let ecr = try await fixture()
    let digest = try await Digest(parsing: push(ecr, tag: "1"))
    let bytes = try ecr.registry.billOfMaterials(digest, in: "app", as: .spdxJSON, named: "host/app:1")
    #expect(String(decoding: bytes, as: UTF8.self).contains("pkg:pypi/x@1.0"))
  }
}
