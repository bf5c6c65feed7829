/// A policy in IAM's JSON. (AWS, IAM JSON policy elements reference)
public struct PolicyDocument: Hashable, Sendable {
  /// What a policy is attached to, which decides what it must and must not say.
  public enum Kind: Hashable, Sendable {
    /// To a user: no Principal, a Resource in every statement.
    case identity
    /// To a repository: a Principal in every statement, no Resource.
    case repository
    /// To a registry: a Principal and a Resource in every statement.
    case registry

    /// Most characters. (ECR, RepositoryPolicyText and RegistryPolicyText; IAM, managed policies have 6,144 without blanks)
    public var limit: Int { 10240 }
  }

  public enum Version: String, Hashable, Sendable, CaseIterable {
    case y2008 = "2008-10-17"
    /// Since this one `${aws:username}` stands for something.
    case y2012 = "2012-10-17"
  }

  public let kind: Kind
  public let version: Version
  public let id: String?
  public let statements: [Statement]
  /// As it was given.
  public let text: String

  public static func == (left: PolicyDocument, right: PolicyDocument) -> Bool {
    left.kind == right.kind && left.text == right.text
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(kind)
    hasher.combine(text)
  }
}

/// One rule of a policy.
public struct Statement: Sendable {
  public enum Effect: String, Hashable, Sendable { case allow = "Allow", deny = "Deny" }

  public let sid: String?
  public let effect: Effect
  /// nil in the policies of users.
  let principals: PrincipalPattern?
  let actions: ActionPattern
  /// nil in the policies of repositories, each of which speaks of its own.
  let resources: ResourcePattern?
  let conditions: [Condition]

  /// How a statement comes to speak of a principal.
  enum Reach: Hashable, Sendable {
    case none
    /// By its account: the account is trusted, and says itself who of it may.
    case account
    case principal
  }

  /// Whether the statement speaks of a request.
  func reach(_ request: AccessRequest) -> Reach {
    guard actions.matches(request.action), resources?.matches(request) ?? true else { return .none }
    let reach = principals?.reach(request.principal) ?? .principal
    guard reach != .none, conditions.allSatisfy({ $0.holds(request) }) else { return .none }
    return reach
  }
}
