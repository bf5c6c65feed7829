import Content
import DistributionSpec
import FoundationEssentials
import Glibc
import HTTPTypes
import HummingbirdCore
import ImageSpec
import Kernel
import Logging
import NIOCore
import RegistryServer
import SystemPackage
import TestDirectories
import TestServices
import Testing

@testable import ECRAPI

/// A registry with ECR's endpoint, and a client that signs.
final class TestECR: Sendable {
  let root: FilePath
  let registry: Registry
  let server: RegistryServer
  let key: AccessKey

  init(region: String? = nil, declared: [Realm] = []) throws {
    root = try makeTestDirectory("ecr-test")
    let files = RegistryFiles(root: root)
    registry = try Registry(
      ContentStore.open(root, longLived: true, readers: 2), metadata: TestDatabase.metadata(root))
    key = try files.keys.create(user: "ada")
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let realms = try #require(RealmTable(account: "123456789012", region: region, declared: declared))
    server = RegistryServer(
      registry,
      authenticator: Authenticator(passwords: [], keys: files.keys, secret: try files.secret(), logger: logger),
      policy: AccessPolicy(), realms: realms, endpoints: [ECREndpoint().endpoint], logger: logger)
  }

  deinit { try? TestDatabase.remove(root) }

  /// What a test changes of a good request.
  struct Variation: Sendable {
    var keyID: String?
    var secret: String?
    var offset: Int64 = 0
    var service = "ecr"
    var region = "eu-central-1"
    var signedHeaders = ["content-type", "host", "x-amz-date", "x-amz-target"]
    var headers: [String: String] = [:]
    /// Sent in place of what was signed.
    var sentBody: String?
    var sentTarget: String?
    var isSecure = true
    var scopeDate: String?
    var authorization: String?
    /// A header that is sent twice.
    var doubled: HTTPField.Name?
    /// Sent after the path, and not signed.
    var query = ""
    /// Sent in place of the signed one.
    var host = "ecr.test:5000"
    /// The digit of the signature that is another one.
    var altered: Int?
  }

  struct Answer {
    let status: Int
    let headers: HTTPFields
    let body: [UInt8]
    var text: String { String(decoding: body, as: UTF8.self) }
    var type: String? { (try? JSONDecoder().decode(Failure.self, from: Data(body)))?.__type }
    var message: String { (try? JSONDecoder().decode(Failure.self, from: Data(body)))?.message ?? "" }
    struct Failure: Decodable {
      let __type: String
      let message: String
    }
    func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
      try JSONDecoder().decode(type, from: Data(body))
    }
  }

  @discardableResult
  func call(_ operation: String, _ body: String = "{}", _ variation: Variation = Variation()) async throws -> Answer {
    let time = SignatureTime(seconds: SignatureTime.now.seconds + variation.offset)
    let target = "AmazonEC2ContainerRegistry_V20150921.\(operation)"
    var fields: HTTPFields = [
      .contentType: "application/x-amz-json-1.1", .amazonDate: time.description, .amazonTarget: target,
    ]
    for (name, value) in variation.headers { fields[try #require(HTTPField.Name(name))] = value }
    let scope = CredentialScope(
      date: variation.scopeDate ?? time.date, region: variation.region, service: variation.service)
    let signed = SignedRequest(
      method: "POST", path: "/", query: "",
      headers: [(name: "host", value: "ecr.test:5000")] + fields.map { (name: $0.name.canonicalName, value: $0.value) },
      payloadHash: variation.headers["x-amz-content-sha256"] ?? payloadHash(Array(body.utf8)))
    var signature = scope.signature(
      of: signed.canonicalRequest(signedHeaders: variation.signedHeaders), time: time.description,
      secret: variation.secret ?? key.secret)
    if let altered = variation.altered {
      var digits = Array(signature)
      digits[altered] = digits[altered] == "0" ? "1" : "0"
      signature = String(digits)
    }
    fields[.authorization] =
      variation.authorization
      ?? "AWS4-HMAC-SHA256 Credential=\(variation.keyID ?? key.id)/\(scope), "
      + "SignedHeaders=\(variation.signedHeaders.joined(separator: ";")), Signature=\(signature)"
    if let sentTarget = variation.sentTarget {
      fields[.amazonTarget] = "AmazonEC2ContainerRegistry_V20150921.\(sentTarget)"
    }
    if let doubled = variation.doubled, let value = fields[doubled] {
      fields.append(HTTPField(name: doubled, value: value))
    }
    let request = RegistryRequest(
      method: .post, target: "/\(variation.query)", headers: fields, authority: variation.host,
      isSecure: variation.isSecure,
      remote: "192.0.2.1",
      body: RequestBody(buffer: ByteBuffer(string: variation.sentBody ?? body)))
    let response = await server.respond(to: request).response
    guard case .bytes(let buffer) = response.body else {
      return Answer(status: response.status.code, headers: response.headers, body: [])
    }
    return Answer(status: response.status.code, headers: response.headers, body: Array(buffer.readableBytesView))
  }

  /// Pushes an image whose config tells it from others.
  @discardableResult
  func push(_ text: String, to repository: String, tags: [String] = []) async throws -> String {
    let config = Array("{\"author\":\"\(text)\"}".utf8)
    let digest = try await pushBlob(config, to: repository)
    let manifest = Array(
      """
      {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":\
      "application/vnd.oci.image.config.v1+json","digest":"\(digest)","size":\(config.count)},"layers":[]}
      """.utf8)
    return try registry.putManifest(manifest, contentType: nil, in: repository, tags: tags).digest.description
  }

  func pushBlob(_ bytes: [UInt8], to repository: String) async throws -> Digest {
    let digest = ContentStore.digest(of: bytes)
    let token = server.authenticator.issueToken(for: key).password
    let authorization = "Basic " + Data("AWS:\(token)".utf8).base64EncodedString()
    let upload = RegistryRequest(
      method: .post, target: "/v2/\(repository)/blobs/uploads/?digest=\(digest)",
      headers: [.authorization: authorization],
      body: RequestBody(buffer: ByteBuffer(bytes: bytes)))
    #expect(await server.respond(to: upload).response.status == .created)
    return digest
  }
}

@Suite struct ECRSignatureTests {
  @Test func answersASignedRequest() async throws {
    let answer = try await TestECR().call("DescribeRepositories")
    #expect(answer.status == 200 && answer.text == #"{"repositories":[]}"#)
    #expect(answer.headers[.contentType] == "application/x-amz-json-1.1" && answer.headers[.amazonRequestID] != nil)
  }

  private func refused(_ variation: TestECR.Variation, _ type: String, message: String? = nil) async throws {
    let answer = try await TestECR().call("DescribeRepositories", "{}", variation)
    #expect(answer.status == 400 && answer.type == type, "\(answer.text)")
    #expect(answer.headers[.amazonErrorType] == type)
    if let message { #expect(answer.message.contains(message), "\(answer.message)") }
  }

  @Test func refusesAWrongSecret() async throws {
    try await refused(
      .init(secret: "wrong"), "InvalidSignatureException", message: "does not match the signature you provided")
  }

  @Test func refusesAnUnknownKey() async throws {
    try await refused(.init(keyID: "AKIAUNKNOWN"), "UnrecognizedClientException", message: "security token")
  }

  @Test func refusesAnotherBodyThanWasSigned() async throws {
    try await refused(.init(sentBody: #"{"maxResults":1}"#), "InvalidSignatureException")
    try await refused(
      .init(headers: ["x-amz-content-sha256": payloadHash(Array("{}".utf8))], sentBody: #"{"maxResults":1}"#),
      "InvalidSignatureException", message: "x-amz-content-sha256")
  }

  @Test func refusesAnotherOperationThanWasSigned() async throws {
    try await refused(.init(sentTarget: "DeleteRepository"), "InvalidSignatureException")
    try await refused(
      .init(signedHeaders: ["host", "x-amz-date"]), "IncompleteSignatureException", message: "x-amz-target")
  }

  @Test func demandsHostAndDate() async throws {
    try await refused(
      .init(signedHeaders: ["x-amz-date", "x-amz-target"]), "IncompleteSignatureException", message: "host")
    try await refused(
      .init(signedHeaders: ["host", "x-amz-target"]), "IncompleteSignatureException", message: "x-amz-date")
  }

  @Test func refusesAClockThatIsWrong() async throws {
    try await refused(.init(offset: -400), "InvalidSignatureException", message: "Signature expired")
    try await refused(.init(offset: 400), "InvalidSignatureException", message: "Signature not yet current")
    #expect(try await TestECR().call("DescribeRepositories", "{}", .init(offset: -200)).status == 200)
  }

  @Test func refusesAnotherScope() async throws {
    try await refused(.init(service: "s3"), "InvalidSignatureException", message: "correct service: 'ecr'")
    try await refused(.init(scopeDate: "20150830"), "InvalidSignatureException", message: "Date in Credential scope")
    let answer = try await TestECR(region: "us-east-1").call("DescribeRepositories")
    #expect(answer.type == "InvalidSignatureException" && answer.message.contains("valid region"))
  }

  @Test func refusesASessionTokenOfAnotherService() async throws {
    try await refused(
      .init(
        signedHeaders: ["content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"],
        headers: ["x-amz-security-token": "x"]), "UnrecognizedClientException")
  }

  @Test func takesAnUnsignedBodyOnlyOverTLS() async throws {
    let headers = ["x-amz-content-sha256": "UNSIGNED-PAYLOAD"]
    let names = ["content-type", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-target"]
    let ecr = try TestECR()
    #expect(
      try await ecr.call("DescribeRepositories", "{}", .init(signedHeaders: names, headers: headers)).status == 200)
    let plain = try await ecr.call(
      "DescribeRepositories", "{}", .init(signedHeaders: names, headers: headers, isSecure: false))
    #expect(plain.type == "InvalidSignatureException")
    let wrong = try await ecr.call(
      "DescribeRepositories", "{}", .init(signedHeaders: names, headers: ["x-amz-content-sha256": payloadHash([1])]))
    #expect(wrong.type == "InvalidSignatureException")
  }

  @Test func demandsWhatItSaysToHaveSigned() async throws {
    try await refused(
      .init(signedHeaders: ["content-type", "host", "x-amz-date", "x-amz-target", "x-none"]),
      "InvalidSignatureException", message: "x-none")
    try await refused(
      .init(signedHeaders: ["content-type", "host", "x-amz-date", "X-Amz-Target"].sorted()),
      "IncompleteSignatureException")
  }

  @Test(arguments: ["authorization", "x-amz-date", "x-amz-target"])
  func refusesAHeaderThatIsThereTwice(_ name: String) async throws {
    let field = try #require(HTTPField.Name(name))
    let answer = try await TestECR().call("DescribeRepositories", "{}", .init(doubled: field))
    #expect(answer.type == "IncompleteSignatureException" && answer.message.contains("more than once"))
  }

  @Test func refusesASignatureInTheQuery() async throws {
    for query in ["?X-Amz-Signature=0", "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x"] {
      let answer = try await TestECR().call("DescribeRepositories", "{}", .init(query: query))
      #expect(answer.type == "IncompleteSignatureException" && answer.message.contains("presigned"))
    }
  }

  /// The same bytes again are the same question, as clients ask it that repeat a lost one; for another host, another
  /// service or an hour later they are worth nothing.
  @Test func aReplayedRequestIsGoodForNothingElse() async throws {
    let ecr = try TestECR()
    for _ in 0..<2 { #expect(try await ecr.call("DescribeRepositories").status == 200) }
    #expect(
      try await ecr.call("DescribeRepositories", "{}", .init(host: "other.test")).type == "InvalidSignatureException")
    #expect(try await ecr.call("DescribeRepositories", "{}", .init(query: "?x=1")).type == "InvalidSignatureException")
    #expect(try await ecr.call("DescribeRepositories", "{}", .init(offset: -3600)).type == "InvalidSignatureException")
  }

  @Test func refusesEveryAlteredSignature() async throws {
    let ecr = try TestECR()
    for index in [0, 1, 31, 62, 63] {
      #expect(
        try await ecr.call("DescribeRepositories", "{}", .init(altered: index)).type == "InvalidSignatureException")
    }
  }

  @Test(arguments: [
    ("", "MissingAuthenticationTokenException"), ("Basic YWRhOng=", "IncompleteSignatureException"),
    ("AWS4-HMAC-SHA256 Credential=a/b/c", "IncompleteSignatureException"),
    (
      "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0",
      "IncompleteSignatureException"
    ),
    ("AWS4-HMAC-SHA256 nothing", "IncompleteSignatureException"),
  ])
  func refusesMalformedHeaders(_ header: String, _ type: String) async throws {
    try await refused(.init(authorization: header), type)
  }
}

@Suite struct ECROperationTests {
  private struct Repositories: Decodable {
    struct Repository: Decodable {
      let repositoryName: String
      let repositoryArn: String
      let repositoryUri: String
      let registryId: String
      let createdAt: Double
      let imageTagMutability: String
    }
    let repository: Repository?
    let repositories: [Repository]?
    let nextToken: String?
  }

  private struct Images: Decodable {
    struct Identifier: Decodable, Hashable {
      let imageDigest: String?
      let imageTag: String?
    }
    struct Image: Decodable {
      let imageId: Identifier
      let imageManifest: String
      let imageManifestMediaType: String
    }
    struct Detail: Decodable {
      let imageDigest: String
      let imageTags: [String]?
      let imageSizeInBytes: Int
      let imagePushedAt: Double
    }
    struct Failure: Decodable {
      let imageId: Identifier
      let failureCode: String
    }
    let imageIds: [Identifier]?
    let images: [Image]?
    let imageDetails: [Detail]?
    let failures: [Failure]?
    let nextToken: String?
  }

  @Test func givesATokenThatSignsIn() async throws {
    struct Output: Decodable {
      struct Entry: Decodable {
        let authorizationToken: String
        let expiresAt: Double
        let proxyEndpoint: String
      }
      let authorizationData: [Entry]
    }
    let ecr = try TestECR()
    let before = Double(time(nil))
    let answer = try await ecr.call("GetAuthorizationToken")
    let after = Double(time(nil))
    let entry = try #require(try answer.decoded(Output.self).authorizationData.first)
    #expect(entry.proxyEndpoint == "https://ecr.test:5000")
    #expect((before - 1...after + 1).contains(entry.expiresAt - 43200))
    let request = RegistryRequest(
      method: .get, target: "/v2/", headers: [.authorization: "Basic \(entry.authorizationToken)"])
    #expect(await ecr.server.respond(to: request).response.status == .ok)
    let other = try await ecr.call("GetAuthorizationToken", #"{"registryIds":["999999999999"]}"#)
    #expect(other.type == "InvalidParameterException")
  }

  @Test func createsDescribesAndDeletesRepositories() async throws {
    let ecr = try TestECR()
    let before = Double(time(nil))
    let created = try await ecr.call(
      "CreateRepository", #"{"repositoryName":"team/app","imageTagMutability":"IMMUTABLE"}"#)
    let after = Double(time(nil))
    let repository = try #require(try created.decoded(Repositories.self).repository)
    #expect(repository.repositoryArn == "arn:aws:ecr:eu-central-1:123456789012:repository/team/app")
    #expect(repository.repositoryUri == "ecr.test:5000/team/app" && repository.registryId == "123456789012")
    #expect(repository.imageTagMutability == "IMMUTABLE" && (before - 1...after + 1).contains(repository.createdAt))
    let again = try await ecr.call("CreateRepository", #"{"repositoryName":"team/app"}"#)
    #expect(again.type == "RepositoryAlreadyExistsException")

    let described = try await ecr.call("DescribeRepositories", #"{"repositoryNames":["team/app"]}"#)
    #expect(try described.decoded(Repositories.self).repositories?.map(\.repositoryName) == ["team/app"])
    let unknown = try await ecr.call("DescribeRepositories", #"{"repositoryNames":["team/app","none"]}"#)
    #expect(unknown.type == "RepositoryNotFoundException")
    #expect(unknown.message == "The repository with name 'none' does not exist in the registry with id '123456789012'")

    try await ecr.push("one", to: "team/app", tags: ["1"])
    #expect(
      try await ecr.call("DeleteRepository", #"{"repositoryName":"team/app"}"#).type == "RepositoryNotEmptyException")
    #expect(try await ecr.call("DeleteRepository", #"{"repositoryName":"team/app","force":true}"#).status == 200)
    #expect(
      try await ecr.call("DeleteRepository", #"{"repositoryName":"team/app"}"#).type == "RepositoryNotFoundException")
  }

  @Test func pagesThroughRepositories() async throws {
    let ecr = try TestECR()
    for name in ["cc", "aa", "bb"] { try await ecr.call("CreateRepository", #"{"repositoryName":"\#(name)"}"#) }
    var names: [String] = []
    var token: String?
    repeat {
      let next = token.map { #","nextToken":"\#($0)""# } ?? ""
      let page = try await ecr.call("DescribeRepositories", "{\"maxResults\":2\(next)}").decoded(Repositories.self)
      names += page.repositories?.map(\.repositoryName) ?? []
      token = page.nextToken
    } while token != nil
    #expect(names == ["aa", "bb", "cc"])
  }

  @Test(arguments: [
    #"{"repositoryName":"A"}"#, #"{"repositoryName":"a"}"#, #"{}"#,
    #"{"repositoryName":"app","imageTagMutability":"SOMETIMES"}"#,
    #"{"repositoryName":"app","imageTagMutability":"MUTABLE_WITH_EXCLUSION"}"#,
    #"{"repositoryName":"app","somethingNew":1}"#,
  ])
  func refusesWhatItCannotDo(_ body: String) async throws {
    let answer = try await TestECR().call("CreateRepository", body)
    #expect(answer.status == 400 && answer.type == "InvalidParameterException", "\(answer.text)")
  }

  @Test func hasNoKMS() async throws {
    let body = #"{"repositoryName":"app","encryptionConfiguration":{"encryptionType":"KMS"}}"#
    #expect(try await TestECR().call("CreateRepository", body).type == "KmsException")
    let plain = #"{"repositoryName":"app","encryptionConfiguration":{"encryptionType":"AES256"}}"#
    #expect(try await TestECR().call("CreateRepository", plain).status == 200)
    let both = #"{"repositoryName":"app","encryptionConfiguration":{"encryptionType":"AES256","kmsKey":"k"}}"#
    #expect(try await TestECR().call("CreateRepository", both).type == "InvalidParameterException")
  }

  @Test func keepsTagsOfARepository() async throws {
    let ecr = try TestECR()
    try await ecr.call(
      "CreateRepository", #"{"repositoryName":"app","tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":""}]}"#)
    let arn = #""resourceArn":"arn:aws:ecr:eu-central-1:123456789012:repository/app""#
    #expect(try await ecr.call("TagResource", #"{\#(arn),"tags":[{"Key":"a","Value":"2"}]}"#).text == "{}")
    #expect(try await ecr.call("UntagResource", #"{\#(arn),"tagKeys":["b","none"]}"#).status == 200)
    #expect(try await ecr.call("ListTagsForResource", "{\(arn)}").text == #"{"tags":[{"Key":"a","Value":"2"}]}"#)
    let more = (0..<50).map { #"{"Key":"k\#($0)","Value":""}"# }.joined(separator: ",")
    #expect(try await ecr.call("TagResource", "{\(arn),\"tags\":[\(more)]}").type == "TooManyTagsException")
    #expect(
      try await ecr.call("TagResource", #"{\#(arn),"tags":[{"Key":"aws:x","Value":""}]}"#).type
        == "InvalidTagParameterException")
    for other in ["x", "arn:aws:s3:::bucket"] {
      #expect(
        try await ecr.call("ListTagsForResource", #"{"resourceArn":"\#(other)"}"#).type == "InvalidParameterException")
    }
    let foreign = #"{"resourceArn":"arn:aws:ecr:eu-central-1:999999999999:repository/app"}"#
    #expect(try await ecr.call("ListTagsForResource", foreign).type == "RepositoryNotFoundException")
  }

  @Test func makesTagsImmutable() async throws {
    let ecr = try TestECR()
    try await ecr.push("one", to: "app", tags: ["1"])
    let answer = try await ecr.call(
      "PutImageTagMutability",
      #"{"repositoryName":"app","imageTagMutability":"IMMUTABLE_WITH_EXCLUSION","#
        + #""imageTagMutabilityExclusionFilters":[{"filterType":"WILDCARD","filter":"latest*"}]}"#)
    #expect(answer.status == 200 && answer.text.contains("latest*"))
    await #expect(throws: RegistryError.tagImmutable("1", repository: "app")) {
      try await ecr.push("two", to: "app", tags: ["1"])
    }
    try await ecr.push("three", to: "app", tags: ["latest"])
    try await ecr.push("four", to: "app", tags: ["latest"])
  }

  @Test(arguments: ["[]", "not JSON", #"{"repositoryName":1}"#, String(repeating: "[", count: 1000)])
  func refusesWhatIsNoInput(_ body: String) async throws {
    #expect(try await TestECR().call("CreateRepository", body).type == "SerializationException")
  }

  @Test func namesAnUnknownOperation() async throws {
    let answer = try await TestECR().call("StartImageDance")
    #expect(
      answer.status == 400 && answer.type == "UnknownOperationException" && answer.message.contains("StartImageDance"))
  }

  @Test func listsImagesAnEntryATag() async throws {
    let ecr = try TestECR()
    let first = try await ecr.push("one", to: "app", tags: ["1", "latest"])
    let second = try await ecr.push("two", to: "app")
    let third = try await ecr.push("three", to: "app", tags: ["3"])
    func list(_ more: String = "") async throws -> Images {
      try await ecr.call("ListImages", #"{"repositoryName":"app"\#(more)}"#).decoded(Images.self)
    }
    let all: [Images.Identifier] = [
      .init(imageDigest: first, imageTag: "1"), .init(imageDigest: first, imageTag: "latest"),
      .init(imageDigest: second, imageTag: nil), .init(imageDigest: third, imageTag: "3"),
    ]
    #expect(try await list().imageIds == all)
    #expect(try await list(#","filter":{"tagStatus":"UNTAGGED"}"#).imageIds == [all[2]])
    #expect(try await list(#","filter":{"tagStatus":"TAGGED"}"#).imageIds == [all[0], all[1], all[3]])
    #expect(try await list(#","filter":{"imageStatus":"ARCHIVED"}"#).imageIds == [])
    for size in 1...4 {
      var found: [Images.Identifier] = []
      var token: String?
      repeat {
        let page = try await list(",\"maxResults\":\(size)" + (token.map { ",\"nextToken\":\"\($0)\"" } ?? ""))
        #expect((page.imageIds?.count ?? 0) <= size)
        found += page.imageIds ?? []
        token = page.nextToken
      } while token != nil
      #expect(found == all, "pages of \(size)")
    }
  }

  @Test func describesImages() async throws {
    let ecr = try TestECR()
    let first = try await ecr.push("one", to: "app", tags: ["1", "latest"])
    let second = try await ecr.push("two", to: "app")
    let all = try await ecr.call("DescribeImages", #"{"repositoryName":"app"}"#).decoded(Images.self).imageDetails ?? []
    #expect(all.map(\.imageDigest) == [first, second] && all.map(\.imageTags) == [["1", "latest"], nil])
    #expect(all.allSatisfy { $0.imageSizeInBytes > 0 && abs($0.imagePushedAt - Double(time(nil))) < 60 })
    let one = try await ecr.call(
      "DescribeImages", #"{"repositoryName":"app","imageIds":[{"imageTag":"latest"},{"imageTag":"1"}]}"#)
    #expect(try one.decoded(Images.self).imageDetails?.map(\.imageDigest) == [first])
    let none = try await ecr.call("DescribeImages", #"{"repositoryName":"app","imageIds":[{"imageTag":"2"}]}"#)
    #expect(none.type == "ImageNotFoundException" && none.message.contains("imageTag:'2'"))
    #expect(try await ecr.call("DescribeImages", #"{"repositoryName":"none"}"#).type == "RepositoryNotFoundException")
  }

  @Test func getsSeveralImagesAndTellsWhatIsMissing() async throws {
    let ecr = try TestECR()
    let digest = try await ecr.push("one", to: "app", tags: ["1"])
    let output = try await ecr.call(
      "BatchGetImage",
      #"{"repositoryName":"app","imageIds":[{"imageTag":"1"},{"imageTag":"2"},{"imageDigest":"x"},{},{"imageTag":"-"}]}"#
    ).decoded(Images.self)
    #expect(output.images?.map(\.imageId) == [.init(imageDigest: digest, imageTag: "1")])
    let image = try #require(output.images?.first)
    #expect(ContentStore.digest(of: Array(image.imageManifest.utf8)).description == digest)
    #expect(
      output.failures?.map(\.failureCode) == [
        "ImageNotFound", "InvalidImageDigest", "MissingDigestAndTag", "InvalidImageTag",
      ])
    let other = try await ecr.call(
      "BatchGetImage",
      #"{"repositoryName":"app","imageIds":[{"imageTag":"1"}],"acceptedMediaTypes":["application/vnd.oci.image.index.v1+json"]}"#
    ).decoded(Images.self)
    #expect(other.images?.isEmpty == true && other.failures?.first?.failureCode == "ImageNotFound")
  }

  @Test func deletesByTagAndByDigest() async throws {
    let ecr = try TestECR()
    let first = try await ecr.push("one", to: "app", tags: ["1", "latest"])
    let second = try await ecr.push("two", to: "app", tags: ["2", "b"])
    func delete(_ images: String) async throws -> Images {
      try await ecr.call("BatchDeleteImage", #"{"repositoryName":"app","imageIds":[\#(images)]}"#).decoded(Images.self)
    }
    #expect(try await delete(#"{"imageTag":"1"}"#).imageIds == [.init(imageDigest: first, imageTag: "1")])
    #expect(try ecr.registry.manifests([.tag("latest")], in: "app")[0]?.digest.description == first)
    // The last tag takes the image with it.
    _ = try await delete(#"{"imageTag":"latest"}"#)
    #expect(try ecr.registry.manifests(in: "app", limit: 10).map(\.digest.description) == [second])
    let mismatch = try await delete(#"{"imageTag":"2","imageDigest":"\#(first)"},{"imageTag":"9"}"#)
    #expect(mismatch.failures?.map(\.failureCode) == ["ImageNotFound", "ImageNotFound"])
    #expect(
      try await delete(#"{"imageDigest":"\#(second)"}"#).imageIds
        == [.init(imageDigest: second, imageTag: "2"), .init(imageDigest: second, imageTag: "b")])
    #expect(try ecr.registry.manifests(in: "app", limit: 10).isEmpty)
  }

  @Test func keepsTheMembersOfAnIndex() async throws {
    let ecr = try TestECR()
    let member = try await ecr.push("one", to: "app", tags: ["1"])
    let stored = try #require(try ecr.registry.manifests([.tag("1")], in: "app")[0])
    let index = Array(
      """
      {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":\
      "application/vnd.oci.image.manifest.v1+json","digest":"\(member)","size":\(stored.size)}]}
      """.utf8)
    _ = try ecr.registry.putManifest(index, contentType: nil, in: "app", tags: ["all"])
    for image in [#"{"imageDigest":"\#(member)"}"#, #"{"imageTag":"1"}"#] {
      let output = try await ecr.call("BatchDeleteImage", #"{"repositoryName":"app","imageIds":[\#(image)]}"#).decoded(
        Images.self)
      #expect(output.failures?.map(\.failureCode) == ["ImageReferencedByManifestList"])
    }
    #expect(
      try await ecr.call(
        "BatchDeleteImage", #"{"repositoryName":"app","imageIds":[{"imageTag":"all"},{"imageTag":"1"}]}"#
      )
      .decoded(Images.self).failures?.isEmpty == true)
  }
}
