internal import ImageSpec
internal import RegistryServer

/// A rule as ECR describes it.
struct CacheRuleDescription: Encodable {
  let ecrRepositoryPrefix: String
  let upstreamRegistryUrl: String
  let upstreamRegistry: String?
  let upstreamRepositoryPrefix: String
  let credentialArn: String?
  let registryId: String
  let createdAt: Double
  let updatedAt: Double?

  /// `createdAt` alone is what most operations answer.
  init(_ rule: CacheRule, _ call: Call, withUpdate: Bool = false) {
    ecrRepositoryPrefix = rule.prefix
    upstreamRegistryUrl = rule.upstream
    upstreamRegistry = rule.kind
    upstreamRepositoryPrefix = rule.upstreamPrefix ?? CacheRule.root
    credentialArn = rule.credential
    registryId = call.registryID
    createdAt = seconds(rule.created)
    updatedAt = withUpdate ? seconds(rule.updated) : nil
  }
}

extension ECRError {
  fileprivate static func ruleNotFound(_ prefix: String, registry: String) -> ECRError {
    ECRError(
      "PullThroughCacheRuleNotFoundException",
      "The pull through cache rule with repository prefix '\(prefix)' does not exist in the registry with id '\(registry)'"
    )
  }
}

extension Call {
  fileprivate func checkRegistry(_ id: String?) throws {
    guard id == nil || id == registryID else {
      throw ECRError.invalidParameter("registryId", "must be '\(registryID)', the registry that is called")
    }
  }

  fileprivate func rule(_ prefix: String) throws -> CacheRule {
    guard let found = try registry.cacheRule(RepositoryPrefix.normalised(prefix)) else {
      throw ECRError.ruleNotFound(RepositoryPrefix.normalised(prefix), registry: registryID)
    }
    return found
  }

  /// Throws where this server fetches nothing, for want of a setting or of a client.
  fileprivate func cache() throws -> PullThroughCache {
    guard let cache = server.cache else {
      throw ECRError.validation("This registry does not fetch images from other registries.")
    }
    return cache
  }

  fileprivate func checkCredential(_ arn: String?, customRole: String?) throws {
    guard customRole == nil else {
      throw ECRError.invalidParameter(
        "customRoleArn", "must not be given: this registry has no roles to assume; name a secret by credentialArn")
    }
    guard let arn else { return }
    do { try cache().checkSecret(arn) } catch is UpstreamSecretError {
      throw ECRError(
        "SecretNotFoundException",
        "The secret '\(arn)' does not exist: clipper registry secret set makes it on the registry's host")
    } catch is AccessError {
      throw ECRError("UnableToAccessSecretException", "The registry cannot read its secrets; its log says why.")
    }
  }
}

struct CreatePullThroughCacheRule: OperationInput {
  var ecrRepositoryPrefix: String
  var upstreamRegistryUrl: String
  var registryId: String?
  var upstreamRegistry: String?
  var credentialArn: String?
  var customRoleArn: String?
  var upstreamRepositoryPrefix: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case ecrRepositoryPrefix, upstreamRegistryUrl, registryId, upstreamRegistry, credentialArn, customRoleArn
    case upstreamRepositoryPrefix
  }

  /// Rules of one registry.
  private static let limit = 50

  func run(_ call: Call) throws -> CacheRuleDescription {
    try call.checkRegistry(registryId)
    let host = try host(call)
    try call.checkCredential(credentialArn, customRole: customRoleArn)
    let prefix = RepositoryPrefix.normalised(ecrRepositoryPrefix)
    let known = try call.registry.cacheRules()
    guard !known.contains(where: { $0.prefix == prefix }) else {
      throw ECRError(
        "PullThroughCacheRuleAlreadyExistsException",
        "A pull through cache rule with repository prefix '\(prefix)' already exists in the registry with id "
          + "'\(call.registryID)'")
    }
    guard known.count < Self.limit else {
      throw ECRError.limitExceeded("A registry has at most \(Self.limit) pull through cache rules.")
    }
    let rule = CacheRule(
      prefix: prefix, upstream: host, kind: UpstreamHosts.kind(host),
      upstreamPrefix: upstreamRepositoryPrefix.map(RepositoryPrefix.normalised), credential: credentialArn,
      at: SignatureTime.now.seconds * 1000)
    try call.registry.setCacheRule(rule)
    return CacheRuleDescription(rule, call)
  }

  /// The upstream's `host[:port]`.
  private func host(_ call: Call) throws -> String {
    var text = upstreamRegistryUrl.lowercased()
    if text.hasPrefix("https://") { text.removeFirst("https://".count) }
    if text.hasSuffix("/") { text.removeLast() }
    let kind = UpstreamHosts.kind(text)
    guard try call.cache().address(text) != nil, upstreamRegistry == nil || upstreamRegistry == kind else {
      throw ECRError(
        "UnsupportedUpstreamRegistryException",
        "The upstream registry '\(upstreamRegistryUrl)' is not supported\(upstreamRegistry.map { " as \($0)" } ?? ""); "
          + "the operator may allow it by --upstream")
    }
    return text
  }
}

struct DescribePullThroughCacheRules: OperationInput {
  var registryId: String?
  var ecrRepositoryPrefixes: [String]?
  var nextToken: String?
  var maxResults: Int?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, ecrRepositoryPrefixes, nextToken, maxResults }

  struct Output: Encodable {
    let pullThroughCacheRules: [CacheRuleDescription]
    let nextToken: String?
  }

  func run(_ call: Call) throws -> Output {
    try call.checkRegistry(registryId)
    if let ecrRepositoryPrefixes {
      try Page.checkNone(besides: "ecrRepositoryPrefixes", nextToken, maxResults)
      let found = try ecrRepositoryPrefixes.map { try call.rule($0) }
      return Output(
        pullThroughCacheRules: found.map { CacheRuleDescription($0, call, withUpdate: true) }, nextToken: nil)
    }
    let page = Page(maxResults)
    let found = try call.registry.cacheRules(after: Page.position(nextToken), limit: page.limit + 1)
    let (shown, next) = page.cut(found, at: \.prefix)
    return Output(
      pullThroughCacheRules: shown.map { CacheRuleDescription($0, call, withUpdate: true) },
      nextToken: next)
  }
}

struct UpdatePullThroughCacheRule: OperationInput {
  var registryId: String?
  var ecrRepositoryPrefix: String
  var credentialArn: String?
  var customRoleArn: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registryId, ecrRepositoryPrefix, credentialArn, customRoleArn
  }

  struct Output: Encodable {
    let ecrRepositoryPrefix: String
    let registryId: String
    let updatedAt: Double
    let credentialArn: String?
    let upstreamRepositoryPrefix: String
  }

  func run(_ call: Call) throws -> Output {
    try call.checkRegistry(registryId)
    var rule = try call.rule(ecrRepositoryPrefix)
    try call.checkCredential(credentialArn, customRole: customRoleArn)
    if let credentialArn { rule.credential = credentialArn }
    rule.updated = SignatureTime.now.seconds * 1000
    try call.registry.setCacheRule(rule)
    return Output(
      ecrRepositoryPrefix: rule.prefix, registryId: call.registryID, updatedAt: seconds(rule.updated),
      credentialArn: rule.credential, upstreamRepositoryPrefix: rule.upstreamPrefix ?? CacheRule.root)
  }
}

struct DeletePullThroughCacheRule: OperationInput {
  var ecrRepositoryPrefix: String
  var registryId: String?

  enum CodingKeys: String, CodingKey, CaseIterable { case ecrRepositoryPrefix, registryId }

  struct Output: Encodable {
    let ecrRepositoryPrefix: String
    let upstreamRegistryUrl: String
    let createdAt: Double
    let registryId: String
    let credentialArn: String?
    let upstreamRepositoryPrefix: String
  }

  /// What was cached stays.
  func run(_ call: Call) throws -> Output {
    try call.checkRegistry(registryId)
    let rule = try call.rule(ecrRepositoryPrefix)
    try call.registry.removeCacheRule(rule.prefix)
    return Output(
      ecrRepositoryPrefix: rule.prefix, upstreamRegistryUrl: rule.upstream, createdAt: seconds(rule.created),
      registryId: call.registryID, credentialArn: rule.credential,
      upstreamRepositoryPrefix: rule.upstreamPrefix ?? CacheRule.root)
  }
}

struct ValidatePullThroughCacheRule: AsyncOperationInput {
  var ecrRepositoryPrefix: String
  var registryId: String?

  enum CodingKeys: String, CodingKey, CaseIterable { case ecrRepositoryPrefix, registryId }

  struct Output: Encodable {
    let ecrRepositoryPrefix: String
    let registryId: String
    let upstreamRegistryUrl: String
    let credentialArn: String?
    let upstreamRepositoryPrefix: String
    let isValid: Bool
    let failure: String?
  }

  func run(_ call: Call) async throws -> Output {
    try call.checkRegistry(registryId)
    let rule = try await call.server.blocking { try call.rule(ecrRepositoryPrefix) }
    let failure = try await call.cache().failure(of: rule)
    return Output(
      ecrRepositoryPrefix: rule.prefix, registryId: call.registryID, upstreamRegistryUrl: rule.upstream,
      credentialArn: rule.credential, upstreamRepositoryPrefix: rule.upstreamPrefix ?? CacheRule.root,
      isValid: failure == nil, failure: failure)
  }
}

extension Operation {
  static let cacheRules = [
    Operation(CreatePullThroughCacheRule.self), Operation(DescribePullThroughCacheRules.self),
    Operation(UpdatePullThroughCacheRule.self), Operation(DeletePullThroughCacheRule.self),
    Operation(ValidatePullThroughCacheRule.self),
  ]
}
