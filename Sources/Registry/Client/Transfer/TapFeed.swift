internal import NIOCore
internal import Synchronization

/// Hands a layer's bytes from the download to its tap, which works on another thread, a few megabytes behind at most.
///
/// Each byte goes to the tap once: what an attempt sends again after a failure is skipped by its position.
final class TapFeed: Sendable {
  private let tap: any LayerTap

  private struct State {
    var queue: [ByteBuffer] = []
    var queuedBytes = 0
    /// Bytes that were handed in so far.
    var position: Int64 = 0
    var isOver = false
    var failure: (any Error)?
    var producer: CheckedContinuation<Void, Never>?
    var consumer: CheckedContinuation<Void, Never>?
  }
  private let state = Mutex(State())

  /// Bytes that may wait for the tap.
  private static let capacity = 8 << 20

  init(_ tap: any LayerTap) { self.tap = tap }

  var position: Int64 { state.withLock { $0.position } }

  /// Gives the tap its first bytes directly: before `run`.
  func replay(_ bytes: UnsafeRawBufferPointer) {
    guard state.withLock({ $0.failure == nil }) else { return }
    do { try tap.write(bytes) } catch {
      state.withLock { $0.failure = error }
    }
    state.withLock { $0.position += Int64(bytes.count) }
  }

  /// Hands in bytes that stand at `offset` of the layer; waits while the tap is too far behind.
  func send(_ buffer: ByteBuffer, at offset: Int64) async {
    let isFull = state.withLock { state in
      let known = state.position - offset
      guard known < Int64(buffer.readableBytes), !state.isOver else { return false }
      var fresh = buffer
      if known > 0 { fresh.moveReaderIndex(forwardBy: Int(known)) }
      state.position += Int64(fresh.readableBytes)
      if state.failure == nil {
        state.queue.append(fresh)
        state.queuedBytes += fresh.readableBytes
      }
      state.consumer?.resume()
      state.consumer = nil
      return state.queuedBytes > Self.capacity
    }
    if isFull {
      await withCheckedContinuation { continuation in
        let goOn = state.withLock { state in
          if state.queuedBytes <= Self.capacity || state.failure != nil || state.isOver { return true }
          state.producer = continuation
          return false
        }
        if goOn { continuation.resume() }
      }
    }
  }

  /// No more bytes come.
  func end() {
    state.withLock { state in
      state.isOver = true
      state.consumer?.resume()
      state.consumer = nil
      state.producer?.resume()
      state.producer = nil
    }
  }

  /// Feeds the tap until `end`. A tap's failure is kept for `finish`: whether the bytes were right is known only at the
  /// end of the download, and a wrong digest explains more than what unpacking made of it.
  func run() async {
    while true {
      let (batch, isOver) = state.withLock { state -> ([ByteBuffer], Bool) in
        defer {
          state.queue = []
          state.queuedBytes = 0
          state.producer?.resume()
          state.producer = nil
        }
        return (state.queue, state.isOver)
      }
      if batch.isEmpty {
        if isOver { return }
        await withCheckedContinuation { continuation in
          let goOn = state.withLock { state in
            if !state.queue.isEmpty || state.isOver { return true }
            state.consumer = continuation
            return false
          }
          if goOn { continuation.resume() }
        }
        continue
      }
      do {
        for buffer in batch { try buffer.withUnsafeReadableBytes { try tap.write($0) } }
      } catch {
        state.withLock { state in
          state.failure = state.failure ?? error
          state.queue = []
          state.queuedBytes = 0
          state.producer?.resume()
          state.producer = nil
        }
      }
    }
  }

  /// After `run`: the layer is complete and its digest right.
  func finish() throws {
    if let failure = state.withLock({ $0.failure }) {
      tap.cancel()
      throw failure
    }
    do { try tap.finish() } catch {
      tap.cancel()
      throw error
    }
  }

  func cancel() { tap.cancel() }
}
