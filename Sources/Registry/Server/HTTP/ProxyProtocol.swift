import NIOCore

/// The header by which a load balancer says whose connection it passes on. (haproxy, proxy-protocol.txt, versions 1 and 2)
enum ProxyHeader {
  enum Result: Equatable {
    case needsMore
    /// `source` is nil where the proxy speaks for itself (LOCAL) or does not say (UNKNOWN, AF_UNSPEC, a Unix socket).
    case complete(source: String?, length: Int)
    case malformed
  }

  private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
  /// Longest line of version 1, with its end. (section 2.1)
  private static let lineLimit = 107
  /// Addresses and TLVs of version 2; more than any sender has.
  private static let blockLimit = 4096

  static func parse(_ bytes: ByteBufferView) -> Result {
    if bytes.first == signature[0] { return parseBinary(bytes) }
    return parseLine(bytes)
  }

  /// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`
  private static func parseLine(_ bytes: ByteBufferView) -> Result {
    let prefix = Array("PROXY ".utf8)
    guard bytes.prefix(prefix.count).elementsEqual(prefix.prefix(bytes.count)) else { return .malformed }
    guard let end = bytes.prefix(lineLimit).firstIndex(of: 0x0a) else {
      return bytes.count < lineLimit ? .needsMore : .malformed
    }
    guard end > bytes.startIndex, bytes[end - 1] == 0x0d else { return .malformed }
    let length = end - bytes.startIndex + 1
    let words = String(decoding: bytes[..<(end - 1)], as: UTF8.self)
      .split(separator: " ", omittingEmptySubsequences: false)
    guard words.count >= 2 else { return .malformed }
    switch words[1] {
    case "UNKNOWN": return .complete(source: nil, length: length)
    case "TCP4", "TCP6":
      guard words.count == 6, let source = NetworkAddress(words[2]), NetworkAddress(words[3]) != nil,
        UInt16(words[4]) != nil, UInt16(words[5]) != nil, words[1] == "TCP6" || source.isIPv4
      else { return .malformed }
      return .complete(source: String(words[2]), length: length)
    default: return .malformed
    }
  }

  private static func parseBinary(_ bytes: ByteBufferView) -> Result {
    guard bytes.prefix(signature.count).elementsEqual(signature.prefix(bytes.count)) else { return .malformed }
    guard bytes.count >= 16 else { return .needsMore }
    let start = bytes.startIndex
    let (version, family) = (bytes[start + 12], bytes[start + 13])
    let size = Int(bytes[start + 14]) << 8 | Int(bytes[start + 15])
    guard version >> 4 == 2, version & 15 <= 1, size <= blockLimit else { return .malformed }
    guard bytes.count >= 16 + size else { return .needsMore }
    let block = bytes[(start + 16)..<(start + 16 + size)]
    if version & 15 == 0 { return .complete(source: nil, length: 16 + size) }
    switch family {
    case 0x11:
      guard size >= 12 else { return .malformed }
      return .complete(source: block.prefix(4).map(String.init).joined(separator: "."), length: 16 + size)
    case 0x21:
      guard size >= 36 else { return .malformed }
      let groups = stride(from: 0, to: 16, by: 2).map { index in
        String(Int(block[block.startIndex + index]) << 8 | Int(block[block.startIndex + index + 1]), radix: 16)
      }
      return .complete(source: groups.joined(separator: ":"), length: 16 + size)
    case 0x00, 0x31: return .complete(source: nil, length: 16 + size)
    default: return .malformed
    }
  }
}

/// Takes the PROXY header off a connection's beginning. One without it, or with a wrong one, is closed: whoever is trusted
/// to say who asks must not be guessed at. (section 2, "must not try to guess")
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let facts: ConnectionFacts
  private let timeout: TimeAmount
  private var received = ByteBuffer()
  private var isDone = false
  private var deadline: Scheduled<Void>?

  init(facts: ConnectionFacts, timeout: TimeAmount) {
    self.facts = facts
    self.timeout = timeout
  }

  func handlerAdded(context: ChannelHandlerContext) {
    deadline = context.eventLoop.assumeIsolated().scheduleTask(in: timeout) { context.close(promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if isDone { return context.fireChannelRead(data) }
    received.writeImmutableBuffer(unwrapInboundIn(data))
    switch ProxyHeader.parse(received.readableBytesView) {
    case .needsMore: return
    case .malformed:
      isDone = true
      received.clear()
      context.close(promise: nil)
    case .complete(let source, let length):
      isDone = true
      if let source { facts.becomes(remote: source) }
      received.moveReaderIndex(forwardBy: length)
      let rest = received
      received = ByteBuffer()
      if rest.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(rest)) }
      context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
  }
}
