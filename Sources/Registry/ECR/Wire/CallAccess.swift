internal import AccessPolicies
internal import FoundationEssentials
internal import RegistryServer

/// What a call is about, read from its body before the operation itself is: what policies decide by.
struct CallSubject: Decodable, Sendable {
  var registryId: String?
  var repositoryName: String?
  var repositoryNames: [String]?
  var resourceArn: String?
  var tags: [ResourceTag]?
  var tagKeys: [String]?

  /// Throws `ECRError` where the members that say it are not of their types.
  static func parse(_ body: [UInt8]) throws -> CallSubject {
    guard JSONDepth.isWithin(32, body) else { throw ECRError.serialization("The request's JSON is nested too deep.") }
    do { return try JSONDecoder().decode(Self.self, from: Data(body.isEmpty ? Array("{}".utf8) : body)) } catch {
      throw ECRError.serialization("The request is not an object of JSON, or a member has the wrong type.")
    }
  }

  /// The account whose registry is meant; nil for the caller's own.
  var account: String? { registryId ?? resource?.account }

  /// Tags that the call gives; those that it takes away have no value.
  var requestTags: [String: String] {
    var all: [String: String] = [:]
    for tag in tags ?? [] { all[tag.key] = tag.value ?? "" }
    for key in tagKeys ?? [] { all[key] = "" }
    return all
  }

  /// The repository that `resourceArn` names: `arn:aws:ecr:<region>:<account>:repository/<name>`.
  private var resource: (account: String, name: String)? {
    let parts = resourceArn?.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false) ?? []
    guard parts.count == 6, Realm.isAccount(String(parts[4])), parts[5].hasPrefix("repository/") else { return nil }
    return (String(parts[4]), String(parts[5].dropFirst("repository/".count)))
  }

  /// Names of the repositories that the call is about, all of which it must be allowed on.
  var repositories: [String] {
    repositoryName.map { [$0] } ?? repositoryNames ?? resource.map { [$0.name] } ?? []
  }
}

extension Call {
  /// Throws AccessDeniedException where a policy does not let the caller do what the operation is. Nothing of the
  /// registry has been looked at for the caller by then, and the refusal is the same whether a repository exists.
  func authorize(_ operation: String, _ service: Service, _ subject: CallSubject) throws {
    // What lists referrers gets images. (ECR, ListImageReferrers)
    let name = operation == "ListImageReferrers" ? "BatchGetImage" : operation
    let action = ActionName("\(service.signingName):\(name)")
    // By identity alone. (ECR, Identity-based policy examples)
    if operation == "GetAuthorizationToken" { return try check(server.decideByIdentity(asker, action)) }
    let repositories = subject.repositories
    if repositories.isEmpty {
      let resource = Self.listing.contains(operation) ? arn("*", service) : "*"
      try check(server.decide(asker, action, on: nil, of: registry, resource: resource, tags: subject.requestTags))
    }
    for repository in repositories {
      try check(
        server.decide(
          asker, action, on: repository, of: registry, resource: arn(repository, service), tags: subject.requestTags))
    }
  }

  /// Operations on repositories that may name none, and then are about all.
  private static let listing: Set<String> = ["DescribeRepositories", "BatchGetRepositoryScanningConfiguration"]

  private func arn(_ repository: String, _ service: Service) -> String {
    service.signingName == "ecr-public"
      ? "arn:aws:ecr-public::\(registryID):repository/\(repository)" : arn(repository)
  }

  private func check(_ answer: AccessAnswer) throws(ECRError) {
    guard answer.isAllowed else { throw ECRError("AccessDeniedException", "\(answer)") }
  }
}
