import Dispatch
import Glibc
import Kernel
import NIOCore
import SystemPackage
import Testing

@testable import RegistryServer

extension TestRegistry {
  /// Serves behind a socket while `body` runs, which gets the port, and stops then.
  func serving(
    tls: TLSIdentity? = nil, options: ServeOptions = ServeOptions(), grace: Duration = .seconds(1800),
    _ body: @escaping @Sendable (UInt16) async throws -> Void
  ) async throws {
    try await serving(on: 1, tls: tls, options: options, grace: grace) { ports, _ in try await body(ports[0]) }
  }

  /// The same with several addresses, those of `options` behind the first `count`; `body` may stop the server itself.
  func serving(
    on count: Int, tls: TLSIdentity? = nil, options: ServeOptions = ServeOptions(), grace: Duration = .seconds(1800),
    _ body: @escaping @Sendable (_ ports: [UInt16], _ stop: @escaping @Sendable () -> Void) async throws -> Void
  ) async throws {
    let (ports, ready) = AsyncStream.makeStream(of: [UInt16].self)
    let (stop, stopping) = AsyncStream.makeStream(of: Void.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        defer { ready.finish() }
        try await self.server.serve(
          on: (0..<count).map { _ in ListenAddress(host: "127.0.0.1", port: 0) }, tls: tls, grace: grace,
          options: options, onReady: { ready.yield($0.map(\.port)) },
          until: {
            var iterator = stop.makeAsyncIterator()
            _ = await iterator.next()
          })
      }
      group.addTask {
        defer { stopping.yield() }
        var iterator = ports.makeAsyncIterator()
        try await body(try #require(await iterator.next())) { stopping.yield() }
      }
      try await group.waitForAll()
    }
  }
}

extension Loopback {
  @Sendable static func talk(_ port: UInt16, _ text: String) async throws -> String {
    String(decoding: try await talk(port, Array(text.utf8)), as: UTF8.self)
  }

  /// Runs what blocks, which the tasks' own threads must not.
  static func blocking<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(with: Swift.Result { try work() }) }
    }
  }

  /// Reads until `text` has come, or the end.
  static func read(_ socket: CInt, until text: String) throws -> String {
    var received = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !received.contains(text) {
      let count = try Errno.retrying { Glibc.read(socket, &buffer, buffer.count) }
      if count == 0 { break }
      received += String(decoding: buffer[..<count], as: UTF8.self)
    }
    return received
  }
}
