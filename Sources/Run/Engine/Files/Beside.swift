internal import Glibc

/// Work on a thread of its own, while its maker goes on.
final class Beside<Value: Sendable>: Work, @unchecked Sendable {
  private let body: @Sendable () throws -> Value
  private var result: Result<Value, any Error>?
  private var thread = pthread_t()
  private var isRunning = false

  /// Begins at once; where no thread can be had, `get` does the work itself.
  init(_ body: @escaping @Sendable () throws -> Value) {
    self.body = body
    super.init()
    let reference = Unmanaged<Work>.passRetained(self)
    let created = pthread_create(
      &thread, nil,
      { pointer in
        if let pointer { Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().perform() }
        return nil
      }, reference.toOpaque())
    isRunning = created == 0
    if !isRunning { reference.release() }
  }

  /// Waits for the work's end.
  func get() throws -> Value {
    if isRunning {
      pthread_join(thread, nil)
      isRunning = false
    }
    if result == nil { perform() }
    // perform() sets it.
    guard let result else { preconditionFailure("the work gave no result") }
    return try result.get()
  }

  override fileprivate func perform() { result = Result { try body() } }
}

/// What a thread's entry point, which cannot be generic, knows of it.
class Work {
  fileprivate func perform() {}
}
