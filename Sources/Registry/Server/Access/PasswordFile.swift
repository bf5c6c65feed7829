import CCrypt
import Glibc
import Kernel
public import SystemPackage

/// Users with their passwords, in the format of Apache's htpasswd: `name:hash` lines. Only bcrypt is taken.
public final class PasswordFile: Sendable {
  private let document: WatchedDocument<[String: String]>

  public init(_ document: any SharedDocument) {
    let place = document.place
    self.document = WatchedDocument(document, absent: [:]) { try Self.parse($0, place) }
  }

  public convenience init(_ path: FilePath) { self.init(DocumentFile(path)) }

  /// Names in order. An unreadable or malformed file throws `AccessError`.
  public func users() throws -> [String] { try document.current().keys.sorted() }

  func hash(of user: String) throws -> String? { try document.current()[user] }

  /// Adds a user or changes the password of one; returns false where the user was there before.
  /// `cost` is bcrypt's: each step doubles the time of a check.
  @discardableResult
  public func set(_ user: String, password: String, cost: UInt = 10) throws -> Bool {
    guard Self.isUserName(user) else { throw AccessError.invalidUserName(user) }
    guard !password.isEmpty else { throw AccessError.emptyPassword }
    guard password.utf8.count <= 72 else { throw AccessError.passwordTooLong(bytes: password.utf8.count) }
    let hash = try Bcrypt.hash(password, cost: cost)
    return try document.edit { users in
      var users = users
      let isNew = users.updateValue(hash, forKey: user) == nil
      return (Self.serialized(users), isNew)
    }
  }

  /// Returns false where there is no such user.
  public func remove(_ user: String) throws -> Bool {
    guard try document.current()[user] != nil else { return false }
    return try document.edit { users in
      var users = users
      let removed = users.removeValue(forKey: user) != nil
      return (Self.serialized(users), removed)
    }
  }

  static func isUserName(_ name: String) -> Bool {
    (1...128).contains(name.utf8.count) && name != "AWS"
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "._@+-".utf8.contains(byte)
        }
      }
  }

  private static func serialized(_ users: [String: String]) -> [UInt8] {
    Array(users.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)\n" }.joined().utf8)
  }

  static func parse(_ bytes: [UInt8], _ place: String) throws -> [String: String] {
    var users: [String: String] = [:]
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let text = String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
      if text.isEmpty || text.first == "#" { continue }
      guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else {
        throw AccessError.malformedLine(place, line: index + 1, "not of the form name:hash")
      }
      let name = String(text[..<colon])
      let hash = String(text[text.index(after: colon)...])
      guard Bcrypt.isHash(hash) else {
        throw AccessError.malformedLine(
          place, line: index + 1, "the password of \(name) is not hashed with bcrypt; write it with htpasswd -B")
      }
      users[name] = hash
    }
    return users
  }
}

/// bcrypt by the system's libcrypt. (crypt(5))
enum Bcrypt {
  /// `$2y$`, `$2b$` or `$2a$`, two digits of cost, 53 characters of salt and hash.
  static func isHash(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 60, ["$2y$", "$2b$", "$2a$"].contains(String(text.prefix(4))), bytes[6] == UInt8(ascii: "$"),
      let cost = Int(text.dropFirst(4).prefix(2))
    else { return false }
    // Each step doubles the time; 2^20 rounds take a minute, and nobody waits that long for a sign-in.
    return (4...20).contains(cost)
  }

  static func hash(_ password: String, cost: UInt) throws -> String {
    var random = [CChar](repeating: 0, count: 16)
    var generator = SystemRandomNumberGenerator()
    for index in random.indices { random[index] = CChar(truncatingIfNeeded: generator.next() as UInt64) }
    var setting = [CChar](repeating: 0, count: Int(CRYPT_GENSALT_OUTPUT_SIZE))
    guard
      crypt_gensalt_rn("$2b$", CUnsignedLong(cost), &random, CInt(random.count), &setting, CInt(setting.count)) != nil
    else { throw AccessError.hashFailed("bcrypt with cost \(cost): \(Errno.current)") }
    guard let hash = crypted(password, setting: setting) else { throw AccessError.hashFailed("\(Errno.current)") }
    return hash
  }

  /// Takes as long as the hash's cost says: some 50 ms at 10.
  static func verify(_ password: String, _ hash: String) -> Bool {
    guard password.utf8.count <= 72, !password.utf8.contains(0) else { return false }
    guard let computed = crypted(password, setting: hash.utf8CString.map { $0 }) else { return false }
    return constantTimeEqual(Array(computed.utf8), Array(hash.utf8))
  }

  private static func crypted(_ password: String, setting: [CChar]) -> String? {
    let size = MemoryLayout<crypt_data>.size
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    defer {
      // The password is in there.
      explicit_bzero(scratch, size)
      scratch.deallocate()
    }
    memset(scratch, 0, size)
    guard let result = crypt_rn(password, setting, scratch, CInt(size)) else { return nil }
    return String(cString: result)
  }
}

/// Compares without telling by its time where the first difference is. Lengths are no secret.
public func constantTimeEqual(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  var difference: UInt8 = 0
  for (a, b) in zip(left, right) { difference |= a ^ b }
  return difference == 0
}
