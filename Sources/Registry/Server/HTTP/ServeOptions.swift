import NIOCore
import Synchronization

/// How a server treats connections. The defaults are safe on the open network.
public struct ServeOptions: Sendable {
  public var limits = ConnectionLimits()
  public var proxies = TrustedProxies()
  /// nil leaves requests to the server's logger.
  public var accessLog: AccessLog?
  /// Who may read `/metrics` at the registry's own addresses.
  public var metricsAccess = MetricsAccess.signedIn
  /// Addresses that answer `/metrics`, `/healthz` and `/readyz` alone, to everybody who reaches them, by plain HTTP.
  public var operationAddresses: [ListenAddress] = []
  /// How long a stopping server still takes connections, while `/readyz` already says that it is going: the time that a
  /// load balancer needs to notice.
  public var drainDelay: Duration = .zero

  public init(limits: ConnectionLimits = ConnectionLimits()) { self.limits = limits }
}

public enum MetricsAccess: String, Hashable, Sendable, CaseIterable {
  case none
  case signedIn = "signed-in"
  case everybody
}

/// Who has how many connections.
final class ConnectionCensus: Sendable {
  private let counts = Mutex<[NetworkAddress: Int]>([:])
  private let open = Mutex<[ObjectIdentifier: any Channel]>([:])
  private let metrics: ServerMetrics
  private let perAddress: Int

  init(_ metrics: ServerMetrics, perAddress: Int) {
    self.metrics = metrics
    self.perAddress = perAddress
  }

  /// False where the address has as many as it may. Each one that entered leaves once.
  func enters(_ remote: String, isExempt: Bool) -> Bool {
    if let address = NetworkAddress(remote)?.subscriber {
      let isTaken = counts.withLock { counts in
        guard isExempt || counts[address, default: 0] < perAddress else { return false }
        counts[address, default: 0] += 1
        return true
      }
      guard isTaken else {
        metrics.connectionsRefused.add()
        return false
      }
    }
    metrics.connectionsAccepted.add()
    metrics.connections.add()
    return true
  }

  /// Keeps a connection that entered, until it ends.
  func keep(_ channel: any Channel) {
    let id = ObjectIdentifier(channel)
    open.withLock { $0[id] = channel }
    channel.closeFuture.whenComplete { _ in self.open.withLock { _ = $0.removeValue(forKey: id) } }
  }

  /// Ends all connections: what they still send or take has had its time.
  func cut() {
    for channel in open.withLock({ Array($0.values) }) { channel.close(promise: nil) }
  }

  func leaves(_ remote: String) {
    metrics.connections.add(-1)
    guard let address = NetworkAddress(remote)?.subscriber else { return }
    counts.withLock { counts in
      guard let count = counts[address] else { return }
      counts[address] = count > 1 ? count - 1 : nil
    }
  }
}
