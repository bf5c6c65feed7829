import FoundationEssentials
import Glibc

/// A pair of access key ID and secret, as AWS's tools sign requests with.
public struct AccessKey: Hashable, Sendable, Codable {
  /// `AKIA`, or `ASIA` for one that ends, and 16 of A-Z 2-7.
  public let id: String
  /// 40 characters. Kept in the clear, since a signature is checked by making it again.
  public let secret: String
  /// Whom the key acts for; part of its ARN.
  public let user: String
  /// Seconds since 1970.
  public let created: Int64
  /// When the key ends, in seconds since 1970; nil for one that does not.
  public var expires: Int64?
  /// What requests have to show beside a signature by a key that ends.
  public var sessionToken: String?

  public var hasExpired: Bool { hasExpired(at: Int64(time(nil))) }

  func hasExpired(at seconds: Int64) -> Bool { expires.map { $0 <= seconds } ?? false }
}

/// The access keys of a registry, in one document that only its owner reads.
public final class AccessKeys: Sendable {
  private struct Content: Codable, Sendable {
    var version = 1
    var keys: [AccessKey] = []
  }

  /// The users that keys act for.
  public let identities: Identities
  private let document: WatchedDocument<[String: AccessKey]>

  public init(_ document: any SharedDocument, identities: Identities) {
    self.identities = identities
    let place = document.place
    self.document = WatchedDocument(document, absent: [:]) { bytes in
      do {
        let content = try JSONDecoder().decode(Content.self, from: Data(bytes))
        guard content.version == 1 else {
          throw AccessError.unreadable(place, "its version \(content.version) is not known")
        }
        return Dictionary(content.keys.map { ($0.id, $0) }) { _, last in last }
      } catch let error as DecodingError {
        throw AccessError.unreadable(place, "it is not the JSON of access keys: \(error)")
      }
    }
  }

  /// nil where there is no such key (any more), or its user was removed. One that has ended is found.
  public func find(_ id: String) throws -> AccessKey? {
    guard let key = try document.current()[id], try identities.find(key.user) != nil else { return nil }
    return key
  }

  /// In order of creation.
  public func list() throws -> [AccessKey] {
    try document.current().values.sorted { ($0.created, $0.id) < ($1.created, $1.id) }
  }

  /// `duration` in seconds makes a key that ends, with a session token.
  public func create(user: String, duration: Int64? = nil) throws -> AccessKey {
    guard PasswordFile.isUserName(user) else { throw AccessError.invalidUserName(user) }
    guard try identities.find(user) != nil else { throw AccessError.userRemoved(user) }
    if let duration, !(900...129_600).contains(duration) { throw AccessError.invalidDuration(duration) }
    let now = Int64(time(nil))
    let key = AccessKey(
      id: (duration == nil ? "AKIA" : "ASIA") + Self.random(16, of: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
      secret: Self.random(40, of: Self.base64), user: user, created: now, expires: duration.map { now + $0 },
      sessionToken: duration == nil ? nil : Self.random(128, of: Self.base64))
    return try document.edit { keys in
      // A key that ended a day ago is of no use to the clock of any client.
      var keys = keys.filter { !$0.value.hasExpired(at: now - 86_400) }
      keys[key.id] = key
      return (try Self.serialized(keys), key)
    }
  }

  /// Tokens that the key has fetched are void from now on. Returns false where there is no such key.
  public func remove(_ id: String) throws -> Bool {
    guard try document.current()[id] != nil else { return false }
    return try document.edit { keys in
      var keys = keys
      let removed = keys.removeValue(forKey: id) != nil
      return (try Self.serialized(keys), removed)
    }
  }

  /// Removes the keys of a user and returns how many those were.
  @discardableResult
  public func removeAll(of user: String) throws -> Int {
    guard try document.current().values.contains(where: { $0.user == user }) else { return 0 }
    return try document.edit { keys in
      let kept = keys.filter { $0.value.user != user }
      return (try Self.serialized(kept), keys.count - kept.count)
    }
  }

  private static func serialized(_ keys: [String: AccessKey]) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    return Array(try encoder.encode(Content(keys: keys.values.sorted { ($0.created, $0.id) < ($1.created, $1.id) })))
  }

  private static let base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

  private static func random(_ count: Int, of alphabet: String) -> String {
    let letters = Array(alphabet.utf8)
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
    return String(decoding: bytes, as: UTF8.self)
  }
}
