internal import Synchronization

/// The networks of a build's RUN steps. One that a step has given back serves the next: all of the step's processes
/// are gone by then.
final class StepNetworks: Sendable {
  private let connect: @Sendable () throws -> StepNetwork
  private let warn: @Sendable (String) -> Void
  private let free = Mutex<[StepNetwork]>([])
  private let isImpossible = Mutex(false)

  init(_ connect: @escaping @Sendable () throws -> StepNetwork, warn: @escaping @Sendable (String) -> Void) {
    self.connect = connect
    self.warn = warn
  }

  /// nil where this machine makes none: its own network is all there is.
  func take() -> StepNetwork? {
    if let network = free.withLock({ $0.popLast() }) { return network }
    return isImpossible.withLock { isImpossible in
      if isImpossible { return nil }
      do { return try connect() } catch {
        isImpossible = true
        warn("RUN uses the host's network: \(error)")
        return nil
      }
    }
  }

  func give(_ network: StepNetwork) { free.withLock { $0.append(network) } }
}
