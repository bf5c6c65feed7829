import Glibc
import HTTPTypes
import Kernel
import Logging
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import RegistryServer

/// What an operator sees and sets, behind real sockets.
@Suite struct OperationServeTests {
  /// Options with an access log in the registry's own directory.
  private static func options(_ registry: TestRegistry) throws -> (ServeOptions, FilePath) {
    let path = registry.root.appending("access.log")
    var options = ServeOptions()
    options.accessLog = try AccessLog(.file(path))
    return (options, path)
  }

  private static func lines(_ path: FilePath) throws -> [String] {
    String(decoding: try readFile(path), as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test func logsRequestsWithTheirIDs() async throws {
    let registry = try TestRegistry(anonymous: .none)
    let (options, path) = try Self.options(registry)
    try await registry.serving(options: options) { port in
      let named = try await Loopback.talk(
        port,
        "GET /v2/app/tags/list?n=5 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRhOnNlY3JldA==\r\nX-Request-Id: mine-1\r\n"
          + "User-Agent: test/1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
          + "Connection: close\r\n\r\n")
      #expect(named.hasPrefix("HTTP/1.1 404") && named.lowercased().contains("x-request-id: mine-1\r\n"))
      let unnamed = try await Loopback.talk(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      #expect(unnamed.hasPrefix("HTTP/1.1 404") && unnamed.lowercased().contains("x-request-id: "))
    }
    let lines = try Self.lines(path)
    #expect(lines.count == 2)
    #expect(lines[0].contains(#""user":"ada","method":"GET","path":"/v2/app/tags/list","status":404"#))
    #expect(lines[0].contains(#""id":"mine-1","trace":"0af7651916cd43dd8448eb211c80319c","agent":"test/1""#))
    #expect(!lines.joined().contains("YWRh") && !lines.joined().contains("secret"))
  }

  @Test func believesTheProxyProtocolOfNamedProxies() async throws {
    let registry = try TestRegistry()
    var (options, path) = try Self.options(registry)
    options.proxies = TrustedProxies([try #require(NetworkRange("127.0.0.0/8"))], proxyProtocol: true)
    try await registry.serving(options: options) { port in
      let get = "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1\r\nConnection: close\r\n\r\n"
      let line = try await Loopback.talk(port, "PROXY TCP4 203.0.113.9 192.0.2.2 56324 443\r\n" + get)
      #expect(line.hasPrefix("HTTP/1.1 200"))
      // Without the header nobody knows who asks.
      #expect(try await Loopback.talk(port, get) == "")
      let local: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10, 0x20, 0, 0, 0]
      let itself = try await Loopback.talk(port, local + Array(get.utf8))
      #expect(String(decoding: itself, as: UTF8.self).hasPrefix("HTTP/1.1 200"))
    }
    let lines = try Self.lines(path)
    #expect(lines.count == 2)
    // The proxied client is no proxy: its own X-Forwarded-For counts nothing. The proxy's own connection is one's.
    #expect(lines[0].contains(#""remote":"203.0.113.9""#) && lines[1].contains(#""remote":"198.51.100.1""#))
  }

  @Test func takesPROXYLinesOfNobodyElse() async throws {
    let registry = try TestRegistry()
    var options = ServeOptions()
    options.proxies = TrustedProxies([try #require(NetworkRange("10.0.0.0/8"))], proxyProtocol: true)
    try await registry.serving(options: options) { port in
      let get = "GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      #expect(try await Loopback.talk(port, get).hasPrefix("HTTP/1.1 200"))
      let answer = try await Loopback.talk(port, "PROXY TCP4 203.0.113.9 192.0.2.2 1 2\r\n" + get)
      #expect(!answer.contains(" 200"))
    }
  }

  @Test func limitsAnAddressThatAsksTooOften() async throws {
    let registry = try TestRegistry()
    registry.server.rateLimits.settings = .init(byAddress: RateLimit(rate: 0.01, burst: 2))
    try await registry.serving { port in
      let get = "GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      for _ in 0..<2 { #expect(try await Loopback.talk(port, get).hasPrefix("HTTP/1.1 200")) }
      let refused = try await Loopback.talk(port, get)
      #expect(refused.hasPrefix("HTTP/1.1 429") && refused.contains("TOOMANYREQUESTS"))
      #expect(refused.lowercased().contains("retry-after: "))
      let aws = try await Loopback.talk(
        port, "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: A.B\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
      #expect(aws.hasPrefix("HTTP/1.1 400") && aws.contains("ThrottlingException"))
      // Probes are no clients.
      let health = get.replacing("/v2/", with: "/readyz")
      #expect(try await Loopback.talk(port, health).hasPrefix("HTTP/1.1 200"))
    }
    #expect(registry.server.metrics.bytesReceived.value > 0 && registry.server.metrics.bytesSent.value > 0)
    #expect(registry.server.metrics.connections.value == 0)
  }

  @Test func keepsMetricsAtAnAddressOfTheirOwn() async throws {
    let registry = try TestRegistry(anonymous: .none)
    var options = ServeOptions()
    options.metricsAccess = .none
    options.operationAddresses = [ListenAddress(host: "127.0.0.1", port: 0)]
    try await registry.serving(on: 1, options: options) { ports, _ in
      func get(_ port: UInt16, _ path: String) async throws -> String {
        try await Loopback.talk(port, "GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      }
      #expect(try await get(ports[0], "/metrics").hasPrefix("HTTP/1.1 404"))
      let shown = try await get(ports[1], "/metrics")
      #expect(shown.hasPrefix("HTTP/1.1 200") && shown.contains("clipper_registry_connections 1\n"))
      #expect(try await get(ports[1], "/readyz").hasPrefix("HTTP/1.1 200"))
      #expect(try await get(ports[1], "/v2/").hasPrefix("HTTP/1.1 404"))
    }
  }

  @Test func countsConnectionsOfAnAddress() {
    let metrics = ServerMetrics()
    let census = ConnectionCensus(metrics, perAddress: 2)
    #expect(census.enters("192.0.2.1", isExempt: false) && census.enters("192.0.2.1", isExempt: false))
    #expect(!census.enters("192.0.2.1", isExempt: false) && census.enters("192.0.2.2", isExempt: false))
    #expect(!census.enters("192.0.2.1", isExempt: false) && census.enters("192.0.2.9", isExempt: true))
    census.leaves("192.0.2.1")
    #expect(census.enters("192.0.2.1", isExempt: false))
    #expect(metrics.connections.value == 4 && metrics.connectionsRefused.value == 2)
  }

  @Test(.timeLimit(.minutes(5))) func stopsWithoutLosingAnUpload() async throws {
    let registry = try TestRegistry()
    let location = try #require(try await registry.send(.post, "/v2/app/blobs/uploads/")["location"])
    try await registry.serving(on: 1, grace: .milliseconds(200)) { ports, stop in
      try await Loopback.blocking {
        let upload = try Loopback.connected(ports[0]), idle = try Loopback.connected(ports[0])
        try writeAll(
          upload.number, Array("PATCH \(location) HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789".utf8))
        let get = Array("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
        try writeAll(idle.number, get)
        #expect(try Loopback.read(idle.number, until: "{}").hasPrefix("HTTP/1.1 200"))
        // Ten bytes are there once the server counts them.
        while registry.server.metrics.bytesReceived.value < Int64(get.count + 10 + 60) { usleep(1000) }
        stop()
        // The idle connection ends at once, the upload's when its time is over.
        #expect(try Loopback.read(idle.number, until: "\0") == "")
        #expect(try Loopback.read(upload.number, until: "\0") == "")
      }
    }
    #expect(registry.server.metrics.connections.value == 0)
    // Another process goes on where this one stopped.
    let next = try TestRegistry(root: registry.root)
    let state = try await next.send(.get, location)
    #expect(state.status == 204 && state["range"] == "0-9")
  }

  @Test(.timeLimit(.minutes(5))) func tellsKeptConnectionsToGo() async throws {
    let registry = try TestRegistry()
    var options = ServeOptions()
    options.drainDelay = .milliseconds(300)
    try await registry.serving(on: 1, options: options) { ports, stop in
      stop()
      try await Loopback.blocking {
        while !registry.server.state.isDraining { usleep(1000) }
        // Still there for those who have not heard, but not for long.
        let socket = try Loopback.connected(ports[0])
        try writeAll(socket.number, Array("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        let answer = try Loopback.read(socket.number, until: "\0")
        #expect(answer.hasPrefix("HTTP/1.1 200") && answer.lowercased().contains("connection: close"))
      }
    }
  }
}

/// Clients that sign in with certificates: curl's and openssl's view of it.
@Suite struct ClientCertificateTests {
  private static func run(_ program: String, _ arguments: [String]) throws -> (Kernel.ExitStatus, String) {
    let run = try Spawn(FilePath(program), arguments).capture(milliseconds: 60_000)
    return (run.status, String(decoding: run.output + run.errorOutput, as: UTF8.self))
  }

  private static let tools = ["/usr/bin/curl", "/usr/bin/openssl"]

  /// An authority's certificate and one of a client that it signed.
  private static func make(_ directory: FilePath, _ name: String) throws {
    let steps = [
      ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=clients \(name)",
        "-keyout", "\(directory)/\(name)-ca.key", "-out", "\(directory)/\(name)-ca.crt"],
      ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=ops/CN=carol",
        "-keyout", "\(directory)/\(name).key", "-out", "\(directory)/\(name).csr"],
      ["x509", "-req", "-in", "\(directory)/\(name).csr", "-CA", "\(directory)/\(name)-ca.crt", "-CAkey",
        "\(directory)/\(name)-ca.key", "-days", "2", "-out", "\(directory)/\(name).crt"],
    ]
    for step in steps {
      let (status, text) = try run("/usr/bin/openssl", step)
      #expect(status == .exited(0), "\(text)")
    }
  }

  @Test(arguments: [false, true]) func signIn(isRequired: Bool) async throws {
    guard Self.tools.allSatisfy({ access($0, X_OK) == 0 }) else {
      print("SKIPPED: certificates of clients: curl and openssl are not installed")
      return
    }
    let registry = try TestRegistry(anonymous: .none)
    let directory = try TestRegistry.makeDirectory()
    defer { try? removeTree(directory) }
    try Self.make(directory, "ours")
    try Self.make(directory, "theirs")
    let identity = try TLSIdentity(
      .authority(registry.files.authority, names: ServerName.needed(listening: [], extra: [])),
      clients: ClientCertificates(authorities: directory.appending("ours-ca.crt"), isRequired: isRequired),
      logger: Logger(label: "test"))
    let path = registry.root.appending("access.log")
    var options = ServeOptions()
    options.accessLog = try AccessLog(.file(path))
    try await registry.serving(tls: identity, options: options) { port in
      @Sendable func curl(_ more: [String]) async throws -> String {
        try await Loopback.blocking {
          try Self.run(
            "/usr/bin/curl", ["-sk", "-o", "/dev/null", "-w", "%{http_code}", "https://127.0.0.1:\(port)/v2/"] + more
          ).1
        }
      }
      let mine = ["--cert", "\(directory)/ours.crt", "--key", "\(directory)/ours.key"]
      let theirs = ["--cert", "\(directory)/theirs.crt", "--key", "\(directory)/theirs.key"]
      var statuses: [String] = []
      // Credentials that are shown come first.
      for arguments in [mine, mine + ["-u", "ada:wrong"], [], theirs] { statuses.append(try await curl(arguments)) }
      #expect(statuses == ["200", "401", isRequired ? "000" : "401", "000"])
    }
    #expect(String(decoding: try readFile(path), as: UTF8.self).contains(#""user":"carol""#))
  }
}
