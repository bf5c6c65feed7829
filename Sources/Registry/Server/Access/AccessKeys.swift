import FoundationEssentials
import Glibc
import Kernel
public import SystemPackage

/// A pair of access key ID and secret, as AWS's tools sign requests with.
public struct AccessKey: Hashable, Sendable, Codable {
  /// `AKIA` and 16 of A-Z 2-7.
  public let id: String
  /// 40 characters. Kept in the clear, since a signature is checked by making it again.
  public let secret: String
  /// Whom the key acts for; part of its ARN.
  public let user: String
  /// Seconds since 1970.
  public let created: Int64
}

/// The access keys of a registry, in one file that only its owner reads.
public final class AccessKeyFile: Sendable {
  private struct Content: Codable, Sendable {
    var version = 1
    var keys: [AccessKey] = []
  }

  private let file: WatchedFile<[String: AccessKey]>

  public init(_ path: FilePath) {
    file = WatchedFile(path, absent: [:]) { bytes in
      do {
        let content = try JSONDecoder().decode(Content.self, from: Data(bytes))
        guard content.version == 1 else {
          throw AccessError.unreadable(path, "its version \(content.version) is not known")
        }
        return Dictionary(content.keys.map { ($0.id, $0) }) { _, last in last }
      } catch let error as DecodingError {
        throw AccessError.unreadable(path, "it is not the JSON of access keys: \(error)")
      }
    }
  }

  /// nil where there is no such key (any more).
  public func find(_ id: String) throws -> AccessKey? { try file.current()[id] }

  /// In order of creation.
  public func list() throws -> [AccessKey] {
    try file.current().values.sorted { ($0.created, $0.id) < ($1.created, $1.id) }
  }

  public func create(user: String) throws -> AccessKey {
    guard PasswordFile.isUserName(user) else { throw AccessError.invalidUserName(user) }
    let key = AccessKey(
      id: "AKIA" + Self.random(16, of: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
      secret: Self.random(40, of: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
      user: user, created: Int64(time(nil)))
    return try file.edit { keys in
      var keys = keys
      keys[key.id] = key
      return (try Self.serialized(keys), key)
    }
  }

  /// Tokens that the key has fetched are void from now on. Returns false where there is no such key.
  public func remove(_ id: String) throws -> Bool {
    guard try file.current()[id] != nil else { return false }
    return try file.edit { keys in
      var keys = keys
      let removed = keys.removeValue(forKey: id) != nil
      return (try Self.serialized(keys), removed)
    }
  }

  private static func serialized(_ keys: [String: AccessKey]) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    return Array(try encoder.encode(Content(keys: keys.values.sorted { ($0.created, $0.id) < ($1.created, $1.id) })))
  }

  private static func random(_ count: Int, of alphabet: String) -> String {
    let letters = Array(alphabet.utf8)
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
    return String(decoding: bytes, as: UTF8.self)
  }
}
