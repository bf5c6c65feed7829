internal import RegistryClient

/// Transfers as lines of a step.
enum TransferText {
  static func line(_ event: TransferEvent) -> String? {
    switch event {
    case .started(let descriptor, .layer): "\(descriptor.digest) \(descriptor.size) bytes"
    case .finished(let digest): "\(digest) done"
    case .retrying(let what, let reason, _, let wait): "\(what): \(reason); trying again in \(wait)"
    default: nil
    }
  }
}
