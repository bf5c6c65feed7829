import Content
import Dispatch
import DistributionSpec
import Glibc
import HTTPTypes
import ImageSpec
import Kernel
import NIOCore
import SystemPackage
import Testing

@testable import RegistryServer

/// Clients that break HTTP or hold on to it, over real sockets.
@Suite struct HostileConnectionTests {
  /// Requests that two parsers may read as two different things, the second one smuggled. Each is refused, and the
  /// connection ends: what follows is not read as a request. (RFC 9112, section 6.3 and 11.2)
  private static let ambiguous = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 6\r\n", "Content-Length: +5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: -1\r\n", "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: xchunked\r\n", "X: a\r\n b: folded\r\nContent-Length: 5\r\n", "Content-Length : 5\r\n",
    "X\u{0}Y: 1\r\nContent-Length: 5\r\n", "X: 1\u{0}\r\nContent-Length: 5\r\n",
  ]

  @Test func refusesWhatCanBeReadTwoWays() async throws {
    let registry = try TestRegistry()
    try await Loopback.serving(registry) { port in
      for headers in Self.ambiguous {
        let text =
          "POST /v2/app/blobs/uploads/?digest=\(TestRegistry.digest(Array("hello".utf8))) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n"
          + "0\r\n\r\nGET /v2/smuggled/tags/list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        let answer = String(decoding: try await Loopback.talk(port, Array(text.utf8), endsInput: true), as: UTF8.self)
        #expect(!answer.contains("smuggled"), "\(answer)")
        #expect(!answer.contains("HTTP/1.1 20"), "\(answer)")
      }
    }
  }

  private static let malformed = [
    "GET /v2/ HTTP/1.1\nHost: x\n\n", "GET  /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", "\u{0}\u{1}\u{2}",
    "GET /v2/ HTTP/9.9\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /v2/\r\n\r\n", "get /v2/ HTTP/1.1\r\n\r\n",
    "GET /\u{0} HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http://other/v2/ HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
  ]

  @Test func survivesWhatIsNoRequest() async throws {
    let registry = try TestRegistry()
    try await Loopback.serving(registry) { port in
      for text in Self.malformed { _ = try await Loopback.talk(port, Array(text.utf8), endsInput: true) }
      let well = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      #expect(try await Loopback.talk(port, Array(well.utf8)).starts(with: Array("HTTP/1.1 200".utf8)))
    }
  }

  @Test func refusesHugeHeads() async throws {
    let registry = try TestRegistry()
    try await Loopback.serving(registry) { port in
      let long = String(repeating: "a", count: 200_000)
      let many = (0..<5_000).map { "X-\($0): 1\r\n" }.joined()
      for head in [
        "GET /v2/\(long) HTTP/1.1\r\nHost: x\r\n\r\n", "GET /v2/ HTTP/1.1\r\nHost: x\r\nX: \(long)\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\n\(many)\r\n", "GET /v2/ HTTP/1.1\r\n\(long): x\r\n\r\n",
      ] {
        // Refused before all of it was read: the rest may not get through any more.
        let answer = (try? await Loopback.talk(port, Array(head.utf8), endsInput: true)) ?? []
        #expect(answer.isEmpty || answer.starts(with: Array("HTTP/1.1 4".utf8)))
      }
    }
  }

  @Test func answersPipelinedRequestsInOrder() async throws {
    let registry = try TestRegistry()
    let digests = try await [
      registry.push(blob: Array("one".utf8), to: "app"), registry.push(blob: Array("two".utf8), to: "app"),
    ]
    try await Loopback.serving(registry) { port in
      let requests = (0..<100).map { "GET /v2/app/blobs/\(digests[$0 % 2]) HTTP/1.1\r\nHost: x\r\n" }
      let text = requests.joined(separator: "\r\n") + "Connection: close\r\n\r\n"
      let answer = String(decoding: try await Loopback.talk(port, Array(text.utf8)), as: UTF8.self)
      let bodies = answer.split(separator: "HTTP/1.1 200 OK\r\n").map { $0.suffix(3) }
      #expect(bodies == (0..<100).map { $0 % 2 == 0 ? "one" : "two" })
    }
  }

  /// A refused client may be about to send a hundred gigabytes: it is told, and its connection ends.
  @Test func endsTheConnectionOfARefusedSender() async throws {
    let registry = try TestRegistry(anonymous: .none)
    var limits = ConnectionLimits()
    limits.linger = .milliseconds(500)
    try await Loopback.serving(registry, limits: limits) { port in
      for length in ["Content-Length: 107374182400", "Transfer-Encoding: chunked"] {
        let text = "POST /v2/app/blobs/uploads/?digest=x HTTP/1.1\r\nHost: x\r\n\(length)\r\n\r\n"
        let bytes = Array(text.utf8) + [UInt8](repeating: 0x30, count: 300_000)
        let answer = String(decoding: try await Loopback.talk(port, bytes), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 401") && answer.lowercased().contains("connection: close"), "\(length)")
      }
    }
  }

  /// The sender's fault, and told so: no failure of the registry's.
  @Test(arguments: ["Content-Length: 100\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n5\r\nab"])
  func aBodyThatIsNotWholeIsTheSendersFault(_ rest: String) async throws {
    let registry = try TestRegistry()
    try await Loopback.serving(registry) { port in
      let digest = TestRegistry.digest(Array("abc".utf8))
      for request in ["POST /v2/app/blobs/uploads/?digest=\(digest)", "PUT /v2/app/manifests/1"] {
        let text = "\(request) HTTP/1.1\r\nHost: x\r\n\(rest)"
        let answer = String(decoding: try await Loopback.talk(port, Array(text.utf8), endsInput: true), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 400") && answer.contains("SIZE_INVALID"), "\(answer)")
      }
    }
    #expect(try registry.registry.repositories(limit: 10).isEmpty)
  }

  @Test func endsConnectionsThatAreTooSlow() async throws {
    let registry = try TestRegistry()
    var limits = ConnectionLimits()
    limits.head = .milliseconds(300)
    limits.bodyWindow = .milliseconds(300)
    let location = try #require(try await registry.send(.post, "/v2/app/blobs/uploads/")["location"])
    try await Loopback.serving(registry, limits: limits) { port in
      // A byte at a time, for ever: the server ends it, and the sender sees a broken connection.
      for start in [
        "GET /v2/ HTTP/1.1\r\nX: ", "PATCH \(location) HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
      ] {
        // Less than a head may have: its size is not what ends it.
        let sent = try await Loopback.drip(port, Array(start.utf8), upTo: 4000)
        #expect(sent < 4000)
      }
    }
    // What came of the body is kept, and the upload is free again.
    #expect(try await registry.send(.patch, location, body: [1]).status == 202)
  }

  @Test func servesOthersWhileManyConnectionsAreIdle() async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Array("blob".utf8), to: "app")
    try await Loopback.serving(registry) { port in
      var idle: [OwnedSocket] = []
      for number in 0..<400 {
        let socket = OwnedSocket(try Loopback.connected(port))
        if number % 2 == 0 { try socket.write(Array("GET /v2/ HT".utf8)) }
        idle.append(socket)
      }
      let get = "GET /v2/app/blobs/\(digest) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      #expect(try await Loopback.talk(port, Array(get.utf8)).suffix(4) == Array("blob".utf8)[...])
      _ = idle.count
    }
  }

  @Test func takesSeveralRangesOverTheWire() async throws {
    let registry = try TestRegistry()
    let bytes = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let digest = try await registry.push(blob: bytes, to: "app")
    let empty = try await registry.push(blob: [], to: "app")
    try await Loopback.serving(registry) { port in
      let get =
        "GET /v2/app/blobs/\(digest) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=0-999999,2000000-2000009\r\n\r\n"
      let (head, body) = Loopback.split(try await Loopback.talk(port, Array(get.utf8)))
      #expect(head.hasPrefix("HTTP/1.1 206") && head.contains("multipart/byteranges"))
      #expect(head.contains("Content-Length: \(body.count)") || head.contains("content-length: \(body.count)"))
      #expect(body.count > 1_000_010 && body.count < 1_000_600)
      let none = "GET /v2/app/blobs/\(empty) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      let (emptyHead, emptyBody) = Loopback.split(try await Loopback.talk(port, Array(none.utf8)))
      #expect(emptyHead.hasPrefix("HTTP/1.1 200") && emptyBody.isEmpty)
    }
  }
}
