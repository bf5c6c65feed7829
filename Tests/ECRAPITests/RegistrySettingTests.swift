import RegistryServer
import Testing

@testable import ECRAPI

@Suite struct ECRRegistrySettingTests {
  @Test func keepsTemplates() async throws {
    let ecr = try TestECR()
    let made = try await ecr.call(
      "CreateRepositoryCreationTemplate",
      #"{"prefix":"prod/","appliedFor":["CREATE_ON_PUSH","REPLICATION"],"imageTagMutability":"IMMUTABLE","description":"d","#
        + #""resourceTags":[{"Key":"a","Value":"b"}],"customRoleArn":"arn:aws:iam::1:role/r"}"#)
    #expect(
      made.status == 200 && made.text.contains(#""prefix":"prod""#) && made.text.contains("IMMUTABLE"), "\(made.text)")
    #expect(
      try await ecr.call("CreateRepositoryCreationTemplate", #"{"prefix":"prod","appliedFor":["REPLICATION"]}"#).type
        == "TemplateAlreadyExistsException")
    let changed = try await ecr.call(
      "UpdateRepositoryCreationTemplate", #"{"prefix":"prod","imageTagMutability":"MUTABLE","customRoleArn":""}"#)
    #expect(changed.text.contains(#""MUTABLE""#) && changed.text.contains(#""description":"d""#))
    #expect(!changed.text.contains("customRoleArn"))
    try await ecr.call("CreateRepositoryCreationTemplate", #"{"prefix":"ROOT","appliedFor":["REPLICATION"]}"#)
    let first = try await ecr.call("DescribeRepositoryCreationTemplates", #"{"maxResults":1}"#)
    #expect(first.text.contains("nextToken") && first.text.contains("ROOT") && !first.text.contains("prod"))
    let named = try await ecr.call("DescribeRepositoryCreationTemplates", #"{"prefixes":["prod","none"]}"#)
    #expect(named.text.contains("prod") && !named.text.contains("ROOT"))
    #expect(try await ecr.call("DeleteRepositoryCreationTemplate", #"{"prefix":"prod"}"#).status == 200)
    for operation in ["DeleteRepositoryCreationTemplate", "UpdateRepositoryCreationTemplate"] {
      #expect(try await ecr.call(operation, #"{"prefix":"prod"}"#).type == "TemplateNotFoundException")
    }
    let refused = try await ecr.call(
      "CreateRepositoryCreationTemplate",
      #"{"prefix":"a","appliedFor":["REPLICATION"],"resourceTags":[{"Key":"aws:a","Value":""}]}"#)
    #expect(refused.type == "InvalidParameterException")
  }

  @Test func keepsAccountSettings() async throws {
    let ecr = try TestECR()
    func get(_ name: String) async throws -> String {
      try await ecr.call("GetAccountSetting", #"{"name":"\#(name)"}"#).text
    }
    #expect(try await get("BLOB_MOUNTING") == #"{"name":"BLOB_MOUNTING","value":"ENABLED"}"#)
    #expect(try await get("BASIC_SCAN_TYPE_VERSION").contains("AWS_NATIVE"))
    #expect(try await ecr.call("PutAccountSetting", #"{"name":"BLOB_MOUNTING","value":"DISABLED"}"#).status == 200)
    #expect(try await get("BLOB_MOUNTING").contains("DISABLED"))
    for body in [#"{"name":"BLOB_MOUNTING","value":"MAYBE"}"#, #"{"name":"COLOUR","value":"RED"}"#] {
      #expect(try await ecr.call("PutAccountSetting", body).type == "InvalidParameterException")
    }
  }

  @Test func theFirstScopeOfTheRegistrysPolicyLeavesPullsAndPushesAlone() async throws {
    let ecr = try TestECR()
    try await ecr.push("one", to: "app", tags: ["1"])
    func put(_ scope: String) async throws -> String {
      try await ecr.call("PutAccountSetting", #"{"name":"REGISTRY_POLICY_SCOPE","value":"\#(scope)"}"#).text
    }
    func put(denying action: String) async throws -> TestECR.Answer {
      let policy =
        #"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"\#(action)\",\"Resource\":\"*\"}]}"#
      return try await ecr.call("PutRegistryPolicy", #"{"policyText":"\#(policy)"}"#)
    }
    func list() async throws -> Int { try await ecr.call("ListImages", #"{"repositoryName":"app"}"#).status }
    let get = #"{"name":"REGISTRY_POLICY_SCOPE"}"#
    #expect(try await ecr.call("GetAccountSetting", get).text.contains(#""value":"V2""#))
    #expect(try await put(denying: "ecr:ListImages").status == 200)
    #expect(try await list() == 400)
    #expect(try await put("V1") == #"{"name":"REGISTRY_POLICY_SCOPE","value":"V1"}"#)
    #expect(try await ecr.call("GetAccountSetting", get).text.contains(#""value":"V1""#))
    // What is there counts no more, and nothing like it is taken.
    #expect(try await list() == 200)
    let refused = try await put(denying: "ecr:ListImages")
    #expect(refused.type == "InvalidParameterException" && refused.message.contains("V1"))
    #expect(try await put(denying: "ecr:CreateRepository").status == 200)
    #expect(try await ecr.call("CreateRepository", #"{"repositoryName":"b"}"#).type == "AccessDeniedException")
    #expect(try await put("V2").contains("V2"))
    #expect(try await put(denying: "ecr:ListImages").status == 200)
    #expect(try await list() == 400)
    #expect(try await put("V3").contains("V1"), "it says what there is")
  }

  @Test(arguments: ["KMS", "KMS_DSSE"]) func templatesHaveNoKMS(_ type: String) async throws {
    let ecr = try TestECR()
    let encryption = #""encryptionConfiguration":{"encryptionType":"\#(type)","kmsKey":"arn:aws:kms:eu-west-1:123456789012:key/1a"}"#
    func refused(_ operation: String, _ members: String) async throws {
      let answer = try await ecr.call(operation, "{\(members),\(encryption)}")
      // These operations declare no KmsException.
      #expect(answer.type == "InvalidParameterException" && answer.message.contains("key management"), "\(answer.text)")
    }
    try await refused("CreateRepositoryCreationTemplate", #""prefix":"a","appliedFor":["REPLICATION"]"#)
    #expect(
      try await ecr.call("CreateRepositoryCreationTemplate", #"{"prefix":"a","appliedFor":["REPLICATION"]}"#).status == 200)
    try await refused("UpdateRepositoryCreationTemplate", #""prefix":"a""#)
    let made = try await ecr.call("CreateRepository", "{\"repositoryName\":\"app\",\(encryption)}")
    #expect(made.type == "KmsException" && made.text.contains("kmsError"))
    #expect(try await ecr.call("DescribeRepositories").text.contains(#""repositories":[]"#))
  }

  @Test func replicatesByTheRegistrysRules() async throws {
    let ecr = try TestECR()
    #expect(
      try await ecr.call("DescribeRegistry").text
        == #"{"registryId":"123456789012","replicationConfiguration":{"rules":[]}}"#)
    func put(_ destinations: String) async throws -> TestECR.Answer {
      try await ecr.call(
        "PutReplicationConfiguration",
        #"{"replicationConfiguration":{"rules":[{"destinations":[\#(destinations)],"repositoryFilters":[{"filter":"app","filterType":"PREFIX_MATCH"}]}]}}"#
      )
    }
    let here = #"{"region":"eu-central-1","registryId":"123456789012"}"#
    #expect(try await put(here).message.contains("cannot be replicated to itself"))
    #expect(
      try await put(#"{"region":"eu-central-1","registryId":"999999999999"}"#).message.contains(
        "registry replication set"))
    let many = (0..<26).map { #"{"region":"r-\#($0)","registryId":"999999999999"}"# }.joined(separator: ",")
    #expect(try await put(many).type == "ValidationException")
    #expect(try await put("").status == 200)
    let digest = try await ecr.push("one", to: "app", tags: ["1"])
    let status = try await ecr.call(
      "DescribeImageReplicationStatus", #"{"repositoryName":"app","imageId":{"imageTag":"1"}}"#)
    #expect(status.text.contains(digest) && status.text.contains(#""replicationStatuses":[]"#))
    #expect(
      try await ecr.call("DescribeImageReplicationStatus", #"{"repositoryName":"app","imageId":{"imageTag":"2"}}"#).type
        == "ImageNotFoundException")
  }
}
