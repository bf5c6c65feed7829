import AccessPolicies
import Glibc

extension RegistryServer {
  /// Whether an account's replication may bring an image into another account's registry: that one's own policy has to
  /// say so, as with `ecr:ReplicateImage` in Amazon ECR. Throws where it cannot be read, and then nothing is allowed.
  func mayReplicate(from source: Realm, _ repository: String, to destination: Registry) throws -> Bool {
    let (from, to) = (realms.account(of: source), realms.account(of: destination.realm))
    guard from != to else { return true }
    let (found, whole) = try destination.access(to: repository)
    let region = realms.regionName(of: destination.realm)
    let request = AccessRequest(
      principal: .user("replication", account: from), action: "ecr:ReplicateImage",
      resource: "arn:aws:ecr:\(region):\(to):repository/\(repository)", account: to, region: region, isSecure: true,
      time: Int64(time(nil)), resourceTags: found.labels)
    let policies = ApplicablePolicies(
      identity: [ManagedPolicy.administrator.document], repository: found.policy, registry: whole.policy)
    return policies.evaluate(request, scope: whole.scope).isAllowed
  }
}
