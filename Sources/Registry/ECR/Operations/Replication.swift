internal import RegistryServer

/// Rules of replication as calls and answers have them.
struct ReplicationConfiguration: Codable, Sendable {
  struct Destination: Codable, Hashable, Sendable {
    let region: String
    let registryId: String
  }

  struct Filter: Codable, Sendable {
    let filter: String
    let filterType: String
  }

  struct Rule: Codable, Sendable {
    let destinations: [Destination]
    let repositoryFilters: [Filter]?
  }

  let rules: [Rule]

  init(_ rules: ReplicationRules) {
    self.rules = rules.rules.map { rule in
      Rule(
        destinations: rule.destinations.map { Destination(region: $0.region, registryId: $0.account) },
        repositoryFilters: rule.prefixes.isEmpty
          ? nil : rule.prefixes.map { Filter(filter: $0, filterType: "PREFIX_MATCH") })
    }
  }

  /// Most destinations of all rules together.
  static let destinationLimit = 25
}

struct PutReplicationConfiguration: OperationInput {
  var replicationConfiguration: ReplicationConfiguration

  enum CodingKeys: String, CodingKey, CaseIterable { case replicationConfiguration }

  struct Output: Encodable { let replicationConfiguration: ReplicationConfiguration }

  func run(_ call: Call) throws -> Output {
    let unique = Set(replicationConfiguration.rules.flatMap(\.destinations))
    guard unique.count <= ReplicationConfiguration.destinationLimit else {
      throw ECRError.validation(
        "A replication configuration has at most \(ReplicationConfiguration.destinationLimit) destinations")
    }
    let rules = try replicationConfiguration.rules.map { rule in
      ReplicationRules.Rule(
        destinations: try rule.destinations.map { try Self.realm($0, call) },
        prefixes: rule.repositoryFilters?.map(\.filter) ?? [])
    }
    try call.registry.setReplicationRules(ReplicationRules(rules: rules))
    return Output(replicationConfiguration: replicationConfiguration)
  }

  private static func realm(_ destination: ReplicationConfiguration.Destination, _ call: Call) throws -> Realm {
    let name = "replicationConfiguration.rules.destinations"
    guard let realm = Realm(account: destination.registryId, region: destination.region) else {
      throw ECRError.invalidParameter(name, "must be an account and a region")
    }
    if let why = try call.server.replication.refusal(of: realm, from: call.registry.realm) {
      throw ECRError.invalidParameter(name, why)
    }
    return realm
  }
}

struct DescribeRegistry: OperationInput {
  typealias CodingKeys = NoMembers

  struct Output: Encodable {
    let registryId: String
    let replicationConfiguration: ReplicationConfiguration
  }

  func run(_ call: Call) throws -> Output {
    Output(registryId: call.registryID, replicationConfiguration: .init(try call.registry.replicationRules()))
  }
}

struct DescribeImageReplicationStatus: OperationInput {
  var repositoryName: String
  var imageId: ImageIdentifier
  var registryId: String?

  enum CodingKeys: String, CodingKey, CaseIterable { case repositoryName, imageId, registryId }

  struct Status: Encodable {
    let region: String
    let registryId: String
    let status: String
    let failureCode: String?
  }

  struct Output: Encodable {
    let repositoryName: String
    let imageId: ImageIdentifier
    let replicationStatuses: [Status]
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let found = try call.naming(repositoryName) { try call.image(imageId, in: repositoryName) }
    let statuses = try call.server.replication.statuses(of: found.digest, in: repositoryName, of: call.registry)
    return Output(
      repositoryName: repositoryName, imageId: ImageIdentifier(digest: found.digest, tag: imageId.imageTag),
      replicationStatuses: statuses.map {
        Status(
          region: $0.destination.region, registryId: $0.destination.account, status: $0.state.rawValue,
          failureCode: $0.failure)
      })
  }
}

extension Operation {
  static let replication = [
    Operation(PutReplicationConfiguration.self), Operation(DescribeRegistry.self),
    Operation(DescribeImageReplicationStatus.self),
  ]
}
