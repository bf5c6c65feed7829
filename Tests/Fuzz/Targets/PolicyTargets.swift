import AccessPolicies
import Lifecycle
import Signatures

extension FuzzTarget {
  static let policies = [
    FuzzTarget(text: "lifecycle") { text in
      guard let policy = try? LifecyclePolicy(parsing: text) else { return }
      require((1...50).contains(policy.rules.count), "\(policy.rules.count) rules")
      var evaluation = LifecycleEvaluation(policy, now: 1_000_000_000_000)
      for id in 0..<20 {
        evaluation.add(LifecycleImage(id: Int64(id), tags: ["v\(id)"], pushed: Int64(id) * 86_400_000))
      }
      let decisions = evaluation.decisions()
      require(Set(decisions.map(\.image)).count == decisions.count, "an image is acted on twice")
    },
    // The first byte chooses what the policy is attached to.
    FuzzTarget(text: "access") { text in
      let kinds: [PolicyDocument.Kind] = [.identity, .repository, .registry]
      let kind = kinds[Int(text.utf8.first ?? 0) % kinds.count]
      guard let policy = try? PolicyDocument(parsing: String(text.dropFirst()), as: kind) else { return }
      require(!policy.statements.isEmpty, "a policy of no statements")
      let request = AccessRequest(
        principal: .user("ada", account: "123456789012"), action: "ecr:PutImage",
        resource: "arn:aws:ecr:eu-central-1:123456789012:repository/team/app", account: "123456789012",
        region: "eu-central-1", sourceAddress: "192.0.2.7", isSecure: true, time: 1_790_000_000,
        resourceTags: ["team": "core"], requestTags: ["a": "1"])
      let policies =
        switch kind {
        case .identity: ApplicablePolicies(identity: [policy])
        case .repository: ApplicablePolicies(repository: policy)
        case .registry: ApplicablePolicies(registry: policy)
        }
      let decision = policies.evaluate(request, scope: .v2)
      let allows = policy.statements.contains { $0.effect == .allow }
      require(!decision.isAllowed || allows, "allowed by a policy that allows nothing")
    },
    FuzzTarget("signatures") { bytes in
      let keys = (try? VerificationKey(pem: String(decoding: bytes, as: UTF8.self))).map { [$0] } ?? []
      let signatures =
        [try? ImageSignature(payload: bytes, base64: "AAAA")].compactMap { $0 }
        + ((try? ImageSignature.signatures(bundle: bytes)) ?? [])
      for signature in signatures {
        require(signature.subjects.count <= 64 * 2, "\(signature.subjects.count) images")
        for image in signature.subjects {
          for key in keys { require(!signature.isOf(image, by: key), "a forged signature") }
        }
      }
    },
  ]
}
