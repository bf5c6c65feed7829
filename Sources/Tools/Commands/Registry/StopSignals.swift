internal import Dispatch
internal import Glibc

/// SIGTERM and SIGINT as something to wait for; SIGHUP as a call. A second SIGTERM or SIGINT ends the process at once.
final class StopSignals: Sendable {
  private let received: AsyncStream<CInt>
  /// Never touched between the initializer and the end; the protocol does not say that it may be shared.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  init(onHangUp: @escaping @Sendable () -> Void) {
    let (received, continuation) = AsyncStream.makeStream(of: CInt.self)
    self.received = received
    let queue = DispatchQueue(label: "signals")
    sources = [SIGTERM, SIGINT, SIGHUP].map { number in
      // The source only watches; what the signal does by itself has to be switched off.
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        if number == SIGHUP { return onHangUp() }
        signal(number, SIG_DFL)
        continuation.yield(number)
      }
      source.resume()
      return source
    }
  }

  deinit { for source in sources { source.cancel() } }

  func wait() async {
    var iterator = received.makeAsyncIterator()
    _ = await iterator.next()
  }
}
