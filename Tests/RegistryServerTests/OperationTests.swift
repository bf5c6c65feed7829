import Glibc
import HTTPTypes
import Kernel
import NIOCore
import SystemPackage
import Testing

@testable import RegistryServer

@Suite struct NetworkRangeTests {
  @Test(arguments: [
    ("10.0.0.0/8", "10.200.3.4", true), ("10.0.0.0/8", "11.0.0.0", false), ("192.0.2.7", "192.0.2.7", true),
    ("192.0.2.7", "192.0.2.8", false), ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false),
    ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
    ("fe80::/10", "fe80::1%eth0", true), ("127.0.0.0/8", "::ffff:127.0.0.1", true), ("::/0", "10.0.0.1", false),
    ("2001:db8::1/128", "2001:db8::1", true), ("2001:db8::/100", "2001:db8::1000:0", false),
  ])
  func containsItsAddresses(_ range: String, _ address: String, _ isInside: Bool) throws {
    let range = try #require(NetworkRange(range))
    #expect(try range.contains(#require(NetworkAddress(address))) == isInside)
  }

  @Test(arguments: ["", "10.0.0.0/33", "10.0.0.1/8", "x", "::/129", "10.0.0.0/", "10.0.0.0/8/8", "1.2.3", "10.0.0.0/-1"])
  func refusesWhatIsNoRange(_ text: String) { #expect(NetworkRange(text) == nil) }
}

@Suite struct ForwardingTests {
  private static func proxies(_ headers: TrustedProxies.Headers) throws -> TrustedProxies {
    TrustedProxies([try #require(NetworkRange("10.0.0.0/8"))], headers: headers)
  }

  private static let direct = TrustedProxies.Origin(remote: "10.0.0.1", isSecure: false, authority: "inside:5000")

  private static func fields(_ pairs: [(String, String)]) -> HTTPFields {
    var fields = HTTPFields()
    for (name, value) in pairs { fields.append(HTTPField(name: .known(name), value: value)) }
    return fields
  }

  @Test func believesNamedProxiesAlone() throws {
    let headers = Self.fields([
      ("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "registry.example"),
    ])
    let proxies = try Self.proxies(.xForwarded)
    #expect(
      proxies.origin(headers, direct: Self.direct)
        == .init(remote: "203.0.113.5", isSecure: true, authority: "registry.example"))
    let stranger = TrustedProxies.Origin(remote: "192.0.2.1", isSecure: false, authority: "x")
    #expect(proxies.origin(headers, direct: stranger) == stranger)
    #expect(TrustedProxies().origin(headers, direct: Self.direct) == Self.direct)
    #expect(try Self.proxies(.none).origin(headers, direct: Self.direct) == Self.direct)
  }

  @Test func takesTheAddressThatItsOwnProxySaw() throws {
    // What the client wrote itself stands to the left of what the outermost proxy of ours added.
    let headers = Self.fields([("X-Forwarded-For", "127.0.0.1, 203.0.113.5, 10.9.9.9")])
    #expect(try Self.proxies(.xForwarded).origin(headers, direct: Self.direct).remote == "203.0.113.5")
    let unreadable = Self.fields([("X-Forwarded-For", "127.0.0.1, nonsense, 10.9.9.9")])
    #expect(try Self.proxies(.xForwarded).origin(unreadable, direct: Self.direct).remote == "10.9.9.9")
  }

  @Test func readsTheStandardsHeader() throws {
    let headers = Self.fields([
      ("Forwarded", #"for=198.51.100.1, for="[2001:db8:cafe::17]:4711";proto=https;host="registry.example:443""#),
      ("X-Forwarded-For", "127.0.0.1"),
    ])
    #expect(
      try Self.proxies(.forwarded).origin(headers, direct: Self.direct)
        == .init(remote: "2001:db8:cafe::17", isSecure: true, authority: "registry.example:443"))
    // A kind of header that the proxies do not set is the client's.
    #expect(try Self.proxies(.xForwarded).origin(headers, direct: Self.direct).remote == "127.0.0.1")
  }

  /// What a proxy adds is heard, whatever stands before it: also a quote that is left open, and U+0600, which to Swift
  /// takes in the character after it.
  @Test(arguments: [
    "127.0.0.1\u{600}", "\u{600}", "127.0.0.1", ",,", "\"", "for=\"", #"for="a\""#, "for=127.0.0.1;\u{600}", "\\",
  ])
  func aClientCannotHideBehindItsProxy(_ sent: String) throws {
    for (kind, name, added) in [
      (TrustedProxies.Headers.xForwarded, "X-Forwarded-For", "203.0.113.5"),
      (.forwarded, "Forwarded", "for=203.0.113.5"),
    ] {
      let headers = Self.fields([(name, "\(sent), \(added)")])
      #expect(try Self.proxies(kind).origin(headers, direct: Self.direct).remote == "203.0.113.5")
    }
  }

  @Test func takesNoHostThatIsNone() throws {
    let headers = Self.fields([("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Host", "a b/<script>")])
    #expect(try Self.proxies(.xForwarded).origin(headers, direct: Self.direct).authority == "inside:5000")
  }
}

@Suite struct ProxyHeaderTests {
  private func parse(_ bytes: [UInt8]) -> ProxyHeader.Result { ProxyHeader.parse(ByteBuffer(bytes: bytes).readableBytesView) }

  private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

  @Test(arguments: [
    ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET", "192.0.2.1"),
    ("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "2001:db8::1"),
  ])
  func readsALine(_ text: String, _ source: String) {
    let length = text.utf8.firstIndex(of: 10).map { text.utf8.distance(from: text.startIndex, to: $0) + 1 }
    #expect(parse(Array(text.utf8)) == .complete(source: source, length: length ?? 0))
  }

  @Test func waitsForTheRest() {
    let line = Array("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".utf8)
    for count in 0..<line.count { #expect(parse(Array(line[..<count])) == .needsMore) }
    let binary = Self.signature + [0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0xdb, 4, 1, 0xbb]
    for count in 1..<binary.count { #expect(parse(Array(binary[..<count])) == .needsMore) }
    #expect(parse(binary + [71]) == .complete(source: "192.0.2.1", length: binary.count))
  }

  @Test func readsSixteenBytesAndSkipsWhatFollows() {
    let source: [UInt8] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    let block = source + source + [0, 1, 0, 2] + [4, 0, 1, 0]
    #expect(
      parse(Self.signature + [0x21, 0x21, 0, UInt8(block.count)] + block)
        == .complete(source: "2001:db8:0:0:0:0:0:1", length: 16 + block.count))
    #expect(parse(Self.signature + [0x20, 0, 0, 0]) == .complete(source: nil, length: 16))
    #expect(parse(Array("PROXY UNKNOWN\r\n".utf8)) == .complete(source: nil, length: 15))
  }

  @Test(arguments: [
    Array("GET / HTTP/1.1\r\n".utf8), Array("PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n".utf8),
    Array("PROXY TCP4 2001:db8::1 192.0.2.2 1 1\r\n".utf8), Array("PROXY TCP4 192.0.2.1 192.0.2.2 99999 443\r\n".utf8),
    Array("PROXY TCP4 \u{7f}1 192.0.2.2 1 443\r\n".utf8), Array("PROXY  TCP4 192.0.2.1 192.0.2.2 1 443\n".utf8),
    [UInt8](repeating: 65, count: 120), Array("PROXY ".utf8) + [UInt8](repeating: 65, count: 120),
    ProxyHeaderTests.signature + [0x31, 0x11, 0, 12], ProxyHeaderTests.signature + [0x21, 0x11, 0, 0],
    ProxyHeaderTests.signature + [0x21, 0x11, 0xff, 0xff], ProxyHeaderTests.signature + [0x22, 0x11, 0, 0],
    ProxyHeaderTests.signature + [0x21, 0x99, 0, 0],
  ])
  func refusesTheRest(_ bytes: [UInt8]) { #expect(parse(bytes) == .malformed) }
}

@Suite struct RequestIdentityTests {
  @Test func keepsAClientsIDThatIsFitToBeLogged() {
    #expect(RequestIdentity([.requestID: "abc-1.2:3/4"]).id == "abc-1.2:3/4")
    for text in ["", "a b", "a\"b", String(repeating: "x", count: 129), "é"] {
      let id = RequestIdentity([.requestID: text]).id
      #expect(id != text && id.utf8.count == 36)
    }
    let digits = Array(RequestIdentity([:]).id)
    #expect(digits[14] == "4" && "89ab".contains(digits[19]))
  }

  @Test func goesOnWithATrace() throws {
    let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    let trace = try #require(RequestIdentity([.traceParent: header, .traceState: "a=1"]).trace)
    #expect(trace.traceID == "0af7651916cd43dd8448eb211c80319c" && trace.flags == 1 && trace.state == "a=1")
    let child = trace.child()
    #expect(child.hasPrefix("00-\(trace.traceID)-") && child.hasSuffix("-01") && !child.contains(trace.parentID))
    #expect(TraceContext(parsing: child) != nil)
    // A later version may have more.
    #expect(TraceContext(parsing: "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what") != nil)
  }

  @Test(arguments: [
    "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
  ])
  func beginsAnewWhereItIsMalformed(_ header: String) { #expect(TraceContext(parsing: header) == nil) }
}

@Suite struct RateLimitTests {
  @Test func refillsWithTime() {
    let buckets = TokenBuckets<String>()
    let limit = RateLimit(rate: 2, burst: 3)
    let start = ContinuousClock.now
    for _ in 0..<3 { #expect(buckets.take("a", limit, now: start) == nil) }
    #expect(buckets.take("a", limit, now: start) == .milliseconds(500))
    #expect(buckets.take("b", limit, now: start) == nil)
    #expect(buckets.take("a", limit, now: start + .milliseconds(500)) == nil)
    #expect(buckets.take("a", limit, now: start + .milliseconds(500)) != nil)
    // No more than a burst, however long nobody asked.
    for _ in 0..<3 { #expect(buckets.take("a", limit, now: start + .seconds(1000)) == nil) }
    #expect(buckets.take("a", limit, now: start + .seconds(1000)) != nil)
  }

  @Test func keepsItsMemory() {
    let buckets = TokenBuckets<Int>(capacity: 100)
    let limit = RateLimit(rate: 1, burst: 2)
    let start = ContinuousClock.now
    var granted = 0
    for key in 0..<10_000 where buckets.take(key, limit, now: start) == nil { granted += 1 }
    // The first hundred, and one bucket for all the rest.
    #expect(buckets.count == 100 && granted == 102)
    // Those who are known lose nothing by it.
    #expect(buckets.take(7, limit, now: start) == nil)
    // When they have gone, others take their place.
    #expect(buckets.take(20_000, limit, now: start + .seconds(60)) == nil)
    #expect(buckets.count == 1)
  }

  @Test func countsAProvidersCustomerByItsPrefix() throws {
    let limits = RateLimits()
    limits.settings = .init(byAddress: RateLimit(rate: 0.001, burst: 1))
    #expect(limits.wait(address: "2001:db8::1") == nil)
    #expect(limits.wait(address: "2001:db8::ffff") != nil)
    #expect(limits.wait(address: "2001:db8:0:1::1") == nil)
    #expect(limits.wait(address: "192.0.2.1") == nil && limits.wait(address: "192.0.2.2") == nil)
    limits.settings = .init()
    #expect(limits.wait(address: "2001:db8::ffff") == nil)
  }

  @Test func answersAPrincipalThatAsksTooOften() async throws {
    let registry = try TestRegistry(anonymous: .pull)
    registry.server.rateLimits.settings = .init(byPrincipal: RateLimit(rate: 0.5, burst: 1))
    #expect(try await registry.send(.get, "/v2/", as: "ada:secret").status == 200)
    let refused = try await registry.send(.get, "/v2/", as: "ada:secret")
    #expect(refused.status == 429 && refused.codes == ["TOOMANYREQUESTS"])
    #expect(refused["retry-after"] == "2")
    // Nobody in particular is counted by address alone.
    #expect(try await registry.send(.get, "/v2/_catalog").status == 200)
    #expect(try await registry.send(.get, "/v2/_catalog").status == 200)
  }
}

@Suite struct AccessLogTests {
  private static func entry(_ path: String, agent: String? = nil) -> AccessLogEntry {
    AccessLogEntry(
      time: 1_700_000_000_123, remote: "192.0.2.1", user: "ada", method: "GET", path: path, status: 200, bytes: 7,
      received: 80, milliseconds: 1.23456, identity: RequestIdentity(id: "r1"), agent: agent)
  }

  @Test func writesAnObjectALine() {
    #expect(
      Self.entry("/v2/app/tags/list").line(.json)
        == #"{"time":"2023-11-14T22:13:20.123Z","remote":"192.0.2.1","user":"ada","method":"GET","path":"/v2/app/tags/list","status":200,"bytes":7,"received":80,"ms":1.235,"id":"r1"}"#
        + "\n")
    #expect(
      Self.entry("/v2/", agent: "docker/29 linux").line(.logfmt)
        == #"time=2023-11-14T22:13:20.123Z remote=192.0.2.1 user=ada method=GET path=/v2/ status=200 bytes=7 received=80 ms=1.235 id=r1 agent="docker/29 linux""#
        + "\n")
  }

  @Test(arguments: AccessLog.Format.allCases)
  func escapesWhatWouldForgeALine(_ format: AccessLog.Format) {
    let line = Self.entry("/a\r\n{\"x\":1}\u{1b}[2J\u{85}\u{2028}\u{202e}", agent: "a\"b\\c\t").line(format)
    #expect(line.filter(\.isNewline).count == 1 && line.hasSuffix("\n"))
    #expect(line.unicodeScalars.dropLast().allSatisfy { $0.value >= 0x20 && !(0x7f..<0xa0).contains($0.value) })
    #expect(line.contains(#"\u000d\u000a"#) && line.contains(#"\u001b[2J\u0085\u2028\u202e"#))
    #expect(line.contains(#"a\"b\\c\u0009"#))
    #expect(Self.entry(String(repeating: "a", count: 100_000)).line(format).utf8.count < 5000)
  }

  @Test func goesOnInANewFile() throws {
    let directory = try TestRegistry.makeDirectory()
    defer { try? removeTree(directory) }
    let path = directory.appending("access.log"), old = directory.appending("access.log.1")
    let log = try AccessLog(.file(path))
    log.write(Self.entry("/first"))
    log.flush()
    #expect(rename(path.string, old.string) == 0)
    log.write(Self.entry("/second"))
    try log.reopen()
    log.write(Self.entry("/third"))
    log.flush()
    #expect(String(decoding: try readFile(old), as: UTF8.self).split(separator: "\n").count == 2)
    #expect(String(decoding: try readFile(path), as: UTF8.self).contains("/third"))
    #expect(throws: AccessError.self) { try AccessLog(.file(directory.appending("none/access.log"))) }
  }
}

@Suite struct MetricsTests {
  @Test(arguments: [
    ("/v2/", "GET", "base"), ("/v2", "GET", "base"), ("/v2/_catalog", "GET", "catalog"),
    ("/v2/a/b/tags/list", "GET", "tags"), ("/v2/a/manifests/latest", "GET", "manifests"),
    ("/v2/a/blobs/sha256:0", "GET", "blobs"), ("/v2/a/blobs/uploads/", "POST", "uploads"),
    ("/v2/a/blobs/uploads/77", "PATCH", "upload"), ("/v2/a/referrers/sha256:0", "GET", "referrers"),
    ("/", "POST", "aws"), ("/", "GET", "other"), ("/readyz", "GET", "health"), ("/metrics", "GET", "metrics"),
    ("/v2/x", "GET", "other"), ("/v2x/a", "GET", "other"), ("", "GET", "other"), ("/v2//////", "GET", "base"),
  ])
  func knowsAnEndpointByItsPath(_ path: String, _ method: String, _ name: String) {
    #expect(RouteLabel(path: path, method: method).name == name)
  }

  @Test func showsWhatWasCounted() {
    let metrics = ServerMetrics()
    metrics.countRequest(.blobs, method: "GET", status: 206, took: .milliseconds(3))
    metrics.countRequest(.blobs, method: "BREW", status: 405, took: .seconds(700))
    metrics.count(.signInsRefused, by: 2)
    var text = MetricsText()
    metrics.write(to: &text)
    for line in [
      #"clipper_registry_http_requests_total{route="blobs",method="GET",status="2xx"} 1"#,
      #"clipper_registry_http_requests_total{route="blobs",method="other",status="4xx"} 1"#,
      #"clipper_registry_http_request_duration_seconds_bucket{route="blobs",le="0.005"} 1"#,
      #"clipper_registry_http_request_duration_seconds_bucket{route="blobs",le="600.0"} 1"#,
      #"clipper_registry_http_request_duration_seconds_bucket{route="blobs",le="+Inf"} 2"#,
      #"clipper_registry_http_request_duration_seconds_sum{route="blobs"} 700.003"#,
      "clipper_registry_sign_ins_refused_total 2", "# TYPE clipper_registry_sign_ins_refused_total counter",
    ] {
      #expect(text.text.contains(line + "\n"), "\(line)")
    }
  }

  @Test func boundsItsLabels() {
    let metrics = ServerMetrics()
    let family = MetricFamily("x_total", "X.", labels: ["name"])
    for number in 0..<10_000 { metrics.count(family, ["\(number)\"\n"]) }
    var text = MetricsText()
    metrics.write(to: &text)
    let lines = text.text.split(separator: "\n").filter { $0.hasPrefix("x_total") }
    #expect(lines.count == ServerMetrics.seriesLimit + 1)
    #expect(lines.contains(#"x_total{name="0\"\n"} 1"#) && lines.contains(#"x_total{name="other"} 9800"#))
  }

  @Test func areForThoseWhoSignIn() async throws {
    let registry = try TestRegistry(anonymous: .pull)
    try await registry.push(image: "x", to: "app", tag: "1", as: "ada:secret")
    let refused = try await registry.send(.get, "/metrics")
    #expect(refused.status == 401 && refused["www-authenticate"] != nil)
    #expect(try await registry.send(.get, "/metrics", as: "ada:wrong").status == 401)
    let shown = try await registry.send(.get, "/metrics", as: "ada:secret")
    #expect(shown.status == 200 && shown["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    for line in [
      "clipper_registry_repositories 1", "clipper_registry_manifests 1", "clipper_registry_tags 1",
      "clipper_registry_blobs 2", #"clipper_registry_events_total{kind="push"} 1"#,
      "clipper_registry_manifest_cache_hits_total 0", "clipper_registry_sign_ins_refused_total 1", "process_resident_memory_bytes ",
    ] {
      #expect(shown.text.contains("\n" + line), "\(line)")
    }
    registry.server.state.shows(metricsTo: .everybody)
    #expect(try await registry.send(.get, "/metrics").status == 200)
    registry.server.state.shows(metricsTo: .none)
    #expect(try await registry.send(.get, "/metrics", as: "ada:secret").status == 404)
  }
}

@Suite struct ReadinessTests {
  @Test func tellsWhatIsMissing() async throws {
    let registry = try TestRegistry()
    let ready = try await registry.send(.get, "/readyz")
    #expect(ready.status == 200 && ready.text == "[+]database\n[+]storage\n[+]serving\nready\n")
    let server = try TestRegistry()
    server.server.readiness.add("bucket") { throw Errno.noSpace }
    let failing = try await server.send(.get, "/readyz")
    #expect(failing.status == 503 && failing.text == "[+]database\n[+]storage\n[-]bucket\n[+]serving\nnot ready\n")
    // A restart would not help: alive it is.
    #expect(try await server.send(.get, "/healthz").status == 200)
    #expect(try await server.send(.post, "/healthz").status == 405)
  }

  @Test func looksOnceForManyWhoAsk() async throws {
    let registry = try TestRegistry()
    let looks = Counter()
    registry.server.readiness.add("counted") { looks.add() }
    for _ in 0..<20 { #expect(try await registry.send(.get, "/readyz").status == 200) }
    #expect(looks.value < 20)
  }

  @Test func isNotReadyOnItsWayOut() async throws {
    let registry = try TestRegistry()
    registry.server.state.drains()
    let answer = try await registry.send(.get, "/readyz")
    #expect(answer.status == 503 && answer.text.contains("[-]serving"))
  }
}
