import AccessPolicies
import Glibc

/// What another account's replication may do in a registry.
struct ReplicationRights: Hashable, Sendable {
  /// `ecr:ReplicateImage`
  let mayReplicate: Bool
  /// `ecr:CreateRepository`: without it the repository has to be there.
  let mayCreate: Bool

  /// Of the registry's own account.
  static let own = ReplicationRights(mayReplicate: true, mayCreate: true)
  static let none = ReplicationRights(mayReplicate: false, mayCreate: false)
}

extension RegistryServer {
  /// What an account's replication may do to a repository of another account's registry: that registry's own policy has
  /// to allow it, and no policy there deny it. Throws where they cannot be read, and then nothing is allowed.
  /// (Amazon ECR, Granting registry permissions for cross account replication)
  func replicationRights(
    from source: Realm, _ repository: String, to destination: Registry
  ) throws -> ReplicationRights {
    let (from, to) = (realms.account(of: source), realms.account(of: destination.realm))
    guard from != to else { return .own }
    let (found, whole) = try destination.access(to: repository)
    let region = realms.regionName(of: destination.realm)
    let policies = ApplicablePolicies(
      identity: [ManagedPolicy.administrator.document], repository: found.policy, registry: whole.policy)
    func isAllowed(_ action: ActionName) -> Bool {
      let request = AccessRequest(
        principal: .user("replication", account: from), action: action,
        resource: "arn:aws:ecr:\(region):\(to):repository/\(repository)", account: to, region: region, isSecure: true,
        time: Int64(time(nil)), resourceTags: found.labels)
      let decision = policies.evaluate(request, scope: whole.scope)
      // A repository that is open to an account's pushes is not open to its replication by that.
      return decision.isAllowed && decision.matches.contains { $0.source == .registry }
    }
    return ReplicationRights(
      mayReplicate: isAllowed("ecr:ReplicateImage"), mayCreate: isAllowed("ecr:CreateRepository"))
  }
}
