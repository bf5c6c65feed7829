import Dispatch
import Glibc
import Kernel
import SystemPackage
import Testing

@testable import RegistryServer

/// A registry behind a real socket on loopback, and clients that write what they like.
enum Loopback {
  /// Serves while `body` runs, which gets the port.
  static func serving(
    _ registry: TestRegistry, tls: TLSIdentity? = nil, limits: ConnectionLimits = ConnectionLimits(),
    _ body: @escaping @Sendable (UInt16) async throws -> Void
  ) async throws {
    let options = ServeOptions(limits: limits)
    let (ports, ready) = AsyncStream.makeStream(of: UInt16.self)
    let (stop, stopping) = AsyncStream.makeStream(of: Void.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await registry.server.serve(
          on: [ListenAddress(host: "127.0.0.1", port: 0)], tls: tls, grace: .seconds(1800),
          options: options,
          onReady: { ready.yield($0[0].port) },
          until: {
            var iterator = stop.makeAsyncIterator()
            _ = await iterator.next()
          })
        ready.finish()
      }
      group.addTask {
        defer { stopping.yield() }
        var iterator = ports.makeAsyncIterator()
        try await body(try #require(await iterator.next()))
      }
      try await group.waitForAll()
    }
  }

  static func connected(_ port: UInt16) throws -> OwnedDescriptor {
    let socket = OwnedDescriptor(try Errno.check(Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let number = socket.number
    try withUnsafePointer(to: &address) { pointer in
      _ = try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        try Errno.check(connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size)))
      }
    }
    return socket
  }

  /// Sends text and reads what comes until the other end closes.
  ///
  /// - Parameter endsInput: says after the text that nothing more comes.
  @Sendable static func talk(_ port: UInt16, _ bytes: [UInt8], endsInput: Bool = false) async throws -> [UInt8] {
    try await withCheckedThrowingContinuation { continuation in
      // Blocks, which the tasks' own threads must not.
      DispatchQueue.global().async {
        do {
          let socket = try connected(port)
          try writeAll(socket.number, bytes)
          if endsInput { shutdown(socket.number, Int32(SHUT_WR)) }
          continuation.resume(returning: try readAll(socket.number, limit: 256 << 20))
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }

  @Sendable static func split(_ answer: [UInt8]) -> (head: String, body: ArraySlice<UInt8>) {
    let end = Array("\r\n\r\n".utf8)
    var index = 0
    while index + 4 <= answer.count, Array(answer[index..<index + 4]) != end { index += 1 }
    return (String(decoding: answer[..<index], as: UTF8.self), answer[min(index + 4, answer.count)...])
  }

  @Sendable static func sendAndClose(_ port: UInt16, _ bytes: [UInt8]) async throws {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        do {
          let socket = try connected(port)
          try writeAll(socket.number, bytes)
          continuation.resume()
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }

  /// Sends `start`, then a byte every few milliseconds until the other end is gone. Returns how many bytes that were, at
  /// most `limit`.
  @Sendable static func drip(_ port: UInt16, _ start: [UInt8], upTo limit: Int) async throws -> Int {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        do {
          let socket = try connected(port)
          try writeAll(socket.number, start)
          var sent = 0
          while sent < limit, send(socket.number, "a", 1, Int32(MSG_NOSIGNAL)) == 1 {
            sent += 1
            usleep(5_000)
          }
          continuation.resume(returning: sent)
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }
}

/// A connected socket that several tasks may hold.
final class OwnedSocket: Sendable {
  private let descriptor: OwnedDescriptor

  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  func write(_ bytes: [UInt8]) throws { try writeAll(descriptor.number, bytes) }
}
