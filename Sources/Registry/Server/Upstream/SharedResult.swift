import Synchronization

/// The outcome of work that several wait for.
final class SharedResult<Value: Sendable>: Sendable {
  private struct State {
    var result: Result<Value, any Error>?
    var waiters: [CheckedContinuation<Value, any Error>] = []
  }

  private let state = Mutex(State())

  func finish(_ result: Result<Value, any Error>) {
    let waiters = state.withLock { state in
      state.result = result
      let waiters = state.waiters
      state.waiters = []
      return waiters
    }
    for waiter in waiters { waiter.resume(with: result) }
  }

  func value() async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      let known = state.withLock { state -> Result<Value, any Error>? in
        if state.result == nil { state.waiters.append(continuation) }
        return state.result
      }
      if let known { continuation.resume(with: known) }
    }
  }
}
