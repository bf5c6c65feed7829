/// The policies that have a say in a request.
public struct ApplicablePolicies: Sendable {
  /// Those attached to the principal.
  public var identity: [PolicyDocument]
  public var repository: PolicyDocument?
  public var registry: PolicyDocument?
  /// What the server opens to everybody, as if every repository said so.
  public var server: PolicyDocument?

  public init(
    identity: [PolicyDocument] = [], repository: PolicyDocument? = nil, registry: PolicyDocument? = nil,
    server: PolicyDocument? = nil
  ) {
    self.identity = identity
    self.repository = repository
    self.registry = registry
    self.server = server
  }
}

/// Which actions a registry's policy decides on. (ECR, PutAccountSetting, REGISTRY_POLICY_SCOPE)
public enum RegistryPolicyScope: String, Hashable, Sendable, CaseIterable, Codable {
  case v1 = "V1"
  case v2 = "V2"

  /// What V1 is about: replication, and caches of other registries.
  static let first: [ActionName] = ["ecr:ReplicateImage", "ecr:CreateRepository", "ecr:BatchImportUpstreamImage"]

  func covers(_ action: ActionName) -> Bool {
    self == .v2 || Self.first.contains { $0.lowercased == action.lowercased }
  }

  /// Whether each action that a policy names is one of the scope's: ECR takes no policy that decides on others.
  public func covers(_ policy: PolicyDocument) -> Bool {
    self == .v2 || policy.statements.allSatisfy { $0.actions.isWithin(Self.first) }
  }
}

/// May this be done?
public struct AccessDecision: Sendable {
  public enum Outcome: Hashable, Sendable {
    case allowed
    /// A statement says no, and no other can help.
    case explicitlyDenied
    /// No statement says yes that would have to.
    case notAllowed
  }

  public enum Source: Hashable, Sendable, CustomStringConvertible {
    /// One of the principal's, by its place among them.
    case identity(Int)
    case repository, registry, server

    public var description: String {
      switch self {
      case .identity: "identity-based policy"
      case .repository: "repository policy"
      case .registry: "registry policy"
      case .server: "server's setting"
      }
    }
  }

  /// A statement that spoke of the request.
  public struct Match: Sendable {
    public let source: Source
    public let statement: Statement
  }

  public let outcome: Outcome
  /// What decided: the denials, or the permissions; empty where nothing spoke of the request.
  public let matches: [Match]

  /// Of one who is nobody any more.
  public static let nothing = AccessDecision(outcome: .notAllowed, matches: [])

  public var isAllowed: Bool { outcome == .allowed }

  /// Whether one of the principal's own policies denies it: what a refusal may tell.
  public var isDeniedByIdentity: Bool {
    outcome == .explicitlyDenied
      && matches.contains { if case .identity = $0.source { true } else { false } }
  }
}

extension ApplicablePolicies {
  /// A Deny anywhere decides. Else, within one account, the principal's policies or the resource's must allow it; across
  /// accounts both must. A resource that allows an account trusts that account to say who of it may. (IAM, Policy
  /// evaluation logic)
  public func evaluate(_ request: AccessRequest, scope: RegistryPolicyScope = .v1) -> AccessDecision {
    var sources = identity.enumerated().map { (AccessDecision.Source.identity($0), $1) }
    if let repository { sources.append((.repository, repository)) }
    if let server { sources.append((.server, server)) }
    if let registry, scope.covers(request.action) { sources.append((.registry, registry)) }
    var denials: [AccessDecision.Match] = []
    var permissions: [AccessDecision.Match] = []
    var identityAllows = false, resourceAllows = false, accountIsTrusted = false, serverAllows = false
    for (source, document) in sources {
      for statement in document.statements {
        let reach = statement.reach(request)
        guard reach != .none else { continue }
        let match = AccessDecision.Match(source: source, statement: statement)
        guard statement.effect == .allow else {
          denials.append(match)
          continue
        }
        permissions.append(match)
        switch (source, reach) {
        case (.identity, _): identityAllows = true
        case (.server, _): serverAllows = true
        case (_, .principal): resourceAllows = true
        default: accountIsTrusted = true
        }
      }
    }
    guard denials.isEmpty else { return AccessDecision(outcome: .explicitlyDenied, matches: denials) }
    let isAllowed =
      switch request.principal.account {
      // Everybody of a policy is everybody who signs in: ECR takes no request without credentials. What is open without
      // them, the server says itself.
      case nil: serverAllows
      case request.account: identityAllows || resourceAllows || serverAllows
      default: identityAllows && (resourceAllows || accountIsTrusted || serverAllows)
      }
    return AccessDecision(outcome: isAllowed ? .allowed : .notAllowed, matches: permissions)
  }
}
