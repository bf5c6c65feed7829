import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// An accepted connection: TLS or plain HTTP as its first byte says, then the watch over slow readers, then HTTP/1.1.
struct Connection: ServerChildChannel {
  struct Value: ServerChildChannelValue {
    let http: HTTP1Channel.Value
    let facts: ConnectionFacts
    var channel: any Channel { http.channel }
  }

  let server: RegistryServer
  let tls: TLSIdentity?
  let limits: ConnectionLimits

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    let watch = OutboundWatch(timeout: limits.write)
    let facts = ConnectionFacts(
      remote: channel.remoteAddress, local: channel.localAddress, watch: NIOLoopBound(watch, eventLoop: channel.eventLoop))
    return channel.eventLoop.makeCompletedFuture {
      // Uploads come in as large pieces as the socket has.
      try channel.syncOptions?.setOption(
        .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 8192, maximum: 256 << 10))
      try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
      if let tls {
        try channel.pipeline.syncOperations.addHandler(TLSDetector(identity: tls, facts: facts))
      }
      try channel.pipeline.syncOperations.addHandler(watch)
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
        let exchange = Exchange(server: server, facts: facts, channel: channel, takesTLS: tls != nil)
        try await exchange.answer(request, writer)
      }, configuration: .init(idleTimeout: limits.idle))
  }
}

struct ConnectionLimits: Sendable {
  /// How long a connection may be silent while the server waits for it.
  var idle: TimeAmount = .seconds(120)
  /// How long the other end may take nothing of what it is sent.
  var write: TimeAmount = .seconds(120)
}

/// What the handlers know of the connection that a request came by.
final class ConnectionFacts: Sendable {
  /// The other end's address.
  let remote: String
  /// 0 where there is none.
  let localPort: UInt16
  /// True where the other end is this host: what is not encrypted stays inside it.
  let isLocal: Bool
  let watch: NIOLoopBound<OutboundWatch>
  private let secure = Atomic(false)

  init(remote address: SocketAddress?, local: SocketAddress?, watch: NIOLoopBound<OutboundWatch>) {
    remote = address?.ipAddress ?? "unknown"
    localPort = UInt16(local?.port ?? 0)
    isLocal =
      switch address {
      case .v4: remote.hasPrefix("127.")
      case .v6: remote == "::1" || remote.hasPrefix("::ffff:127.")
      case .unixDomainSocket: true
      case nil: false
      }
    self.watch = watch
  }

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

/// Stands between HTTP and the socket (or TLS): closes a connection whose other end has taken nothing for a while, and
/// lets a file's bytes go from the page cache to the socket without passing through this process.
final class OutboundWatch: ChannelOutboundHandler {
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  private let timeout: TimeAmount
  private var pending = 0
  private var progress = NIODeadline.now()
  private var check: Scheduled<Void>?
  private var context: ChannelHandlerContext?

  init(timeout: TimeAmount) { self.timeout = timeout }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    check?.cancel()
    check = nil
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let promise = promise ?? context.eventLoop.makePromise()
    track(promise.futureResult, context)
    context.write(data, promise: promise)
  }

  /// Sends bytes of an open file. To be called on the connection's event loop, between a response's head and its end,
  /// and not on a connection with TLS.
  func send(_ region: FileRegion, promise: EventLoopPromise<Void>) {
    guard let context else {
      promise.fail(ChannelError.ioOnClosedChannel)
      return
    }
    track(promise.futureResult, context)
    context.writeAndFlush(wrapOutboundOut(.fileRegion(region)), promise: promise)
  }

  private func track(_ write: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
    if pending == 0 { progress = .now() }
    pending += 1
    schedule(context)
    write.assumeIsolated().whenComplete { _ in
      self.pending -= 1
      self.progress = .now()
    }
  }

  private func schedule(_ context: ChannelHandlerContext) {
    guard check == nil else { return }
    check = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(timeout.nanoseconds / 2)) {
      self.check = nil
      guard self.pending > 0, let context = self.context else { return }
      if .now() - self.progress >= self.timeout {
        context.close(promise: nil)
      } else {
        self.schedule(context)
      }
    }
  }
}
