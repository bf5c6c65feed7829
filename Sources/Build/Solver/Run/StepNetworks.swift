internal import Synchronization

/// The networks of a build's RUN steps. One that a step has given back serves the next: all of the step's processes
/// are gone by then.
final class StepNetworks: Sendable {
  private let connect: @Sendable () throws -> StepNetwork
  private let free = Mutex<[StepNetwork]>([])

  init(_ connect: @escaping @Sendable () throws -> StepNetwork) { self.connect = connect }

  func take() throws -> StepNetwork { try free.withLock { $0.popLast() } ?? connect() }
  func give(_ network: StepNetwork) { free.withLock { $0.append(network) } }
}
