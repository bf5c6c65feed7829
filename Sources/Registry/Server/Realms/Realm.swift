import Metadata

/// A registry of its own on a server: an account's in a region, as Amazon ECR has them. Repositories, settings and what
/// they say are a realm's; content is stored once for all.
public struct Realm: Hashable, Sendable, Codable, CustomStringConvertible {
  /// Twelve digits; empty for the realm that a server has which declares none.
  public let account: String
  public let region: String

  /// The realm of a server that declares none: it keeps its content when the account is named later.
  public static let main = Realm()

  private init() {
    account = ""
    region = ""
  }

  /// nil where `account` is not twelve digits or `region` is none of AWS's shape (`eu-west-1`, `local`).
  public init?(account: String, region: String) {
    guard Self.isAccount(account), Self.isRegion(region) else { return nil }
    self.account = account
    self.region = region
  }

  public static func isAccount(_ text: String) -> Bool {
    text.utf8.count == 12 && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  public static func isRegion(_ text: String) -> Bool {
    (1...32).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-")
      && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
  }

  public var isMain: Bool { account.isEmpty }

  public var description: String { isMain ? "main" : "\(account)/\(region)" }
}

extension Realm {
  /// Of a row with the columns `account` and `region`, which are empty for the main realm.
  init(_ row: SQLRow) throws { self = Realm(account: try row["account"], region: try row["region"]) ?? .main }
}
