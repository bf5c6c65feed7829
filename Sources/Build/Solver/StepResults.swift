internal import BuildGraph
internal import Snapshots

/// Steps of one build by their keys: two stages that need the same step get it once.
actor StepResults {
  private enum Entry {
    case running([CheckedContinuation<Snapshot?, Never>])
    case done(Snapshot)
  }

  private var entries: [CacheKey: Entry] = [:]

  /// The step's result where another task made it; nil: the caller makes it, and says so by `finish`.
  func claim(_ key: CacheKey) async -> Snapshot? {
    switch entries[key] {
    case .done(let snapshot): return snapshot
    case nil:
      entries[key] = .running([])
      return nil
    case .running:
      let result = await withCheckedContinuation { (continuation: CheckedContinuation<Snapshot?, Never>) in
        guard case .running(let waiting) = entries[key] else { return continuation.resume(returning: nil) }
        entries[key] = .running(waiting + [continuation])
      }
      // It failed, and with it the build: the caller comes to know it from the task that failed.
      if let result { return result }
      return await claim(key)
    }
  }

  func finish(_ key: CacheKey, _ snapshot: Snapshot?) {
    guard case .running(let waiting) = entries[key] else { return }
    entries[key] = snapshot.map { .done($0) }
    for continuation in waiting { continuation.resume(returning: snapshot) }
  }
}

/// A value that one task makes and others wait for.
actor Promise<Value: Sendable> {
  private var result: Result<Value, any Error>?
  private var waiting: [CheckedContinuation<Value, any Error>] = []

  func fulfill(_ result: Result<Value, any Error>) {
    guard self.result == nil else { return }
    self.result = result
    for continuation in waiting { continuation.resume(with: result) }
    waiting = []
  }

  func value() async throws -> Value {
    if let result { return try result.get() }
    return try await withCheckedThrowingContinuation { waiting.append($0) }
  }
}
