/// What a condition can look at. Case does not count, not even in a tag's key. (IAM, AWS global condition context keys;
/// Service Authorization Reference, Amazon ECR)
enum ConditionKey: Hashable, Sendable, CustomStringConvertible {
  enum Kind: Hashable, Sendable { case text, arn, bool, address, date, number }

  case principalARN, principalAccount, principalType, userName
  case sourceAddress, secureTransport, currentTime, epochTime, requestedRegion, resourceAccount
  /// What only requests by AWS's own services have, of which there are none here.
  case sourceARN, sourceAccount, viaService, isService
  case resourceTag(String), ecrResourceTag(String), requestTag(String)
  case tagKeys

  private static let plain: [(name: String, key: ConditionKey)] = [
    ("aws:PrincipalArn", .principalARN), ("aws:PrincipalAccount", .principalAccount),
    ("aws:PrincipalType", .principalType), ("aws:username", .userName), ("aws:SourceIp", .sourceAddress),
    ("aws:SecureTransport", .secureTransport), ("aws:CurrentTime", .currentTime), ("aws:EpochTime", .epochTime),
    ("aws:RequestedRegion", .requestedRegion), ("aws:ResourceAccount", .resourceAccount),
    ("aws:SourceArn", .sourceARN), ("aws:SourceAccount", .sourceAccount), ("aws:ViaAWSService", .viaService),
    ("aws:PrincipalIsAWSService", .isService), ("aws:TagKeys", .tagKeys),
  ]

  static var list: String {
    plain.map(\.name).joined(separator: ", ")
      + ", aws:ResourceTag/<key>, ecr:ResourceTag/<key> and aws:RequestTag/<key>"
  }

  /// nil for what is not known.
  init?(_ name: String) {
    let lowercased = name.lowercased()
    if let known = Self.plain.first(where: { $0.name.lowercased() == lowercased }) {
      self = known.key
      return
    }
    guard let slash = lowercased.firstIndex(of: "/"), slash < lowercased.index(before: lowercased.endIndex) else {
      return nil
    }
    let key = String(lowercased[lowercased.index(after: slash)...])
    switch lowercased[..<slash] {
    case "aws:resourcetag": self = .resourceTag(key)
    case "ecr:resourcetag": self = .ecrResourceTag(key)
    case "aws:requesttag": self = .requestTag(key)
    default: return nil
    }
  }

  var description: String {
    switch self {
    case .resourceTag(let key): "aws:ResourceTag/\(key)"
    case .ecrResourceTag(let key): "ecr:ResourceTag/\(key)"
    case .requestTag(let key): "aws:RequestTag/\(key)"
    default: Self.plain.first { $0.key == self }?.name ?? ""
    }
  }

  var kind: Kind {
    switch self {
    case .principalARN, .sourceARN: .arn
    case .secureTransport, .viaService, .isService: .bool
    case .sourceAddress: .address
    case .currentTime: .date
    case .epochTime: .number
    default: .text
    }
  }

  var hasSeveralValues: Bool { self == .tagKeys }

  /// nil where the request has no such thing.
  func values(in request: AccessRequest) -> [String]? {
    switch self {
    case .principalARN: request.principal.arn.map { [$0] }
    case .principalAccount: request.principal.account.map { [$0] }
    case .principalType: [request.principal == .anonymous ? "Anonymous" : "User"]
    case .userName: request.principal.name.map { [$0] }
    case .sourceAddress: request.sourceAddress.map { [$0] }
    case .secureTransport: [request.isSecure ? "true" : "false"]
    case .currentTime, .epochTime: [String(request.time)]
    case .requestedRegion: [request.region]
    case .resourceAccount: [request.account]
    case .sourceARN, .sourceAccount: nil
    case .viaService, .isService: ["false"]
    case .resourceTag(let key), .ecrResourceTag(let key): Self.tag(key, request.resourceTags)
    case .requestTag(let key): Self.tag(key, request.requestTags)
    case .tagKeys: request.requestTags.isEmpty ? nil : request.requestTags.keys.sorted()
    }
  }

  private static func tag(_ key: String, _ tags: [String: String]) -> [String]? {
    if let value = tags[key] { return [value] }
    return tags.first { $0.key.lowercased() == key }.map { [$0.value] }
  }
}
