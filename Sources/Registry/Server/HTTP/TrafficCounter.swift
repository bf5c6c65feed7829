import NIOCore
import NIOSSL
import NIOTLS

/// Stands between the pace's handler and the socket (or TLS): counts bytes, and takes note of the certificate that a client
/// has proven.
final class TrafficCounter: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  private let metrics: ServerMetrics
  /// Set once, before anything is read.
  var facts: ConnectionFacts?
  private var context: ChannelHandlerContext?

  init(_ metrics: ServerMetrics) { self.metrics = metrics }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let count = Int64(unwrapInboundIn(data).readableBytes)
    metrics.bytesReceived.add(count)
    facts?.received.add(count)
    context.fireChannelRead(data)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event, let facts,
      let certificate = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self).peerCertificate
    {
      // One that cannot be read proves nothing.
      if let proven = try? CertificateFacts(certificate) { facts.proves(proven) }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    metrics.bytesSent.add(Int64(unwrapOutboundIn(data).readableBytes))
    context.write(data, promise: promise)
  }

  /// Fulfilled once all that was written before is with the kernel. To be called on the connection's event loop.
  func flush(promise: EventLoopPromise<Void>) {
    guard let context else {
      promise.fail(ChannelError.ioOnClosedChannel)
      return
    }
    context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer())), promise: promise)
  }
}
