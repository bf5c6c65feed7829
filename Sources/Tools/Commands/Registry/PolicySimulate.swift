internal import AccessPolicies
public import ArgumentParser
internal import Content
internal import Glibc
internal import RegistryServer

public struct RegistryPolicySimulateCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Tell whether a user may do something, and which statement says so.",
    discussion: """
      Evaluates the user's policies with those of the repository and of the registry as they are stored, or as they are \
      given by files. What a server is started with (--anonymous) is left out. The status is 1 where anything is denied.

        clipper registry policy simulate --user ada --repository team/app --action ecr:PutImage
      """)

  @OptionGroup var global: GlobalOptions

  @Option(
    name: [.customLong("user"), .customLong("user-name")],
    help: ArgumentHelp("The user; one who shows no credentials where left out.", valueName: "name"))
  var user: String?

  @Option(
    name: [.customLong("action"), .customLong("action-name")],
    help: ArgumentHelp("What is to be done, such as ecr:PutImage. Repeatable.", valueName: "action"))
  var action: [String]

  @Option(help: ArgumentHelp("The repository; none where the action is about none.", valueName: "name"))
  var repository: String?

  @Option(help: ArgumentHelp("The registry, where the server has several: ACCOUNT/REGION.", valueName: "realm"))
  var realm: String?

  @Option(help: ArgumentHelp("A policy in place of the user's. Repeatable.", valueName: "file"))
  var document: [String] = []

  @Option(help: ArgumentHelp("A policy in place of the repository's.", valueName: "file"))
  var repositoryPolicy: String?

  @Option(help: ArgumentHelp("A policy in place of the registry's.", valueName: "file"))
  var registryPolicy: String?

  @Option(help: ArgumentHelp("The client's address.", valueName: "address"))
  var sourceIP: String?

  @Flag(help: "The client comes by plain HTTP.")
  var plainHTTP = false

  @Option(help: ArgumentHelp("A tag that the request gives, KEY=VALUE. Repeatable.", valueName: "tag"))
  var requestTag: [String] = []

  @Option(help: ArgumentHelp("json: as `aws iam simulate-principal-policy` prints it.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func validate() throws {
    guard !action.isEmpty else { throw ValidationError("--action is missing") }
    guard format == nil || format == "json" else { throw ValidationError("--format: json is the one that there is") }
  }

  public mutating func run() throws {
    let store = try ContentStore.open(try global.locations().root)
    let registry = try Registry(store).at(try realmOption())
    let (policies, names, principal) = try identity()
    let request = try request(principal, registry)
    let scope = try registry.registryPolicyScope()
    let applicable = try applicable(policies, registry)
    var isAllowed = true
    var results: [Value] = []
    for action in action {
      var asked = request
      asked.action = ActionName(action)
      let decision = applicable.evaluate(asked, scope: scope)
      isAllowed = isAllowed && decision.isAllowed
      if format == "json" {
        results.append(Self.value(decision, asked, names))
      } else {
        printOutput(Self.line(decision, asked, names))
      }
    }
    if format == "json" { printOutput(try Value.object(["EvaluationResults": .array(results)]).json() + "\n") }
    guard isAllowed else { throw ExitCode(1) }
  }

  private func realmOption() throws -> Realm {
    guard let realm else { return .main }
    let names = realm.split(separator: "/", omittingEmptySubsequences: false).map { String($0) }
    guard names.count == 2, let found = Realm(account: names[0], region: names[1]) else {
      throw Failure("--realm \"\(realm)\": an account's id, a slash, and a region", status: 125)
    }
    return found
  }

  /// The user's policies with their names.
  private func identity() throws -> ([PolicyDocument], [String], AccessPrincipal) {
    let given = try document.map { try parsed($0, as: .identity) }
    guard let user else { return (given, document, .anonymous) }
    guard let identity = try global.registryFiles().identities.find(user) else {
      throw Failure("the user \(user) was removed")
    }
    let principal = AccessPrincipal.user(user, account: identity.account ?? RealmTable.defaultAccount)
    return document.isEmpty
      ? (identity.policies, identity.policyNames, principal) : (given, document, principal)
  }

  private func request(_ principal: AccessPrincipal, _ registry: Registry) throws -> AccessRequest {
    let account = registry.realm.isMain ? RealmTable.defaultAccount : registry.realm.account
    let region = registry.realm.isMain ? "local" : registry.realm.region
    var tags: [String: String] = [:]
    for tag in requestTag {
      let halves = tag.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, !halves[0].isEmpty else {
        throw Failure("--request-tag \"\(tag)\": write KEY=VALUE", status: 125)
      }
      tags[String(halves[0])] = String(halves[1])
    }
    let exists = try repository.map { try registry.repositoryExists($0) } ?? false
    return AccessRequest(
      principal: principal, action: "ecr:*",
      resource: repository.map { "arn:aws:ecr:\(region):\(account):repository/\($0)" } ?? "*", account: account,
      region: region, sourceAddress: sourceIP, isSecure: !plainHTTP, time: Int64(time(nil)),
      resourceTags: exists ? try repository.map { try registry.repository($0).labels } ?? [:] : [:], requestTags: tags)
  }

  private func applicable(_ identity: [PolicyDocument], _ registry: Registry) throws -> ApplicablePolicies {
    var policies = ApplicablePolicies(identity: identity)
    if let repositoryPolicy {
      policies.repository = try parsed(repositoryPolicy, as: .repository)
    } else if let repository, try registry.repositoryExists(repository),
      let text = try registry.repositorySetting(.repositoryPolicy, of: repository, as: String.self)
    {
      policies.repository = try PolicyDocument(parsing: text, as: .repository)
    }
    if let registryPolicy {
      policies.registry = try parsed(registryPolicy, as: .registry)
    } else if let text = try registry.setting(.registryPolicy, as: String.self) {
      policies.registry = try PolicyDocument(parsing: text, as: .registry)
    }
    return policies
  }

  private func parsed(_ source: String, as kind: PolicyDocument.Kind) throws -> PolicyDocument {
    let text = try readPolicyText(source)
    do throws(PolicyError) { return try PolicyDocument(parsing: text, as: kind) } catch {
      throw Failure("\(source): \(error)")
    }
  }

  private static func source(_ match: AccessDecision.Match, _ names: [String]) -> String {
    if case .identity(let index) = match.source, names.indices.contains(index) { return names[index] }
    return match.source.description
  }

  private static func line(_ decision: AccessDecision, _ request: AccessRequest, _ names: [String]) -> String {
    let verdict =
      switch decision.outcome {
      case .allowed: "allowed"
      case .explicitlyDenied: "denied"
      case .notAllowed: "not allowed"
      }
    let reasons = decision.matches.map { match in
      source(match, names) + (match.statement.sid.map { " (\($0))" } ?? "")
    }
    let by = reasons.isEmpty ? "" : " by \(reasons.joined(separator: ", "))"
    let why = decision.outcome == .notAllowed && !reasons.isEmpty ? ": the other account's side is missing" : ""
    return "\(verdict)  \(request.action) on \(request.resource)\(by)\(why)\n"
  }

  private static func value(_ decision: AccessDecision, _ request: AccessRequest, _ names: [String]) -> Value {
    let verdict =
      switch decision.outcome {
      case .allowed: "allowed"
      case .explicitlyDenied: "explicitDeny"
      case .notAllowed: "implicitDeny"
      }
    let matches = decision.matches.map { match -> Value in
      .object(["SourcePolicyId": .string(source(match, names)), "SourcePolicyType": .string(match.source.description)])
    }
    return .object([
      "EvalActionName": .string("\(request.action)"), "EvalResourceName": .string(request.resource),
      "EvalDecision": .string(verdict), "MatchedStatements": .array(matches),
    ])
  }
}
