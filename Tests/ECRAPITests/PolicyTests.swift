import Content
import DistributionSpec
import FoundationEssentials
import Glibc
import HTTPTypes
import ImageSpec
import RegistryServer
import Testing

@testable import ECRAPI

extension TestECR {
  fileprivate var identities: Identities { server.authenticator.identities }

  /// A key for another user.
  fileprivate func variation(_ key: AccessKey) -> Variation {
    var variation = Variation(keyID: key.id, secret: key.secret)
    if let token = key.sessionToken {
      variation.headers["x-amz-security-token"] = token
      variation.signedHeaders = ["content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"]
    }
    return variation
  }

  fileprivate func user(_ name: String, policies: [String], account: String? = nil) throws -> Variation {
    try identities.set(name, account: account, policies: policies)
    return variation(try server.authenticator.keys.create(user: name))
  }
}

private struct PolicyOutput: Decodable {
  let registryId: String
  let repositoryName: String?
  let policyText: String
}

private func quoted(_ text: String) -> String {
  (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? ""
}

@Suite struct ECRAccessTests {
  @Test func deniesInAWSsWords() async throws {
    let ecr = try TestECR()
    let bob = try ecr.user("bob", policies: ["AmazonEC2ContainerRegistryReadOnly"])
    try await ecr.call("CreateRepository", #"{"repositoryName":"real"}"#)
    #expect(try await ecr.call("DescribeImages", #"{"repositoryName":"real"}"#, bob).status == 200)
    for name in ["real", "none"] {
      let denied = try await ecr.call("DeleteRepository", #"{"repositoryName":"\#(name)"}"#, bob)
      #expect(denied.status == 400 && denied.type == "AccessDeniedException")
      #expect(
        denied.message
          == "User: arn:aws:iam::123456789012:user/bob is not authorized to perform: ecr:DeleteRepository on resource: "
          + "arn:aws:ecr:eu-central-1:123456789012:repository/\(name)")
    }
    #expect(
      try await ecr.call("DescribeImages", #"{"repositoryName":"none"}"#, bob).type == "RepositoryNotFoundException")
  }

  @Test(arguments: [
    ("DescribeRepositories", "{}"), ("DescribeRepositories", #"{"repositoryNames":["mine","app"]}"#),
    ("ListTagsForResource", #"{"resourceArn":"arn:aws:ecr:eu-central-1:123456789012:repository/app"}"#),
    ("CreateRepository", #"{"repositoryName":"app"}"#), ("GetAuthorizationToken", "{}"),
    ("PutRegistryPolicy", #"{"policyText":"x"}"#),
    ("BatchGetImage", #"{"repositoryName":"app","imageIds":[{"imageTag":"1"}]}"#),
    ("ListImageReferrers", #"{"repositoryName":"app","subjectId":{"imageDigest":"sha256:0"}}"#),
    // What is no input of the operation is not looked at before the right to it is.
    ("DeleteRepository", #"{"repositoryName":"app","nothing":1}"#),
  ])
  func everyOperationIsAsked(_ operation: String, _ body: String) async throws {
    let ecr = try TestECR()
    let bob = try ecr.user("bob", policies: [])
    _ = try ecr.registry.createRepository("mine")
    try ecr.registry.setRepositorySetting(
      .repositoryPolicy, of: "mine",
      #"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/bob"},"Action":"ecr:*"}]}"#)
    let answer = try await ecr.call(operation, body, bob)
    #expect(answer.type == "AccessDeniedException", "\(answer.text)")
    #expect(try await ecr.call("DescribeRepositories", #"{"repositoryNames":["mine"]}"#, bob).status == 200)
  }

  @Test func aKeyActsForItsUserAsTheUserIsNow() async throws {
    let ecr = try TestECR()
    let bob = try ecr.user("bob", policies: ["AmazonEC2ContainerRegistryFullAccess"])
    #expect(try await ecr.call("CreateRepository", #"{"repositoryName":"app"}"#, bob).status == 200)
    _ = try ecr.identities.detach("AmazonEC2ContainerRegistryFullAccess", from: "bob")
    #expect(try await ecr.call("CreateRepository", #"{"repositoryName":"two"}"#, bob).type == "AccessDeniedException")
    #expect(try ecr.identities.remove("bob"))
    #expect(
      try await ecr.call("CreateRepository", #"{"repositoryName":"two"}"#, bob).type == "UnrecognizedClientException")
  }

  @Test func conditionsSeeTheTagsOfARequest() async throws {
    let ecr = try TestECR()
    try ecr.identities.createPolicy(
      "tagged",
      text: #"""
        {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:CreateRepository","Resource":"*",
        "Condition":{"StringEquals":{"aws:RequestTag/team":"${aws:username}"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}}]}
        """#)
    let bob = try ecr.user("bob", policies: ["tagged"])
    func create(_ name: String, _ tags: String) async throws -> String? {
      try await ecr.call("CreateRepository", #"{"repositoryName":"\#(name)","tags":[\#(tags)]}"#, bob).type
    }
    #expect(try await create("one", #"{"Key":"team","Value":"bob"}"#) == nil)
    #expect(try await create("two", #"{"Key":"team","Value":"eve"}"#) == "AccessDeniedException")
    #expect(try await create("two", #"{"Key":"team","Value":"bob"},{"Key":"x","Value":""}"#) == "AccessDeniedException")
    #expect(try await create("two", "") == "AccessDeniedException")
  }

  @Test func aLayersAddressEndsWithTheRightToIt() async throws {
    let ecr = try TestECR()
    let bob = try ecr.user("bob", policies: ["AmazonEC2ContainerRegistryReadOnly"])
    try await ecr.push("one", to: "app", tags: ["1"])
    let digest = ContentStore.digest(of: Array("{\"author\":\"one\"}".utf8))
    struct Output: Decodable { let downloadUrl: String }
    let url = try await ecr.call(
      "GetDownloadUrlForLayer", #"{"repositoryName":"app","layerDigest":"\#(digest)"}"#, bob
    ).decoded(Output.self).downloadUrl
    let target = String(url.dropFirst("https://ecr.test:5000".count))
    func status(_ target: String) async -> Int {
      await ecr.server.respond(
        to: RegistryRequest(method: .get, target: target, authority: "ecr.test:5000", isSecure: true)
      )
      .response.status.code
    }
    #expect(await status(target) == 200)
    _ = try ecr.identities.detach("AmazonEC2ContainerRegistryReadOnly", from: "bob")
    #expect(await status(target) == 403)
  }

  @Test func anAlteredAddressOfALayerIsNone() async throws {
    let ecr = try TestECR()
    try await ecr.push("one", to: "app", tags: ["1"])
    try await ecr.push("two", to: "app", tags: ["2"])
    try await ecr.push("one", to: "other", tags: ["1"])
    let digests = ["one", "two"].map { ContentStore.digest(of: Array("{\"author\":\"\($0)\"}".utf8)) }
    struct Output: Decodable { let downloadUrl: String }
    let url = try await ecr.call(
      "GetDownloadUrlForLayer", #"{"repositoryName":"app","layerDigest":"\#(digests[0])"}"#
    ).decoded(Output.self).downloadUrl
    let target = String(url.dropFirst("https://ecr.test:5000".count))
    let query = Query(parsing: String(target.drop { $0 != "?" }.dropFirst()))
    let (expires, key, signature) = try (
      #require(query["expires"]), #require(query["key"]), #require(query["signature"])
    )
    func status(_ old: String, _ new: String) async -> Int {
      let altered = target.replacing(old, with: new)
      #expect(altered != target || old == new)
      return await ecr.server.respond(
        to: RegistryRequest(method: .get, target: altered, authority: "ecr.test:5000", isSecure: true)
      ).response.status.code
    }
    #expect(await status("", "") == 200)
    let another = try ecr.server.authenticator.keys.create(user: "ada").id
    for (old, new) in [
      (signature, String(signature.reversed())), (signature, ""), ("expires=\(expires)", "expires=\(expires)0"),
      ("layers/app/", "layers/other/"), (digests[0].hex, digests[1].hex), ("key=\(key)", "key=\(another)"),
    ] {
      #expect(await status(old, new) == 403, "\(new)")
    }
  }
}

@Suite struct ECRPolicyTests {
  private static let policy =
    #"{"Version":"2012-10-17","Statement":[{"Sid":"new statement","Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}]}"#

  @Test func setsGetsAndDeletesARepositorysPolicy() async throws {
    let ecr = try TestECR()
    try await ecr.call("CreateRepository", #"{"repositoryName":"app"}"#)
    let name = #""repositoryName":"app""#
    #expect(try await ecr.call("GetRepositoryPolicy", "{\(name)}").type == "RepositoryPolicyNotFoundException")
    #expect(try await ecr.call("DeleteRepositoryPolicy", "{\(name)}").type == "RepositoryPolicyNotFoundException")
    let set = try await ecr.call("SetRepositoryPolicy", "{\(name),\"policyText\":\(quoted(Self.policy))}")
    #expect(try set.decoded(PolicyOutput.self).policyText == Self.policy, "\(set.text)")
    let got = try await ecr.call("GetRepositoryPolicy", "{\(name)}").decoded(PolicyOutput.self)
    #expect(got.policyText == Self.policy && got.registryId == "123456789012" && got.repositoryName == "app")
    #expect(
      try await ecr.call("DeleteRepositoryPolicy", "{\(name)}").decoded(PolicyOutput.self).policyText == Self.policy)
    #expect(try await ecr.call("GetRepositoryPolicy", "{\(name)}").type == "RepositoryPolicyNotFoundException")
    for operation in ["SetRepositoryPolicy", "GetRepositoryPolicy", "DeleteRepositoryPolicy"] {
      let text = operation.hasPrefix("Set") ? ",\"policyText\":\(quoted(Self.policy))" : ""
      #expect(
        try await ecr.call(operation, "{\"repositoryName\":\"none\"\(text)}").type == "RepositoryNotFoundException")
    }
  }

  @Test func refusesWhatIsNoPolicyAndSaysWhere() async throws {
    let ecr = try TestECR()
    try await ecr.call("CreateRepository", #"{"repositoryName":"app"}"#)
    for (text, words) in [
      ("", "ends"), ("{}", "Statement is missing"),
      (Self.policy.replacing("Allow", with: "Permit"), "Statement[0].Effect"),
      (Self.policy.replacing(#""Sid":"new statement""#, with: #""Resource":"*""#), "Resource has no place"),
    ] {
      let answer = try await ecr.call(
        "SetRepositoryPolicy", "{\"repositoryName\":\"app\",\"policyText\":\(quoted(text))}")
      #expect(answer.type == "InvalidParameterException" && answer.message.contains(words), "\(answer.text)")
    }
    let long = String(repeating: " ", count: 10_241)
    #expect(
      try await ecr.call("SetRepositoryPolicy", "{\"repositoryName\":\"app\",\"policyText\":\(quoted(long))}").type
        == "InvalidParameterException")
    #expect(
      try await ecr.call("PutRegistryPolicy", "{\"policyText\":\(quoted(Self.policy))}").message.contains(
        "Resource is missing"))
  }

  @Test func keepsOneFromLockingOneselfOut() async throws {
    let ecr = try TestECR()
    try await ecr.call("CreateRepository", #"{"repositoryName":"app"}"#)
    let lock =
      #"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"ecr:SetRepositoryPolicy"}]}"#
    let body = "\"repositoryName\":\"app\",\"policyText\":\(quoted(lock))"
    let refused = try await ecr.call("SetRepositoryPolicy", "{\(body)}")
    #expect(refused.type == "InvalidParameterException" && refused.message.contains("force"))
    #expect(
      try await ecr.call("GetRepositoryPolicy", #"{"repositoryName":"app"}"#).type
        == "RepositoryPolicyNotFoundException")
    #expect(try await ecr.call("SetRepositoryPolicy", "{\(body),\"force\":true}").status == 200)
    #expect(try await ecr.call("SetRepositoryPolicy", "{\(body),\"force\":true}").type == "AccessDeniedException")
    #expect(try await ecr.call("DeleteRepositoryPolicy", #"{"repositoryName":"app"}"#).status == 200)
  }

  @Test func putsGetsAndDeletesTheRegistrysPolicy() async throws {
    let ecr = try TestECR()
    #expect(try await ecr.call("GetRegistryPolicy").type == "RegistryPolicyNotFoundException")
    #expect(try await ecr.call("DeleteRegistryPolicy").type == "RegistryPolicyNotFoundException")
    let policy =
      #"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"ecr:CreateRepository","Resource":"arn:aws:ecr:*:*:repository/no/*"}]}"#
    let put = try await ecr.call("PutRegistryPolicy", "{\"policyText\":\(quoted(policy))}").decoded(PolicyOutput.self)
    #expect(put.policyText == policy && put.registryId == "123456789012")
    #expect(try await ecr.call("GetRegistryPolicy").decoded(PolicyOutput.self).policyText == policy)
    #expect(try await ecr.call("CreateRepository", #"{"repositoryName":"no/app"}"#).type == "AccessDeniedException")
    #expect(try await ecr.call("CreateRepository", #"{"repositoryName":"yes/app"}"#).status == 200)
    #expect(try await ecr.call("DeleteRegistryPolicy").decoded(PolicyOutput.self).policyText == policy)
    #expect(try await ecr.call("CreateRepository", #"{"repositoryName":"no/app"}"#).status == 200)
  }
}

@Suite struct ECRSessionTests {
  @Test func aKeyThatEndsNeedsItsToken() async throws {
    let ecr = try TestECR()
    let key = try ecr.server.authenticator.keys.create(user: "ada", duration: 3600)
    let good = ecr.variation(key)
    #expect(try await ecr.call("DescribeRepositories", "{}", good).status == 200)
    var without = good
    without.headers = [:]
    without.signedHeaders.removeAll { $0 == "x-amz-security-token" }
    #expect(try await ecr.call("DescribeRepositories", "{}", without).type == "UnrecognizedClientException")
    var wrong = good
    wrong.headers["x-amz-security-token"] = String((key.sessionToken ?? "").reversed())
    #expect(try await ecr.call("DescribeRepositories", "{}", wrong).type == "UnrecognizedClientException")
    var unsigned = good
    unsigned.signedHeaders.removeAll { $0 == "x-amz-security-token" }
    #expect(try await ecr.call("DescribeRepositories", "{}", unsigned).type == "IncompleteSignatureException")
  }
}

@Suite struct ECRTemplatePolicyTests {
  @Test func aTemplatesPolicyIsTheRepositorys() async throws {
    let ecr = try TestECR()
    let policy = #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}]}"#
    let template = #""prefix":"open","appliedFor":["CREATE_ON_PUSH"]"#
    let made = try await ecr.call(
      "CreateRepositoryCreationTemplate", "{\(template),\"repositoryPolicy\":\(quoted(policy))}")
    #expect(made.status == 200, "\(made.text)")
    try await ecr.push("one", to: "open/app", tags: ["1"])
    #expect(
      try await ecr.call("GetRepositoryPolicy", #"{"repositoryName":"open/app"}"#).decoded(PolicyOutput.self).policyText
        == policy)
    let files = RegistryFiles(root: ecr.root)
    try files.identities.set("bob", account: nil, policies: [])
    let bob = ecr.variation(try files.keys.create(user: "bob"))
    for (operation, isAllowed) in [("BatchGetImage", true), ("BatchDeleteImage", false)] {
      let answer = try await ecr.call(
        operation, #"{"repositoryName":"open/app","imageIds":[{"imageTag":"1"}]}"#, bob)
      #expect((answer.status == 200) == isAllowed, "\(answer.text)")
    }
    let bad = try await ecr.call(
      "UpdateRepositoryCreationTemplate", #"{"prefix":"open","repositoryPolicy":"{}"}"#)
    #expect(bad.type == "InvalidParameterException")
  }
}
