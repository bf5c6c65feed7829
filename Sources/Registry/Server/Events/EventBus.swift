public import Metadata
import Synchronization

/// Tells what happens in a registry to the parts of the server that want to know.
public final class EventBus: Sendable {
  public typealias Handler = @Sendable (RegistryEvent) -> Void
  public typealias Recorder = @Sendable (RegistryEvent, any SQLSession) throws -> Void

  private struct Handlers {
    var listening: [(kinds: Set<RegistryEvent.Kind>, handler: Handler)] = []
    var recording: [(kinds: Set<RegistryEvent.Kind>, recorder: Recorder)] = []
  }

  private let handlers = Mutex(Handlers())

  /// `handler` is called after the fact, on the thread that did it: it is quick, and what it does may be lost in a crash.
  public func subscribe(_ kinds: Set<RegistryEvent.Kind>, _ handler: @escaping Handler) {
    handlers.withLock { $0.listening.append((kinds, handler)) }
  }

  /// `recorder` is called within the transaction that pushes or deletes an image: what it writes, such as a job, is there
  /// if and only if the change is.
  public func recordWithin(_ kinds: Set<RegistryEvent.Kind>, _ recorder: @escaping Recorder) {
    handlers.withLock { $0.recording.append((kinds, recorder)) }
  }

  /// Whether anybody wants to know: asked before an event is made where that happens often.
  public func wants(_ kind: RegistryEvent.Kind) -> Bool {
    handlers.withLock { $0.listening.contains { $0.kinds.contains(kind) } }
  }

  public func publish(_ event: RegistryEvent) {
    let interested = handlers.withLock { $0.listening.filter { $0.kinds.contains(event.kind) } }
    for listener in interested { listener.handler(event) }
  }

  func record(_ event: RegistryEvent, _ session: any SQLSession) throws {
    let interested = handlers.withLock { $0.recording.filter { $0.kinds.contains(event.kind) } }
    for entry in interested { try entry.recorder(event, session) }
  }
}
