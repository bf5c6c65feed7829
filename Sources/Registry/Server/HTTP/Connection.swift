import HTTPTypes
import HummingbirdCore
import Logging
public import NIOCore
import NIOSSL
import Synchronization

/// An accepted connection: TLS or plain HTTP as its first byte says, then the watch over its pace, then HTTP/1.1.
struct Connection: ServerChildChannel {
  struct Value: ServerChildChannelValue {
    let http: HTTP1Channel.Value
    let facts: ConnectionFacts
    var channel: any Channel { http.channel }
  }

  let server: RegistryServer
  let tls: TLSIdentity?
  let options: ServeOptions
  let census: ConnectionCensus
  /// What answers; nil for the registry itself.
  var answer: (@Sendable (RegistryRequest) async -> RegistryResponse)?
  /// Set where connections come by the store's own socket.
  var door: LocalDoor?

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    guard let door else { return setup(channel, logger, isOwner: false) }
    return door.admits(channel).flatMap { isOwner in
      guard isOwner else { return channel.eventLoop.makeFailedFuture(NotTheOwner()) }
      return setup(channel, logger, isOwner: true)
    }
  }

  private func setup(_ channel: any Channel, _ logger: Logger, isOwner: Bool) -> EventLoopFuture<Value> {
    let handler = PaceHandler(options.limits)
    let watch = PaceWatch(NIOLoopBound(handler, eventLoop: channel.eventLoop), handler.progress)
    let traffic = TrafficCounter(server.metrics)
    let facts = ConnectionFacts(
      remote: channel.remoteAddress, local: channel.localAddress, isOwner: isOwner, watch: watch,
      traffic: NIOLoopBound(traffic, eventLoop: channel.eventLoop))
    guard census.enters(facts.accepted, isExempt: facts.isLocal || options.proxies.ranges.contains(address: facts.address))
    else {
      // The kernel has taken it already: all that can be done is to end it.
      channel.close(promise: nil)
      return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
    }
    channel.closeFuture.whenComplete { _ in census.leaves(facts.accepted) }
    census.keep(channel)
    traffic.facts = facts
    return channel.eventLoop.makeCompletedFuture {
      // Uploads come in as large pieces as the socket has.
      try channel.syncOptions?.setOption(
        .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 8192, maximum: 256 << 10))
      if !isOwner { try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1) }
      if facts.isLocal, !isOwner {
        // Nothing is under way between two ends of one host: what waits in a larger buffer only falls out of the cache.
        try channel.syncOptions?.setOption(.socketOption(.so_sndbuf), value: 256 << 10)
      }
      if options.proxies.proxyProtocol, options.proxies.ranges.contains(address: facts.address) {
        try channel.pipeline.syncOperations.addHandler(ProxyHeaderHandler(facts: facts, timeout: options.limits.proxyHeader))
      }
      if let tls {
        try channel.pipeline.syncOperations.addHandler(TLSDetector(identity: tls, facts: facts))
      }
      try channel.pipeline.syncOperations.addHandler(traffic)
      try channel.pipeline.syncOperations.addHandler(handler)
    }.flatMap {
      http(facts, logger).setup(channel: channel, logger: logger).map { Value(http: $0, facts: facts) }
    }
  }

  func handle(value: Value, logger: Logger) async {
    await http(value.facts, logger).handle(value: value.http, logger: logger)
  }

  private func http(_ facts: ConnectionFacts, _ logger: Logger) -> HTTP1Channel {
    HTTP1Channel(
      responder: { request, writer, channel in
        let exchange = Exchange(
          server: server, facts: facts, channel: channel, takesTLS: tls != nil, options: options, answer: answer)
        try await exchange.answer(request, writer)
      },
      configuration: .init(
        idleTimeout: options.limits.idle,
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: options.limits.headBytes, maxHeaderListSize: options.limits.headBytes,
          maxHeaderFieldCount: 200)))
  }
}

/// Somebody else came by the store's own socket.
struct NotTheOwner: Error {}

/// What one connection may take: without these, a few slow ones hold a server for ever.
public struct ConnectionLimits: Sendable {
  /// How long a connection may be silent while the server waits for it.
  public var idle: TimeAmount = .seconds(120)
  /// How long the other end may take nothing of what it is sent.
  public var write: TimeAmount = .seconds(120)
  /// How long a request's head may take from its first byte on.
  public var head: TimeAmount = .seconds(30)
  /// Over how long the pace of a body is measured, while the server waits for it.
  public var bodyWindow: TimeAmount = .seconds(30)
  /// The least bytes of a body in that time.
  public var bodyPace = 8 << 10
  /// How long the rest of a refused request is taken in, so that its sender reads the answer.
  public var linger: TimeAmount = .seconds(5)
  /// Connections at once on one address; more wait to be accepted.
  public var connections = 10_000
  /// Connections of one client's address. Not of this host, and not of trusted proxies: those carry many clients.
  public var perAddress = 512
  /// How long a trusted proxy may take to say whose connection it passes on.
  public var proxyHeader: TimeAmount = .seconds(10)
  /// Bytes of a request's head, at most.
  public var headBytes = 64 << 10

  public init() {}
}

/// What the handlers know of the connection that a request came by.
final class ConnectionFacts: Sendable {
  /// The other end's address as the kernel tells it.
  let accepted: String
  /// 0 where there is none.
  let localPort: UInt16
  /// True where the other end is this host: what is not encrypted stays inside it.
  let isLocal: Bool
  /// True where the other end has proven to be the store's owner.
  let isOwner: Bool
  let watch: PaceWatch
  let traffic: NIOLoopBound<TrafficCounter>
  /// Bytes that came, heads included.
  let received = Counter()
  private let secure = Atomic(false)
  private let said = Mutex<(remote: String?, certificate: CertificateFacts?)>((nil, nil))

  init(
    remote address: SocketAddress?, local: SocketAddress?, isOwner: Bool, watch: PaceWatch,
    traffic: NIOLoopBound<TrafficCounter>
  ) {
    self.isOwner = isOwner
    accepted = isOwner ? "local" : address?.ipAddress ?? "unknown"
    localPort = UInt16(local?.port ?? 0)
    isLocal =
      switch address {
      case .v4: accepted.hasPrefix("127.")
      case .v6: accepted == "::1" || accepted.hasPrefix("::ffff:127.")
      case .unixDomainSocket: true
      case nil: isOwner
      }
    self.watch = watch
    self.traffic = traffic
  }

  /// The other end's address, or whose connection a trusted proxy says that it passes on.
  var remote: String { said.withLock { $0.remote } ?? accepted }
  func becomes(remote: String) { said.withLock { $0.remote = remote } }

  var address: NetworkAddress? { NetworkAddress(accepted) }

  /// The client's certificate, proven by the handshake.
  var certificate: CertificateFacts? { said.withLock { $0.certificate } }
  func proves(_ certificate: CertificateFacts) { said.withLock { $0.certificate = certificate } }

  var isSecure: Bool { secure.load(ordering: .relaxed) }
  func becomesSecure() { secure.store(true, ordering: .relaxed) }
}

/// Looks at a connection's first byte: a TLS handshake begins with 22, no HTTP request does. (RFC 8446, section 5.1)
final class TLSDetector: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let identity: TLSIdentity
  private let facts: ConnectionFacts
  private var isDecided = false

  init(identity: TLSIdentity, facts: ConnectionFacts) {
    self.identity = identity
    self.facts = facts
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    guard !isDecided, let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) else {
      context.fireChannelRead(data)
      return
    }
    isDecided = true
    if first == 22 {
      facts.becomesSecure()
      do {
        try context.pipeline.syncOperations.addHandler(
          NIOSSLServerHandler(context: identity.context), position: .after(self))
      } catch {
        context.close(promise: nil)
        return
      }
    }
    context.fireChannelRead(data)
    context.pipeline.syncOperations.removeHandler(self, promise: nil)
  }
}
