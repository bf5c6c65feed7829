import RegistryServer
import Testing

@testable import ECRAPI

/// What an operator sets holds for ECR's operations as it does under `/v2/`.
@Suite struct ServerLimitsTests {
  @Test func changesNothingWhileReadOnly() async throws {
    let ecr = try TestECR()
    try ecr.registry.setMode(RegistryMode(isReadOnly: true, reason: "moving house"))
    let refused = try await ecr.call("CreateRepository", #"{"repositoryName":"app"}"#)
    #expect(refused.status == 400 && refused.type == "AccessDeniedException" && refused.message.contains("moving house"))
    #expect(try await ecr.call("DescribeRepositories").status == 200)
    #expect(try await ecr.call("GetAuthorizationToken").status == 200)
    try ecr.registry.setMode(RegistryMode(isReadOnly: false))
    #expect(try await ecr.call("CreateRepository", #"{"repositoryName":"app"}"#).status == 200)
  }

  @Test(arguments: [
    ("BatchGetImage", true), ("ValidatePullThroughCacheRule", true), ("ListTagsForResource", true),
    ("BatchCheckLayerAvailability", true), ("BatchDeleteImage", false), ("PutImage", false), ("StartImageScan", false),
    ("InitiateLayerUpload", false), ("TagResource", false), ("SetRepositoryPolicy", false),
  ])
  func knowsWhatChangesNothing(_ operation: String, _ isReading: Bool) {
    #expect(ECREndpoint.isReading(operation) == isReading)
  }

  @Test func slowsAKeyDown() async throws {
    let ecr = try TestECR()
    ecr.server.rateLimits.settings = .init(byPrincipal: RateLimit(rate: 0.0001, burst: 1))
    #expect(try await ecr.call("DescribeRepositories").status == 200)
    let refused = try await ecr.call("DescribeRepositories")
    #expect(refused.status == 400 && refused.type == "ThrottlingException")
  }

  @Test func holdsAnAccountToItsQuota() async throws {
    let ecr = try TestECR()
    try ecr.registry.setQuota(Quota(repositories: 1), of: nil)
    #expect(try await ecr.call("CreateRepository", #"{"repositoryName":"one"}"#).status == 200)
    let refused = try await ecr.call("CreateRepository", #"{"repositoryName":"two"}"#)
    #expect(refused.status == 400 && refused.type == "LimitExceededException")
  }
}
