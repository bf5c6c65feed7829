/// The policies that every registry has, by AWS's names. (AWS Managed Policy Reference)
public enum ManagedPolicy: String, CaseIterable, Sendable {
  case administrator = "AdministratorAccess"
  case fullAccess = "AmazonEC2ContainerRegistryFullAccess"
  case powerUser = "AmazonEC2ContainerRegistryPowerUser"
  case readOnly = "AmazonEC2ContainerRegistryReadOnly"
  case pullOnly = "AmazonEC2ContainerRegistryPullOnly"
  case publicFullAccess = "AmazonElasticContainerRegistryPublicFullAccess"
  case publicPowerUser = "AmazonElasticContainerRegistryPublicPowerUser"
  case publicReadOnly = "AmazonElasticContainerRegistryPublicReadOnly"

  public var arn: String { "arn:aws:iam::aws:policy/\(rawValue)" }

  public var document: PolicyDocument { Self.documents[self] ?? Self.nothing }

  /// By its name or its ARN.
  public init?(named name: String) {
    let prefix = "arn:aws:iam::aws:policy/"
    self.init(rawValue: name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name)
  }

  private static let documents: [ManagedPolicy: PolicyDocument] = Dictionary(
    uniqueKeysWithValues: allCases.map { ($0, PolicyDocument(allowing: $0.actions)) })
  private static let nothing = PolicyDocument(allowing: [])

  private var actions: [String] {
    switch self {
    case .administrator: ["*"]
    case .fullAccess: ["ecr:*"]
    case .powerUser: Self.read(of: "ecr") + Self.write(of: "ecr")
    case .readOnly: Self.read(of: "ecr")
    case .pullOnly:
      ["ecr:GetAuthorizationToken", "ecr:BatchImportUpstreamImage", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    case .publicFullAccess: ["ecr-public:*", "sts:GetServiceBearerToken"]
    case .publicPowerUser: Self.publicRead + Self.write(of: "ecr-public")
    case .publicReadOnly: Self.publicRead
    }
  }

  private static func read(of service: String) -> [String] {
    [
      "GetAuthorizationToken", "BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "GetRepositoryPolicy",
      "DescribeRepositories", "ListImages", "ListImageReferrers", "DescribeImages", "BatchGetImage",
      "GetLifecyclePolicy", "GetLifecyclePolicyPreview", "ListTagsForResource", "DescribeImageScanFindings",
    ].map { "\(service):\($0)" }
  }

  private static func write(of service: String) -> [String] {
    ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"].map { "\(service):\($0)" }
  }

  private static let publicRead =
    [
      "GetAuthorizationToken", "BatchCheckLayerAvailability", "GetRepositoryPolicy", "DescribeRepositories",
      "DescribeRegistries", "DescribeImages", "DescribeImageTags", "GetRepositoryCatalogData",
      "GetRegistryCatalogData", "ListTagsForResource",
    ].map { "ecr-public:\($0)" } + ["sts:GetServiceBearerToken"]
}

extension PolicyDocument {
  /// A resource's policy that allows actions to everybody.
  public init(allowingEverybody actions: [String]) {
    let list = actions.map { "\"\($0)\"" }.joined(separator: ",")
    text =
      "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":[\(list)]}]}"
    kind = .repository
    version = .y2012
    id = nil
    statements = [Statement(allowing: actions, to: .everybody)]
  }

  /// A user's policy that allows actions on everything.
  fileprivate init(allowing actions: [String]) {
    let list = actions.map { "        \"\($0)\"" }.joined(separator: ",\n")
    text = """
      {
        "Version": "2012-10-17",
        "Statement": [
          {
            "Effect": "Allow",
            "Action": [
      \(list)
            ],
            "Resource": "*"
          }
        ]
      }
      """
    kind = .identity
    version = .y2012
    id = nil
    statements = actions.isEmpty ? [] : [Statement(allowing: actions)]
  }
}

extension Statement {
  fileprivate init(allowing actions: [String], to principals: PrincipalPattern? = nil) {
    sid = nil
    effect = .allow
    self.principals = principals
    self.actions = ActionPattern(actions)
    resources = principals == nil ? .everything : nil
    conditions = []
  }
}
