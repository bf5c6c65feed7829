internal import Dispatch
internal import Glibc

/// Runs what blocks on a thread of its own: tasks share as few threads as there are processors.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result { try body() }) }
  }
}

/// As many as may work at once.
let processors = max(1, Int(sysconf(CInt(_SC_NPROCESSORS_ONLN))))

/// Lets a number of tasks through at a time; the others wait in line.
actor Slots {
  private var free: Int
  private var line: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { free = count }

  func take() async {
    if free > 0 {
      free -= 1
      return
    }
    await withCheckedContinuation { line.append($0) }
  }

  func give() {
    if line.isEmpty { free += 1 } else { line.removeFirst().resume() }
  }
}
