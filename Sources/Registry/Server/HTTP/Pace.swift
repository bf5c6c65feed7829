import HummingbirdCore
import NIOCore
import Synchronization

/// What the requests of a connection tell the handler that watches its pace.
struct PaceWatch: Sendable {
  let handler: NIOLoopBound<PaceHandler>
  private let progress: PaceProgress

  init(_ handler: NIOLoopBound<PaceHandler>, _ progress: PaceProgress) {
    self.handler = handler
    self.progress = progress
  }

  /// A request's head is there.
  func begin() { progress.isIdle.store(false, ordering: .relaxed) }

  /// A request was answered.
  func end() { progress.isIdle.store(true, ordering: .relaxed) }

  /// A body, with a watch over how long each piece of it is waited for.
  func watched(_ body: RequestBody) -> RequestBody {
    RequestBody(asyncSequence: WatchedBody(base: body, progress: progress))
  }

  /// After the last answer: ends what is sent, and takes in and throws away what the other end still sends, until it
  /// closes or has had time to read the answer. Closed at once, with bytes unread, its kernel might never show it.
  func linger(_ channel: any Channel) async {
    let done = channel.eventLoop.makePromise(of: Void.self)
    channel.eventLoop.execute { handler.value.linger(done) }
    try? await done.futureResult.get()
  }
}

/// How far the request at hand is.
final class PaceProgress: Sendable {
  /// Whether no request is being answered.
  let isIdle = Atomic(true)
  /// Bytes of bodies so far.
  let bytes = Atomic(0)
  private let waited = Atomic<UInt64>(0)
  /// 0 while nobody waits.
  private let waitingSince = Atomic<UInt64>(0)

  /// Nanoseconds for which requests have waited for a piece of their bodies. What they do between pieces, such as writing
  /// to a disk, is not the other end's fault.
  func waited(_ now: NIODeadline) -> UInt64 {
    let since = waitingSince.load(ordering: .relaxed)
    return waited.load(ordering: .relaxed)
      + (since == 0 ? 0 : now.uptimeNanoseconds - min(since, now.uptimeNanoseconds))
  }

  func beginWaiting(_ now: UInt64) { waitingSince.store(now, ordering: .relaxed) }

  func endWaiting(_ start: UInt64) {
    waitingSince.store(0, ordering: .relaxed)
    waited.add(NIODeadline.now().uptimeNanoseconds - start, ordering: .relaxed)
  }
}

private struct WatchedBody: AsyncSequence, Sendable {
  let base: RequestBody
  let progress: PaceProgress

  struct AsyncIterator: AsyncIteratorProtocol {
    var base: RequestBody.AsyncIterator
    let progress: PaceProgress

    mutating func next() async throws -> ByteBuffer? {
      let start = NIODeadline.now().uptimeNanoseconds
      progress.beginWaiting(start)
      defer { progress.endWaiting(start) }
      let piece = try await base.next()
      progress.bytes.add(piece?.readableBytes ?? 0, ordering: .relaxed)
      return piece
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: base.makeAsyncIterator(), progress: progress) }
}

/// Stands between HTTP and the socket (or TLS), and closes a connection whose other end has taken nothing for a while, or
/// sends its head or body so slowly that it only holds the server ("slowloris"). Lets a file's bytes go from the page
/// cache to the socket without passing through this process.
final class PaceHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  let progress = PaceProgress()
  private let limits: ConnectionLimits
  private var context: ChannelHandlerContext?

  private var unsent = 0
  private var lastSent = NIODeadline.now()
  private var writeCheck: Scheduled<Void>?

  /// When the first byte of the next head came.
  private var headBegan: NIODeadline?
  private var headCheck: Scheduled<Void>?

  private var bodyCheck: Scheduled<Void>?

  private var lingering: EventLoopPromise<Void>?

  init(_ limits: ConnectionLimits) { self.limits = limits }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    for check in [writeCheck, headCheck, bodyCheck] { check?.cancel() }
    (writeCheck, headCheck, bodyCheck) = (nil, nil, nil)
    lingering?.succeed()
    lingering = nil
  }

  // MARK: what comes

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if lingering != nil {
      context.read()
      return
    }
    if progress.isIdle.load(ordering: .relaxed) { watchHead(context) } else { watchBody(context) }
    context.fireChannelRead(data)
  }

  private func watchHead(_ context: ChannelHandlerContext) {
    guard headBegan == nil else { return }
    headBegan = .now()
    headCheck = context.eventLoop.assumeIsolated().scheduleTask(in: limits.head) {
      self.headCheck = nil
      guard self.headBegan != nil else { return }
      self.headBegan = nil
      if self.progress.isIdle.load(ordering: .relaxed) { self.context?.close(promise: nil) }
    }
  }

  private func watchBody(_ context: ChannelHandlerContext) {
    guard bodyCheck == nil else { return }
    let bytes = progress.bytes.load(ordering: .relaxed)
    let waited = progress.waited(.now())
    bodyCheck = context.eventLoop.assumeIsolated().scheduleTask(in: limits.bodyWindow) {
      self.bodyCheck = nil
      guard !self.progress.isIdle.load(ordering: .relaxed), let context = self.context else { return }
      let came = self.progress.bytes.load(ordering: .relaxed) - bytes
      if came < self.limits.bodyPace,
        self.progress.waited(.now()) - waited > UInt64(self.limits.bodyWindow.nanoseconds / 2)
      {
        context.close(promise: nil)
      } else {
        self.watchBody(context)
      }
    }
  }

  fileprivate func linger(_ done: EventLoopPromise<Void>) {
    guard let context, lingering == nil else {
      done.succeed()
      return
    }
    lingering = done
    context.close(mode: .output, promise: nil)
    context.read()
    context.eventLoop.assumeIsolated().scheduleTask(in: limits.linger) {
      self.lingering?.succeed()
      self.lingering = nil
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed = event {
      lingering?.succeed()
      lingering = nil
    }
    context.fireUserInboundEventTriggered(event)
  }

  // MARK: what goes

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let promise = promise ?? context.eventLoop.makePromise()
    track(promise.futureResult, context)
    context.write(data, promise: promise)
  }

  /// Sends bytes of an open file, a piece at a time: each piece that is taken shows that the other end still reads. To be
  /// called on the connection's event loop, between a response's head and its end, and not on a connection with TLS. The
  /// file must stay open until the promise is kept.
  ///
  /// The next piece is written where the last one's end is seen, on the event loop: through a task, the socket would run
  /// empty in between.
  func send(_ file: NIOFileHandle, _ range: Range<Int64>, promise: EventLoopPromise<Void>) {
    guard let context else {
      promise.fail(ChannelError.ioOnClosedChannel)
      return
    }
    let end = min(range.lowerBound + Self.piece, range.upperBound)
    let region = FileRegion(fileHandle: file, readerIndex: Int(range.lowerBound), endIndex: Int(end))
    let written = context.eventLoop.makePromise(of: Void.self)
    track(written.futureResult, context)
    written.futureResult.assumeIsolated().whenComplete { result in
      switch result {
      case .success where end < range.upperBound: self.send(file, end..<range.upperBound, promise: promise)
      case .success: promise.succeed()
      case .failure(let error): promise.fail(error)
      }
    }
    context.writeAndFlush(wrapOutboundOut(.fileRegion(region)), promise: written)
  }

  private static let piece: Int64 = 4 << 20

  private func track(_ write: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
    // An answer: the head was there.
    headBegan = nil
    headCheck?.cancel()
    headCheck = nil
    if unsent == 0 { lastSent = .now() }
    unsent += 1
    watchWrites(context)
    write.assumeIsolated().whenComplete { _ in
      self.unsent -= 1
      self.lastSent = .now()
    }
  }

  private func watchWrites(_ context: ChannelHandlerContext) {
    guard writeCheck == nil else { return }
    writeCheck = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(limits.write.nanoseconds / 2)) {
      self.writeCheck = nil
      guard self.unsent > 0, let context = self.context else { return }
      if .now() - self.lastSent >= self.limits.write {
        context.close(promise: nil)
      } else {
        self.watchWrites(context)
      }
    }
  }
}
