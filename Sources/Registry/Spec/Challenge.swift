/// A demand for a sign-in: one entry of a `WWW-Authenticate` header. (RFC 9110, section 11.6.1)
public struct Challenge: Hashable, Sendable, CustomStringConvertible {
  /// In lower case: `bearer`, `basic`.
  public let scheme: String
  /// Keys in lower case, in the order they came.
  public let parameters: [(name: String, value: String)]

  public init(scheme: String, parameters: [(name: String, value: String)]) {
    self.scheme = scheme.lowercased()
    self.parameters = parameters.map { ($0.name.lowercased(), $0.value) }
  }

  public static func basic(realm: String, service: String? = nil) -> Challenge {
    Challenge(scheme: "basic", parameters: [("realm", realm)] + (service.map { [("service", $0)] } ?? []))
  }

  public static func bearer(realm: String, service: String?, scope: String? = nil, error: String? = nil) -> Challenge {
    var parameters = [(name: "realm", value: realm)]
    if let service { parameters.append(("service", service)) }
    if let scope { parameters.append(("scope", scope)) }
    if let error { parameters.append(("error", error)) }
    return Challenge(scheme: "bearer", parameters: parameters)
  }

  public subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

  /// As a header's value: `Bearer realm="…",service="…"`. One challenge makes one header.
  public var description: String {
    let name = scheme.prefix(1).uppercased() + scheme.dropFirst()
    let list = parameters.map { name, value in
      var quoted = ""
      // Not by characters: a quote with an accent would be another one.
      for scalar in value.unicodeScalars {
        if scalar == "\"" || scalar == "\\" { quoted.append("\\") }
        quoted.unicodeScalars.append(scalar)
      }
      return "\(name)=\"\(quoted)\""
    }
    return list.isEmpty ? name : "\(name) \(list.joined(separator: ","))"
  }

  /// All challenges of all `WWW-Authenticate` headers of an answer. What cannot be read is left out.
  public static func parse(_ headers: [String]) -> [Challenge] {
    headers.flatMap { header in
      var parser = ChallengeParser(header)
      return parser.challenges()
    }
  }

  public static func == (left: Challenge, right: Challenge) -> Bool {
    left.scheme == right.scheme && left.parameters.count == right.parameters.count
      && zip(left.parameters, right.parameters).allSatisfy { $0 == $1 }
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(description) }
}

/// `scheme key=value, key="quoted, \"text\"", scheme2 …`: a word that no `=` follows begins a challenge.
private struct ChallengeParser {
  private let bytes: [UInt8]
  private var position = 0

  init(_ text: String) { bytes = Array(text.utf8.prefix(64 << 10)) }

  mutating func challenges() -> [Challenge] {
    var found: [Challenge] = []
    var scheme: String?
    var parameters: [(name: String, value: String)] = []
    func flush() {
      if let scheme { found.append(Challenge(scheme: scheme, parameters: parameters)) }
    }
    while true {
      skip { $0 == 0x20 || $0 == 0x09 || $0 == UInt8(ascii: ",") }
      guard position < bytes.count else { break }
      let word = take(while: Self.isToken)
      guard !word.isEmpty else {
        // A stray character, or a token68 of a scheme that is not ours to read.
        position += 1
        continue
      }
      let afterWord = position
      skip { $0 == 0x20 || $0 == 0x09 }
      if scheme != nil, position < bytes.count, bytes[position] == UInt8(ascii: "=") {
        position += 1
        skip { $0 == 0x20 || $0 == 0x09 }
        parameters.append((word, value()))
      } else {
        position = afterWord
        flush()
        scheme = word
        parameters = []
      }
    }
    flush()
    return found
  }

  private mutating func value() -> String {
    guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
      return take { $0 != UInt8(ascii: ",") && $0 != 0x20 && $0 != 0x09 }
    }
    position += 1
    var text: [UInt8] = []
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count { position += 1 }
      text.append(bytes[position])
      position += 1
    }
    position += 1
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func skip(while matches: (UInt8) -> Bool) {
    while position < bytes.count, matches(bytes[position]) { position += 1 }
  }

  private mutating func take(while matches: (UInt8) -> Bool) -> String {
    let start = position
    skip(while: matches)
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  /// RFC 9110, section 5.6.2, tchar.
  private static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default:
      "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}

/// What a token may be used for: `repository:team/app:pull,push`. (docker distribution, Token Scope Documentation)
public struct AccessScope: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// `repository` or `registry`.
  public var type: String
  public var name: String
  public var actions: Set<String>

  public init(type: String = "repository", name: String, actions: Set<String>) {
    self.type = type
    self.name = name
    self.actions = actions
  }

  /// nil where it has no two colons. The name itself may have colons (a host with a port).
  public init?(parsing text: some StringProtocol) {
    let parts = String(text).split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
    guard parts.count >= 3 else { return nil }
    type = parts[0]
    name = parts[1..<(parts.count - 1)].joined(separator: ":")
    actions = Set(parts[parts.count - 1].split(separator: ",").map { String($0) })
  }

  public var description: String { "\(type):\(name):\(actions.sorted().joined(separator: ","))" }

  public static func < (left: AccessScope, right: AccessScope) -> Bool { left.description < right.description }
}

/// A token server's answer. (docker distribution, Token Authentication Specification; OAuth2)
public struct TokenResponse: Hashable, Sendable, Codable {
  public var token: String?
  public var accessToken: String?
  /// Seconds; 60 where it is left out.
  public var expiresIn: Int?
  public var refreshToken: String?
  /// RFC 3339.
  public var issuedAt: String?

  enum CodingKeys: String, CodingKey {
    case token
    case accessToken = "access_token"
    case expiresIn = "expires_in"
    case refreshToken = "refresh_token"
    case issuedAt = "issued_at"
  }

  public init(token: String, expiresIn: Int, issuedAt: String? = nil) {
    self.token = token
    accessToken = token
    self.expiresIn = expiresIn
    self.issuedAt = issuedAt
  }

  /// The token itself, under whichever name it came.
  public var value: String? { [token, accessToken].compactMap { $0 }.first { !$0.isEmpty } }
}
