import Glibc

/// A thread of the system's, for what blocks.
public final class BlockingThread {
  private var id = pthread_t()

  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  public init(_ body: @escaping () -> Void) {
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

  public func join() { pthread_join(id, nil) }
  public func detach() { pthread_detach(id) }
}
