import DistributionSpec
import FoundationEssentials
import HTTPTypes
import ImageSpec
import NIOCore

@testable import Console
@testable import RegistryServer

extension FuzzTarget {
  /// Who sends a request, by what it says of itself; and what a browser asks for.
  static let senders = [
    FuzzTarget("proxy-headers") { bytes in
      // As in a connection: not at the start of the buffer.
      func parse(_ count: Int) -> ProxyHeader.Result {
        var buffer = ByteBuffer(bytes: [0] + bytes.prefix(count))
        buffer.moveReaderIndex(forwardBy: 1)
        return ProxyHeader.parse(buffer.readableBytesView)
      }
      let whole = parse(bytes.count)
      switch whole {
      case .needsMore: require(bytes.count < 16 + 4096, "\(bytes.count) bytes are not enough")
      case .malformed: break
      case .complete(let source, let length):
        require((1...bytes.count).contains(length), "\(length) of \(bytes.count) bytes")
        require(source.map { NetworkAddress($0) != nil } ?? true, "the address \(source ?? "")")
      }
      for count in 0..<min(bytes.count, 256) {
        let part = parse(count)
        require(part == .needsMore || part == whole, "\(count) bytes are \(part), all are \(whole)")
      }
    },
    // Lines: names and values of headers.
    FuzzTarget(text: "forwarded") { text in
      var headers = HTTPFields()
      for line in text.split(separator: "\n") {
        let halves = line.split(separator: ":", maxSplits: 1)
        guard halves.count == 2, let name = HTTPField.Name(String(halves[0])), HTTPField.isValidValue(String(halves[1]))
        else { continue }
        headers.append(HTTPField(name: name, value: String(halves[1])))
      }
      let ranges = [NetworkRange("10.0.0.0/8")].compactMap { $0 }
      let direct = TrustedProxies.Origin(remote: "10.0.0.1", isSecure: false, authority: "registry.example")
      let stranger = TrustedProxies.Origin(remote: "192.0.2.1", isSecure: false, authority: "registry.example")
      for kind in TrustedProxies.Headers.allCases {
        let proxies = TrustedProxies(ranges, headers: kind)
        let origin = proxies.origin(headers, direct: direct)
        require(NetworkAddress(origin.remote) != nil, "the address \(origin.remote)")
        require((try? ListenAddress(parsing: origin.authority)) != nil, "the host \(origin.authority)")
        require(proxies.origin(headers, direct: stranger) == stranger, "a stranger is believed")
        // Whatever a client sends, what a proxy adds to it is heard.
        let isStandard = kind == .forwarded
        guard kind != .none, let name = HTTPField.Name(isStandard ? "forwarded" : "x-forwarded-for") else { continue }
        var added = headers
        let sent = headers[values: name]
        let more = (sent.last.map { "\($0), " } ?? "") + (isStandard ? "for=203.0.113.5" : "203.0.113.5")
        added[values: name] = sent.dropLast() + [more]
        require(proxies.origin(added, direct: direct).remote == "203.0.113.5", "\(more) hides who asks")
      }
      let identity = RequestIdentity(headers)
      require(identity.id.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }, "the request's ID \(identity.id)")
      if let trace = identity.trace {
        require(TraceContext(parsing: trace.child())?.traceID == trace.traceID, "\(trace) has a child of another trace")
      }
    },
    FuzzTarget(text: "authorization") { text in
      if let found = try? Authenticator.credentials(text) {
        let again = "Basic " + Data("\(found.user):\(found.password)".utf8).base64EncodedString()
        require((try? Authenticator.credentials(again)) ?? ("", "") == found, "\(found.user) is read as another one")
      }
      guard let secret = try? RegistrySecret(FixedSecret()) else { return require(false, "no secret") }
      // The seed, which a registry with this secret has made.
      let made = SignInToken(keyID: "AKIDEXAMPLE", expires: 1_800_000_000)
      if let token = SignInToken(password: text, secret) { require(token == made, "a forged token") }
      if let session = BrowserSession(parsing: text) {
        require(!session.isValid(text, secret.sessionKey, credential: "x"), "a forged session")
      }
    },
    FuzzTarget(text: "pages") { text in
      if let route = ConsoleRoute(parsing: text) {
        require(ConsoleRoute(parsing: route.path) == route, "\(route) is read as another page")
        if let name = route.repositoryName { require(Reference.isPath(name), "the repository \(name)") }
      }
      if SignIn.isOwn(text) { require(text.hasPrefix("/ui/") && !text.contains("//"), "a page elsewhere: \(text)") }
      let request = RegistryRequest(method: .get, target: text, authority: text)
      let others = [Realm(account: "210987654321", region: "eu-west-1")].compactMap { $0 }
      guard let table = RealmTable(account: "123456789012", declared: others) else {
        return require(false, "no realms")
      }
      if let place = table.place(request) {
        require(place.path.isEmpty || place.prefix.isEmpty || place.path.hasPrefix("/"), "the path \(place.path)")
        _ = table.imagePrefix(of: place.realm, host: text)
      }
      _ = Formats.parse(text)
    },
  ]
}

private struct FixedSecret: SharedDocument {
  let place = "memory"
  func stamp() throws -> DocumentStamp? { nil }
  func read() throws -> [UInt8]? { [UInt8](repeating: 7, count: 32) }
  func edit<Result>(_ edit: ([UInt8]?) throws -> (bytes: [UInt8], result: Result)) throws -> Result {
    try edit(read()).result
  }
}
