import AccessPolicies

/// What a registry lets those do who show no credentials, and so everybody.
public enum AnonymousAccess: String, Sendable, Hashable, CaseIterable {
  case none, pull, push

  private static let pulling = [
    "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:BatchImportUpstreamImage", "ecr:DescribeRepositories",
    "ecr:GetDownloadUrlForLayer", "ecr:ListImages",
  ]
  private static let pushing = [
    "ecr:CompleteLayerUpload", "ecr:CreateRepository", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
  ]
  private static let documents: [AnonymousAccess: PolicyDocument] = [
    .pull: PolicyDocument(allowingEverybody: pulling), .push: PolicyDocument(allowingEverybody: pulling + pushing),
  ]

  /// Nobody deletes unnamed.
  var document: PolicyDocument? { Self.documents[self] }
}

/// What the server itself says about access, beside the policies of users, repositories and registries.
public struct AccessPolicy: Sendable {
  public var anonymous: AnonymousAccess

  public init(anonymous: AnonymousAccess = .none) { self.anonymous = anonymous }

  /// Whether `/v2/` answers without credentials. Not where only pulling is open: docker looks for a challenge nowhere
  /// else, and would never send its user's name with a push.
  func opensBase(to principal: Principal) -> Bool { principal != .anonymous || anonymous == .push }

  /// Whether the list of repositories is answered, with those in it that the principal may see.
  func opensCatalog(to principal: Principal) -> Bool { principal != .anonymous || anonymous != .none }
}
