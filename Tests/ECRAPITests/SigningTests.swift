import ImageSpec
import RegistryServer
import Signatures
import Testing

@testable import ECRAPI

@Suite struct ECRSigningTests {
  private static let profile = "arn:aws:signer:eu-central-1:123456789012:/signing-profiles/release"

  private static func configuration(_ arn: String = profile, filter: String = "prod/*") -> String {
    #"{"signingConfiguration":{"rules":[{"signingProfileArn":"\#(arn)","repositoryFilters":[{"filter":"\#(filter)","filterType":"WILDCARD_MATCH"}]}]}}"#
  }

  @Test func keepsAConfiguration() async throws {
    let ecr = try TestECR()
    for operation in ["GetSigningConfiguration", "DeleteSigningConfiguration"] {
      #expect(try await ecr.call(operation).type == "SigningConfigurationNotFoundException")
    }
    // Without a key of that name nothing could be signed.
    let early = try await ecr.call("PutSigningConfiguration", Self.configuration())
    #expect(early.type == "ValidationException" && early.message.contains("signing-key create"))
    _ = try ecr.registry.createSigningKey("release")
    #expect(throws: SigningError.keyExists("release")) { try ecr.registry.createSigningKey("release") }
    for arn in [
      "arn:aws:signer:us-east-1:123456789012:/signing-profiles/release",
      "arn:aws:signer:eu-central-1:999999999999:/signing-profiles/release",
    ] {
      let refused = try await ecr.call("PutSigningConfiguration", Self.configuration(arn))
      #expect(refused.type == "ValidationException" && refused.message.contains(Self.profile), "\(refused.text)")
    }
    #expect(
      try await ecr.call("PutSigningConfiguration", Self.configuration("arn:x")).type == "InvalidParameterException")
    #expect(try await ecr.call("PutSigningConfiguration", Self.configuration()).status == 200)
    #expect(throws: SigningError.keyInUse("release")) { try ecr.registry.removeSigningKey("release") }
    let found = try await ecr.call("GetSigningConfiguration")
    #expect(found.text.contains(Self.profile) && found.text.contains(#""registryId":"123456789012""#))
    #expect(try await ecr.call("DeleteSigningConfiguration").text.contains(Self.profile))
    #expect(try await ecr.call("GetSigningConfiguration").type == "SigningConfigurationNotFoundException")
    #expect(try ecr.registry.removeSigningKey("release"))
  }

  @Test func signsWhatIsPushed() async throws {
    let ecr = try TestECR()
    let key = try ecr.registry.createSigningKey("release")
    #expect(try await ecr.call("PutSigningConfiguration", Self.configuration()).status == 200)
    let digest = try await ecr.push("one", to: "prod/app", tags: ["1", "2"])
    try await ecr.push("one", to: "dev/app", tags: ["1"])
    func status(_ repository: String) async throws -> String {
      try await ecr.call(
        "DescribeImageSigningStatus", #"{"repositoryName":"\#(repository)","imageId":{"imageTag":"1"}}"#
      ).text
    }
    #expect(try await status("prod/app").contains("IN_PROGRESS"))
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    let complete = try await status("prod/app")
    #expect(complete.contains(#""status":"COMPLETE""#) && complete.contains(Self.profile), "\(complete)")
    #expect(try await status("dev/app").contains(#""signingStatuses":[]"#))
    let referrers = try await ecr.call(
      "ListImageReferrers", #"{"repositoryName":"prod/app","subjectId":{"imageDigest":"\#(digest)"}}"#)
    #expect(referrers.text.contains("application/vnd.dev.sigstore.bundle.v0.3+json"), "\(referrers.text)")
    // Once, whatever the number of tags, and the signature itself is not signed.
    #expect(try ecr.registry.manifests(in: "prod/app", limit: 10).count == 2)

    try ecr.registry.setSignaturePolicy(
      "all", SignatureRule(repositories: ["*"], keys: [.init(name: "release", pem: key.publicPEM)]))
    let images = #"{"repositoryName":"NAME","imageIds":[{"imageTag":"1"}]}"#
    let signed = try await ecr.call("BatchGetImage", images.replacing("NAME", with: "prod/app"))
    #expect(signed.text.contains(#""failures":[]"#) && signed.text.contains("imageManifest"), "\(signed.text)")
    let unsigned = try await ecr.call("BatchGetImage", images.replacing("NAME", with: "dev/app"))
    #expect(unsigned.text.contains("ImageInaccessible") && unsigned.text.contains(#""images":[]"#), "\(unsigned.text)")
    let unknown = try await ecr.call(
      "DescribeImageSigningStatus", #"{"repositoryName":"prod/app","imageId":{"imageTag":"none"}}"#)
    #expect(unknown.type == "ImageNotFoundException")
  }

  @Test func tellsWhyAnImageIsNotSigned() async throws {
    let ecr = try TestECR()
    _ = try ecr.registry.createSigningKey("release")
    try await ecr.call("PutSigningConfiguration", Self.configuration())
    try await ecr.push("one", to: "prod/app", tags: ["1"])
    try ecr.registry.setSigningRules(SigningRules(rules: []))
    #expect(try ecr.registry.removeSigningKey("release"))
    try await ecr.registry.jobs.drain(logger: ecr.server.logger)
    let status = try await ecr.call(
      "DescribeImageSigningStatus", #"{"repositoryName":"prod/app","imageId":{"imageTag":"1"}}"#)
    #expect(status.text.contains("FAILED") && status.text.contains("no signing key"), "\(status.text)")
  }
}
