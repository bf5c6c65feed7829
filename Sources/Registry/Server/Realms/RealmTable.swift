/// The realms of a server, and how requests name them.
///
/// A request's realm is, in this order: that of the port it came to; that of a host name of AWS's shape,
/// `ACCOUNT.dkr.ecr.REGION.…`; that of a path which begins with `/ACCOUNT/REGION/` (in `/v2/` after it) of a realm that
/// was declared; and else the main one.
public struct RealmTable: Sendable {
  /// What the main realm is called: twelve digits.
  public let account: String
  /// nil takes whatever region a client signs for, where no declared realm has it.
  public let region: String?
  /// Those beside the main one.
  public let declared: [Realm]
  /// Suffix of host names of AWS's shape that clients are told, such as `amazonaws.com`; nil tells them the host that they
  /// came by.
  public let domain: String?
  private let ports: [UInt16: Realm]

  public static let defaultAccount = "000000000000"

  /// One realm, which takes any region.
  public static let onlyMain = RealmTable()

  private init() {
    account = Self.defaultAccount
    region = nil
    declared = []
    domain = nil
    ports = [:]
  }

  /// nil where `account` or `region` is malformed.
  public init?(
    account: String, region: String? = nil, declared: [Realm] = [],
    ports: [UInt16: Realm] = [:], domain: String? = nil
  ) {
    guard Realm.isAccount(account), region.map(Realm.isRegion) ?? true else { return nil }
    self.account = account
    self.region = region
    // A realm that is named as the main one is the main one.
    self.declared = declared.filter { !($0.account == account && $0.region == region) }
    self.ports = ports
    self.domain = domain
  }

  /// All of them, the main one first.
  public var all: [Realm] { [.main] + declared }

  public func account(of realm: Realm) -> String { realm.isMain ? account : realm.account }

  /// nil for a main realm that takes any region.
  public func region(of realm: Realm) -> String? { realm.isMain ? region : realm.region }

  /// What a realm is called where a region has to be named.
  public func regionName(of realm: Realm) -> String { region(of: realm) ?? "local" }

  public func find(account: String, region: String) -> Realm? {
    if let found = declared.first(where: { $0.account == account && $0.region == region }) { return found }
    guard account == self.account, self.region.map({ $0 == region }) ?? true else { return nil }
    return .main
  }

  public func arn(_ repository: String, in realm: Realm) -> String {
    "arn:aws:ecr:\(regionName(of: realm)):\(account(of: realm)):repository/\(repository)"
  }

  /// Where a request goes.
  public struct Place: Hashable, Sendable {
    public let realm: Realm
    /// The path without the realm's part.
    public let path: String
    /// `ACCOUNT/REGION/` where the path named the realm: links in the answer have it again.
    public let prefix: String
  }

  /// nil where the host names a realm that is not here.
  public func place(_ request: RegistryRequest) -> Place? {
    if let realm = ports[request.localPort] { return Place(realm: realm, path: request.path, prefix: "") }
    if let (account, region) = Self.names(inHost: request.authority) {
      return find(account: account, region: region).map { Place(realm: $0, path: request.path, prefix: "") }
    }
    let isAPI = request.path.hasPrefix("/v2/")
    let parts = request.path.dropFirst(isAPI ? 4 : 1).split(
      separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
    if parts.count >= 2,
      let realm = declared.first(where: { $0.account == parts[0] && $0.region == parts[1] })
    {
      let rest = parts.count == 3 ? String(parts[2]) : ""
      return Place(
        realm: realm, path: (isAPI ? "/v2/" : "/") + rest, prefix: "\(realm.account)/\(realm.region)/")
    }
    return Place(realm: .main, path: request.path, prefix: "")
  }

  /// `ACCOUNT.dkr.ecr.REGION.…`, with `-fips` or dual-stack's `dkr-ecr`.
  static func names(inHost authority: String) -> (account: String, region: String)? {
    let labels = authority.prefix { $0 != ":" }.lowercased().split(separator: ".", omittingEmptySubsequences: false)
    guard labels.count >= 4, Realm.isAccount(String(labels[0])) else { return nil }
    let region: Substring
    switch labels[1] {
    case "dkr-ecr", "dkr-ecr-fips": region = labels[2]
    case "dkr" where labels.count >= 5 && (labels[2] == "ecr" || labels[2] == "ecr-fips"): region = labels[3]
    default: return nil
    }
    return Realm.isRegion(String(region)) ? (String(labels[0]), String(region)) : nil
  }

  /// How images of a realm are named for the client of a request: `host[:port]`, with `/ACCOUNT/REGION` after it where
  /// the path has to name the realm.
  public func imagePrefix(of realm: Realm, host: String) -> String {
    let isShaped = Self.names(inHost: host) != nil
    if domain != nil || isShaped { return endpointHost(of: realm, host: host) }
    if realm.isMain || ports.values.contains(realm) { return endpointHost(of: realm, host: host) }
    return "\(host)/\(realm.account)/\(realm.region)"
  }

  /// The host, with its port, that clients sign in to for a realm.
  public func endpointHost(of realm: Realm, host: String) -> String {
    let colon = host.hasSuffix("]") ? nil : host.lastIndex(of: ":")
    let port = colon.map { String(host[$0...]) } ?? ""
    let name = colon.map { String(host[..<$0]) } ?? host
    if let domain { return "\(account(of: realm)).dkr.ecr.\(regionName(of: realm)).\(domain)\(port)" }
    if Self.names(inHost: host) != nil {
      let suffix = name.split(separator: ".", omittingEmptySubsequences: false).dropFirst(
        name.contains(".dkr.") ? 4 : 3
      ).joined(separator: ".")
      return "\(account(of: realm)).dkr.ecr.\(regionName(of: realm)).\(suffix)\(port)"
    }
    if let own = ports.first(where: { $0.value == realm })?.key { return "\(name):\(own)" }
    return host
  }
}
