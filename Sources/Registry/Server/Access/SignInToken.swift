import Crypto
import FoundationEssentials
import Glibc
import Kernel
public import SystemPackage

/// The password that ECR's `GetAuthorizationToken` gives out for user `AWS`: a key's ID and an end, under a MAC.
///
/// Nothing about it is kept: whether its key still exists is asked at each use, so it dies with the key.
public struct SignInToken: Hashable, Sendable {
  public let keyID: String
  /// Seconds since 1970.
  public let expires: Int64

  public init(keyID: String, expires: Int64) {
    self.keyID = keyID
    self.expires = expires
  }

  /// base64url of version, end, key's ID and MAC: it has no colon, at which some clients split.
  func password(_ secret: RegistrySecret) -> String {
    var body: [UInt8] = [1]
    withUnsafeBytes(of: expires.bigEndian) { body.append(contentsOf: $0) }
    body.append(contentsOf: keyID.utf8)
    let code = HMAC<SHA256>.authenticationCode(for: body, using: secret.tokenKey)
    return Data(body + Array(code)).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  /// nil where this registry did not make it. Its end is for the caller to look at.
  init?(password: String, _ secret: RegistrySecret) {
    guard password.utf8.count <= 512 else { return nil }
    var text = password.replacing("-", with: "+").replacing("_", with: "/")
    text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    guard let bytes = Data(base64Encoded: text).map(Array.init), bytes.count > 41, bytes[0] == 1 else { return nil }
    let body = bytes.dropLast(32)
    guard
      HMAC<SHA256>.isValidAuthenticationCode(
        Array(bytes.suffix(32)), authenticating: Array(body), using: secret.tokenKey),
      let keyID = String(validating: body.dropFirst(9), as: UTF8.self)
    else { return nil }
    self.keyID = keyID
    expires = body[1..<9].reduce(Int64(0)) { $0 << 8 | Int64($1) }
  }
}

/// What a registry alone knows: random bytes made once, in a file that only its owner reads.
public struct RegistrySecret: Sendable {
  let tokenKey: SymmetricKey

  /// Reads the file, or makes it.
  public init(_ path: FilePath) throws {
    let bytes: [UInt8]
    do {
      bytes = try Self.read(path)
    } catch Errno.noSuchFileOrDirectory {
      bytes = try Self.make(path)
    } catch {
      throw AccessError.unreadable(path, "\(error)")
    }
    guard bytes.count == 32 else { throw AccessError.unreadable(path, "it has \(bytes.count) bytes in place of 32") }
    tokenKey = HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: bytes), info: Array("clipper registry sign-in token".utf8),
      outputByteCount: 32)
  }

  private static func read(_ path: FilePath) throws(Errno) -> [UInt8] { try readFile(path, limit: 64) }

  private static func make(_ path: FilePath) throws -> [UInt8] {
    do {
      try makeDirectories(path.removingLastComponent(), mode: 0o700)
      let temporary = FilePath(path.string + ".\(getpid()).new")
      let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
      try writeFileAtomically(temporary, bytes, mode: 0o600, durable: true)
      defer { unlink(temporary.string) }
      // link, not rename: of two that make it at once, both go on with the first one's.
      if link(temporary.string, path.string) != 0, Errno.current != .fileExists { throw Errno.current }
      return try read(path)
    } catch let error as Errno {
      throw AccessError.unwritable(path, error.description)
    }
  }
}
