/// A service that answers here: what its targets begin with, what clients sign for, and its operations.
struct Service: Sendable {
  /// `X-Amz-Target` is this, a dot and the operation.
  let target: String
  /// In the scope of signatures.
  let signingName: String
  let model: ServiceModel
  let operations: [String: Operation]

  init(target: String, signingName: String, model: ServiceModel, _ operations: [[Operation]]) {
    self.target = target
    self.signingName = signingName
    self.model = model
    self.operations = Dictionary(uniqueKeysWithValues: operations.joined().map { ($0.name, $0) })
  }

  var isPublic: Bool { signingName == "ecr-public" }

  /// Each list stands in the file of its operations.
  static let ecr = Service(
    target: "AmazonEC2ContainerRegistry_V20150921", signingName: "ecr", model: .ecr,
    [
      Operation.authorization,
      Operation.repositories,
      Operation.settings,
      Operation.images,
      Operation.putImage,
      Operation.referrers,
      Operation.layers,
      Operation.policies,
      Operation.lifecycle,
      Operation.scanning,
      Operation.signing,
      Operation.replication,
      Operation.cacheRules,
      Operation.templates,
      Operation.account,
    ])

  static let ecrPublic = Service(
    target: "SpencerFrontendService", signingName: "ecr-public", model: .ecrPublic, [Operation.publicRegistry])

  static let all = [ecr, ecrPublic]

  /// The service and operation that a target names. Throws `ECRError`.
  static func find(_ target: String) throws(ECRError) -> (service: Service, operation: String) {
    let halves = target.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard halves.count == 2, let service = all.first(where: { $0.target == halves[0] }) else {
      throw .unknownOperation(target)
    }
    return (service, String(halves[1]))
  }

  func operation(_ name: String) throws(ECRError) -> Operation {
    guard let found = operations[name] else { throw .unknownOperation(name) }
    return found
  }
}
