internal import ImageSpec

/// A registry as a name has it, and where its interface is.
struct Host: Hashable, Sendable {
  /// As users and configuration files know it: `docker.io`, `127.0.0.1:5000`.
  let name: String

  init(_ name: String) { self.name = name }

  init(_ reference: Reference) { name = reference.domain }

  /// The `host[:port]` that speaks the protocol. Docker Hub's has another name than its images.
  var address: String { name == Reference.defaultDomain || name == "index.docker.io" ? "registry-1.docker.io" : name }

  /// Without port and brackets.
  var bareName: String { Self.bare(address) }

  var isLoopback: Bool { Self.isLoopback(bareName) }

  static func bare(_ address: String) -> String {
    if address.hasPrefix("["), let end = address.firstIndex(of: "]") {
      return String(address[address.index(after: address.startIndex)..<end])
    }
    return String(address.prefix { $0 != ":" })
  }

  /// `localhost`, `127.0.0.0/8`, `::1`.
  static func isLoopback(_ bareName: String) -> Bool {
    if bareName == "localhost" || bareName.hasSuffix(".localhost") || bareName == "::1" { return true }
    let parts = bareName.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}

/// The pieces of an http or https URL that requests are made of.
struct Address: Hashable, Sendable, CustomStringConvertible {
  var scheme: String
  /// `host[:port]`, lower-case, without user information.
  var authority: String
  /// Path and query, from the first slash on.
  var target: String

  init(scheme: String, authority: String, target: String) {
    self.scheme = scheme
    self.authority = authority
    self.target = target
  }

  /// nil where it is not an http or https URL with a host.
  init?(_ url: String) {
    guard let colon = url.firstRange(of: "://") else { return nil }
    scheme = url[..<colon.lowerBound].lowercased()
    guard scheme == "http" || scheme == "https" else { return nil }
    let rest = url[colon.upperBound...].prefix { $0 != "#" }
    let host = rest.prefix { $0 != "/" && $0 != "?" }
    guard !host.isEmpty, !host.contains("@"), host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    authority = host.lowercased()
    let tail = rest[host.endIndex...]
    target = tail.hasPrefix("/") ? String(tail) : "/" + tail
    guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
  }

  var description: String { "\(scheme)://\(authority)\(target)" }

  /// Without the query, which may hold signatures: what messages show.
  var shown: String { "\(scheme)://\(authority)\(target.prefix { $0 != "?" })" }

  /// Another URL as a `Location` or `Link` header of an answer from here gives it: absolute, or relative to this one.
  /// (RFC 3986, section 5.2)
  func resolving(_ location: String) -> Address? {
    if location.contains("://"), let absolute = Address(location) { return absolute }
    if location.hasPrefix("//") { return Address("\(scheme):\(location)") }
    if location.hasPrefix("/") { return Address("\(scheme)://\(authority)\(location)") }
    let path = target.prefix { $0 != "?" }
    if location.hasPrefix("?") { return Address("\(scheme)://\(authority)\(path)\(location)") }
    let folder = path.lastIndex(of: "/").map { path[...$0] } ?? "/"
    return Address("\(scheme)://\(authority)\(folder)\(location)")
  }

  /// With one more query item.
  func adding(_ name: String, _ value: String) -> Address {
    var copy = self
    copy.target +=
      (target.contains("?") ? target.hasSuffix("?") || target.hasSuffix("&") ? "" : "&" : "?") + "\(name)=\(value)"
    return copy
  }
}
