import DistributionSpec
import HTTPTypes

/// The proxies that this registry stands behind, and what is believed of them.
///
/// What a header says counts only where the connection comes from one of them: everybody can send one.
public struct TrustedProxies: Hashable, Sendable {
  /// Which headers they set. Only those are read: a proxy that sets one kind passes the other on as the client wrote it.
  public enum Headers: String, Hashable, Sendable, CaseIterable {
    case none
    /// X-Forwarded-For, -Proto and -Host.
    case xForwarded = "x-forwarded"
    /// RFC 7239.
    case forwarded
  }

  public var ranges: [NetworkRange]
  public var headers: Headers
  /// Their connections begin with a PROXY header, which is demanded then. (haproxy, proxy-protocol.txt)
  public var proxyProtocol: Bool

  public init(_ ranges: [NetworkRange] = [], headers: Headers = .xForwarded, proxyProtocol: Bool = false) {
    self.ranges = ranges
    self.headers = headers
    self.proxyProtocol = proxyProtocol
  }

  /// Who asked, as far as the proxies can be believed.
  struct Origin: Hashable, Sendable {
    var remote: String
    var isSecure: Bool
    var authority: String
  }

  /// `direct` is what the connection itself says.
  func origin(_ headers: HTTPFields, direct: Origin) -> Origin {
    guard ranges.contains(address: NetworkAddress(direct.remote)) else { return direct }
    let hops: [Hop]
    switch self.headers {
    case .none: return direct
    case .xForwarded: hops = Self.xForwarded(headers)
    case .forwarded: hops = Self.forwarded(headers)
    }
    var origin = direct
    // From the right: each proxy adds what it saw. The first that is no proxy of ours is the client; what stands left of
    // it the client may have written itself.
    for hop in hops.reversed() {
      if let isSecure = hop.isSecure { origin.isSecure = isSecure }
      if let host = hop.host { origin.authority = host }
      // Names that hide an address (RFC 7239, section 6.3) say no more than that there was a hop.
      guard let address = hop.address else { break }
      origin.remote = address
      guard ranges.contains(address: NetworkAddress(address)) else { break }
    }
    return origin
  }

  private struct Hop {
    var address: String?
    var isSecure: Bool?
    var host: String?
  }

  private static let hopLimit = 32

  private static func xForwarded(_ headers: HTTPFields) -> [Hop] {
    func values(_ name: HTTPField.Name) -> [Substring] {
      // By bytes: some characters take the comma after them in, and a client could hide what a proxy adds.
      headers[values: name].flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }.suffix(hopLimit)
        .map { Substring($0).trimmed }
    }
    var hops = values(.xForwardedFor).map { Hop(address: address(String($0))) }
    // Some proxies list these, others give one: each from the right, where ours are.
    let schemes = values(.xForwardedProto), hosts = values(.xForwardedHost)
    if hops.isEmpty, !schemes.isEmpty || !hosts.isEmpty { hops = [Hop()] }
    for (index, scheme) in zip(hops.indices.reversed(), schemes.reversed()) {
      hops[index].isSecure = isSecure(scheme)
    }
    for (index, host) in zip(hops.indices.reversed(), hosts.reversed()) where isHost(host) {
      hops[index].host = String(host)
    }
    return hops
  }

  /// `for=192.0.2.60;proto=https;host=registry.example, for="[2001:db8::1]:4711"` (RFC 7239, section 4)
  private static func forwarded(_ headers: HTTPFields) -> [Hop] {
    var hops: [Hop] = []
    let elements = headers[values: .forwarded].flatMap { split($0[...], at: UInt8(ascii: ",")) }
    for element in elements.suffix(hopLimit) {
      var hop = Hop()
      for pair in split(element, at: UInt8(ascii: ";")) {
        let halves = pair.split(separator: "=", maxSplits: 1)
        guard halves.count == 2 else { continue }
        let value = halves[1].trimmed.filter { $0 != "\"" && $0 != "\\" }
        switch halves[0].trimmed.lowercased() {
        case "for": hop.address = address(value)
        case "proto": hop.isSecure = isSecure(Substring(value))
        case "host": hop.host = isHost(Substring(value)) ? value : nil
        default: break
        }
      }
      hops.append(hop)
    }
    return hops
  }

  /// At a separator outside quotes. Read from the right, where the nearest proxy has written: a quote that a client
  /// left open takes in nothing of that.
  private static func split(_ text: Substring, at separator: UInt8) -> [Substring] {
    let bytes = text.utf8
    var parts: [Substring] = []
    var end = bytes.endIndex
    var index = end
    var isQuoted = false
    while index > bytes.startIndex {
      let next = index
      index = bytes.index(before: index)
      if bytes[index] == separator, !isQuoted {
        parts.append(Substring(bytes[next..<end]))
        end = index
      } else if bytes[index] == UInt8(ascii: "\"") {
        let isEscaped = index > bytes.startIndex && bytes[bytes.index(before: index)] == UInt8(ascii: "\\")
        if !isEscaped { isQuoted.toggle() }
      }
    }
    parts.append(Substring(bytes[..<end]))
    return parts.reversed()
  }

  /// An address without its port; nil where it is none.
  private static func address(_ text: String) -> String? {
    var text = text[...]
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
      text = text[text.index(after: text.startIndex)..<end]
    } else if text.filter({ $0 == ":" }).count == 1 {
      text = text.prefix { $0 != ":" }
    }
    return NetworkAddress(text) == nil ? nil : String(text)
  }

  private static func isSecure(_ scheme: Substring) -> Bool? {
    switch scheme.lowercased() {
    case "https": true
    case "http": false
    default: nil
    }
  }

  private static func isHost(_ text: Substring) -> Bool { (try? ListenAddress(parsing: String(text))) != nil }
}

extension StringProtocol {
  /// Without spaces and tabs at both ends.
  fileprivate var trimmed: Substring {
    var rest = Substring(self)
    while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
    while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
    return rest
  }
}

extension HTTPField.Name {
  fileprivate static let xForwardedFor = known("x-forwarded-for")
  fileprivate static let xForwardedProto = known("x-forwarded-proto")
  fileprivate static let xForwardedHost = known("x-forwarded-host")
  fileprivate static let forwarded = known("forwarded")
}
