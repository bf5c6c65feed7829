import Glibc
import Synchronization

/// A thread of the system's, for what blocks.
final class Thread {
  private var id = pthread_t()

  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  init(_ body: @escaping () -> Void) {
    let boxed = Unmanaged.passRetained(Body(body)).toOpaque()
    let result = pthread_create(
      &id, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, boxed)
    precondition(result == 0)
  }

  func join() { pthread_join(id, nil) }
}

/// What went wrong on other threads.
final class Failures: Sendable {
  private let texts = Mutex<[String]>([])
  var all: [String] { texts.withLock { $0 } }
  func add(_ text: String) { texts.withLock { $0.append(text) } }
}
