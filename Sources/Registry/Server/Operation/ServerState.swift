import Synchronization

/// What a server is at: taking part, or on its way out.
final class ServerState: Sendable {
  private let draining = Atomic(false)
  private let clients = Mutex<ClientCertificates.Name?>(nil)

  /// True from the signal to stop on: `/readyz` says so, and connections end with the answer that is under way.
  var isDraining: Bool { draining.load(ordering: .relaxed) }
  func drains() { draining.store(true, ordering: .relaxed) }

  private let reason = Mutex<String?>(nil)
  let knownMode = KnownMode()

  /// Why this server takes no changes, whatever the database says; empty for no reason in particular.
  var readOnly: String? { reason.withLock { $0 } }
  func keeps(readOnly why: String?) { reason.withLock { $0 = why } }

  private let collection = Mutex(GarbageSettings())

  var garbage: GarbageSettings { collection.withLock { $0 } }
  func collects(_ settings: GarbageSettings) { collection.withLock { $0 = settings } }

  private let lifecycle = Mutex<Duration?>(.seconds(24 * 3600))

  /// Time between two runs of a lifecycle policy; nil runs none. Amazon ECR's is a day.
  var lifecycleInterval: Duration? { lifecycle.withLock { $0 } }
  func runsLifecycles(every interval: Duration?) { lifecycle.withLock { $0 = interval } }

  private let access = Mutex(MetricsAccess.signedIn)

  /// Who may read `/metrics` at the registry's own addresses.
  var metricsAccess: MetricsAccess { access.withLock { $0 } }
  func shows(metricsTo who: MetricsAccess) { access.withLock { $0 = who } }

  /// Which part of a client's certificate is its user; nil where certificates sign nobody in.
  var clientCertificates: ClientCertificates.Name? { clients.withLock { $0 } }
  func takesCertificates(_ name: ClientCertificates.Name?) { clients.withLock { $0 = name } }
}
