public import AccessPolicies
import FoundationEssentials
import Glibc

/// A user as policies see it.
public struct Identity: Sendable {
  public let name: String
  /// Twelve digits; nil for the server's default.
  public let account: String?
  /// Names of what is attached, in order.
  public let policyNames: [String]
  public let policies: [PolicyDocument]
}

/// Which policies users have.
///
/// A user of whom nothing is written down may do everything in the server's own account, as all could before there were
/// policies. One of whom something is written down may do what that allows and no more: to take a policy away never gives
/// anything.
public final class Identities: Sendable {
  /// What is written down of a user.
  struct Record: Hashable, Sendable, Codable {
    var account: String?
    var policies: [String]
    /// A user that was removed keeps its record: nobody comes to more by the same name in another password file.
    var removed: Bool?
  }

  struct StoredPolicy: Hashable, Sendable, Codable {
    /// Seconds since 1970.
    var created: Int64
    var document: String
  }

  struct Content: Sendable, Codable {
    var version = 1
    var users: [String: Record] = [:]
    var policies: [String: StoredPolicy] = [:]
  }

  private struct Table: Sendable {
    var content = Content()
    var identities: [String: Identity] = [:]
    var documents: [String: PolicyDocument] = [:]
  }

  private let document: WatchedDocument<Table>

  public init(_ document: any SharedDocument) {
    let place = document.place
    self.document = WatchedDocument(document, absent: Table()) { try Self.parse($0, place) }
  }

  /// What a user has of whom nothing is written down.
  public static let standardPolicies = [ManagedPolicy.fullAccess, .publicFullAccess]

  private static func parse(_ bytes: [UInt8], _ place: String) throws -> Table {
    var table = Table()
    do { table.content = try JSONDecoder().decode(Content.self, from: Data(bytes)) } catch {
      throw AccessError.unreadable(place, "it is not the JSON of users and policies: \(error)")
    }
    guard table.content.version == 1 else {
      throw AccessError.unreadable(place, "its version \(table.content.version) is not known")
    }
    for (name, policy) in table.content.policies {
      do throws(PolicyError) {
        table.documents[name] = try PolicyDocument(parsing: policy.document, as: .identity)
      } catch {
        throw AccessError.unreadable(place, "policy \(name): \(error)")
      }
    }
    for (name, record) in table.content.users where record.removed != true {
      let policies = try record.policies.map { policy in
        guard let found = ManagedPolicy(named: policy)?.document ?? table.documents[policy] else {
          // It may have been one that denies.
          throw AccessError.unreadable(place, "the policy \(policy) of \(name) is missing")
        }
        return found
      }
      table.identities[name] = Identity(
        name: name, account: record.account, policyNames: record.policies, policies: policies)
    }
    return table
  }

  // MARK: users

  /// nil for a user that was removed.
  public func find(_ name: String) throws -> Identity? { try Self.find(name, document.current()) }

  private static func find(_ name: String, _ table: Table) -> Identity? {
    if let known = table.identities[name] { return known }
    if table.content.users[name] != nil { return nil }
    return Identity(
      name: name, account: nil, policyNames: standardPolicies.map(\.rawValue),
      policies: standardPolicies.map(\.document))
  }

  /// Names of the users of whom something is written down, in order.
  public func recorded() throws -> [String] { try document.current().identities.keys.sorted() }

  /// Writes down what a user has, in place of what it had; a user that was removed is one again. nil for both leaves it
  /// with what users have of whom nothing is written down.
  public func set(_ name: String, account: String?, policies: [String]?) throws {
    guard PasswordFile.isUserName(name) else { throw AccessError.invalidUserName(name) }
    if let account, !Realm.isAccount(account) { throw AccessError.invalidAccount(account) }
    try edit { table in
      guard account != nil || policies != nil else {
        table.content.users[name] = nil
        return
      }
      let names = try (policies ?? Self.standardPolicies.map(\.rawValue)).map { try Self.policyName($0, table) }
      table.content.users[name] = Record(account: account, policies: Self.unique(names))
    }
  }

  /// Changes the account of a user and nothing else.
  public func setAccount(_ account: String, of name: String) throws {
    guard Realm.isAccount(account) else { throw AccessError.invalidAccount(account) }
    try editRecord(of: name) { record, _ in record.account = account }
  }

  /// Returns false where the user has the policy already.
  @discardableResult
  public func attach(_ policy: String, to user: String) throws -> Bool {
    try editRecord(of: user) { record, table in
      let name = try Self.policyName(policy, table)
      guard !record.policies.contains(name) else { return false }
      record.policies.append(name)
      return true
    }
  }

  /// Returns false where the user does not have the policy.
  public func detach(_ policy: String, from user: String) throws -> Bool {
    try editRecord(of: user) { record, table in
      let name = try Self.policyName(policy, table)
      let count = record.policies.count
      record.policies.removeAll { $0 == name }
      return record.policies.count < count
    }
  }

  /// Takes everything from a user of whom something is written down. Returns false where nothing is.
  @discardableResult
  public func remove(_ name: String) throws -> Bool {
    guard try document.current().identities[name] != nil else { return false }
    return try edit { table in
      guard table.content.users[name] != nil else { return false }
      table.content.users[name] = Record(account: nil, policies: [], removed: true)
      return true
    }
  }

  private func editRecord<Result>(of name: String, _ body: (inout Record, Table) throws -> Result) throws -> Result {
    guard PasswordFile.isUserName(name) else { throw AccessError.invalidUserName(name) }
    return try edit { table in
      guard let identity = Self.find(name, table) else { throw AccessError.userRemoved(name) }
      var record = Record(account: identity.account, policies: identity.policyNames)
      let result = try body(&record, table)
      table.content.users[name] = record
      return result
    }
  }

  // MARK: policies

  /// A policy that an operator made.
  public struct CustomPolicy: Sendable {
    public let name: String
    /// Seconds since 1970.
    public let created: Int64
    public let document: PolicyDocument
    /// Names of the users that have it, in order.
    public let users: [String]
  }

  /// In order of names.
  public func policies() throws -> [CustomPolicy] {
    let table = try document.current()
    return table.documents.keys.sorted().compactMap { name in
      guard let stored = table.content.policies[name], let document = table.documents[name] else { return nil }
      return CustomPolicy(
        name: name, created: stored.created, document: document, users: Self.users(of: name, table))
    }
  }

  /// A policy by its name or ARN, built in or made by an operator.
  public func policy(named name: String) throws -> PolicyDocument {
    let table = try document.current()
    let name = try Self.policyName(name, table)
    guard let found = ManagedPolicy(named: name)?.document ?? table.documents[name] else {
      throw AccessError.policyUnknown(name)
    }
    return found
  }

  /// With `replacing`, in place of one of the same name.
  public func createPolicy(_ name: String, text: String, replacing: Bool = false) throws {
    guard Self.isPolicyName(name) else { throw AccessError.invalidPolicyName(name) }
    guard ManagedPolicy(named: name) == nil else { throw AccessError.policyManaged(name) }
    do throws(PolicyError) { _ = try PolicyDocument(parsing: text, as: .identity) } catch {
      throw AccessError.policyMalformed(name, error)
    }
    try edit { table in
      guard replacing || table.content.policies[name] == nil else { throw AccessError.policyExists(name) }
      let created = table.content.policies[name]?.created ?? Int64(time(nil))
      table.content.policies[name] = StoredPolicy(created: created, document: text)
    }
  }

  /// One that nobody has.
  public func deletePolicy(_ name: String) throws {
    try edit { table in
      let name = try Self.policyName(name, table)
      guard ManagedPolicy(named: name) == nil else { throw AccessError.policyManaged(name) }
      let users = Self.users(of: name, table)
      guard users.isEmpty else { throw AccessError.policyAttached(name, users: users) }
      table.content.policies[name] = nil
    }
  }

  private static func users(of policy: String, _ table: Table) -> [String] {
    table.identities.values.filter { $0.policyNames.contains(policy) }.map(\.name).sorted()
  }

  /// The name that a policy is kept under: that of one which exists.
  private static func policyName(_ text: String, _ table: Table) throws -> String {
    if let managed = ManagedPolicy(named: text) { return managed.rawValue }
    let name = text.hasPrefix("arn:aws:iam::") ? text.split(separator: "/").last.map { String($0) } ?? text : text
    guard table.content.policies[name] != nil else { throw AccessError.policyUnknown(text) }
    return name
  }

  private static func isPolicyName(_ name: String) -> Bool {
    (1...128).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "_+=,.@-".utf8.contains(byte)
        }
      }
  }

  private static func unique(_ names: [String]) -> [String] {
    var seen = Set<String>()
    return names.filter { seen.insert($0).inserted }
  }

  private func edit<Result>(_ body: (inout Table) throws -> Result) throws -> Result {
    try document.edit { table in
      var table = table
      let result = try body(&table)
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
      return (Array(try encoder.encode(table.content)), result)
    }
  }
}
