import Content
import Dispatch
import DistributionSpec
import Glibc
import HTTPTypes
import ImageSpec
import Kernel
import Logging
import Synchronization
import SystemPackage
import Testing

@testable import RegistryServer

/// Behind real sockets on loopback.
@Suite struct ServeTests {
  @Test func sendsALargeBlobAndPartsOfIt() async throws {
    let registry = try TestRegistry()
    // More than one piece of those that are sent at a time.
    let bytes = (0..<(9 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let digest = try await registry.push(blob: bytes, to: "app")
    try await Loopback.serving(registry) { port in
      let get = "GET /v2/app/blobs/\(digest) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
      let whole = Loopback.split(try await Loopback.talk(port, Array("\(get)\r\n".utf8)))
      #expect(whole.head.hasPrefix("HTTP/1.1 200"))
      #expect(whole.body.elementsEqual(bytes))
      let part = Loopback.split(try await Loopback.talk(port, Array("\(get)Range: bytes=4194300-4194310\r\n\r\n".utf8)))
      #expect(part.head.hasPrefix("HTTP/1.1 206") && part.body.elementsEqual(bytes[4_194_300...4_194_310]))
    }
  }

  @Test func answersSeveralRequestsOnOneConnection() async throws {
    let registry = try TestRegistry()
    let digest = try await registry.push(blob: Array("blob".utf8), to: "app")
    try await Loopback.serving(registry) { port in
      let get = "GET /v2/app/blobs/\(digest) HTTP/1.1\r\nHost: x\r\n"
      let head = "HEAD /v2/app/blobs/\(digest) HTTP/1.1\r\nHost: x\r\n"
      let text = "\(get)\r\n\(head)\r\n\(get)Connection: close\r\n\r\n"
      let answer = String(decoding: try await Loopback.talk(port, Array(text.utf8)), as: UTF8.self)
      #expect(answer.split(separator: "HTTP/1.1 200").count == 3)
      #expect(answer.hasSuffix("\r\n\r\nblob"))
    }
  }

  @Test func takesAChunkedUpload() async throws {
    let registry = try TestRegistry()
    let digest = TestRegistry.digest(Array("hello".utf8))
    try await Loopback.serving(registry) { port in
      let text =
        "POST /v2/app/blobs/uploads/?digest=\(digest) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
      let answer = String(decoding: try await Loopback.talk(port, Array(text.utf8)), as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 201"))
    }
    #expect(registry.store.contains(digest))
  }

  @Test func keepsWhatCameBeforeAConnectionBroke() async throws {
    let registry = try TestRegistry()
    let location = try #require(try await registry.send(.post, "/v2/app/blobs/uploads/")["location"])
    try await Loopback.serving(registry) { port in
      let text = "PATCH \(location) HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n12345"
      // The other half never comes.
      try await Loopback.sendAndClose(port, Array(text.utf8))
      for _ in 0..<100 where try await registry.send(.get, location)["range"] != "0-4" {
        try await Task.sleep(for: .milliseconds(20))
      }
      #expect(try await registry.send(.get, location)["range"] == "0-4")
    }
  }

  @Test func asksForTheBodyOnlyOfThoseWhoMaySendIt() async throws {
    let registry = try TestRegistry(anonymous: .none)
    try await Loopback.serving(registry) { port in
      let put = "POST /v2/app/blobs/uploads/?digest=\(TestRegistry.digest([0x61])) HTTP/1.1\r\nHost: x\r\n"
      let waiting = "Expect: 100-continue\r\nContent-Length: 1\r\n"
      // Refused and closed although the body never came.
      let refused = String(decoding: try await Loopback.talk(port, Array("\(put)\(waiting)\r\n".utf8)), as: UTF8.self)
      #expect(refused.hasPrefix("HTTP/1.1 401"))
      let signedIn = "\(put)\(waiting)Authorization: Basic YWRhOnNlY3JldA==\r\nConnection: close\r\n\r\na"
      let taken = String(decoding: try await Loopback.talk(port, Array(signedIn.utf8)), as: UTF8.self)
      #expect(taken.hasPrefix("HTTP/1.1 100") && taken.contains("HTTP/1.1 201"))
    }
  }

  @Test func answersPlainHTTPOfThisHostBesideTLS() async throws {
    let registry = try TestRegistry()
    let names = ServerName.needed(listening: [], extra: [])
    let identity = try TLSIdentity(
      .authority(registry.files.authority, names: names), logger: Logger(label: "test"))
    try await Loopback.serving(registry, tls: identity) { port in
      let plain = String(
        decoding: try await Loopback.talk(
          port, Array("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8)), as: UTF8.self)
      #expect(plain.hasPrefix("HTTP/1.1 200"))
      // A handshake that is none: TLS's own alert, and nothing of HTTP.
      let broken = try await Loopback.talk(port, [22, 3, 1, 0, 5, 9, 9, 9, 9, 9])
      #expect(!String(decoding: broken, as: UTF8.self).contains("HTTP"))
    }
  }

  @Test func namesAPortInUse() async throws {
    let registry = try TestRegistry()
    try await Loopback.serving(registry) { port in
      let address = ListenAddress(host: "127.0.0.1", port: port)
      await #expect(throws: ServeError.portInUse(address)) {
        try await TestRegistry().server.serve(on: [address], tls: nil, onReady: { _ in }, until: {})
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func stopsAlthoughAConnectionIsIdle() async throws {
    let registry = try TestRegistry()
    let idle = Mutex<CInt>(-1)
    defer { close(idle.withLock { $0 }) }
    try await Loopback.serving(registry) { port in
      // Stays open on the client's side until the server closes it.
      let number = try Loopback.connected(port).release()
      idle.withLock { $0 = number }
      let request = Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
      try writeAll(number, request)
      try await Task.sleep(for: .milliseconds(100))
    }
  }
}
