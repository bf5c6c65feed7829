internal import AsyncHTTPClient
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// The pool of connections, and a second one for hosts behind a proxy. Made with the first request.
final class Connections: Sendable {
  private let configuration: RegistryConfiguration
  private struct Pools {
    var direct: HTTPClient?
    var proxied: HTTPClient?
  }
  private let pools = Mutex(Pools())

  init(_ configuration: RegistryConfiguration) { self.configuration = configuration }

  func client(for address: Address) -> HTTPClient {
    let throughProxy = address.scheme == "https" && configuration.proxy.covers(Host.bare(address.authority))
    return pools.withLock { pools in
      if throughProxy {
        let client = pools.proxied ?? make(proxy: proxy())
        pools.proxied = client
        return client
      }
      let client = pools.direct ?? make(proxy: nil)
      pools.direct = client
      return client
    }
  }

  func shutdown() async throws {
    let clients = pools.withLock { pools in
      defer { pools = Pools() }
      return [pools.direct, pools.proxied].compactMap { $0 }
    }
    for client in clients { try await client.shutdown() }
  }

  /// Where nobody has closed them before.
  deinit {
    for client in pools.withLock({ [$0.direct, $0.proxied].compactMap { $0 } }) { client.shutdown { _ in } }
  }

  private func proxy() -> HTTPClient.Configuration.Proxy? {
    guard let host = configuration.proxy.host else { return nil }
    return .server(
      host: host, port: configuration.proxy.port,
      authorization: configuration.proxy.authorization.map { .basic(credentials: $0) })
  }

  private func make(proxy: HTTPClient.Configuration.Proxy?) -> HTTPClient {
    var settings = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(
        connect: .seconds(Int64(configuration.timeouts.connect)), read: .seconds(Int64(configuration.timeouts.idle)),
        write: .seconds(Int64(configuration.timeouts.idle))),
      proxy: proxy)
    // Layers side by side on connections of their own are faster than streams in one.
    settings.httpVersion = .http1Only
    settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(8, configuration.concurrency + 2)
    // What is tried again, how often, and what is said about it is decided here.
    settings.connectionPool.retryConnectionEstablishment = false
    settings.http1_1ConnectionDebugInitializer = { channel in
      // Large reads: a layer is hashed and written in pieces of this size.
      channel.setOption(
        .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 16 << 10, initial: 64 << 10, maximum: 512 << 10)
      )
    }
    return HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: settings)
  }
}
