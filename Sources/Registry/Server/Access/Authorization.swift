public import AccessPolicies
import DistributionSpec
import Glibc
import HTTPTypes

/// Who asks, and how the request came.
public struct Caller: Sendable {
  public let principal: Principal
  /// The client's address; nil where the connection has none.
  public let address: String?
  public let isSecure: Bool
  /// What the caller calls the region; nil where it names none.
  public let region: String?

  public init(_ principal: Principal, _ request: RegistryRequest, region: String? = nil) {
    self.principal = principal
    address = request.remote
    isSecure = request.isSecure
    self.region = region ?? RealmTable.names(inHost: request.authority)?.region
  }
}

/// A decision with what it was about.
public struct AccessAnswer: Sendable, CustomStringConvertible {
  public let decision: AccessDecision
  /// The principal's ARN.
  public let user: String
  public let action: ActionName
  public let resource: String
  /// Whether the repository exists: not to be told to one who may not know.
  public let repositoryExists: Bool

  public var isAllowed: Bool { decision.isAllowed }

  /// The refusal in AWS's words. What it says is the same whether the repository exists or not.
  public var description: String {
    let reason = decision.isDeniedByIdentity ? " with an explicit deny in an identity-based policy" : ""
    return "User: \(user) is not authorized to perform: \(action) on resource: \(resource)\(reason)"
  }
}

extension RegistryServer {
  /// Whether a caller may do something to a repository, or to the registry where `name` is nil. Reads the database where
  /// what is needed is not in memory; throws where a policy cannot be read, and then nothing is allowed.
  ///
  /// - Parameters:
  ///   - resource: its ARN where it is not the repository's; `*` where `name` is nil and nothing is given.
  ///   - tags: those that the request gives or takes away.
  ///   - policy: a repository's policy in place of the one that it has.
  public func decide(
    _ caller: Caller, _ action: ActionName, on name: String?, of registry: Registry, resource: String? = nil,
    tags: [String: String] = [:], replacing policy: PolicyDocument? = nil
  ) throws -> AccessAnswer {
    let (repository, whole) = try registry.access(to: name ?? "")
    let account = realms.account(of: registry.realm)
    let region = realms.region(of: registry.realm) ?? caller.region ?? realms.regionName(of: registry.realm)
    let resource = resource ?? name.map { "arn:aws:ecr:\(region):\(account):repository/\($0)" } ?? "*"
    let (principal, identity) = try identity(of: caller.principal)
    let request = AccessRequest(
      principal: principal, action: action, resource: resource, account: account, region: region,
      sourceAddress: caller.address, isSecure: caller.isSecure, time: Int64(time(nil)),
      resourceTags: repository.labels, requestTags: tags)
    let decision: AccessDecision
    if let identity {
      let policies = ApplicablePolicies(
        identity: identity, repository: policy ?? repository.policy, registry: whole.policy,
        server: self.policy.anonymous.document ?? (repository.isPublic ? AnonymousAccess.pull.document : nil))
      decision = policies.evaluate(request, scope: whole.scope)
    } else {
      decision = .nothing
    }
    return AccessAnswer(
      decision: decision, user: principal.arn ?? "anonymous", action: action, resource: resource,
      repositoryExists: repository.exists)
  }

  /// Whether a caller's own policies allow something that is about no resource and no registry, such as a token.
  public func decideByIdentity(_ caller: Caller, _ action: ActionName) throws -> AccessAnswer {
    let (principal, identity) = try identity(of: caller.principal)
    let request = AccessRequest(
      principal: principal, action: action, resource: "*", account: principal.account ?? "",
      region: caller.region ?? realms.regionName(of: .main), sourceAddress: caller.address, isSecure: caller.isSecure,
      time: Int64(time(nil)))
    return AccessAnswer(
      decision: ApplicablePolicies(identity: identity ?? []).evaluate(request), user: principal.arn ?? "anonymous",
      action: action, resource: "*", repositoryExists: false)
  }

  /// A principal with its policies; nil for those of a user that was removed, who may do nothing.
  private func identity(of principal: Principal) throws -> (AccessPrincipal, [PolicyDocument]?) {
    guard let name = principal.user else { return (.anonymous, []) }
    let identity = try authenticator.identities.find(name)
    return (.user(name, account: identity?.account ?? realms.account), identity?.policies)
  }

  /// The account that a user belongs to.
  public func account(of principal: Principal) throws -> String {
    try principal.user.flatMap { try authenticator.identities.find($0)?.account } ?? realms.account
  }

  /// Whether a caller may see that a repository is there, and read its images.
  public func mayPull(_ caller: Caller, _ name: String, of registry: Registry) throws -> Bool {
    try ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"].allSatisfy {
      try decide(caller, ActionName($0), on: name, of: registry).isAllowed
    }
  }

  /// Those of the repositories that a caller may pull from, in the same order: what a person may look into, also where
  /// `ecr:DescribeRepositories` is not allowed.
  public func pullable(_ names: [String], by caller: Caller, of registry: Registry) throws -> [String] {
    try registry.loadAccess(to: names)
    return try names.filter { try mayPull(caller, $0, of: registry) }
  }

  /// Those of the repositories that a caller may see, in the same order.
  public func visible(_ names: [String], to caller: Caller, of registry: Registry) throws -> [String] {
    try registry.loadAccess(to: names)
    return try names.filter { try decide(caller, "ecr:DescribeRepositories", on: $0, of: registry).isAllowed }
  }

  // MARK: the door of /v2/

  /// Throws `EndpointError.denied` where the caller may not do what the route and method are.
  func authorize(_ caller: Caller, _ needs: RouteNeeds, on name: String, of registry: Registry) async throws {
    if try registry.accessInMemory(name) != nil {
      try check(caller, needs, on: name, of: registry)
    } else {
      try await blocking { try self.check(caller, needs, on: name, of: registry) }
    }
  }

  private func check(_ caller: Caller, _ needs: RouteNeeds, on name: String, of registry: Registry) throws {
    var exists = false
    for choices in needs.actions {
      var refusal: AccessAnswer?
      for action in choices {
        let answer = try decide(caller, action, on: name, of: registry)
        exists = answer.repositoryExists
        if answer.isAllowed {
          refusal = nil
          break
        }
        if refusal == nil { refusal = answer }
      }
      if let refusal { throw EndpointError.denied("\(refusal)") }
    }
    // One who may push, but not make the repository, is told what all are told where nobody may make one.
    if needs.mayCreate, !exists,
      try !decide(caller, "ecr:CreateRepository", on: name, of: registry).isAllowed
    {
      throw RegistryError.repositoryUnknown(name)
    }
  }
}

/// What a route and a method take: of each of the lists, one action. (ECR, IAM permissions required for pushing an image)
struct RouteNeeds: Sendable {
  let actions: [[ActionName]]
  /// Whether the request makes the repository where it is not there.
  var mayCreate = false
  /// Whether it is a part of a push.
  var isPush = false

  private static let nothing = RouteNeeds(actions: [])
  private static let list = RouteNeeds(actions: [["ecr:ListImages"]])
  /// Referrers too, as ECR's ListImageReferrers.
  private static let getImage = RouteNeeds(actions: [["ecr:BatchGetImage"]])
  private static let getLayer = RouteNeeds(actions: [["ecr:GetDownloadUrlForLayer"]])
  /// A push asks like this for what it need not send.
  private static let checkLayer = RouteNeeds(
    actions: [["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"]], isPush: true)
  private static let putImage = RouteNeeds(actions: [["ecr:PutImage"]], mayCreate: true, isPush: true)
  private static let begin = RouteNeeds(actions: [["ecr:InitiateLayerUpload"]], mayCreate: true, isPush: true)
  private static let whole = RouteNeeds(
    actions: [["ecr:InitiateLayerUpload"], ["ecr:UploadLayerPart"], ["ecr:CompleteLayerUpload"]], mayCreate: true,
    isPush: true)
  private static let status = RouteNeeds(actions: [["ecr:UploadLayerPart", "ecr:InitiateLayerUpload"]], isPush: true)
  private static let upload = RouteNeeds(actions: [["ecr:UploadLayerPart"]], isPush: true)
  private static let complete = RouteNeeds(
    actions: [["ecr:UploadLayerPart"], ["ecr:CompleteLayerUpload"]], isPush: true)
  private static let cancel = RouteNeeds(actions: [["ecr:InitiateLayerUpload"]], isPush: true)
  private static let delete = RouteNeeds(actions: [["ecr:BatchDeleteImage"]])

  /// nil where the route does not have the method.
  static func of(_ route: Route, _ method: HTTPRequest.Method, _ query: Query) -> RouteNeeds? {
    switch (route, method) {
    case (.base, .get), (.base, .head), (.catalog, .get), (.catalog, .head): nothing
    case (.tags, .get), (.tags, .head): list
    case (.referrers, .get), (.referrers, .head), (.manifest, .get), (.manifest, .head): getImage
    case (.blob, .get): getLayer
    case (.blob, .head): checkLayer
    case (.manifest, .put): putImage
    case (.uploads, .post): (query["digest"] ?? query["mount"]) == nil ? begin : whole
    case (.upload, .get): status
    case (.upload, .patch): upload
    case (.upload, .put): complete
    case (.upload, .delete): cancel
    case (.manifest, .delete), (.blob, .delete): delete
    default: nil
    }
  }
}
