/// The name of an image: `[host[:port]/]path[:tag][@digest]`, with Docker's defaults filled in.
///
/// `app:1` is `docker.io/library/app:1`; the first component names a host when it has a dot or a colon or is
/// `localhost`. (github.com/distribution/reference, the grammar; distribution-spec, Pulling manifests)
public struct Reference: Hashable, Sendable, CustomStringConvertible {
  /// Host and port, `docker.io` where none was written.
  public let domain: String
  /// Repository on that host, for example `library/debian`.
  public let path: String
  public let tag: String?
  public let digest: Digest?

  public init(domain: String, path: String, tag: String? = nil, digest: Digest? = nil) {
    self.domain = domain
    self.path = path
    self.tag = tag
    self.digest = digest
  }

  public init(parsing text: String) throws(ReferenceError) {
    var rest = Substring(text)
    guard !rest.isEmpty else { throw .malformed(text, "it is empty") }
    guard text.utf8.count <= 4096 else { throw .malformed(text, "it is longer than 4096 bytes") }

    var digest: Digest?
    if let at = rest.firstIndex(of: "@") {
      do { digest = try Digest(parsing: rest[rest.index(after: at)...]) } catch { throw .malformed(text, error.description) }
      rest = rest[..<at]
    }

    var tag: String?
    let lastSlash = rest.lastIndex(of: "/")
    if let colon = rest.lastIndex(of: ":"), lastSlash.map({ $0 < colon }) ?? true {
      let candidate = String(rest[rest.index(after: colon)...])
      guard Self.isTag(candidate) else {
        throw .malformed(text, "the tag must be 1 to 128 of A-Z a-z 0-9 _ . - and start with a letter, digit or _")
      }
      tag = candidate
      rest = rest[..<colon]
    }

    var domain = Self.defaultDomain
    if let slash = rest.firstIndex(of: "/") {
      let first = rest[..<slash]
      if first.contains(".") || first.contains(":") || first == "localhost" || first.contains(where: \.isUppercase) {
        guard Self.isDomain(first) else { throw .malformed(text, "\"\(first)\" is not a host name") }
        domain = first == "index.docker.io" || first == "registry-1.docker.io" ? Self.defaultDomain : String(first)
        rest = rest[rest.index(after: slash)...]
      }
    }
    guard Self.isPath(rest) else {
      throw .malformed(text, "a repository is lower-case letters and digits, separated by one of . / _ __ or dashes")
    }
    if domain == Self.defaultDomain, !rest.contains("/") { rest = "library/" + rest }
    guard rest.utf8.count <= 255 else { throw .malformed(text, "the repository is longer than 255 bytes") }
    self.init(domain: domain, path: String(rest), tag: tag, digest: digest)
  }

  public static let defaultDomain = "docker.io"

  /// The full name, as the store keeps it.
  public var description: String {
    "\(domain)/\(path)" + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
  }

  /// The name as Docker's users write it: without `docker.io/library/`.
  public var familiar: String {
    familiarRepository + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
  }

  public var familiarRepository: String {
    guard domain == Self.defaultDomain else { return repository }
    return path.hasPrefix("library/") ? String(path.dropFirst("library/".count)) : path
  }

  /// Host and path, without tag and digest.
  public var repository: String { "\(domain)/\(path)" }

  /// This name with the tag `latest` where it has neither tag nor digest.
  public var tagged: Reference {
    tag == nil && digest == nil ? Reference(domain: domain, path: path, tag: "latest") : self
  }

  public func with(tag: String?, digest: Digest?) -> Reference {
    Reference(domain: domain, path: path, tag: tag, digest: digest)
  }

  public static func isTag(_ text: some StringProtocol) -> Bool {
    guard (1...128).contains(text.utf8.count), let first = text.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-")
    else { return false }
    return text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
  }

  /// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, components separated by `/`. (distribution-spec, Pulling manifests, `<name>`)
  public static func isPath(_ text: some StringProtocol) -> Bool {
    guard !text.isEmpty else { return false }
    return text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(isPathComponent)
  }

  private static func isPathComponent(_ text: some StringProtocol) -> Bool {
    var separators: [UInt8] = []
    var sawLetter = false
    for byte in text.utf8 {
      if isLowercaseAlphanumeric(byte) {
        if !separators.isEmpty {
          guard sawLetter, isSeparator(separators) else { return false }
          separators = []
        }
        sawLetter = true
      } else {
        separators.append(byte)
      }
    }
    return sawLetter && separators.isEmpty
  }

  private static func isSeparator(_ bytes: [UInt8]) -> Bool {
    bytes == [UInt8(ascii: ".")] || bytes == [UInt8(ascii: "_")] || bytes == [UInt8(ascii: "_"), UInt8(ascii: "_")]
      || bytes.allSatisfy { $0 == UInt8(ascii: "-") }
  }

  private static func isDomain(_ text: some StringProtocol) -> Bool {
    var host = text[...]
    if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
      let port = host[host.index(after: colon)...]
      guard (1...5).contains(port.utf8.count), let number = Int(port), (0...65535).contains(number) else { return false }
      host = host[..<colon]
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      return host.dropFirst().dropLast().utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: ":") }
    }
    return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
      !label.isEmpty && !label.hasPrefix("-") && !label.hasSuffix("-")
        && label.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
  }

  private static func isLowercaseAlphanumeric(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    isLowercaseAlphanumeric(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }
}

public enum ReferenceError: Error, Equatable, CustomStringConvertible {
  case malformed(String, String)

  public var description: String {
    switch self {
    case .malformed(let text, let why): "invalid reference format: \"\(text.prefix(160))\": \(why)"
    }
  }
}
