/// Who asks.
public struct AccessPrincipal: Hashable, Sendable {
  /// Twelve digits; nil for one who shows no credentials.
  public let account: String?
  public let name: String?
  /// `arn:aws:iam::<account>:user/<name>`
  public let arn: String?

  public static let anonymous = AccessPrincipal(account: nil, name: nil, arn: nil)

  public static func user(_ name: String, account: String) -> AccessPrincipal {
    AccessPrincipal(account: account, name: name, arn: "arn:aws:iam::\(account):user/\(name)")
  }
}

/// `ecr:PutImage`
public struct ActionName: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  public let description: String
  let lowercased: String

  public init(_ name: String) {
    description = name
    lowercased = name.lowercased()
  }

  public init(stringLiteral name: StaticString) { self.init("\(name)") }
}

/// What is asked for, and what conditions look at.
public struct AccessRequest: Sendable {
  public var principal: AccessPrincipal
  public var action: ActionName
  /// An ARN, or `*` for what is about no resource.
  public var resource: String
  /// The account whose resource it is.
  public var account: String
  public var region: String
  /// The client's address as text.
  public var sourceAddress: String?
  /// Whether the request came by TLS.
  public var isSecure: Bool
  /// Seconds since 1970.
  public var time: Int64
  /// Tags that the resource has.
  public var resourceTags: [String: String]
  /// Tags that the request gives, or the keys of those that it takes away.
  public var requestTags: [String: String]

  public init(
    principal: AccessPrincipal, action: ActionName, resource: String, account: String, region: String,
    sourceAddress: String? = nil, isSecure: Bool = false, time: Int64, resourceTags: [String: String] = [:],
    requestTags: [String: String] = [:]
  ) {
    self.principal = principal
    self.action = action
    self.resource = resource
    self.account = account
    self.region = region
    self.sourceAddress = sourceAddress
    self.isSecure = isSecure
    self.time = time
    self.resourceTags = resourceTags
    self.requestTags = requestTags
  }
}
