internal import ConfigurationFiles
internal import RegistryServer

/// The registries that the server has: one, or one for each of several accounts and regions.
struct RealmsSection: Sendable {
  let table: RealmTable
  /// Ports of realms that have one of their own.
  let ports: [UInt16]

  init(_ section: ConfigurationReader.Section) {
    var account = section.value("account", default: RealmTable.defaultAccount)
    if !Realm.isAccount(account) {
      section.refuse("account", "an account's id has twelve digits")
      account = RealmTable.defaultAccount
    }
    var region: String? = section.optional("region")
    if let name = region, !Realm.isRegion(name) {
      section.refuse("region", "\"\(name.prefix(80))\" is no region, such as eu-west-1")
      region = nil
    }
    var ports: [UInt16: Realm] = [:]
    let others: [DeclaredRealm] = section.list("others")
    for other in others {
      guard let port = other.port else { continue }
      if ports.updateValue(other.realm, forKey: port) != nil { section.refuse("others", "port \(port) has two realms") }
    }
    let domain: String? = section.optional("ecr-domain")
    table =
      RealmTable(account: account, region: region, declared: others.map(\.realm), ports: ports, domain: domain)
      ?? .onlyMain
    self.ports = ports.keys.sorted()
  }
}

/// `ACCOUNT/REGION`, or `ACCOUNT/REGION=PORT`.
private struct DeclaredRealm: ConfigurationValue {
  let realm: Realm
  let port: UInt16?

  init?(configuration text: String) {
    let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let names = halves[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard names.count == 2, let realm = Realm(account: names[0], region: names[1]) else { return nil }
    self.realm = realm
    guard halves.count == 2 else {
      port = nil
      return
    }
    guard let port = UInt16(halves[1]), port > 0 else { return nil }
    self.port = port
  }

  var configurationText: String { port.map { "\(realm)=\($0)" } ?? "\(realm)" }

  static var expected: String {
    "an account's id of twelve digits, a slash and a region such as eu-west-1, and =PORT for a port of its own"
  }
}
