internal import Synchronization

/// Numbers a build's steps and tells about them.
final class ProgressLog: Sendable {
  private let last = Mutex(0)
  private let tell: BuildProgress

  init(_ tell: @escaping BuildProgress) { self.tell = tell }

  func begin(_ name: String) -> BuildStep {
    // Told under the lock: numbers appear in their order.
    last.withLock { last in
      last += 1
      let step = BuildStep(number: last, name: name)
      tell(.started(step))
      return step
    }
  }

  func output(_ step: BuildStep, _ bytes: [UInt8], isError: Bool) { tell(.output(step, bytes, isError: isError)) }
  func status(_ step: BuildStep, _ text: String) { tell(.status(step, text)) }
  func end(_ step: BuildStep, _ outcome: BuildEvent.Outcome = .done) { tell(.finished(step, outcome)) }
  func warn(_ text: String) { tell(.warning(text)) }

  func step<Value>(_ name: String, _ body: (BuildStep) async throws -> Value) async throws -> Value {
    let step = begin(name)
    do {
      let value = try await body(step)
      end(step)
      return value
    } catch {
      end(step, error is CancellationError ? .canceled : .failed("\(error)"))
      throw error
    }
  }
}
