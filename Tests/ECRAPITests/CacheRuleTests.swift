import RegistryClient
import RegistryServer
import Testing

@testable import ECRAPI

@Suite struct ECRCacheRuleTests {
  private func withCache() throws -> TestECR {
    let ecr = try TestECR()
    var configuration = RegistryConfiguration(credentials: CredentialStore(path: nil))
    configuration.retry.attempts = 1
    configuration.retry.connectAttempts = 1
    let client = RegistryClient(store: ecr.registry.store, configuration: configuration)
    ecr.server.connect(
      PullThroughCache(
        client, hosts: try #require(UpstreamHosts(["nobody.test=127.0.0.1:1"])),
        secrets: RegistryFiles(root: ecr.root).secrets,
        logger: ecr.server.logger))
    return ecr
  }

  @Test func keepsRules() async throws {
    let ecr = try withCache()
    func create(_ members: String) async throws -> TestECR.Answer {
      try await ecr.call("CreatePullThroughCacheRule", "{\(members)}")
    }
    let made = try await create(#""ecrRepositoryPrefix":"hub","upstreamRegistryUrl":"https://registry-1.docker.io""#)
    #expect(made.status == 200 && made.text.contains(#""upstreamRegistry":"docker-hub""#), "\(made.text)")
    #expect(
      try await create(#""ecrRepositoryPrefix":"hub/","upstreamRegistryUrl":"quay.io""#).type
        == "PullThroughCacheRuleAlreadyExistsException")
    for url in ["169.254.169.254", "localhost:5000", "user@quay.io", "quay.io/path"] {
      #expect(
        try await create(#""ecrRepositoryPrefix":"a1","upstreamRegistryUrl":"\#(url)""#).type
          == "UnsupportedUpstreamRegistryException", "\(url)")
    }
    #expect(
      try await create(#""ecrRepositoryPrefix":"a1","upstreamRegistryUrl":"quay.io","upstreamRegistry":"k8s""#).type
        == "UnsupportedUpstreamRegistryException")
    #expect(
      try await create(#""ecrRepositoryPrefix":"a1","upstreamRegistryUrl":"quay.io","customRoleArn":"arn:x""#).type
        == "InvalidParameterException")
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/quay-a1b2c3"
    let named =
      #""ecrRepositoryPrefix":"quay","upstreamRegistryUrl":"quay.io","credentialArn":"\#(arn)","upstreamRepositoryPrefix":"team""#
    #expect(try await create(named).type == "SecretNotFoundException")
    try RegistryFiles(root: ecr.root).secrets.set(
      "ecr-pullthroughcache/quay", UpstreamSecret(username: "a", password: "b"))
    #expect(try await create(named).text.contains(#""upstreamRepositoryPrefix":"team""#))
    let page = try await ecr.call("DescribePullThroughCacheRules", #"{"maxResults":1}"#)
    #expect(page.text.contains("hub") && page.text.contains("nextToken"))
    #expect(
      try await ecr.call("DescribePullThroughCacheRules", #"{"ecrRepositoryPrefixes":["none"]}"#).type
        == "PullThroughCacheRuleNotFoundException")
    #expect(
      try await ecr.call("UpdatePullThroughCacheRule", #"{"ecrRepositoryPrefix":"hub","credentialArn":"\#(arn)"}"#).text
        .contains("updatedAt"))
    for operation in ["UpdatePullThroughCacheRule", "DeletePullThroughCacheRule", "ValidatePullThroughCacheRule"] {
      #expect(
        try await ecr.call(operation, #"{"ecrRepositoryPrefix":"none"}"#).type
          == "PullThroughCacheRuleNotFoundException")
    }
    #expect(try await ecr.call("DeletePullThroughCacheRule", #"{"ecrRepositoryPrefix":"hub"}"#).status == 200)
  }

  @Test func saysWhatIsWrongWithAnUpstream() async throws {
    let ecr = try withCache()
    try await ecr.call(
      "CreatePullThroughCacheRule", #"{"ecrRepositoryPrefix":"no","upstreamRegistryUrl":"nobody.test"}"#)
    let answer = try await ecr.call("ValidatePullThroughCacheRule", #"{"ecrRepositoryPrefix":"no"}"#)
    #expect(answer.status == 200 && answer.text.contains(#""isValid":false"#) && answer.text.contains("failure"))
  }
}
